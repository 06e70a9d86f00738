import { Unreachable } from '../api/unreachable.ts'
import type { FilePart } from '../api/multipart.ts'
import type { OperationBody, SubcloudBody } from '../api/types.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { askSecret, confirm, print, tell } from '../terminal.ts'
import { connection, printList, printShow, readLocalFile, segmentOf, timeoutMsOf, type CommonOptions, type Context } from './context.ts'
import { listColumns, listRow, showFields } from './subcloud-view.ts'
import { encoded, pathOf } from './subcloud.ts'

export interface BackupOptions extends CommonOptions {
  readonly subcloud?: string
  readonly group?: string
  readonly localOnly?: boolean
  readonly registryImages?: boolean
  readonly backupValues?: string
  readonly restoreValues?: string
  readonly release?: string
  readonly withInstall?: boolean
  readonly auto?: boolean
  readonly factory?: boolean
  readonly onSite?: boolean
  readonly yes?: boolean
}

/** What became of one subcloud of a request. */
interface Outcome {
  readonly id: number
  readonly name: string
  readonly outcome: 'accepted' | 'skipped'
  readonly 'operation-id'?: string
  readonly reason?: string
}
interface Reply {
  readonly subclouds?: readonly SubcloudBody[]
  readonly outcomes: readonly Outcome[]
}

const waitTimeoutSeconds = 4 * 3_600
const lookEveryMs = 500
const longestSilenceMs = 60_000

function targetOf(options: BackupOptions): Record<string, string | undefined> {
  if ((options.subcloud === undefined) === (options.group === undefined))
    throw new CommandFailed(exitCodes.usage, 'Give one of --subcloud and --group.')
  return { subcloud: options.subcloud, group: options.group }
}

const flag = (value: boolean | undefined): string | undefined => (value === true ? 'true' : undefined)

async function passwordOf(): Promise<string> {
  const sysadmin = await askSecret('Password of the subcloud account sysadmin', 'MURMUR_SYSADMIN_PASSWORD')
  return encoded(sysadmin.reveal())
}

async function fileOf(context: Context, name: string, path: string | undefined): Promise<FilePart[]> {
  return path === undefined ? [] : [{ name, fileName: path, data: await readLocalFile(context, path) }]
}

export async function create(context: Context, options: BackupOptions): Promise<void> {
  const target = targetOf(options)
  timeoutMsOf(options, waitTimeoutSeconds)
  const files = await fileOf(context, 'backup_values', options.backupValues)
  const fields = {
    ...target,
    local_only: flag(options.localOnly),
    registry_images: flag(options.registryImages),
    sysadmin_password: await passwordOf(),
  }
  const api = await connection(context)
  await finish(context, await api.request<Reply>('POST', '/subcloud-backup', { fields, files }), options)
}

export async function remove(context: Context, release: string, options: BackupOptions): Promise<void> {
  const target = targetOf(options)
  timeoutMsOf(options, waitTimeoutSeconds)
  const whom = options.subcloud ?? `the subclouds of group ${options.group}`
  await confirm(`Delete the backups of release ${release} of ${whom}?`, options.yes === true)
  const fields = {
    ...target,
    local_only: flag(options.localOnly),
    ...(options.localOnly === true ? { sysadmin_password: await passwordOf() } : {}),
  }
  const api = await connection(context)
  const headers = { prefer: 'respond-async' }
  const reply = await api.request<Reply>('PATCH', `/subcloud-backup/delete/${segmentOf(release)}`, { fields, headers })
  await finish(context, reply, options)
}

export async function restore(context: Context, options: BackupOptions): Promise<void> {
  const target = targetOf(options)
  timeoutMsOf(options, waitTimeoutSeconds)
  const files = await fileOf(context, 'restore_values', options.restoreValues)
  const whom = options.subcloud ?? `the subclouds of group ${options.group}`
  await confirm(`Restore ${whom}? What they hold now is replaced.`, options.yes === true)
  const fields = {
    ...target,
    local_only: flag(options.localOnly),
    registry_images: flag(options.registryImages),
    with_install: flag(options.withInstall),
    release: options.release,
    auto: flag(options.auto),
    factory: flag(options.factory),
    on_site: flag(options.onSite),
    sysadmin_password: await passwordOf(),
  }
  const api = await connection(context)
  await finish(context, await api.request<Reply>('PATCH', '/subcloud-backup/restore', { fields, files }), options)
}

/** Tells who was skipped; with `--wait` follows all operations to their ends; then prints what is true. Some done and some not is code 6. */
async function finish(context: Context, reply: Reply, options: BackupOptions): Promise<void> {
  const skipped = reply.outcomes.filter(({ outcome }) => outcome === 'skipped')
  for (const { name, reason } of skipped) tell(`${name}: skipped: ${reason}`)
  const accepted = reply.outcomes.filter(({ outcome }) => outcome === 'accepted')
  const failed = options.wait === true ? await follow(context, accepted, timeoutMsOf(options, waitTimeoutSeconds)) : []
  const api = await connection(context)
  const rows = await Promise.all(accepted.map(({ id }) => api.request<SubcloudBody>('GET', pathOf(String(id)))))
  if (options.subcloud !== undefined && rows.length === 1) printShow(showFields(rows[0]!), options)
  else if (rows.length > 0) printList(listColumns, rows.map(listRow), options)
  else print('')
  if (options.wait !== true || failed.length + skipped.length === 0) return
  const undone = { failed, skipped: skipped.map(({ name }) => name) }
  throw new CommandFailed(
    failed.length < accepted.length ? exitCodes.partial : exitCodes.refused,
    Object.entries(undone)
      .flatMap(([what, names]) => (names.length > 0 ? [`${what}: ${names.join(', ')}`] : []))
      .join('; '),
    failed.length > 0
      ? `murmur subcloud operations ${failed[0]} --log`
      : 'Mend what each of them says above, and repeat the command for it.',
  )
}

/** Follows each operation to its end, one line whenever its progress changes. Gives the names of those that did not end well. */
async function follow(context: Context, outcomes: readonly Outcome[], timeoutMs: number): Promise<string[]> {
  const { clock, timers } = context.world
  const deadlineMs = clock.monotonicMs() + timeoutMs
  const api = await connection(context)
  const open = new Map(outcomes.map((outcome) => [outcome.id, outcome]))
  const said = new Map<number, string>()
  const failed: string[] = []
  let heardAtMs = clock.monotonicMs()
  for (;;) {
    for (const { id, name, 'operation-id': operationId = '' } of open.values()) {
      let operation: OperationBody
      try {
        operation = await api.request<OperationBody>('GET', `${pathOf(String(id), 'operations')}/${segmentOf(operationId)}?lines=0`)
        heardAtMs = clock.monotonicMs()
      } catch (error) {
        if (error instanceof Unreachable && clock.monotonicMs() - heardAtMs < longestSilenceMs) continue
        throw error
      }
      const bad = operation.state === 'failed' || operation.state === 'cancelled'
      const line = `${name}: ${bad ? `${operation.state}: ${operation.error ?? 'no reason was recorded'}` : (operation.progress ?? operation.state)}`
      if (said.get(id) !== line) tell(line)
      said.set(id, line)
      if (bad) failed.push(name)
      if (bad || operation.state === 'done') open.delete(id)
    }
    if (open.size === 0) return failed
    if (clock.monotonicMs() >= deadlineMs)
      throw new CommandFailed(
        exitCodes.waitTimeout,
        `${open.size} operation(s) have not ended after ${timeoutMs / 1_000} s; they go on.`,
        'murmur subcloud operations <name>',
      )
    await timers.sleep(lookEveryMs)
  }
}
