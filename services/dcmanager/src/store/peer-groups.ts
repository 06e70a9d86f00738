import { timestamp, type Queryable, type Timestamp, type Transaction } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { Selectable } from 'kysely'
import type { DeployStatus } from '../rules/lifecycle.ts'
import type { ManagementState, Schema, SubcloudPeerGroupTable } from './schema.ts'
import { idOf, updateSubclouds } from './subclouds.ts'

export type PeerGroupRow = Selectable<SubcloudPeerGroupTable>
export type PeerGroupColumns = Omit<PeerGroupRow, 'id' | 'revision' | 'push_until' | 'created_at' | 'updated_at'>

/** All digits: an id; otherwise a name. */
export async function findPeerGroup(db: Queryable<Schema>, ref: string): Promise<PeerGroupRow | undefined> {
  if (/^[0-9]+$/.test(ref)) {
    const id = idOf(ref)
    return id === undefined ? undefined : readPeerGroup(db, id)
  }
  return db.query.selectFrom('subcloud_peer_group').selectAll().where('peer_group_name', '=', ref).executeTakeFirst()
}

export const readPeerGroup = (db: Queryable<Schema>, id: number): Promise<PeerGroupRow | undefined> =>
  db.query.selectFrom('subcloud_peer_group').selectAll().where('id', '=', id).executeTakeFirst()

export const listPeerGroups = (db: Queryable<Schema>): Promise<PeerGroupRow[]> =>
  db.query.selectFrom('subcloud_peer_group').selectAll().orderBy('id').execute()

/** Those that are associated with a system peer. */
export const peerGroupsOfPeer = (db: Queryable<Schema>, systemPeerId: number): Promise<PeerGroupRow[]> =>
  db.query
    .selectFrom('subcloud_peer_group')
    .innerJoin('peer_group_association', 'peer_group_association.peer_group_id', 'subcloud_peer_group.id')
    .selectAll('subcloud_peer_group')
    .where('peer_group_association.system_peer_id', '=', systemPeerId)
    .orderBy('subcloud_peer_group.id')
    .execute()

export function insertPeerGroup(db: Queryable<Schema>, world: World, columns: PeerGroupColumns): Promise<PeerGroupRow> {
  return db.query
    .insertInto('subcloud_peer_group')
    .values({ ...columns, revision: 1, push_until: null, created_at: timestamp(world.clock.nowMs()), updated_at: null })
    .returningAll()
    .executeTakeFirstOrThrow()
}

/** Writes columns only; a change that peers have to be told of needs `announceChange` besides. */
export function updatePeerGroup(
  db: Queryable<Schema>,
  world: World,
  id: number,
  columns: Partial<PeerGroupColumns>,
): Promise<PeerGroupRow | undefined> {
  return db.query
    .updateTable('subcloud_peer_group')
    .set({ ...columns, updated_at: timestamp(world.clock.nowMs()) })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst()
}

/**
 * Peers are told of a change before it is made here: until `endPush`, or for `forMs` when this process dies, what they say of their
 * copies is not held against what is recorded here. Returns what `endPush` needs: of two pushes at once the later one lasts.
 */
export async function beginPush(db: Queryable<Schema>, world: World, id: number, forMs: number): Promise<Timestamp> {
  const push_until = timestamp(world.clock.nowMs() + forMs)
  await db.query.updateTable('subcloud_peer_group').set({ push_until }).where('id', '=', id).execute()
  return push_until
}

export async function endPush(db: Queryable<Schema>, id: number, push: Timestamp): Promise<void> {
  await db.query.updateTable('subcloud_peer_group').set({ push_until: null }).where('id', '=', id).where('push_until', '=', push).execute()
}

