import type { Columns } from '@murmuration/data'
import type { Kysely } from 'kysely'

/** What a migration of a peer group has done with each member (../schema.ts). */
// oxlint-disable-next-line typescript/no-explicit-any -- a migration writes the schema, so no type of it holds
export async function peerGroupMigration(db: Kysely<any>, c: Columns): Promise<void> {
  await db.schema
    .createTable('peer_group_migration')
    .addColumn('peer_group_id', c.integer, (column) => column.notNull().references('subcloud_peer_group.id').onDelete('cascade'))
    .addColumn('subcloud_id', c.integer, (column) => column.notNull().references('subclouds.id').onDelete('cascade'))
    .addColumn('job_id', c.text, (column) => column.notNull())
    .addColumn('state', c.text, (column) => column.notNull())
    .addColumn('reason', c.text)
    .addColumn('updated_at', c.timestamp, (column) => column.notNull())
    .addPrimaryKeyConstraint('peer_group_migration_pk', ['peer_group_id', 'subcloud_id'])
    .execute()
  await db.schema.createIndex('peer_group_migration_subcloud').on('peer_group_migration').column('subcloud_id').execute()
}
