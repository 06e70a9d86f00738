import type { Columns } from '@murmuration/data'
import type { Kysely } from 'kysely'

/** System peers, subcloud peer groups and their associations (reference dcmanager §2, §7.1), and what ../schema.ts adds to them. */
// oxlint-disable-next-line typescript/no-explicit-any -- a migration writes the schema, so no type of it holds
export async function geoRedundancy(db: Kysely<any>, c: Columns): Promise<void> {
  await db.schema
    .alterTable('subclouds')
    .addColumn('document_revision', c.integer, (column) => column.notNull().defaultTo(1))
    .execute()
  await db.schema
    .alterTable('subclouds')
    .addColumn('owner_epoch', c.integer, (column) => column.notNull().defaultTo(0))
    .execute()
  await db.schema.alterTable('subclouds').addColumn('fenced_by', c.text).execute()
  await db.schema.createIndex('subclouds_peer_group_id').on('subclouds').column('peer_group_id').execute()

  await db.schema
    .createTable('system_peer')
    .addColumn('id', c.id.type, c.id.with)
    .addColumn('peer_uuid', c.text, (column) => column.notNull().unique())
    .addColumn('peer_name', c.text, (column) => column.notNull().unique())
    .addColumn('manager_endpoint', c.text, (column) => column.notNull())
    .addColumn('manager_username', c.text, (column) => column.notNull())
    .addColumn('manager_password', c.text, (column) => column.notNull())
    .addColumn('peer_controller_gateway_ip', c.text, (column) => column.notNull())
    .addColumn('administrative_state', c.text, (column) => column.notNull())
    .addColumn('heartbeat_interval', c.integer, (column) => column.notNull())
    .addColumn('heartbeat_failure_threshold', c.integer, (column) => column.notNull())
    .addColumn('heartbeat_failure_policy', c.text, (column) => column.notNull())
    .addColumn('heartbeat_maintenance_timeout', c.integer, (column) => column.notNull())
    .addColumn('availability_state', c.text, (column) => column.notNull())
    .addColumn('rehome_sysadmin_password', c.text)
    .addColumn('authority_pem', c.text)
    .addColumn('heartbeat_failures', c.integer, (column) => column.notNull().defaultTo(0))
    .addColumn('next_heartbeat_at', c.timestamp, (column) => column.notNull())
    .addColumn('lease_owner', c.text)
    .addColumn('lease_until', c.timestamp)
    .addColumn('last_heard_at', c.timestamp)
    .addColumn('unavailable_since', c.timestamp)
    .addColumn('failure_reason', c.text)
    .addColumn('created_at', c.timestamp, (column) => column.notNull())
    .addColumn('updated_at', c.timestamp)
    .execute()

  await db.schema
    .createTable('subcloud_peer_group')
    .addColumn('id', c.id.type, c.id.with)
    .addColumn('peer_group_name', c.text, (column) => column.notNull().unique())
    .addColumn('group_priority', c.integer, (column) => column.notNull())
    .addColumn('group_state', c.text, (column) => column.notNull())
    .addColumn('max_subcloud_rehoming', c.integer, (column) => column.notNull())
    .addColumn('system_leader_id', c.text, (column) => column.notNull())
    .addColumn('system_leader_name', c.text, (column) => column.notNull())
    .addColumn('migration_status', c.text)
    .addColumn('revision', c.integer, (column) => column.notNull().defaultTo(1))
    .addColumn('created_at', c.timestamp, (column) => column.notNull())
    .addColumn('updated_at', c.timestamp)
    .execute()

  await db.schema
    .createTable('peer_group_association')
    .addColumn('id', c.id.type, c.id.with)
    .addColumn('peer_group_id', c.integer, (column) => column.notNull().references('subcloud_peer_group.id').onDelete('cascade'))
    .addColumn('system_peer_id', c.integer, (column) => column.notNull().references('system_peer.id').onDelete('cascade'))
    .addColumn('association_type', c.text, (column) => column.notNull())
    .addColumn('peer_group_priority', c.integer)
    .addColumn('synced_revision', c.integer, (column) => column.notNull().defaultTo(0))
    .addColumn('sync_failure', c.text)
    .addColumn('remote_migration', c.text)
    .addColumn('reported_status', c.text)
    .addColumn('reported_message', c.text)
    .addColumn('created_at', c.timestamp, (column) => column.notNull())
    .addColumn('updated_at', c.timestamp)
    .addUniqueConstraint('peer_group_association_pair', ['peer_group_id', 'system_peer_id'])
    .execute()
  await db.schema.createIndex('peer_group_association_peer').on('peer_group_association').column('system_peer_id').execute()

  await db.schema
    .createTable('peer_group_member_sync')
    .addColumn('association_id', c.integer, (column) => column.notNull().references('peer_group_association.id').onDelete('cascade'))
    .addColumn('region_name', c.text, (column) => column.notNull())
    .addColumn('synced_revision', c.integer, (column) => column.notNull())
    .addColumn('failure', c.text)
    .addColumn('updated_at', c.timestamp, (column) => column.notNull())
    .addPrimaryKeyConstraint('peer_group_member_sync_pk', ['association_id', 'region_name'])
    .execute()
}
