import type { Database } from '@murmuration/data'
import type { Site } from '@murmuration/site'
import { alarmKey, type Alarm } from '../rules/sync-status.ts'
import { readWantedAlarms } from '../store/alarms.ts'
import type { Schema } from '../store/schema.ts'
import type { FaultManagement } from './state-faults.ts'
import { createRounds, type Rounds } from './state-rounds.ts'

const everyMs = 30_000
const leastMs = 500
/** What others did at fault management is noticed this much later at most. */
const trustRaisedMs = 60_000
/** Alarms that are raised or cleared in one round, and requests at once. */
const batchSize = 500
const parallel = 8
/** A fault management lists no more than 10,000; ours leave room for others. The most severe go first. */
export const alarmsMost = 8_000

/**
 * Keeps fault management as the rows call for it: what is wanted is derived from the database, compared with what is raised, and
 * the difference is sent. Nothing is lost while fault management is down, after a crash, or when a subcloud is renamed or deleted.
 */
export function createAlarmLoop(site: Site, database: Database<Schema>, faults: FaultManagement): Rounds {
  const { world } = site
  const log = world.log.child({ loop: 'alarms' })
  let raised: Set<string> | undefined
  let readAtMs = 0

  async function currentlyRaised(): Promise<Set<string>> {
    const nowMs = world.clock.monotonicMs()
    if (raised === undefined || nowMs - readAtMs >= trustRaisedMs) {
      raised = await faults.raised()
      readAtMs = nowMs
    }
    return raised
  }

  const rounds = createRounds(world, {
    name: 'keeping the alarms of subclouds at fault management',
    log,
    everyMs,
    leastMs,
    async run(signal) {
      const wanted = await readWantedAlarms(database, site.config.audit.failuresToOffline)
      try {
        const known = await currentlyRaised()
        const { raise, clear } = alarmDifference(wanted, known)
        const work = [
          ...clear.map((key) => async () => {
            await faults.clear(key)
            known.delete(key)
          }),
          ...raise.map((alarm) => async () => {
            await faults.raise(alarm)
            known.add(alarmKey(alarm))
          }),
        ]
        await inParallel(work.slice(0, batchSize), parallel, signal)
        if (work.length > batchSize) rounds.wake()
      } catch (error) {
        raised = undefined
        throw error
      }
    },
  })
  return rounds
}

/** What to raise and what to clear, critical ones first. */
export function alarmDifference(wanted: readonly Alarm[], raised: ReadonlySet<string>): { raise: Alarm[]; clear: string[] } {
  const kept = wanted.toSorted((a, b) => Number(b.severity === 'critical') - Number(a.severity === 'critical')).slice(0, alarmsMost)
  const keys = new Set(kept.map(alarmKey))
  return { raise: kept.filter((alarm) => !raised.has(alarmKey(alarm))), clear: [...raised].filter((key) => !keys.has(key)) }
}

/** Runs all with at most `limit` at once; the first failure ends it, after those that run. */
async function inParallel(work: readonly (() => Promise<void>)[], limit: number, signal: AbortSignal): Promise<void> {
  const queue = work.values()
  let failed = false
  const lane = async (): Promise<void> => {
    for (const task of queue) {
      if (failed || signal.aborted) return
      try {
        await task()
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: limit }, lane))
  for (const each of ended) if (each.status === 'rejected') throw each.reason
}
