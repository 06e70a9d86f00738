import type { Database } from '@murmuration/data'
import type { Site } from '@murmuration/site'
import type { TakeoverGroup } from '../rules/takeover.ts'
import type { Schema } from '../store/schema.ts'
import type { SystemPeerRow } from '../store/system-peers.ts'
import { readTakeovers } from '../store/takeovers.ts'

export interface TakeoverParts {
  readonly site: Site
  readonly database: Database<Schema>
  /** Claims the migration of a group, witnessed by its subclouds; rejects when it is refused. */
  readonly begin: (group: TakeoverGroup, peer: SystemPeerRow) => Promise<void>
}

/**
 * Policy `rehome`: begins the migrations that are due. The rule says which (rules/takeover.ts); claims are exclusive, so any number of
 * managers may look at once. Two statements more than nothing while no peer with that policy is away.
 */
export function createTakeover({ site, database, begin }: TakeoverParts): (signal: AbortSignal) => Promise<void> {
  const { world } = site
  const log = world.log.child({ loop: 'takeover' })
  return async (signal) => {
    const away = await database.query
      .selectFrom('system_peer')
      .selectAll()
      .where('heartbeat_failure_policy', '=', 'rehome')
      .where('availability_state', '=', 'unavailable')
      .orderBy('id')
      .execute()
    if (away.length === 0) return
    const takeovers = await readTakeovers(database, away, world.clock.nowMs())
    for (const [index, { due }] of takeovers.entries())
      for (const group of due) {
        if (signal.aborted) return
        const peer = away[index]!
        try {
          await begin(group, peer)
          log.warn('a takeover begins: its peer is unavailable, and the policy is rehome', { group: group.name, peer: peer.peer_name })
        } catch (error) {
          log.warn('a takeover could not begin; it is tried again', { group: group.name, peer: peer.peer_name, error })
        }
      }
  }
}
