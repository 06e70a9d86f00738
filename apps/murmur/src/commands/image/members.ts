import type { Connection } from '../../api/connection.ts'
import type { ImageBody, MemberBody } from '../../api/image-types.ts'
import { CommandFailed, exitCodes } from '../../exit.ts'
import { tell } from '../../terminal.ts'
import { printList, printShow, type CommonOptions, type Context } from '../context.ts'
import { findImage, imageApi, pathOf } from './find.ts'
import { projectId } from './project.ts'

const columns = ['member', 'status', 'created at', 'updated at']
const rowOf = (member: MemberBody) => ({
  member: member.member_id,
  status: member.status,
  'created at': member.created_at,
  'updated at': member.updated_at,
})

export async function add(context: Context, ref: string, project: string, options: CommonOptions): Promise<void> {
  const api = await imageApi(context)
  const image = await findImage(api, ref)
  printShow(
    rowOf(await api.request<MemberBody>('POST', pathOf(image, 'members'), { json: { member: await projectId(context, project) } })),
    options,
  )
}

export async function list(context: Context, ref: string, options: CommonOptions): Promise<void> {
  const api = await imageApi(context)
  const { members } = await api.request<{ members: MemberBody[] }>('GET', pathOf(await findImage(api, ref), 'members'))
  printList(columns, members.map(rowOf), options)
}

export async function remove(context: Context, ref: string, project: string): Promise<void> {
  const api = await imageApi(context)
  await api.request('DELETE', pathOf(await findImage(api, ref), 'members', await projectId(context, project)))
  tell(`Image ${ref} is not shared with ${project} any more.`)
}

/** Only the member itself may (or an admin). It sees its own row alone, so that one is meant without `--project`. */
export async function answer(
  context: Context,
  status: 'accepted' | 'rejected' | 'pending',
  ref: string,
  options: CommonOptions & { readonly project?: string },
): Promise<void> {
  const api = await imageApi(context)
  const image = await findImage(api, ref)
  const project = options.project === undefined ? await onlyMember(api, image) : await projectId(context, options.project)
  printShow(rowOf(await api.request<MemberBody>('PUT', pathOf(image, 'members', project), { json: { status } })), options)
}

async function onlyMember(api: Connection, image: ImageBody): Promise<string> {
  const { members } = await api.request<{ members: MemberBody[] }>('GET', pathOf(image, 'members'))
  const [own, ...others] = members
  if (own === undefined || others.length > 0)
    throw new CommandFailed(exitCodes.usage, `The image is shared with ${members.length} projects: which one answers?`, 'Give --project.')
  return own.member_id
}
