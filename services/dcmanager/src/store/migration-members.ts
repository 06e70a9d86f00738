import { bulkInsert, timestamp, type Queryable, type Transaction } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { Selectable } from 'kysely'
import type { MigrationCounts, MigrationState } from '../rules/migration.ts'
import type { PeerGroupMigrationTable, Schema } from './schema.ts'

export type MigrationMember = Selectable<PeerGroupMigrationTable>

/** A new migration of the group begins: all its members wait. Two statements. */
export async function beginMigrationMembers(
  tx: Transaction<Schema>,
  world: World,
  peerGroupId: number,
  jobId: string,
  subcloudIds: readonly number[],
): Promise<void> {
  await tx.query.deleteFrom('peer_group_migration').where('peer_group_id', '=', peerGroupId).execute()
  const updated_at = timestamp(world.clock.nowMs())
  await bulkInsert(
    tx,
    'peer_group_migration',
    subcloudIds.map((subcloud_id) => ({
      peer_group_id: peerGroupId,
      subcloud_id,
      job_id: jobId,
      state: 'waiting',
      reason: null,
      updated_at,
    })),
  )
}

/** By id. */
export const readMigrationMembers = (db: Queryable<Schema>, peerGroupId: number): Promise<MigrationMember[]> =>
  db.query.selectFrom('peer_group_migration').selectAll().where('peer_group_id', '=', peerGroupId).orderBy('subcloud_id').execute()

/** Moves members from one state to another; those that are elsewhere by now stay there. One statement. */
export async function moveMembers(
  tx: Transaction<Schema>,
  world: World,
  peerGroupId: number,
  subcloudIds: readonly number[],
  from: readonly MigrationState[],
  to: MigrationState,
  reason: string | null = null,
): Promise<void> {
  if (subcloudIds.length === 0) return
  await tx.query
    .updateTable('peer_group_migration')
    .set({ state: to, reason, updated_at: timestamp(world.clock.nowMs()) })
    .where('peer_group_id', '=', peerGroupId)
    .where('subcloud_id', 'in', subcloudIds)
    .where('state', 'in', from)
    .execute()
}

/** How far the last migration of the group has come; undefined when there was none. One statement. */
export async function countMigrationMembers(
  db: Queryable<Schema>,
  peerGroupId: number,
): Promise<Readonly<Record<MigrationState, number>> | undefined> {
  const rows = await db.query
    .selectFrom('peer_group_migration')
    .select('state')
    .select((eb) => eb.fn.countAll<number | string>().as('count'))
    .where('peer_group_id', '=', peerGroupId)
    .groupBy('state')
    .execute()
  if (rows.length === 0) return undefined
  const counts = { waiting: 0, rehoming: 0, rehomed: 0, done: 0, failed: 0, refused: 0 }
  for (const row of rows) counts[row.state] = Number(row.count)
  return counts
}

export const endCounts = (members: readonly Pick<MigrationMember, 'state'>[]): MigrationCounts => {
  const count = (...states: readonly MigrationState[]): number => members.filter((member) => states.includes(member.state)).length
  return { rehomed: count('rehomed', 'done'), failed: count('failed', 'rehoming'), refused: count('refused', 'waiting') }
}
