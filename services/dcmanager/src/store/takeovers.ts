import type { Queryable } from '@murmuration/data'
import { peerGroupKeyOf } from '../rules/operations.ts'
import { takeoverOf, type Takeover, type TakeoverFacts } from '../rules/takeover.ts'
import { readAssociationFacts, type AssociationRecord } from './associations.ts'
import { msOf } from './audits.ts'
import type { Schema } from './schema.ts'
import type { SystemPeerRow } from './system-peers.ts'

/** Who asks for a migration that no operator asked for; the jobs of takeovers are found by it. */
export const takeoverAsker = 'heartbeat-failure-policy'

/** What the rule about takeovers asks of these peers, in the order of the rows; six statements, however many there are. */
export async function readTakeoverFacts(db: Queryable<Schema>, peers: readonly SystemPeerRow[]): Promise<TakeoverFacts[]> {
  const asked = peers.filter((peer) => peer.heartbeat_failure_policy === 'rehome')
  const records = await readAssociationFacts(db, { systemPeerIds: asked.map((peer) => peer.id) })
  const groupIds = [...new Set(records.map((record) => record.group.id))]
  const candidates = await countCandidates(db, groupIds)
  const begun = await readBegun(db, groupIds)
  const byPeer = Map.groupBy(records, (record) => record.peer.id)
  return peers.map((peer) => ({
    policy: peer.heartbeat_failure_policy,
    peerName: peer.peer_name,
    availability: peer.availability_state,
    unavailableSinceMs: peer.unavailable_since === null ? undefined : msOf(peer.unavailable_since),
    maintenanceTimeoutMs: peer.heartbeat_maintenance_timeout * 1_000,
    password: peer.rehome_sysadmin_password !== null,
    groups: (byPeer.get(peer.id) ?? []).map(({ association, group }) => ({
      id: group.id,
      name: group.peer_group_name,
      enabled: group.group_state === 'enabled',
      ledByPeer: group.system_leader_id.toLowerCase() === peer.peer_uuid.toLowerCase(),
      copyAgrees: copyAgrees(association, group),
      migrating: group.migration_status === 'migrating',
      candidates: candidates.get(group.id) ?? 0,
      lastBegunMs: begun.get(group.id),
    })),
  }))
}

const copyAgrees = (association: AssociationRecord['association'], group: AssociationRecord['group']): boolean =>
  association.association_type === 'primary'
    ? association.sync_failure === null && association.synced_revision >= group.revision
    : association.reported_status === 'in-sync'

/** Members that a migration would take (reference dcmanager §7.9). */
async function countCandidates(db: Queryable<Schema>, groupIds: readonly number[]): Promise<ReadonlyMap<number, number>> {
  if (groupIds.length === 0) return new Map()
  const rows = await db.query
    .selectFrom('subclouds')
    .select('peer_group_id')
    .select((eb) => eb.fn.countAll<number | string>().as('count'))
    .where('peer_group_id', 'in', groupIds)
    .where('deploy_status', 'in', ['secondary', 'rehome-failed', 'rehome-prep-failed'])
    .groupBy('peer_group_id')
    .execute()
  return new Map(rows.map((row) => [row.peer_group_id ?? 0, Number(row.count)]))
}

async function readBegun(db: Queryable<Schema>, groupIds: readonly number[]): Promise<ReadonlyMap<number, number>> {
  if (groupIds.length === 0) return new Map()
  const keys = new Map(groupIds.map((id) => [peerGroupKeyOf(id), id]))
  const rows = await db.query
    .selectFrom('jobs')
    .select('subject')
    .select((eb) => eb.fn.max('created_at').as('at'))
    .where('subject', 'in', [...keys.keys()])
    .where('requested_by', '=', takeoverAsker)
    .groupBy('subject')
    .execute()
  return new Map(rows.map((row) => [keys.get(row.subject) ?? 0, msOf(row.at)]))
}

/** Whether this site takes over from each of these peers by itself, in their order, as it is now. */
export async function readTakeovers(db: Queryable<Schema>, peers: readonly SystemPeerRow[], nowMs: number): Promise<Takeover[]> {
  return (await readTakeoverFacts(db, peers)).map((facts) => takeoverOf(facts, nowMs))
}
