import { bulkInsert, type Page } from '@murmuration/data'
import type { ApplicationCredentialRow, Db, Tx } from './schema.ts'
import { pageOf, type PageWish } from './listing.ts'

export const findApplicationCredential = (db: Db, id: string): Promise<ApplicationCredentialRow | undefined> =>
  db.query.selectFrom('application_credentials').selectAll().where('id', '=', id).executeTakeFirst()

export const findApplicationCredentialByName = (db: Db, userId: string, name: string): Promise<ApplicationCredentialRow | undefined> =>
  db.query.selectFrom('application_credentials').selectAll().where('user_id', '=', userId).where('name', '=', name).executeTakeFirst()

export function listApplicationCredentials(
  db: Db,
  filter: { userId: string; name?: string },
  page: PageWish,
): Promise<Page<ApplicationCredentialRow>> {
  let query = db.query.selectFrom('application_credentials').selectAll().where('user_id', '=', filter.userId)
  if (filter.name !== undefined) query = query.where('name', '=', filter.name)
  return pageOf(query, page, { sort: 'name', unique: 'id' })
}

/** Role ids by credential. */
export async function rolesOfCredentials(db: Db, ids: readonly string[]): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>(ids.map((id) => [id, []]))
  if (ids.length === 0) return found
  const rows = await db.query.selectFrom('application_credential_roles').selectAll().where('credential_id', 'in', ids).execute()
  for (const row of rows) found.get(row.credential_id)?.push(row.role_id)
  return found
}

export async function insertApplicationCredential(tx: Tx, row: ApplicationCredentialRow, roleIds: readonly string[]): Promise<void> {
  await tx.query.insertInto('application_credentials').values(row).execute()
  await bulkInsert(
    tx,
    'application_credential_roles',
    roleIds.map((roleId) => ({ credential_id: row.id, role_id: roleId })),
  )
}

export async function deleteApplicationCredential(tx: Tx, id: string): Promise<void> {
  await tx.query.deleteFrom('application_credential_roles').where('credential_id', '=', id).execute()
  await tx.query.deleteFrom('application_credentials').where('id', '=', id).execute()
}
