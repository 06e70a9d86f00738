import type { Page } from '@murmuration/data'
import type { Db, GroupRow, Tx } from './schema.ts'
import { pageOf, type PageWish } from './listing.ts'

export const findGroup = (db: Db, id: string): Promise<GroupRow | undefined> =>
  db.query.selectFrom('groups').selectAll().where('id', '=', id).executeTakeFirst()

export async function findGroupsByIds(db: Db, ids: readonly string[]): Promise<GroupRow[]> {
  return ids.length === 0 ? [] : db.query.selectFrom('groups').selectAll().where('id', 'in', ids).execute()
}

export function listGroups(db: Db, filter: { name?: string; domainId?: string; userId?: string }, page: PageWish): Promise<Page<GroupRow>> {
  let query = db.query.selectFrom('groups').selectAll()
  if (filter.name !== undefined) query = query.where('name', '=', filter.name)
  if (filter.domainId !== undefined) query = query.where('domain_id', '=', filter.domainId)
  if (filter.userId !== undefined)
    query = query.where('id', 'in', db.query.selectFrom('user_groups').select('group_id').where('user_id', '=', filter.userId))
  return pageOf(query, page, { sort: 'name', unique: 'id' })
}

export async function insertGroup(tx: Db, row: GroupRow): Promise<void> {
  await tx.query.insertInto('groups').values(row).execute()
}

export async function updateGroup(tx: Db, id: string, changes: Partial<GroupRow>): Promise<void> {
  if (Object.keys(changes).length > 0) await tx.query.updateTable('groups').set(changes).where('id', '=', id).execute()
}

export async function deleteGroup(tx: Tx, id: string): Promise<void> {
  await tx.query.deleteFrom('assignments').where('actor_type', '=', 'group').where('actor_id', '=', id).execute()
  await tx.query.deleteFrom('user_groups').where('group_id', '=', id).execute()
  await tx.query.deleteFrom('groups').where('id', '=', id).execute()
}

export async function isMember(db: Db, groupId: string, userId: string): Promise<boolean> {
  const row = await db.query
    .selectFrom('user_groups')
    .select('user_id')
    .where('user_id', '=', userId)
    .where('group_id', '=', groupId)
    .executeTakeFirst()
  return row !== undefined
}

export async function addMember(tx: Db, groupId: string, userId: string): Promise<void> {
  await tx.query
    .insertInto('user_groups')
    .values({ user_id: userId, group_id: groupId })
    .onConflict((conflict) => conflict.columns(['user_id', 'group_id']).doNothing())
    .execute()
}

export async function removeMember(tx: Db, groupId: string, userId: string): Promise<void> {
  await tx.query.deleteFrom('user_groups').where('user_id', '=', userId).where('group_id', '=', groupId).execute()
}

export async function membersOf(db: Db, groupIds: readonly string[]): Promise<{ user_id: string; group_id: string }[]> {
  return groupIds.length === 0 ? [] : db.query.selectFrom('user_groups').selectAll().where('group_id', 'in', groupIds).execute()
}
