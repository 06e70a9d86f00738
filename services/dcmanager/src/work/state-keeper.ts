import type { Database } from '@murmuration/data'
import type { Serving } from '@murmuration/rpc'
import type { Site } from '@murmuration/site'
import { isOutdated, isUnchanged, outcomeOf, type AuditOutcome } from '../rules/audit-outcome.ts'
import { isFenced } from '../rules/ownership.ts'
import { writeAlarms } from '../store/alarms.ts'
import { finishAudits, type FinishedAudit } from '../store/audits.ts'
import { adoptEpochs, fenceSubclouds } from '../store/ownership.ts'
import { lockAuditedStates, statusColumns, writeStatuses, writeSubclouds, type AuditedState } from '../store/statuses.ts'
import type { Schema } from '../store/schema.ts'
import { createAlarmLoop } from './state-alarms.ts'
import { createFaultManagement, type FaultManagement } from './state-faults.ts'
import { createChangeRetention } from './state-retention.ts'
import type { AuditRefused, AuditReport } from '../rules/audit-report.ts'
import { auditTopic, changesTopic, stateTopic } from './topics.ts'

export interface StateKeeper {
  start(): Promise<void>
  stop(): Promise<void>
}

export interface Applied {
  readonly changed: number
  readonly cameOnline: number
  readonly wentOffline: number
  /** Reports whose lease had ended, or whose subcloud is gone: nothing was written for them. */
  readonly dropped: number
  /** Another controller has them: they became standby copies. */
  readonly fenced: number
  /** Who came online or went offline, for the log. */
  readonly moved: readonly { readonly subcloudId: number; readonly name: string; readonly failureReason: string | null }[]
}

/** Reports of one message are applied together up to this many; more are split, so that a transaction stays short. */
const reportsPerTransaction = 1_000
/** Messages that wait while one is applied; what is dropped beyond it comes again with the next audit. */
const waitingMessages = 64

/**
 * Role `state`: applies audit reports to the database in sets, keeps the alarms at the site's fault management as the rows call
 * for them, and lets old changes of the stream go (reference dcmanager §8.6).
 */
export function createStateKeeper(
  site: Site,
  database: Database<Schema>,
  options: { readonly faults?: FaultManagement } = {},
): StateKeeper {
  const log = site.world.log.child({ role: 'state' })
  const alarms = createAlarmLoop(site, database, options.faults ?? createFaultManagement(site))
  const retention = createChangeRetention(site, database)
  const changes = site.bus.client(changesTopic)
  const auditors = site.bus.client(auditTopic)
  let serving: Serving[] = []

  async function take(reports: readonly AuditReport[]): Promise<void> {
    for (let from = 0; from < reports.length; from += reportsPerTransaction) {
      const { moved, ...applied } = await applyReports(site, database, reports.slice(from, from + reportsPerTransaction))
      if (applied.changed === 0) continue
      log.info('audit reports changed subclouds', applied)
      for (const { failureReason, ...subcloud } of moved) {
        if (failureReason === null) log.info('a subcloud came online', subcloud)
        else log.warn('a subcloud went offline', { ...subcloud, reason: failureReason })
      }
      await changes.changed({})
      if (applied.cameOnline > 0) await auditors.trigger({ audits: [] })
    }
  }

  async function takeOrLog(reports: readonly AuditReport[]): Promise<void> {
    try {
      await take(reports)
    } catch (error) {
      // Nothing is lost: their leases end, the subclouds are audited again and reported in full.
      log.error('audit reports could not be applied; their subclouds are audited again', { reports: reports.length, error })
    }
  }

  return {
    async start() {
      serving = [
        await site.bus.serve(stateTopic, { report: ({ reports }) => takeOrLog(reports) }, { maxInFlight: 1, maxWaiting: waitingMessages }),
        await site.bus.serve(changesTopic, { changed: async () => alarms.wake() }),
      ]
      alarms.start()
      retention.start()
    },
    async stop() {
      await Promise.all(serving.map((each) => each.stop()))
      await Promise.all([alarms.stop(), retention.stop()])
    },
  }
}

/**
 * Applies reports in one transaction, in a number of statements that does not depend on how many there are (up to the engine's
 * parameter limit). Each holds only under the lease and the revision that it was made under; what is written is derived from
 * rows that are locked.
 */
