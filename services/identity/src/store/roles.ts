import type { Page } from '@murmuration/data'
import type { Db, ImpliedRoleRow, RoleRow, Tx } from './schema.ts'
import { pageOf, type PageWish } from './listing.ts'

export const findRole = (db: Db, id: string): Promise<RoleRow | undefined> =>
  db.query.selectFrom('roles').selectAll().where('id', '=', id).executeTakeFirst()

export const findGlobalRoleByName = (db: Db, name: string): Promise<RoleRow | undefined> =>
  db.query.selectFrom('roles').selectAll().where('name', '=', name).where('domain_id', '=', '').executeTakeFirst()

export async function findRolesByIds(db: Db, ids: readonly string[]): Promise<RoleRow[]> {
  return ids.length === 0 ? [] : db.query.selectFrom('roles').selectAll().where('id', 'in', ids).execute()
}

/** Without a domain: the global roles, as Keystone lists them. */
export function listRoles(db: Db, filter: { name?: string; domainId: string }, page: PageWish): Promise<Page<RoleRow>> {
  let query = db.query.selectFrom('roles').selectAll().where('domain_id', '=', filter.domainId)
  if (filter.name !== undefined) query = query.where('name', '=', filter.name)
  return pageOf(query, page, { sort: 'name', unique: 'id' })
}

export async function insertRole(tx: Db, row: RoleRow): Promise<void> {
  await tx.query.insertInto('roles').values(row).execute()
}

export async function updateRole(tx: Db, id: string, changes: Partial<RoleRow>): Promise<void> {
  if (Object.keys(changes).length > 0) await tx.query.updateTable('roles').set(changes).where('id', '=', id).execute()
}

export async function deleteRole(tx: Tx, id: string): Promise<void> {
  await tx.query.deleteFrom('assignments').where('role_id', '=', id).execute()
  await tx.query.deleteFrom('application_credential_roles').where('role_id', '=', id).execute()
  await tx.query
    .deleteFrom('implied_roles')
    .where((where) => where.or([where('prior_role_id', '=', id), where('implied_role_id', '=', id)]))
    .execute()
  await tx.query.deleteFrom('roles').where('id', '=', id).execute()
}

/** The whole table: a handful of rows, and every effective role needs the closure. */
export const allImpliedRoles = (db: Db): Promise<ImpliedRoleRow[]> => db.query.selectFrom('implied_roles').selectAll().execute()

export async function addImpliedRole(tx: Db, row: ImpliedRoleRow): Promise<void> {
  await tx.query
    .insertInto('implied_roles')
    .values(row)
    .onConflict((conflict) => conflict.columns(['prior_role_id', 'implied_role_id']).doNothing())
    .execute()
}

/** False when there was none. */
export async function removeImpliedRole(tx: Db, row: ImpliedRoleRow): Promise<boolean> {
  const result = await tx.query
    .deleteFrom('implied_roles')
    .where('prior_role_id', '=', row.prior_role_id)
    .where('implied_role_id', '=', row.implied_role_id)
    .executeTakeFirst()
  return result.numDeletedRows > 0n
}
