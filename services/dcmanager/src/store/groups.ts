import { timestamp, type Queryable } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { Selectable } from 'kysely'
import type { Schema, SubcloudGroupTable } from './schema.ts'
import { maxId } from './subclouds.ts'

export type GroupRow = Selectable<SubcloudGroupTable>
export type GroupColumns = Pick<GroupRow, 'name' | 'description' | 'update_apply_type' | 'max_parallel_subclouds'>

/** The group that every subcloud is in unless told otherwise; it stays. */
export const defaultGroupId = 1

/** All digits: an id; otherwise a name. */
export async function findGroup(db: Queryable<Schema>, ref: string): Promise<GroupRow | undefined> {
  const digits = /^[0-9]+$/.test(ref)
  if (digits && Number(ref) > maxId) return undefined
  return db.query
    .selectFrom('subcloud_group')
    .selectAll()
    .$if(digits, (query) => query.where('id', '=', Number(ref)))
    .$if(!digits, (query) => query.where('name', '=', ref))
    .executeTakeFirst()
}

/** Those of these ids that are there. */
export async function readGroups(db: Queryable<Schema>, ids: readonly number[]): Promise<ReadonlySet<number>> {
  const possible = [...new Set(ids)].filter((id) => id <= maxId)
  if (possible.length === 0) return new Set()
  const rows = await db.query.selectFrom('subcloud_group').select('id').where('id', 'in', possible).execute()
  return new Set(rows.map((row) => row.id))
}

/** With the number of subclouds in each, in one statement. */
export function listGroups(db: Queryable<Schema>): Promise<(GroupRow & { subcloud_count: number })[]> {
  return db.query
    .selectFrom('subcloud_group')
    .leftJoin('subclouds', 'subclouds.group_id', 'subcloud_group.id')
    .selectAll('subcloud_group')
    .select((eb) => eb.cast<number>(eb.fn.count('subclouds.id'), 'integer').as('subcloud_count'))
    .groupBy('subcloud_group.id')
    .orderBy('subcloud_group.id')
    .execute()
}

export function insertGroup(db: Queryable<Schema>, world: World, columns: GroupColumns): Promise<GroupRow> {
  return db.query
    .insertInto('subcloud_group')
    .values({ ...columns, created_at: timestamp(world.clock.nowMs()), updated_at: null })
    .returningAll()
    .executeTakeFirstOrThrow()
}

export function updateGroup(
  db: Queryable<Schema>,
  world: World,
  id: number,
  columns: Partial<GroupColumns>,
): Promise<GroupRow | undefined> {
  return db.query
    .updateTable('subcloud_group')
    .set({ ...columns, updated_at: timestamp(world.clock.nowMs()) })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst()
}

export async function countMembers(db: Queryable<Schema>, groupId: number): Promise<number> {
  const row = await db.query
    .selectFrom('subclouds')
    .select((eb) => eb.fn.countAll<number | string>().as('count'))
    .where('group_id', '=', groupId)
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

/** False when it was gone already. */
export async function deleteGroup(db: Queryable<Schema>, id: number): Promise<boolean> {
  const { numDeletedRows } = await db.query.deleteFrom('subcloud_group').where('id', '=', id).executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}
