import { timestamp, type Queryable, type Transaction } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { Selectable } from 'kysely'
import { associationStatus, type DerivedStatus } from '../rules/association-status.ts'
import { associationKeyOf, type AssociationOperation } from '../rules/operations.ts'
import { announceChange, type PeerGroupRow } from './peer-groups.ts'
import type { PeerGroupAssociationTable, Schema } from './schema.ts'
import type { SystemPeerRow } from './system-peers.ts'

export type AssociationRow = Selectable<PeerGroupAssociationTable>

/** An association with all that its status follows from. */
export interface AssociationRecord {
  readonly association: AssociationRow
  readonly group: PeerGroupRow
  readonly peer: SystemPeerRow
  /** The job that holds `association:<id>` now. */
  readonly running: { readonly id: string; readonly kind: AssociationOperation } | undefined
}

/** All optional; what is given must hold. */
export interface AssociationFilter {
  readonly ids?: readonly number[]
  readonly peerGroupIds?: readonly number[]
  readonly systemPeerIds?: readonly number[]
  readonly type?: AssociationRow['association_type']
}

/** In the order of their ids; four statements, however many there are. */
export async function readAssociationFacts(db: Queryable<Schema>, filter: AssociationFilter = {}): Promise<AssociationRecord[]> {
  const { ids, peerGroupIds, systemPeerIds, type } = filter
  if ([ids, peerGroupIds, systemPeerIds].some((list) => list?.length === 0)) return []
  const associations = await db.query
    .selectFrom('peer_group_association')
    .selectAll()
    .$if(ids !== undefined, (query) => query.where('id', 'in', ids!))
    .$if(peerGroupIds !== undefined, (query) => query.where('peer_group_id', 'in', peerGroupIds!))
    .$if(systemPeerIds !== undefined, (query) => query.where('system_peer_id', 'in', systemPeerIds!))
    .$if(type !== undefined, (query) => query.where('association_type', '=', type!))
    .orderBy('id')
    .execute()
  if (associations.length === 0) return []
  const distinct = (values: readonly number[]): number[] => [...new Set(values)]
  const groups = await db.query
    .selectFrom('subcloud_peer_group')
    .selectAll()
    .where('id', 'in', distinct(associations.map((row) => row.peer_group_id)))
    .execute()
  const peers = await db.query
    .selectFrom('system_peer')
    .selectAll()
    .where('id', 'in', distinct(associations.map((row) => row.system_peer_id)))
    .execute()
  const jobs = await db.query
    .selectFrom('jobs')
    .select(['id', 'kind', 'exclusive_key'])
    .where(
      'exclusive_key',
      'in',
      associations.map((row) => associationKeyOf(row.id)),
    )
    .execute()
  const groupById = new Map(groups.map((group) => [group.id, group]))
  const peerById = new Map(peers.map((peer) => [peer.id, peer]))
  const jobByKey = new Map(jobs.map((job) => [job.exclusive_key, { id: job.id, kind: job.kind as AssociationOperation }]))
  return associations.flatMap((association) => {
    const group = groupById.get(association.peer_group_id)
    const peer = peerById.get(association.system_peer_id)
    // Deleted between two of the statements: the association went with it.
    if (group === undefined || peer === undefined) return []
    return [{ association, group, peer, running: jobByKey.get(associationKeyOf(association.id)) }]
  })
}

export async function readAssociation(db: Queryable<Schema>, id: number): Promise<AssociationRecord | undefined> {
  const [record] = await readAssociationFacts(db, { ids: [id] })
  return record
}

/** What callers, the monitor and alarms read: derived where this site owns the group, else what the owner reported last. */
export function statusOf({ association, group, peer, running }: AssociationRecord): DerivedStatus {
  if (association.association_type === 'non-primary')
    return { status: association.reported_status ?? 'syncing', message: association.reported_message }
  return associationStatus({
    syncing: running?.kind === 'association.sync',
    syncFailure: association.sync_failure,
    revision: group.revision,
    syncedRevision: association.synced_revision,
    peer: { name: peer.peer_name, availability: peer.availability_state },
    remoteMigration: association.remote_migration,
  })
}

export type NewAssociation = Pick<AssociationRow, 'peer_group_id' | 'system_peer_id' | 'association_type' | 'peer_group_priority'>

/** A new one is `syncing` (reference dcmanager §3.7): the primary by the job that its claim adds, the other until its owner says more. */
export function insertAssociation(db: Queryable<Schema>, world: World, columns: NewAssociation): Promise<AssociationRow> {
  return db.query
    .insertInto('peer_group_association')
    .values({
      ...columns,
      synced_revision: 0,
      sync_failure: null,
      remote_migration: null,
      reported_status: columns.association_type === 'non-primary' ? 'syncing' : null,
      reported_message: null,
      created_at: timestamp(world.clock.nowMs()),
      updated_at: null,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
}

export type AssociationColumns = Partial<Omit<AssociationRow, 'id' | 'created_at' | 'updated_at'>>

export function updateAssociation(
  db: Queryable<Schema>,
  world: World,
  id: number,
  columns: AssociationColumns,
): Promise<AssociationRow | undefined> {
  return db.query
    .updateTable('peer_group_association')
    .set({ ...columns, updated_at: timestamp(world.clock.nowMs()) })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst()
}

/** What a standby says of its own copies while their owner is away (reference dcmanager §7.11). */
export async function reportOutOfSync(tx: Transaction<Schema>, world: World, peerGroupId: number): Promise<void> {
  await tx.query
    .updateTable('peer_group_association')
    .set({ reported_status: 'out-of-sync', reported_message: null, updated_at: timestamp(world.clock.nowMs()) })
    .where('peer_group_id', '=', peerGroupId)
    .where('association_type', '=', 'non-primary')
    .execute()
}

/** These took a change of the group, on whichever side: whoever had all before it has all after it. */
export async function confirmRevision(tx: Transaction<Schema>, ids: readonly number[], from: number, to: number): Promise<void> {
  if (ids.length === 0) return
  await tx.query
    .updateTable('peer_group_association')
    .set({ synced_revision: to })
    .where('id', 'in', ids)
    .where('synced_revision', '=', from)
    .execute()
}

/** What was synced of its members goes with it. False when it was gone already. */
export async function deleteAssociation(db: Queryable<Schema>, id: number): Promise<boolean> {
  const { numDeletedRows } = await db.query.deleteFrom('peer_group_association').where('id', '=', id).executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}

/**
 * The gateway that a peer's subclouds use has another address: every member that the peer has is different from now on, so the
 * next sync sends all of them. Returns the primary associations of the peer.
 */
export async function announceGatewayChange(tx: Transaction<Schema>, world: World, systemPeerId: number): Promise<readonly number[]> {
  const associations = await tx.query
    .selectFrom('peer_group_association')
    .select(['id', 'peer_group_id'])
    .where('system_peer_id', '=', systemPeerId)
    .where('association_type', '=', 'primary')
    .orderBy('id')
    .execute()
  const ids = associations.map((row) => row.id)
  if (ids.length === 0) return []
  await tx.query.deleteFrom('peer_group_member_sync').where('association_id', 'in', ids).execute()
  await announceChange(tx, world, [...new Set(associations.map((row) => row.peer_group_id))])
  return ids
}
