import { timestamp, type Queryable, type Transaction } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { Selectable } from 'kysely'
import type { DeployStatus } from '../rules/lifecycle.ts'
import { recordChanges } from './changes.ts'
import type { Schema, SubcloudTable } from './schema.ts'

export type SubcloudRow = Selectable<SubcloudTable>
export type SubcloudColumns = Partial<Omit<SubcloudRow, 'id' | 'region_name' | 'revision' | 'created_at' | 'updated_at'>>

/** What the row must still be for a write to happen: a flow writes only over the status that it left there. */
export interface Expected {
  readonly deployStatus?: DeployStatus | readonly DeployStatus[]
  readonly backupStatus?: string
  readonly revision?: number
}

/** All digits: an id; otherwise a name, or the region name where `byRegion` says so (reference dcmanager §1.1, §1.3). */
export async function findSubcloud(
  db: Queryable<Schema>,
  ref: string,
  options: { byRegion?: boolean } = {},
): Promise<SubcloudRow | undefined> {
  if (/^[0-9]+$/.test(ref)) {
    const id = idOf(ref)
    if (id !== undefined) return readSubcloud(db, id)
    // Of the 32 hex digits of a region none need be a letter.
    if (options.byRegion !== true) return undefined
  }
  const column = options.byRegion === true ? 'region_name' : 'name'
  return db.query.selectFrom('subclouds').selectAll().where(column, '=', ref).executeTakeFirst()
}

/** Beyond this an engine's integer column would refuse the value instead of finding nothing. */
export const maxId = 2_147_483_647

/** Undefined when the text can't be an id; a region of many zeros is none. */
export const idOf = (ref: string): number | undefined => (/^[0-9]{1,10}$/.test(ref) && Number(ref) <= maxId ? Number(ref) : undefined)

export const readSubcloud = (db: Queryable<Schema>, id: number): Promise<SubcloudRow | undefined> =>
  db.query.selectFrom('subclouds').selectAll().where('id', '=', id).executeTakeFirst()

/** Those of these regions, by region. */
export async function readRegions(db: Queryable<Schema>, regions: readonly string[]): Promise<ReadonlyMap<string, SubcloudRow>> {
  const rows = await db.query.selectFrom('subclouds').selectAll().where('region_name', 'in', regions).execute()
  return new Map(rows.map((row) => [row.region_name, row]))
}

/**
 * Writes columns of one subcloud, counts its revision up, and tells the change stream. Undefined, and nothing written, when the
 * row is gone or is not as `expected`.
 */
export async function updateSubcloud(
  tx: Transaction<Schema>,
  world: World,
  id: number,
  columns: SubcloudColumns,
  expected: Expected = {},
): Promise<SubcloudRow | undefined> {
  const [row] = await updateSubclouds(tx, world, [id], columns, expected)
  return row
}

/** As `updateSubcloud`, for many at once: two statements, however many there are. Returns the rows that were written. */
export async function updateSubclouds(
  tx: Transaction<Schema>,
  world: World,
  ids: readonly number[],
  columns: SubcloudColumns,
  expected: Expected = {},
  /** For the change stream, beside the columns. */
  shown: Readonly<Record<string, unknown>> = {},
): Promise<SubcloudRow[]> {
  if (ids.length === 0) return []
  const rows = await tx.query
    .updateTable('subclouds')
    .set({ ...columns, updated_at: timestamp(world.clock.nowMs()) })
    .set((eb) => ({ revision: eb('revision', '+', 1) }))
    .where('id', 'in', ids)
    .$if(expected.deployStatus !== undefined, (query) => query.where('deploy_status', 'in', [expected.deployStatus!].flat()))
    .$if(expected.backupStatus !== undefined, (query) => query.where('backup_status', '=', expected.backupStatus!))
    .$if(expected.revision !== undefined, (query) => query.where('revision', '=', expected.revision!))
    .returningAll()
    .execute()
  // Engines return what they wrote in an order of their own.
  rows.sort((a, b) => a.id - b.id)
  await recordChanges(
    tx,
    world,
    rows.map((row) => ({ subcloudId: row.id, kind: 'updated', columns: { ...columns, ...shown } })),
  )
  return rows
}

/** The row and, by cascade, all that belongs to it. False when it was gone already. */
export const deleteSubcloud = async (tx: Transaction<Schema>, world: World, id: number): Promise<boolean> =>
  (await deleteSubclouds(tx, world, [id])) > 0

/** As `deleteSubcloud`, for many at once. Tells how many were there. */
export async function deleteSubclouds(tx: Transaction<Schema>, world: World, ids: readonly number[]): Promise<number> {
  if (ids.length === 0) return 0
  const rows = await tx.query.deleteFrom('subclouds').where('id', 'in', ids).returning(['id', 'name', 'region_name']).execute()
  await recordChanges(
    tx,
    world,
    rows.map((row) => ({ subcloudId: row.id, kind: 'deleted', columns: { name: row.name, region_name: row.region_name } })),
  )
  return rows.length
}
