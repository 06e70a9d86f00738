import { flag, type Page } from '@murmuration/data'
import type { Db, GroupRow, Tx, UserRow } from './schema.ts'
import { pageOf, type PageWish } from './listing.ts'

export interface UserFilter {
  readonly name?: string
  readonly domainId?: string
  readonly enabled?: boolean
}

export const findUser = (db: Db, id: string): Promise<UserRow | undefined> =>
  db.query.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst()

export const findUserByName = (db: Db, domainId: string, name: string): Promise<UserRow | undefined> =>
  db.query.selectFrom('users').selectAll().where('domain_id', '=', domainId).where('name', '=', name).executeTakeFirst()

export async function findUsersByIds(db: Db, ids: readonly string[]): Promise<UserRow[]> {
  return ids.length === 0 ? [] : db.query.selectFrom('users').selectAll().where('id', 'in', ids).execute()
}

export function listUsers(db: Db, filter: UserFilter, page: PageWish): Promise<Page<UserRow>> {
  let query = db.query.selectFrom('users').selectAll()
  if (filter.name !== undefined) query = query.where('name', '=', filter.name)
  if (filter.domainId !== undefined) query = query.where('domain_id', '=', filter.domainId)
  if (filter.enabled !== undefined) query = query.where('enabled', '=', flag(filter.enabled))
  return pageOf(query, page, { sort: 'name', unique: 'id' })
}

export function listUsersOfGroup(db: Db, groupId: string, filter: UserFilter, page: PageWish): Promise<Page<UserRow>> {
  let query = db.query
    .selectFrom('users')
    .selectAll()
    .where('id', 'in', db.query.selectFrom('user_groups').select('user_id').where('group_id', '=', groupId))
  if (filter.name !== undefined) query = query.where('name', '=', filter.name)
  if (filter.domainId !== undefined) query = query.where('domain_id', '=', filter.domainId)
  return pageOf(query, page, { sort: 'name', unique: 'id' })
}

export async function insertUser(tx: Db, row: UserRow): Promise<void> {
  await tx.query.insertInto('users').values(row).execute()
}

export async function updateUser(tx: Db, id: string, changes: Partial<UserRow>): Promise<void> {
  if (Object.keys(changes).length > 0) await tx.query.updateTable('users').set(changes).where('id', '=', id).execute()
}

/** The user and all that hangs on them. */
export async function deleteUser(tx: Tx, id: string): Promise<void> {
  const credentials = tx.query.selectFrom('application_credentials').select('id').where('user_id', '=', id)
  await tx.query.deleteFrom('application_credential_roles').where('credential_id', 'in', credentials).execute()
  await tx.query.deleteFrom('application_credentials').where('user_id', '=', id).execute()
  await tx.query.deleteFrom('assignments').where('actor_type', '=', 'user').where('actor_id', '=', id).execute()
  await tx.query.deleteFrom('user_groups').where('user_id', '=', id).execute()
  await tx.query.deleteFrom('users').where('id', '=', id).execute()
}

/** Counts one more wrong password, or the first one when the last is older than the window. One statement: parallel failures all count. */
export async function countFailure(db: Db, id: string, nowMs: number, windowMs: number): Promise<void> {
  await db.query
    .updateTable('users')
    .set((set) => ({
      failed_count: set
        .case()
        .when('failed_at_ms', '>', nowMs - windowMs)
        .then(set('failed_count', '+', 1))
        .else(1)
        .end(),
      failed_at_ms: nowMs,
    }))
    .where('id', '=', id)
    .execute()
}

export async function forgetFailures(db: Db, id: string): Promise<void> {
  await db.query.updateTable('users').set({ failed_count: 0, failed_at_ms: 0 }).where('id', '=', id).where('failed_count', '>', 0).execute()
}

/** Writes the better hash only while the old one still stands: a password change in between wins. */
export async function replaceHash(db: Db, id: string, from: string, to: string): Promise<void> {
  await db.query.updateTable('users').set({ password_hash: to }).where('id', '=', id).where('password_hash', '=', from).execute()
}

export const groupsOfUser = (db: Db, userId: string): Promise<GroupRow[]> =>
  db.query
    .selectFrom('groups')
    .selectAll()
    .where('id', 'in', db.query.selectFrom('user_groups').select('group_id').where('user_id', '=', userId))
    .orderBy('name')
    .execute()
