import { json, timestamp, type Queryable, type Transaction } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { Selectable } from 'kysely'
import type { BackupStorage, Schema, SubcloudBackupTable } from './schema.ts'

export type BackupRow = Selectable<SubcloudBackupTable>

/** What a backup needs a place for. */
export interface Reservation {
  readonly id: string
  readonly subcloudId: number
  readonly release: string
  readonly storage: BackupStorage
  readonly fileName: string
  readonly bytes: number
  readonly registryImages: boolean
}

export type Reserved = { readonly row: BackupRow } | { readonly used: number }

/**
 * Reserves the place of an archive, unless all central ones would then take more than `quotaBytes`: says then what they take now. Under
 * one lock, so that many at once keep the quota together. Reserving again (after a crash) gives what was reserved.
 */
export async function reserveBackup(tx: Transaction<Schema>, world: World, wanted: Reservation, quotaBytes: number): Promise<Reserved> {
  await tx.lock('subcloud_backups')
  const before = await readBackup(tx, wanted.id)
  if (before !== undefined) return { row: before }
  if (wanted.storage === 'central') {
    const used = await centralBytes(tx)
    if (used + wanted.bytes > quotaBytes) return { used }
  }
  const row = await tx.query
    .insertInto('subcloud_backups')
    .values({
      id: wanted.id,
      subcloud_id: wanted.subcloudId,
      release: wanted.release,
      storage: wanted.storage,
      state: 'storing',
      file_name: wanted.fileName,
      bytes: wanted.bytes,
      sha256: null,
      manifest: null,
      registry_images: wanted.registryImages ? 1 : 0,
      created_at: timestamp(world.clock.nowMs()),
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  return { row }
}

export const readBackup = (db: Queryable<Schema>, id: string): Promise<BackupRow | undefined> =>
  db.query.selectFrom('subcloud_backups').selectAll().where('id', '=', id).executeTakeFirst()

/** Bytes of all archives at the system controller, reserved ones among them. */
export async function centralBytes(db: Queryable<Schema>): Promise<number> {
  const row = await db.query
    .selectFrom('subcloud_backups')
    .select((eb) => eb.fn.sum<number | string | null>('bytes').as('bytes'))
    .where('storage', '=', 'central')
    .executeTakeFirstOrThrow()
  return Number(row.bytes ?? 0)
}

/**
 * The archive lies where it belongs and was verified. It may have become larger than what was reserved: when all central ones then take more
 * than `quotaBytes`, it is not kept; says what the others take.
 */
export async function backupStored(
  tx: Transaction<Schema>,
  id: string,
  found: { readonly bytes: number; readonly sha256: string | null; readonly manifest: unknown },
  quotaBytes: number,
): Promise<{ readonly used: number } | undefined> {
  const reserved = await readBackup(tx, id)
  if (reserved?.storage === 'central' && found.bytes > reserved.bytes) {
    await tx.lock('subcloud_backups')
    const used = (await centralBytes(tx)) - reserved.bytes
    if (used + found.bytes > quotaBytes) return { used }
  }
  await tx.query
    .updateTable('subcloud_backups')
    .set({
      state: 'stored',
      bytes: found.bytes,
      sha256: found.sha256,
      manifest: found.manifest === undefined ? null : json.write(found.manifest),
    })
    .where('id', '=', id)
    .execute()
  return undefined
}

export async function forgetBackups(tx: Transaction<Schema>, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await tx.query.deleteFrom('subcloud_backups').where('id', 'in', ids).execute()
}

/** Stored archives of a subcloud, newest first. */
export function listBackups(
  db: Queryable<Schema>,
  subcloudId: number,
  filter: { readonly release?: string; readonly storage?: BackupStorage } = {},
): Promise<BackupRow[]> {
  return db.query
    .selectFrom('subcloud_backups')
    .selectAll()
    .where('subcloud_id', '=', subcloudId)
    .where('state', '=', 'stored')
    .$if(filter.release !== undefined, (query) => query.where('release', '=', filter.release!))
    .$if(filter.storage !== undefined, (query) => query.where('storage', '=', filter.storage!))
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute()
}

/** Which of these subclouds have an archive to restore from: one statement. */
export async function subcloudsWithBackup(
  db: Queryable<Schema>,
  subcloudIds: readonly number[],
): Promise<readonly { readonly subcloudId: number; readonly release: string; readonly storage: BackupStorage }[]> {
  if (subcloudIds.length === 0) return []
  const rows = await db.query
    .selectFrom('subcloud_backups')
    .select(['subcloud_id', 'release', 'storage'])
    .distinct()
    .where('subcloud_id', 'in', subcloudIds)
    .where('state', '=', 'stored')
    .execute()
  return rows.map((row) => ({ subcloudId: row.subcloud_id, release: row.release, storage: row.storage }))
}

/** What a backup of this subcloud will take, as far as the last ones tell; undefined before the first of them all. */
export async function expectedBytes(db: Queryable<Schema>, subcloudId: number): Promise<number | undefined> {
  const own = await db.query
    .selectFrom('subcloud_backups')
    .select('bytes')
    .where('subcloud_id', '=', subcloudId)
    .where('storage', '=', 'central')
    .where('state', '=', 'stored')
    .orderBy('created_at', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (own !== undefined) return own.bytes
  const all = await db.query
    .selectFrom('subcloud_backups')
    .select((eb) => eb.fn.max('bytes').as('bytes'))
    .where('storage', '=', 'central')
    .where('state', '=', 'stored')
    .executeTakeFirst()
  return all?.bytes ?? undefined
}

/** Page by page, all rows of one storage: for the sweep. */
export const backupsAfter = (db: Queryable<Schema>, after: string, limit: number): Promise<BackupRow[]> =>
  db.query.selectFrom('subcloud_backups').selectAll().where('id', '>', after).orderBy('id').limit(limit).execute()
