import type { FilePart } from '../api/multipart.ts'
import type { OperationBody, SubcloudBody } from '../api/types.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { askSecret, confirm, print, tell } from '../terminal.ts'
import {
  connection,
  printList,
  printShow,
  readLocalFile,
  segmentOf,
  timeoutMsOf,
  watching,
  type CommonOptions,
  type Context,
} from './context.ts'
import { listColumns, listRow, showFields } from './subcloud-view.ts'
import { advise } from './sync-advice.ts'
import { waitForOperation } from './wait.ts'

/** A deploy with real hardware takes hours; `--timeout` says otherwise. */
const deployTimeoutSeconds = 4 * 3_600

export const pathOf = (ref: string, verb?: string): string => `/subclouds/${segmentOf(ref)}${verb === undefined ? '' : `/${verb}`}`

/** Options of the commands that hand values files in. */
export interface ValuesOptions extends CommonOptions {
  readonly bootstrapValues?: string
  readonly bootstrapAddress?: string
  readonly installValues?: string
  readonly deployConfig?: string
  readonly group?: string
  readonly release?: string
  readonly name?: string
  readonly description?: string
  readonly location?: string
}

export async function filesOf(context: Context, options: ValuesOptions): Promise<FilePart[]> {
  const named = [
    ['bootstrap_values', options.bootstrapValues],
    ['install_values', options.installValues],
    ['deploy_config', options.deployConfig],
  ] as const
  const files: FilePart[] = []
  for (const [name, path] of named) {
    if (path !== undefined) files.push({ name, fileName: path, data: await readLocalFile(context, path) })
  }
  return files
}

export const encoded = (text: string): string => Buffer.from(text).toString('base64')

/** Passwords of a deploy, each asked for only when the files make it necessary. */
async function passwordsOf(options: ValuesOptions): Promise<Record<string, string>> {
  const sysadmin = await askSecret('Password of the subcloud account sysadmin', 'MURMUR_SYSADMIN_PASSWORD')
  if (options.installValues === undefined) return { sysadmin_password: encoded(sysadmin.reveal()) }
  const bmc = await askSecret('Password of the BMC', 'MURMUR_BMC_PASSWORD')
  return { sysadmin_password: encoded(sysadmin.reveal()), bmc_password: encoded(bmc.reveal()) }
}

/** What a deploy sends. Mistakes of the call are told before a password is asked for, and before anything is begun. */
export async function valuesOf(
  context: Context,
  options: ValuesOptions,
): Promise<{ readonly files: FilePart[]; readonly passwords: Record<string, string> }> {
  timeoutMsOf(options, deployTimeoutSeconds)
  const files = await filesOf(context, options)
  return { files, passwords: await passwordsOf(options) }
}

export interface AddOptions extends ValuesOptions {
  readonly migrate?: boolean
  readonly secondary?: boolean
  readonly regionName?: string
}

/** Mistakes that the API would tell too, but after a password was asked for. */
function requireSense(options: AddOptions): void {
  const wrong = (message: string, hint?: string): never => {
    throw new CommandFailed(exitCodes.usage, message, hint)
  }
  if (options.bootstrapValues === undefined) wrong('--bootstrap-values is needed.', 'An example: docs/examples/bootstrap-values.yaml')
  if (options.migrate === true && options.secondary === true) wrong('Give one of --migrate and --secondary.')
  if ((options.migrate === true || options.secondary === true) && options.deployConfig !== undefined)
    wrong('--deploy-config is for subclouds that are deployed from here.')
  if (options.secondary === true && options.regionName === undefined)
    wrong('--region-name is needed with --secondary.', 'murmur subcloud show NAME -c region_name, at the other system controller')
  if (options.secondary !== true && options.regionName !== undefined) wrong('--region-name is only for --secondary.')
}

export async function add(context: Context, options: AddOptions): Promise<void> {
  requireSense(options)
  // Nothing is done at the subcloud of a standby copy.
  const { files, passwords } =
    options.secondary === true ? { files: await filesOf(context, options), passwords: {} } : await valuesOf(context, options)
  const fields = {
    migrate: options.migrate === true ? 'true' : undefined,
    secondary: options.secondary === true ? 'true' : undefined,
    region_name: options.regionName,
    'bootstrap-address': options.bootstrapAddress,
    group_id: options.group,
    release: options.release,
    name: options.name,
    description: options.description,
    location: options.location,
    ...passwords,
  }
  const api = await connection(context)
  const added = await api.request<SubcloudBody>('POST', '/subclouds', { fields, files })
  await finish(context, String(added.id), options)
}

/** With `--wait` follows the operation to its end; then prints what is true. */
export async function finish(context: Context, ref: string, options: CommonOptions): Promise<void> {
  const api = await connection(context)
  if (options.wait === true) await waitForOperation(context, api, ref, timeoutMsOf(options, deployTimeoutSeconds))
  printShow(showFields(await api.request<SubcloudBody>('GET', pathOf(ref))), options)
}