/** Its members stay and belong to no group. False when it was gone already. */
export async function deletePeerGroup(tx: Transaction<Schema>, world: World, id: number): Promise<boolean> {
  const members = await tx.query.selectFrom('subclouds').select('id').where('peer_group_id', '=', id).execute()
  await updateSubclouds(
    tx,
    world,
    members.map((member) => member.id),
    { peer_group_id: null },
  )
  const { numDeletedRows } = await tx.query.deleteFrom('subcloud_peer_group').where('id', '=', id).executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}

/**
 * The replicated document of these groups has changed: what peers have confirmed is older from now on, and a failure of the last
 * sync is about what was. The one place that says so; call it in the transaction that makes the change.
 */
export async function announceChange(tx: Transaction<Schema>, world: World, peerGroupIds: readonly number[]): Promise<void> {
  if (peerGroupIds.length === 0) return
  await tx.query
    .updateTable('subcloud_peer_group')
    .set((eb) => ({ revision: eb('revision', '+', 1) }))
    .where('id', 'in', peerGroupIds)
    .execute()
  await tx.query
    .updateTable('peer_group_association')
    .set({ sync_failure: null, updated_at: timestamp(world.clock.nowMs()) })
    .where('peer_group_id', 'in', peerGroupIds)
    .where('association_type', '=', 'primary')
    .where('sync_failure', 'is not', null)
    .execute()
}

/** The document goes on at this revision at least: peers have seen younger ones than this site remembers. */
export async function raiseRevision(tx: Transaction<Schema>, peerGroupId: number, to: number): Promise<void> {
  await tx.query.updateTable('subcloud_peer_group').set({ revision: to }).where('id', '=', peerGroupId).where('revision', '<', to).execute()
}

/**
 * What peers have of these subclouds has changed (rules/replicated.ts says which fields count): the next sync sends them. Returns
 * the groups that they are members of. Subclouds that are in none only count, for a group that they join later.
 */
export async function touchMember(tx: Transaction<Schema>, world: World, subcloudIds: readonly number[]): Promise<readonly number[]> {
  if (subcloudIds.length === 0) return []
  const touched = await tx.query
    .updateTable('subclouds')
    .set((eb) => ({ document_revision: eb('document_revision', '+', 1) }))
    .where('id', 'in', subcloudIds)
    .returning('peer_group_id')
    .execute()
  const groups = [...new Set(touched.map((row) => row.peer_group_id))].filter((id) => id !== null).toSorted((a, b) => a - b)
  await announceChange(tx, world, groups)
  return groups
}

export interface MemberCount {
  readonly deployStatus: DeployStatus
  readonly managementState: ManagementState
  readonly count: number
}

/** The members of a group by what they are, in one statement. */
export async function countPeerGroupMembers(db: Queryable<Schema>, peerGroupId: number): Promise<MemberCount[]> {
  const rows = await db.query
    .selectFrom('subclouds')
    .select(['deploy_status', 'management_state'])
    .select((eb) => eb.fn.countAll<number | string>().as('count'))
    .where('peer_group_id', '=', peerGroupId)
    .groupBy(['deploy_status', 'management_state'])
    .execute()
  return rows.map((row) => ({ deployStatus: row.deploy_status, managementState: row.management_state, count: Number(row.count) }))
}

/**
 * A subcloud left, joined or changed its group: both groups are different from now on, and what peers of the former have of it counts
 * no more, for the next sync takes it from them.
 */
export async function announceMove(
  tx: Transaction<Schema>,
  world: World,
  move: { readonly regionName: string; readonly from: number | null; readonly to: number | null },
): Promise<void> {
  if (move.from !== null) {
    const left = await tx.query.selectFrom('peer_group_association').select('id').where('peer_group_id', '=', move.from).execute()
    const ids = left.map((row) => row.id)
    if (ids.length > 0)
      await tx.query
        .deleteFrom('peer_group_member_sync')
        .where('association_id', 'in', ids)
        .where('region_name', '=', move.regionName)
        .execute()
  }
  await announceChange(
    tx,
    world,
    [move.from, move.to].filter((id) => id !== null),
  )
}