export function applyReports(site: Site, database: Database<Schema>, reports: readonly AuditReport[]): Promise<Applied> {
  const { world, config } = site
  const reportOf = new Map(reports.map((report) => [report.subcloudId, report]))
  return database.transaction(
    async (tx) => {
      const states = await lockAuditedStates(tx, [...reportOf.keys()])
      const held = states.filter((state) => state.lease === reportOf.get(state.subcloudId)?.lease)
      const finished: FinishedAudit[] = []
      const judged: { current: AuditedState; outcome: AuditOutcome }[] = []
      const fenced: { current: AuditedState; ownedBy: AuditRefused['ownedBy'] }[] = []
      for (const current of held) {
        const report = reportOf.get(current.subcloudId)!
        if (!isOutdated(report, current) && isFenced(report, current)) {
          fenced.push({ current, ownedBy: report.result.ownedBy })
          finished.push(finishedAudit(report, current, undefined, { again: false }))
          continue
        }
        const outcome = isOutdated(report, current) ? undefined : outcomeOf(report, current, config.audit)
        finished.push(finishedAudit(report, current, outcome))
        if (outcome !== undefined && !isUnchanged(outcome)) judged.push({ current, outcome })
      }
      await finishAudits(tx, world, finished, config.audit.intervalMs)
      await writeStatuses(
        tx,
        world,
        judged.map(({ current, outcome }) => ({ subcloudId: current.subcloudId, changed: outcome.statuses })),
      )
      await writeAlarms(
        tx,
        world,
        judged.flatMap(({ current, outcome }) =>
          outcome.alarms === undefined ? [] : [{ subcloudId: current.subcloudId, alarms: outcome.alarms }],
        ),
      )
      await writeSubclouds(tx, world, judged.map(subcloudWrite))
      await adoptEpochs(
        tx,
        judged.flatMap(({ current, outcome }) => (outcome.adoptedEpoch === undefined ? [] : [{ current, epoch: outcome.adoptedEpoch }])),
      )
      await fenceSubclouds(tx, world, fenced)
      return {
        changed: judged.length + fenced.length,
        fenced: fenced.length,
        cameOnline: judged.filter(({ outcome }) => outcome.cameOnline).length,
        wentOffline: judged.filter(({ outcome }) => outcome.availabilityStatus === 'offline').length,
        dropped: reports.length - held.length,
        moved: judged
          .filter(({ outcome }) => outcome.availabilityStatus !== undefined)
          .map(({ current, outcome }): Applied['moved'][number] => ({
            subcloudId: current.subcloudId,
            name: current.name,
            failureReason: outcome.failureReason,
          }))
          .concat(
            fenced.map(({ current, ownedBy }) => ({
              subcloudId: current.subcloudId,
              name: current.name,
              failureReason: `it is managed by ${ownedBy.ownerName} (${ownedBy.owner}) under epoch ${ownedBy.epoch}`,
            })),
          ),
      }
    },
    // Rows are locked before they are read: what two keepers do at once can't cross, and neither has to start over.
    { isolation: 'read committed' },
  )
}

function finishedAudit(
  report: AuditReport,
  current: AuditedState,
  outcome: AuditOutcome | undefined,
  // Made of another state, or answered to another epoch, than what stands there now.
  { again } = { again: outcome === undefined || outcome.adoptedEpoch !== undefined },
): FinishedAudit {
  return {
    subcloudId: current.subcloudId,
    startedAtMs: report.startedAtMs,
    row: current.audit,
    answered: report.answered,
    failCount: outcome?.failCount ?? current.failCount,
    failureReason: outcome === undefined ? current.failureReason : outcome.failureReason,
    again,
    requestAll: outcome?.cameOnline ?? false,
  }
}

function subcloudWrite({ current, outcome }: { current: AuditedState; outcome: AuditOutcome }) {
  return {
    current,
    columns: {
      ...(outcome.availabilityStatus === undefined ? {} : { availability_status: outcome.availabilityStatus }),
      ...(outcome.softwareVersion === undefined ? {} : { software_version: outcome.softwareVersion }),
    },
    shown: {
      ...(outcome.statuses.size === 0 ? {} : statusColumns(current.statuses, outcome.statuses)),
      ...(outcome.alarms === undefined ? {} : { alarm_summary: outcome.alarms }),
    },
  }
}
