import { Type } from 'typebox'
import { errors, invalidField } from '../errors.ts'
import type { PeerGroupRow } from '../store/peer-groups.ts'
import { findSystemPeer } from '../store/system-peers.ts'
import { readAssociationFacts } from '../store/associations.ts'
import type { ApiContext } from './context.ts'
import { numberWithin, uuidIn } from './members.ts'

/** `P` as the peer has it, with `peer_uuid`; what else a peer adds is passed over. */
export const PeerGroupAudit = Type.Object(
  {
    id: Type.Optional(Type.Integer()),
    peer_uuid: Type.Optional(Type.String({ description: 'System UUID of the peer that asks.' })),
    peer_group_name: Type.Optional(Type.String({ maxLength: 255 })),
    group_priority: Type.Optional(Type.Integer()),
    group_state: Type.Optional(Type.String({ maxLength: 255 })),
    max_subcloud_rehoming: Type.Optional(Type.Integer()),
    system_leader_id: Type.Optional(Type.String()),
    system_leader_name: Type.Optional(Type.String({ maxLength: 255 })),
    migration_status: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  },
  { title: 'SubcloudPeerGroupAudit' },
)

const required = [
  'peer_uuid',
  'peer_group_name',
  'group_priority',
  'group_state',
  'system_leader_id',
  'system_leader_name',
  'migration_status',
] as const

/**
 * PATCH audit, from site to site (reference dcmanager §1.12, §7.10): a peer says that it has migrated the group. Believed only of a
 * peer that this site has associated with the group.
 */
export async function auditPeerGroup(context: ApiContext, group: PeerGroupRow, given: unknown): Promise<string | null> {
  const body = (given ?? {}) as Readonly<Record<string, unknown>>
  const missing = required.find((member) => !Object.hasOwn(body, member))
  if (missing !== undefined) throw errors.auditMemberMissing({ member: missing }, { field: missing })
  const peerUuid = uuidIn('peer_uuid', String(body['peer_uuid']))!
  const leaderId = uuidIn('system_leader_id', String(body['system_leader_id']))!
  const status = body['migration_status'] === 'none' ? null : body['migration_status']
  if (status !== null && status !== 'migrating' && status !== 'complete')
    throw invalidField('migration_status', 'must be migrating, complete or null')

  const { database } = context.desk
  const peer = await findSystemPeer(database, peerUuid)
  const known = peer === undefined ? [] : await readAssociationFacts(database, { peerGroupIds: [group.id], systemPeerIds: [peer.id] })
  if (known.length === 0) return `Peer group ${group.peer_group_name} has no association with system peer ${peerUuid} on this site.`
  const most = body['max_subcloud_rehoming']
  return context.auditPeerGroup(group, peerUuid, {
    ...(typeof body['id'] === 'number' ? { id: body['id'] } : {}),
    peer_group_name: String(body['peer_group_name']),
    group_priority: numberWithin('group_priority', body['group_priority'], 0, 65_536) ?? 0,
    group_state: String(body['group_state']),
    ...(typeof most === 'number' ? { max_subcloud_rehoming: most } : {}),
    system_leader_id: leaderId,
    system_leader_name: String(body['system_leader_name']),
    migration_status: status,
  })
}
