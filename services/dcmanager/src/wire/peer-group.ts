import { statusOf, type AssociationRecord } from '../store/associations.ts'
import type { PeerGroupRow } from '../store/peer-groups.ts'

/** `P` of reference dcmanager §1.5: requests are kebab-case, replies snake_case. */
export const peerGroupToWire = (row: PeerGroupRow): object => ({
  id: row.id,
  peer_group_name: row.peer_group_name,
  group_priority: row.group_priority,
  group_state: row.group_state,
  max_subcloud_rehoming: row.max_subcloud_rehoming,
  system_leader_id: row.system_leader_id,
  system_leader_name: row.system_leader_name,
  migration_status: row.migration_status,
  'created-at': row.created_at,
  'updated-at': row.updated_at,
})

/**
 * `A`. Lists leave `sync-message` out. The last member is new: the revision of the group that the peer has confirmed, or, on the
 * standby, the one that came last; peers of this kind find out by it that the other was restored from a backup.
 */
export function associationToWire(record: AssociationRecord, options: { readonly listed?: boolean } = {}): object {
  const { association } = record
  const { status, message } = statusOf(record)
  return {
    id: association.id,
    'peer-group-id': association.peer_group_id,
    'system-peer-id': association.system_peer_id,
    'peer-group-priority': association.peer_group_priority,
    'association-type': association.association_type,
    'sync-status': status,
    ...(options.listed === true ? {} : { 'sync-message': message }),
    'created-at': association.created_at,
    'updated-at': association.updated_at,
    'murmuration-revision': association.synced_revision,
  }
}
