import type { Columns } from '@murmuration/data'
import type { Kysely } from 'kysely'

/** Backups of subclouds, one row each (../backups.ts). */
// oxlint-disable-next-line typescript/no-explicit-any -- a migration writes the schema, so no type of it holds
export async function backups(db: Kysely<any>, c: Columns): Promise<void> {
  await db.schema
    .createTable('subcloud_backups')
    .addColumn('id', c.text, (column) => column.primaryKey())
    .addColumn('subcloud_id', c.integer, (column) => column.notNull().references('subclouds.id').onDelete('cascade'))
    .addColumn('release', c.text, (column) => column.notNull())
    .addColumn('storage', c.text, (column) => column.notNull())
    .addColumn('state', c.text, (column) => column.notNull())
    .addColumn('file_name', c.text, (column) => column.notNull())
    .addColumn('bytes', c.bigint, (column) => column.notNull())
    .addColumn('sha256', c.text)
    .addColumn('manifest', c.json)
    .addColumn('registry_images', c.flag, (column) => column.notNull())
    .addColumn('created_at', c.timestamp, (column) => column.notNull())
    .execute()
  await db.schema.createIndex('subcloud_backups_of').on('subcloud_backups').columns(['subcloud_id', 'release', 'storage']).execute()
  await db.schema.createIndex('subcloud_backups_storage').on('subcloud_backups').column('storage').execute()
  await db.schema.createIndex('subclouds_backup_status').on('subclouds').column('backup_status').execute()
}
