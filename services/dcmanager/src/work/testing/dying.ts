import type { Database } from '@murmuration/data'
import type { Site } from '@murmuration/site'
import type { Schema } from '../../store/schema.ts'
import type { Fleet } from './fleet.ts'

/** A site whose process dies at its `at`-th transaction: from then on nothing of it goes on, and nobody is told. */
export function dyingAt(
  fleet: Fleet,
  at: number,
  when: 'before' | 'after',
): { site: Site; database: Database<Schema>; dead: Promise<void> } {
  const { site, database } = fleet
  let count = 0
  let gone = false
  let die = (): void => {}
  const dead = new Promise<void>((resolve) => {
    die = () => {
      gone = true
      resolve()
    }
  })
  const never = new Promise<never>(() => {})
  const dying = Object.create(database, {
    transaction: {
      value: async (...args: Parameters<typeof database.transaction>) => {
        if (gone) return never
        count += 1
        if (count === at && when === 'before') {
          die()
          return never
        }
        const result = await database.transaction(...args)
        if (count === at) {
          die()
          return never
        }
        return gone ? never : result
      },
    },
  }) as Database<Schema>
  const world = {
    ...site.world,
    timers: {
      after: (ms: number, fire: () => void) => site.world.timers.after(ms, () => (gone ? undefined : fire())),
      sleep: async (ms: number, signal?: AbortSignal) => {
        await site.world.timers.sleep(ms, signal)
        if (gone) await never
      },
    },
    processes: { start: (spec: never) => (gone ? never : site.world.processes.start(spec)) },
  }
  return { site: { ...site, world }, database: dying, dead }
}

/** The same site later: leases of the dead process have run out. */
export const later = (site: Site): Site => ({
  ...site,
  processId: `${site.processId}-next`,
  world: { ...site.world, clock: { ...site.world.clock, nowMs: () => site.world.clock.nowMs() + 3_600_000 } },
})
