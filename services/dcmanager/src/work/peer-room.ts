import type { Database } from '@murmuration/data'
import { createWorker } from '@murmuration/jobs'
import type { Serving } from '@murmuration/rpc'
import type { Site } from '@murmuration/site'
import type { Schema } from '../store/schema.ts'
import { associationDeleteKind } from './association-delete.ts'
import { associationSyncKind, syncLimits } from './association-sync.ts'
import type { ControllerFacts } from './controller-facts.ts'
import { createAuthorityLessons } from './peer-authorities.ts'
import { createPeerMonitor } from './peer-monitor.ts'
import type { Peers } from './peers.ts'
import { repairMigrations } from './repair-migrations.ts'
import { createRounds } from './state-rounds.ts'
import { managerTopic } from './topics.ts'

const repairEveryMs = 30_000

export interface PeerRoom {
  start(): Promise<void>
  stop(): Promise<void>
}

export interface PeerRoomParts {
  readonly site: Site
  readonly database: Database<Schema>
  readonly facts: Pick<ControllerFacts, 'ownSystem'>
  readonly peers: Peers
  readonly afterRound?: (signal: AbortSignal) => Promise<void>
}

/**
 * Role `manager`, between system controllers: heartbeats, syncs and deletions of associations. Its worker is its own, so that hours of
 * deployments never keep a sync waiting.
 */
export function createPeerRoom(parts: PeerRoomParts): PeerRoom {
  const { site, database } = parts
  const monitor = createPeerMonitor(parts)
  const worker = createWorker({
    world: site.world,
    database,
    owner: `${site.processId}-peers`,
    maxRunning: 2 * syncLimits.syncsAtOnce,
    kinds: [associationSyncKind(parts), associationDeleteKind(parts)],
  })
  const repairs = createRounds(site.world, {
    name: 'the repair of migrations',
    log: site.world.log,
    everyMs: repairEveryMs,
    run: async () => void (await repairMigrations(site.world, database, () => parts.facts.ownSystem())),
  })
  const lessons = createRounds(site.world, {
    name: 'the lessons about authorities of peers',
    log: site.world.log,
    everyMs: repairEveryMs,
    run: createAuthorityLessons(parts),
  })
  let serving: Serving | undefined
  return {
    async start() {
      serving = await site.bus.serve(managerTopic, {
        wake: async () => {
          worker.wake()
          monitor.wake()
        },
      })
      repairs.start()
      lessons.start()
      worker.start()
      await monitor.start()
    },
    async stop() {
      await serving?.stop()
      await Promise.all([repairs.stop(), lessons.stop(), monitor.stop(), worker.stop()])
    },
  }
}
