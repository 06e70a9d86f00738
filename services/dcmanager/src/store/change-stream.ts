import { timestamp, type Queryable } from '@murmuration/data'
import type { Selectable } from 'kysely'
import type { Schema, SubcloudChangeTable } from './schema.ts'

export type ChangeRow = Selectable<SubcloudChangeTable>

/** The last change, or undefined when there never was one: the last row is never forgotten. */
export const readHead = (db: Queryable<Schema>): Promise<ChangeRow | undefined> =>
  db.query.selectFrom('subcloud_changes').selectAll().orderBy('seq', 'desc').limit(1).executeTakeFirst()

/** The oldest change that is still known. */
export const readTail = (db: Queryable<Schema>): Promise<ChangeRow | undefined> =>
  db.query.selectFrom('subcloud_changes').selectAll().orderBy('seq').limit(1).executeTakeFirst()

export const readChange = (db: Queryable<Schema>, seq: number): Promise<ChangeRow | undefined> =>
  db.query.selectFrom('subcloud_changes').selectAll().where('seq', '=', seq).executeTakeFirst()

/** In order of commit. */
export const readChangesAfter = (db: Queryable<Schema>, seq: number, limit: number): Promise<ChangeRow[]> =>
  db.query.selectFrom('subcloud_changes').selectAll().where('seq', '>', seq).orderBy('seq').limit(limit).execute()

/** Forgets what is older than a moment or beyond a number of rows; the last row stays. Two or three statements. */
export async function forgetChanges(db: Queryable<Schema>, beforeMs: number, rows: number): Promise<void> {
  const head = await readHead(db)
  if (head === undefined) return
  await db.query
    .deleteFrom('subcloud_changes')
    .where('seq', '<', head.seq)
    .where((eb) => eb.or([eb('at', '<', timestamp(beforeMs)), eb('seq', '<=', head.seq - rows)]))
    .execute()
}
