import type { PeerGroupRow } from '../store/peer-groups.ts'
import type { SystemPeerRow } from '../store/system-peers.ts'

/** What an operator may change of a group that its peers must have too; column names. */
export type SharedGroupChange = Partial<Pick<PeerGroupRow, 'peer_group_name' | 'group_state' | 'max_subcloud_rehoming'>>

export interface PushOutcome {
  readonly peerName: string
  /** Absent when the peer has it. */
  readonly failure?: string
}

/**
 * Tells each peer of a change of a group before it is made here (reference dcmanager §1.12 PATCH). A peer that is not `available`
 * has failed without being asked. Never rejects; one outcome a peer, in their order.
 */
export type PushPeerGroup = (
  /** As it is here before the change: the peer knows the group by this name. */
  group: PeerGroupRow,
  change: SharedGroupChange,
  peers: readonly SystemPeerRow[],
) => Promise<readonly PushOutcome[]>

/** What a peer says of its copy of a group: the body of PATCH audit, or an entry of its list (reference dcmanager §1.12, §7.10). */
export interface RemotePeerGroup {
  /** Absent where a peer of another kind leaves it out. */
  readonly id?: number
  readonly peer_group_name: string
  readonly group_priority: number
  readonly group_state: string
  readonly max_subcloud_rehoming?: number
  readonly system_leader_id: string
  readonly system_leader_name: string
  readonly migration_status: 'migrating' | 'complete' | null
}

/** Draws this site's conclusions from what a peer says (§7.10). Resolves to what is wrong, for the caller's eyes, or null. */
export type AuditPeerGroup = (group: PeerGroupRow, peerUuid: string, remote: RemotePeerGroup) => Promise<string | null>
