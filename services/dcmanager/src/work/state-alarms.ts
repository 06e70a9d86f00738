import type { Database } from '@murmuration/data'
import type { Site } from '@murmuration/site'
import { alarmKey, type Alarm } from '../rules/sync-status.ts'
import { readWantedAlarms } from '../store/alarms.ts'
import { readGeoAlarms } from '../store/geo-alarms.ts'
import type { Schema } from '../store/schema.ts'
import { createControllerFacts, type ControllerFacts } from './controller-facts.ts'
import type { FaultManagement } from './state-faults.ts'
import { createRounds, type Rounds } from './state-rounds.ts'

const everyMs = 30_000
const leastMs = 500
/** What others did at fault management is noticed this much later at most. */
const trustRaisedMs = 60_000
/** Alarms in one request. */
const batchSize = 500

/**
 * Keeps fault management as the rows call for it: what is wanted is derived from the database, compared with what is raised, and
 * the difference is sent. Nothing is lost while fault management is down, after a crash, or when a subcloud is renamed or deleted.
 */
export function createAlarmLoop(
  site: Site,
  database: Database<Schema>,
  faults: FaultManagement,
  localId: () => Promise<string> = localIdOf(site),
): Rounds {
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

  return createRounds(world, {
    name: 'keeping the alarms of subclouds at fault management',
    log,
    everyMs,
    leastMs,
    async run(signal) {
      const wanted = [
        ...(await readGeoAlarms(database, localId)),
        ...(await readWantedAlarms(database, site.config.audit.failuresToOffline)),
      ]
      try {
        const known = await currentlyRaised()
        const { raise, clear } = alarmDifference(wanted, known)
        for (let from = 0; from < clear.length && !signal.aborted; from += batchSize) {
          const batch = clear.slice(from, from + batchSize)
          await faults.clear(batch)
          for (const key of batch) known.delete(key)
        }
        for (let from = 0; from < raise.length && !signal.aborted; from += batchSize) {
          const batch = raise.slice(from, from + batchSize)
          await faults.raise(batch)
          for (const alarm of batch) known.add(alarmKey(alarm))
        }
      } catch (error) {
        raised = undefined
        throw error
      }
    },
  })
}

function localIdOf(site: Site): () => Promise<string> {
  let facts: ControllerFacts | undefined
  return async () => (await (facts ??= createControllerFacts(site)).ownSystem()).uuid
}

/** What to raise and what to clear, critical ones first. */
export function alarmDifference(wanted: readonly Alarm[], raised: ReadonlySet<string>): { raise: Alarm[]; clear: string[] } {
  const keys = new Set(wanted.map(alarmKey))
  return {
    raise: wanted
      .filter((alarm) => !raised.has(alarmKey(alarm)))
      .toSorted((a, b) => Number(b.severity === 'critical') - Number(a.severity === 'critical')),
    clear: [...raised].filter((key) => !keys.has(key)),
  }
}