export interface ListOptions extends CommonOptions {
  readonly all?: boolean
  readonly detail?: boolean
}

/** Standby copies of a peer's subclouds are hidden without `--all`, as the field's own client does. */
const hidden = new Set(['secondary', 'secondary-failed'])

export async function list(context: Context, options: ListOptions): Promise<void> {
  const api = await connection(context)
  await watching(context, options, async () => {
    const { subclouds } = await api.request<{ subclouds: SubcloudBody[] }>('GET', '/subclouds')
    const shown = subclouds.filter((subcloud) => options.all === true || !hidden.has(subcloud['deploy-status']))
    if (options.detail === true) {
      const rows = shown.map((subcloud) => ({ ...showFields(subcloud), sync: subcloud.sync_status ?? 'unknown' }))
      printList(Object.keys(rows[0] ?? { id: 0, name: '' }), rows, options)
    } else printList(listColumns, shown.map(listRow), options)
    if (shown.length === 0 && (options.format ?? 'table') === 'table') tell('No subclouds yet. Add one: murmur subcloud add --help')
  })
}

export async function show(context: Context, ref: string, options: ListOptions): Promise<void> {
  const api = await connection(context)
  await watching(context, options, async () => {
    printShow(showFields(await api.request<SubcloudBody>('GET', pathOf(ref, options.detail === true ? 'detail' : undefined))), options)
  })
}

export async function errors(context: Context, ref: string): Promise<void> {
  const api = await connection(context)
  print((await api.request<SubcloudBody>('GET', pathOf(ref)))['error-description'])
}

export async function operations(context: Context, ref: string, options: CommonOptions & { readonly log?: boolean }): Promise<void> {
  const api = await connection(context)
  await watching(context, options, async () => {
    const body = await api.request<{ operations: OperationBody[] }>('GET', pathOf(ref, 'operations'))
    const rows = body.operations.map((operation) => ({
      id: operation.id,
      operation: operation.kind,
      state: operation.state,
      'started at': operation['started-at'],
      'finished at': operation['finished-at'],
      steps: (operation.steps ?? []).map((step) => step.name).join(' '),
      progress: operation.error ?? operation.progress,
    }))
    printList(['id', 'operation', 'state', 'started at', 'finished at', 'steps', 'progress'], rows, options)
    if (options.log === true) for (const line of body.operations[0]?.['log-tail'] ?? []) print(line)
  })
}

async function patch(
  context: Context,
  ref: string,
  fields: Record<string, string | undefined>,
  files: readonly FilePart[],
  options: CommonOptions,
): Promise<void> {
  const api = await connection(context)
  const changed = await api.request<SubcloudBody>('PATCH', pathOf(ref), { fields, files })
  advise(changed)
  printShow(showFields(changed), options)
}

export const manage = (context: Context, ref: string, options: CommonOptions & { readonly force?: boolean }): Promise<void> =>
  patch(context, ref, { 'management-state': 'managed', force: options.force === true ? 'true' : undefined }, [], options)

export const unmanage = (context: Context, ref: string, options: CommonOptions & { readonly migrate?: boolean }): Promise<void> =>
  patch(context, ref, { 'management-state': 'unmanaged', migrate: options.migrate === true ? 'true' : undefined }, [], options)

export async function update(
  context: Context,
  ref: string,
  options: ValuesOptions & { readonly newName?: string; readonly peerGroup?: string },
): Promise<void> {
  const fields = {
    name: options.newName,
    description: options.description,
    location: options.location,
    group_id: options.group,
    peer_group: options.peerGroup,
    bootstrap_address: options.bootstrapAddress,
  }
  const files = await filesOf(context, options)
  if (files.length === 0 && Object.values(fields).every((value) => value === undefined))
    throw new CommandFailed(exitCodes.usage, 'Nothing to change was named.')
  // Install values are nothing without it.
  const bmc = options.installValues === undefined ? undefined : await askSecret('Password of the BMC', 'MURMUR_BMC_PASSWORD')
  await patch(context, ref, { ...fields, ...(bmc === undefined ? {} : { bmc_password: encoded(bmc.reveal()) }) }, files, options)
}

export async function redeploy(context: Context, ref: string, options: ValuesOptions): Promise<void> {
  const path = pathOf(ref, 'redeploy')
  await confirm(`Redeploying ${ref} installs it anew.`, options.yes === true)
  const { files, passwords } = await valuesOf(context, options)
  const api = await connection(context)
  await api.request('PATCH', path, { fields: { release: options.release, ...passwords }, files })
  await finish(context, ref, options)
}

export async function remove(context: Context, ref: string, options: CommonOptions): Promise<void> {
  const path = pathOf(ref)
  await confirm(`Delete subcloud ${ref}?`, options.yes === true)
  const api = await connection(context)
  await api.request('DELETE', path)
  tell(`Subcloud ${ref} is deleted.`)
}
