import { AuthenticationFailed, PeerRefused, SiteAnswerRefused, type PeerClient } from '@murmuration/clients'
import type { Database } from '@murmuration/data'
import type { Site } from '@murmuration/site'
import { NetworkError } from '@murmuration/world'
import { migratable } from '../rules/migration.ts'
import { readAssociationFacts } from '../store/associations.ts'
import type { PeerGroupRow } from '../store/peer-groups.ts'
import type { Schema } from '../store/schema.ts'
import type { SystemPeerRow } from '../store/system-peers.ts'

/** What a takeover says to the other system controllers of a group. */
export interface RehomePeers {
  /** The available ones give the subcloud up (reference dcmanager §7.9 step 4a). Resolves to why one of them does not. */
  giveUp(peerGroupId: number, regionName: string, signal: AbortSignal): Promise<string | undefined>
  /** Asks the available ones to look at the group now. What is not heard is found by their next heartbeat. */
  tell(group: PeerGroupRow, system: { readonly uuid: string }, signal: AbortSignal): Promise<void>
}

/** A controller without peers. */
export const noPeers: RehomePeers = { giveUp: async () => undefined, tell: async () => {} }

type Client = Pick<PeerClient, 'subcloud' | 'surrender' | 'auditGroup'>

const attempts = 3
const pauseMs = 2_000
const deadlineMs = 30_000

export function createRehomePeers(
  { world }: Pick<Site, 'world'>,
  database: Database<Schema>,
  clients: { of(peer: SystemPeerRow): Client },
): RehomePeers {
  async function available(peerGroupId: number): Promise<SystemPeerRow[]> {
    const records = await readAssociationFacts(database, { peerGroupIds: [peerGroupId] })
    return records.map((record) => record.peer).filter((peer) => peer.availability_state === 'available')
  }

  async function giveUpAt(peer: SystemPeerRow, region: string, signal: AbortSignal): Promise<string | undefined> {
    const client = clients.of(peer)
    for (let attempt = 1; ; attempt += 1)
      try {
        const there = await client.subcloud(region, { deadlineMs, signal })
        // Not there, a standby copy there too, or given up already.
        if (there === undefined || (migratable as readonly string[]).includes(there.deployStatus)) return undefined
        if (there.deployStatus === 'rehome-pending' && there.managementState === 'unmanaged') return undefined
        await client.surrender(region, { deadlineMs, signal })
        return undefined
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof PeerRefused) return `${peer.peer_name} does not give the subcloud up: ${error.message}`
        if (!isAway(error)) throw error
        if (attempt >= attempts) {
          world.log.warn('a peer could not be asked to give a subcloud up; the takeover goes on', { peer: peer.peer_name, region, error })
          return undefined
        }
        await world.timers.sleep(pauseMs, signal)
      }
  }

  return {
    async giveUp(peerGroupId, region, signal) {
      for (const peer of await available(peerGroupId)) {
        const refusal = await giveUpAt(peer, region, signal)
        if (refusal !== undefined) return refusal
      }
      return undefined
    },
    async tell(group, system, signal) {
      for (const peer of await available(group.id))
        try {
          const request = {
            id: group.id,
            peerUuid: system.uuid,
            groupName: group.peer_group_name,
            priority: group.group_priority,
            state: group.group_state,
            maxSubcloudRehoming: group.max_subcloud_rehoming,
            leaderId: group.system_leader_id,
            leaderName: group.system_leader_name,
            migrationStatus: group.migration_status,
          }
          await clients.of(peer).auditGroup(request, { deadlineMs, signal })
        } catch (error) {
          signal.throwIfAborted()
          world.log.warn('a peer could not be told of the end of a migration; its next heartbeat finds it', { peer: peer.peer_name, error })
        }
    },
  }
}

const isAway = (error: unknown): boolean =>
  error instanceof NetworkError || error instanceof AuthenticationFailed || error instanceof SiteAnswerRefused
