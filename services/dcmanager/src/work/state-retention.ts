import type { Database } from '@murmuration/data'
import type { Site } from '@murmuration/site'
import { forgetChanges } from '../store/change-stream.ts'
import type { Schema } from '../store/schema.ts'
import { createRounds, type Rounds } from './state-rounds.ts'

const everyMs = 600_000
/** A reader that was away for longer, or missed more, lists the subclouds again. */
export const changeRetention = { ageMs: 7 * 24 * 3_600_000, rows: 200_000 } as const

/** Lets old rows of the change stream go. */
export function createChangeRetention(site: Site, database: Database<Schema>): Rounds {
  const { world } = site
  return createRounds(world, {
    name: 'forgetting old changes',
    log: world.log.child({ loop: 'change-retention' }),
    everyMs,
    run: () => forgetChanges(database, world.clock.nowMs() - changeRetention.ageMs, changeRetention.rows),
  })
}
