import type { GroupBody, SubcloudBody } from '../api/types.ts'
import { confirm, tell } from '../terminal.ts'
import { connection, countOf, printList, printShow, segmentOf, type CommonOptions, type Context } from './context.ts'
import { listColumns, listRow } from './subcloud-view.ts'

export interface GroupOptions extends CommonOptions {
  readonly name?: string
  readonly description?: string
  readonly updateApplyType?: string
  readonly maxParallelSubclouds?: string
}

const pathOf = (ref: string): string => `/subcloud-groups/${segmentOf(ref)}`

const fieldsOf = (group: GroupBody): Record<string, string | number | null> => ({
  id: group.id,
  name: group.name,
  description: group.description,
  'update apply type': group.update_apply_type,
  'max parallel subclouds': group.max_parallel_subclouds,
  created_at: group['created-at'],
  updated_at: group['updated-at'],
})

const bodyOf = (options: GroupOptions): Record<string, string | number> => ({
  ...(options.name === undefined ? {} : { name: options.name }),
  ...(options.description === undefined ? {} : { description: options.description }),
  ...(options.updateApplyType === undefined ? {} : { update_apply_type: options.updateApplyType }),
  ...(options.maxParallelSubclouds === undefined
    ? {}
    : { max_parallel_subclouds: countOf('--max-parallel-subclouds', options.maxParallelSubclouds) }),
})

export async function add(context: Context, options: GroupOptions): Promise<void> {
  const api = await connection(context)
  const defaults = { description: 'No description provided', update_apply_type: 'parallel', max_parallel_subclouds: 2 }
  printShow(fieldsOf(await api.request<GroupBody>('POST', '/subcloud-groups', { json: { ...defaults, ...bodyOf(options) } })), options)
}

export async function list(context: Context, options: CommonOptions): Promise<void> {
  const api = await connection(context)
  const { subcloud_groups: groups } = await api.request<{ subcloud_groups: GroupBody[] }>('GET', '/subcloud-groups')
  printList(['id', 'name', 'description'], groups.map(fieldsOf), options)
}

export async function show(context: Context, ref: string, options: CommonOptions): Promise<void> {
  const api = await connection(context)
  printShow(fieldsOf(await api.request<GroupBody>('GET', pathOf(ref))), options)
}

export async function update(context: Context, ref: string, options: GroupOptions): Promise<void> {
  const api = await connection(context)
  printShow(fieldsOf(await api.request<GroupBody>('PATCH', pathOf(ref), { json: bodyOf(options) })), options)
}

export async function remove(context: Context, ref: string, options: CommonOptions): Promise<void> {
  const path = pathOf(ref)
  await confirm(`Delete subcloud group ${ref}?`, options.yes === true)
  const api = await connection(context)
  await api.request('DELETE', path)
  tell(`Subcloud group ${ref} is deleted.`)
}

export async function listSubclouds(context: Context, ref: string, options: CommonOptions): Promise<void> {
  const api = await connection(context)
  const { subclouds } = await api.request<{ subclouds: SubcloudBody[] }>('GET', `${pathOf(ref)}/subclouds`)
  printList(listColumns, subclouds.map(listRow), options)
}
