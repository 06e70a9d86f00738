import type { FilePart } from '../api/multipart.ts'
import type { SubcloudBody } from '../api/types.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { connection, printShow, readLocalFile, segmentOf, type CommonOptions, type Context } from './context.ts'
import { filesOf, finish, valuesOf, type ValuesOptions } from './subcloud.ts'

const pathOf = (ref: string, verb: string): string => `/phased-subcloud-deploy/${segmentOf(ref)}/${verb}`

export async function create(context: Context, options: ValuesOptions): Promise<void> {
  if (options.bootstrapValues === undefined || options.bootstrapAddress === undefined) {
    throw new CommandFailed(exitCodes.usage, '--bootstrap-values and --bootstrap-address are needed.')
  }
  const api = await connection(context)
  const fields = { 'bootstrap-address': options.bootstrapAddress, group_id: options.group, release: options.release }
  const created = await api.request<SubcloudBody>('POST', '/phased-subcloud-deploy', { fields, files: await filesOf(context, options) })
  await finish(context, String(created.id), { ...options, wait: false })
}

/** install, bootstrap, configure, resume: a multipart request with what the phase needs. */
export async function phase(
  context: Context,
  verb: 'install' | 'bootstrap' | 'configure' | 'resume',
  ref: string,
  options: ValuesOptions,
): Promise<void> {
  const path = pathOf(ref, verb)
  const { files, passwords } = await valuesOf(context, options)
  const api = await connection(context)
  const fields = { 'bootstrap-address': options.bootstrapAddress, release: options.release, ...passwords }
  await api.request('PATCH', path, { fields, files })
  await finish(context, ref, options)
}

export async function simple(context: Context, verb: 'complete' | 'abort', ref: string, options: CommonOptions): Promise<void> {
  const api = await connection(context)
  await api.request('PATCH', pathOf(ref, verb))
  await finish(context, ref, { ...options, wait: false })
}

interface DeployFiles {
  readonly deployPlaybook?: string
  readonly deployOverrides?: string
  readonly deployChart?: string
  readonly prestageImages?: string
  readonly release?: string
}
type DeployFilesBody = Readonly<
  Record<'deploy_playbook' | 'deploy_overrides' | 'deploy_chart' | 'prestage_images' | 'software_version', string | null | undefined>
>

const filesPath = (release: string | undefined): string =>
  release === undefined ? '/subcloud-deploy' : `/subcloud-deploy/${segmentOf(release)}`
const filesFields = (body: DeployFilesBody): Record<string, string | null> => ({
  deploy_playbook: body.deploy_playbook ?? null,
  deploy_overrides: body.deploy_overrides ?? null,
  deploy_chart: body.deploy_chart ?? null,
  prestage_images: body.prestage_images ?? null,
  software_version: body.software_version ?? null,
})

export async function upload(context: Context, options: CommonOptions & DeployFiles): Promise<void> {
  const named = {
    deploy_playbook: options.deployPlaybook,
    deploy_overrides: options.deployOverrides,
    deploy_chart: options.deployChart,
    prestage_images: options.prestageImages,
  }
  const files: FilePart[] = []
  for (const [name, path] of Object.entries(named))
    if (path !== undefined) files.push({ name, fileName: path, data: await readLocalFile(context, path) })
  const api = await connection(context)
  printShow(
    filesFields(await api.request<DeployFilesBody>('POST', '/subcloud-deploy', { fields: { release: options.release }, files })),
    options,
  )
}

export async function showFiles(context: Context, options: CommonOptions & { readonly release?: string }): Promise<void> {
  const api = await connection(context)
  const body = await api.request<{ subcloud_deploy: DeployFilesBody }>('GET', filesPath(options.release))
  printShow(filesFields(body.subcloud_deploy), options)
}

export async function removeFiles(
  context: Context,
  options: CommonOptions & { readonly release?: string; readonly prestageImages?: boolean; readonly deploymentFiles?: boolean },
): Promise<void> {
  const api = await connection(context)
  const query = `?prestage_images=${options.prestageImages === true}&deployment_files=${options.deploymentFiles === true}`
  await api.request('DELETE', `${filesPath(options.release)}${query}`)
}
