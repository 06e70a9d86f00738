import type { Database } from '@murmuration/data'
import { errors } from '../errors.ts'
import type { Db, HostRow, Schema, ServiceGroupRow } from './schema.ts'

export const listHosts = (db: Db): Promise<HostRow[]> => db.query.selectFrom('hosts').selectAll().orderBy('hostname').execute()

/** By uuid or host name. */
export const findHost = (db: Db, ref: string): Promise<HostRow | undefined> =>
  db.query
    .selectFrom('hosts')
    .selectAll()
    .where((where) => where.or([where('uuid', '=', ref), where('hostname', '=', ref)]))
    .executeTakeFirst()

/** Rejects with a unique violation when the name is taken. */
export const addHost = (db: Db, host: HostRow): Promise<HostRow> =>
  db.query.insertInto('hosts').values(host).returningAll().executeTakeFirstOrThrow()

export const changeHost = (
  db: Db,
  uuid: string,
  changes: Partial<Omit<HostRow, 'uuid' | 'created_at'>>,
  now: string,
): Promise<HostRow | undefined> =>
  db.query
    .updateTable('hosts')
    .set({ ...changes, updated_at: now })
    .where('uuid', '=', uuid)
    .returningAll()
    .executeTakeFirst()

/** Only a locked host goes, with its service groups: one transaction decides. */
export const removeHost = (database: Database<Schema>, ref: string): Promise<void> =>
  database.transaction(async (tx) => {
    const host = await findHost(tx, ref)
    if (host === undefined) throw errors.notFound({ what: 'Host', ref })
    const gone = await tx.query.deleteFrom('hosts').where('uuid', '=', host.uuid).where('administrative', '=', 'locked').executeTakeFirst()
    if (gone.numDeletedRows === 0n) throw errors.hostUnlocked({ ref: host.hostname })
    await tx.query.deleteFrom('service_groups').where('node_name', '=', host.hostname).execute()
  })

export const listServiceGroups = (db: Db): Promise<ServiceGroupRow[]> =>
  db.query.selectFrom('service_groups').selectAll().orderBy('name').orderBy('node_name').execute()

export const changeServiceGroup = (
  db: Db,
  uuid: string,
  state: ServiceGroupRow['state'],
  now: string,
): Promise<ServiceGroupRow | undefined> =>
  db.query.updateTable('service_groups').set({ state, updated_at: now }).where('uuid', '=', uuid).returningAll().executeTakeFirst()
