import type { Connection } from '../api/connection.ts'
import { Unreachable } from '../api/unreachable.ts'
import type { SubcloudBody } from '../api/types.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { askSecret, confirm, tell } from '../terminal.ts'
import { connection, printList, segmentOf, timeoutMsOf, type CommonOptions, type Context } from './context.ts'
import { listColumns, listRow } from './subcloud-view.ts'

interface PlanBody {
  readonly name: string
  readonly 'deploy-status': string
  readonly migrate: boolean
  readonly reason: string | null
}
interface PlanAnswer {
  readonly plan: readonly PlanBody[]
  /** Why the migration would be refused as a whole; older system controllers do not say. */
  readonly refusal?: string | null
}
interface StatusBody {
  readonly total_subclouds: number
  readonly migration?: Readonly<Record<'waiting' | 'rehoming' | 'rehomed' | 'done' | 'failed' | 'refused', number>> & {
    status: string | null
  }
}

/** A group of a thousand takes hours. */
const defaultTimeoutSeconds = 24 * 3_600
const lookMs = 1_000
/** An API that is started again is back sooner; the migration does not depend on it. */
const longestSilenceMs = 60_000

/** With `--plan` what would happen; without, it happens, and with `--wait` the command follows it. */
export async function migrate(context: Context, ref: string, options: CommonOptions & { readonly plan?: boolean }): Promise<void> {
  const path = `/subcloud-peer-groups/${segmentOf(ref)}`
  const timeoutMs = timeoutMsOf(options, defaultTimeoutSeconds)
  const api = await connection(context)
  const { plan, refusal } = await api.request<PlanAnswer>('PATCH', `${path}/migrate?dry-run=true`, { json: {} })
  if (options.plan === true) {
    printPlan(plan, options)
    if (typeof refusal === 'string') tell(`It would be refused: ${refusal}`)
    return
  }
  const count = plan.filter((entry) => entry.migrate).length
  await confirm(
    typeof refusal === 'string'
      ? `It would be refused now: ${refusal}. Ask the system controller all the same?`
      : `Take ${count} of ${plan.length} subclouds of ${ref} over, to the system controller that is asked?`,
    options.yes === true,
  )
  const password = await askSecret('Password of user sysadmin on the subclouds', 'MURMUR_SYSADMIN_PASSWORD')
  const { subclouds } = await api.request<{ subclouds: SubcloudBody[] }>('PATCH', `${path}/migrate`, {
    json: { sysadmin_password: Buffer.from(password.reveal(), 'utf8').toString('base64') },
  })
  if (options.wait !== true) return printList(listColumns, subclouds.map(listRow), options)
  await follow(context, api, ref, path, timeoutMs)
}

const printPlan = (plan: readonly PlanBody[], options: CommonOptions): void =>
  printList(
    ['name', 'deploy status', 'migrate', 'reason'],
    plan.map((entry) => ({
      name: entry.name,
      'deploy status': entry['deploy-status'],
      migrate: entry.migrate ? 'yes' : 'no',
      reason: entry.reason ?? '-',
    })),
    options,
  )

/** One line whenever something has changed. Ends with code 6 when some were not taken over, 7 when the time is up. */
async function follow(context: Context, api: Connection, ref: string, path: string, timeoutMs: number): Promise<void> {
  const { clock, timers } = context.world
  const deadlineMs = clock.monotonicMs() + timeoutMs
  let heardAtMs = clock.monotonicMs()
  let said = ''
  for (;;) {
    try {
      const { migration } = await api.request<StatusBody>('GET', `${path}/status`)
      heardAtMs = clock.monotonicMs()
      if (migration === undefined) return
      const { status, waiting, rehoming, rehomed, done, failed, refused } = migration
      const line = `${ref}: ${rehomed + done} taken over, ${rehoming} at work, ${waiting} waiting, ${failed} failed, ${refused} left to their controller`
      if (line !== said) tell(line)
      said = line
      if (status !== 'migrating') {
        if (failed + refused === 0) return
        throw new CommandFailed(exitCodes.partial, `${failed + refused} subclouds of ${ref} were not taken over.`, 'murmur subcloud list')
      }
    } catch (error) {
      if (!(error instanceof Unreachable) || clock.monotonicMs() - heardAtMs >= longestSilenceMs) throw error
    }
    if (clock.monotonicMs() >= deadlineMs)
      throw new CommandFailed(
        exitCodes.waitTimeout,
        `${ref} is not migrated after ${timeoutMs / 1_000} s; it goes on.`,
        `murmur peer-group status ${ref}`,
      )
    await timers.sleep(lookMs)
  }
}
