import type { Db, SystemRow } from './schema.ts'

export const readSystem = (db: Db): Promise<SystemRow> => db.query.selectFrom('systems').selectAll().executeTakeFirstOrThrow()

/** Undefined when `uuid` is not this system's. */
export const changeSystem = (
  db: Db,
  uuid: string,
  changes: Partial<Pick<SystemRow, 'name' | 'description' | 'location' | 'contact'>>,
  now: string,
): Promise<SystemRow | undefined> =>
  db.query
    .updateTable('systems')
    .set({ ...changes, updated_at: now })
    .where('uuid', '=', uuid)
    .returningAll()
    .executeTakeFirst()
