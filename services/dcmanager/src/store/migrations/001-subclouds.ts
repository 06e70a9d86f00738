import type { Columns } from '@murmuration/data'
import type { Kysely } from 'kysely'

/** All tables of ../schema.ts (reference dcmanager §2), with the indexes and constraints that the original only declared. */
// oxlint-disable-next-line typescript/no-explicit-any -- a migration writes the schema, so no type of it holds
export async function subclouds(db: Kysely<any>, c: Columns): Promise<void> {
  await db.schema
    .createTable('subcloud_group')
    .addColumn('id', c.id.type, c.id.with)
    .addColumn('name', c.text, (column) => column.notNull().unique())
    .addColumn('description', c.text, (column) => column.notNull())
    .addColumn('update_apply_type', c.text, (column) => column.notNull())
    .addColumn('max_parallel_subclouds', c.integer, (column) => column.notNull())
    .addColumn('created_at', c.timestamp, (column) => column.notNull())
    .addColumn('updated_at', c.timestamp)
    .execute()
  // The first row of a counted key is 1 on every engine: the group that every subcloud is in unless told otherwise.
  await db
    .insertInto('subcloud_group')
    .values({
      name: 'Default',
      description: 'Default Subcloud Group',
      update_apply_type: 'parallel',
      max_parallel_subclouds: 2,
      created_at: '1970-01-01T00:00:00.000000',
      updated_at: null,
    })
    .execute()

  await db.schema
    .createTable('subclouds')
    .addColumn('id', c.id.type, c.id.with)
    .addColumn('name', c.text, (column) => column.notNull().unique())
    .addColumn('description', c.text)
    .addColumn('location', c.text)
    .addColumn('software_version', c.text, (column) => column.notNull())
    .addColumn('management_state', c.text, (column) => column.notNull())
    .addColumn('availability_status', c.text, (column) => column.notNull())
    .addColumn('deploy_status', c.text, (column) => column.notNull())
    .addColumn('backup_status', c.text)
    .addColumn('backup_datetime', c.timestamp)
    .addColumn('prestage_status', c.text)
    .addColumn('prestage_versions', c.text)
    .addColumn('error_description', c.text, (column) => column.notNull())
    .addColumn('region_name', c.text, (column) => column.notNull().unique())
    .addColumn('management_subnet', c.text, (column) => column.notNull())
    .addColumn('management_gateway_ip', c.text, (column) => column.notNull())
    .addColumn('management_start_ip', c.text, (column) => column.notNull())
    .addColumn('management_end_ip', c.text, (column) => column.notNull())
    .addColumn('systemcontroller_gateway_ip', c.text, (column) => column.notNull())
    .addColumn('external_oam_subnet_ip_family', c.text)
    .addColumn('openstack_installed', c.flag, (column) => column.notNull().defaultTo(0))
    .addColumn('first_identity_sync_complete', c.flag, (column) => column.notNull().defaultTo(0))
    .addColumn('enrolled_with_vcsr', c.flag, (column) => column.notNull().defaultTo(0))
    .addColumn('rehomed', c.flag, (column) => column.notNull().defaultTo(0))
    .addColumn('group_id', c.integer, (column) => column.notNull().references('subcloud_group.id'))
    .addColumn('peer_group_id', c.integer)
    .addColumn('data_install', c.text)
    .addColumn('bootstrap_address', c.text)
    .addColumn('initial_deployment', c.flag, (column) => column.notNull().defaultTo(0))
    .addColumn('revision', c.integer, (column) => column.notNull().defaultTo(1))
    .addColumn('created_at', c.timestamp, (column) => column.notNull())
    .addColumn('updated_at', c.timestamp)
    .execute()
  for (const column of ['availability_status', 'deploy_status', 'management_state', 'group_id'])
    await db.schema.createIndex(`subclouds_${column}`).on('subclouds').column(column).execute()

  await db.schema
    .createTable('subcloud_documents')
    .addColumn('subcloud_id', c.integer, (column) => column.notNull().references('subclouds.id').onDelete('cascade'))
    .addColumn('kind', c.text, (column) => column.notNull())
    .addColumn('sealed', c.text, (column) => column.notNull())
    .addColumn('updated_at', c.timestamp, (column) => column.notNull())
    .addPrimaryKeyConstraint('subcloud_documents_pk', ['subcloud_id', 'kind'])
    .execute()

  await db.schema
    .createTable('subcloud_networks')
    .addColumn('subcloud_id', c.integer, (column) => column.notNull().references('subclouds.id').onDelete('cascade'))
    .addColumn('purpose', c.text, (column) => column.notNull())
    .addColumn('first_key', c.text, (column) => column.notNull())
    .addColumn('last_key', c.text, (column) => column.notNull())
    .addColumn('subnet_first_key', c.text, (column) => column.notNull())
    .addColumn('subnet_last_key', c.text, (column) => column.notNull())
    .addPrimaryKeyConstraint('subcloud_networks_pk', ['subcloud_id', 'purpose'])
    .execute()
  await db.schema.createIndex('subcloud_networks_range').on('subcloud_networks').columns(['first_key', 'last_key']).execute()

  await db.schema
    .createTable('subcloud_status')
    .addColumn('id', c.id.type, c.id.with)
    .addColumn('subcloud_id', c.integer, (column) => column.notNull().references('subclouds.id').onDelete('cascade'))
    .addColumn('endpoint_type', c.text, (column) => column.notNull())
    .addColumn('sync_status', c.text, (column) => column.notNull())
    .addColumn('created_at', c.timestamp, (column) => column.notNull())
    .addColumn('updated_at', c.timestamp)
    .addUniqueConstraint('subcloud_status_endpoint', ['subcloud_id', 'endpoint_type'])
    .execute()

  await db.schema
    .createTable('subcloud_audits')
    .addColumn('subcloud_id', c.integer, (column) => column.primaryKey().references('subclouds.id').onDelete('cascade'))
    .addColumn('next_audit_at', c.timestamp, (column) => column.notNull())
    .addColumn('lease_owner', c.text)
    .addColumn('lease_until', c.timestamp)
    .addColumn('audit_started_at', c.timestamp)
    .addColumn('audit_finished_at', c.timestamp)
    .addColumn('audit_fail_count', c.integer, (column) => column.notNull().defaultTo(0))
    .addColumn('failure_reason', c.text)
    .addColumn('state_update_requested', c.flag, (column) => column.notNull().defaultTo(0))
    .addColumn('firmware_audit_requested', c.flag, (column) => column.notNull().defaultTo(0))
    .addColumn('kubernetes_audit_requested', c.flag, (column) => column.notNull().defaultTo(0))
    .addColumn('kube_rootca_update_audit_requested', c.flag, (column) => column.notNull().defaultTo(0))
    .addColumn('software_audit_requested', c.flag, (column) => column.notNull().defaultTo(0))
    .execute()
  await db.schema.createIndex('subcloud_audits_due').on('subcloud_audits').column('next_audit_at').execute()
  await db.schema.createIndex('subcloud_audits_lease').on('subcloud_audits').column('lease_owner').execute()

  await db.schema
    .createTable('subcloud_alarms')
    .addColumn('subcloud_id', c.integer, (column) => column.primaryKey().references('subclouds.id').onDelete('cascade'))
    .addColumn('uuid', c.text, (column) => column.notNull().unique())
    .addColumn('critical_alarms', c.integer, (column) => column.notNull())
    .addColumn('major_alarms', c.integer, (column) => column.notNull())
    .addColumn('minor_alarms', c.integer, (column) => column.notNull())
    .addColumn('warnings', c.integer, (column) => column.notNull())
    .addColumn('cloud_status', c.text, (column) => column.notNull())
    .addColumn('created_at', c.timestamp, (column) => column.notNull())
    .addColumn('updated_at', c.timestamp)
    .execute()

  await db.schema
    .createTable('subcloud_changes')
    .addColumn('seq', c.id.type, c.id.with)
    // No reference to the subcloud: its end is a change too.
    .addColumn('subcloud_id', c.integer, (column) => column.notNull())
    .addColumn('kind', c.text, (column) => column.notNull())
    .addColumn('fields', c.json, (column) => column.notNull())
    .addColumn('at', c.timestamp, (column) => column.notNull())
    .execute()
  await db.schema.createIndex('subcloud_changes_at').on('subcloud_changes').column('at').execute()

  await db.schema
    .createTable('idempotency_keys')
    .addColumn('user_id', c.text, (column) => column.notNull())
    .addColumn('key', c.text, (column) => column.notNull())
    .addColumn('request_digest', c.text, (column) => column.notNull())
    .addColumn('status', c.integer, (column) => column.notNull())
    .addColumn('body', c.text, (column) => column.notNull())
    .addColumn('created_at', c.timestamp, (column) => column.notNull())
    .addPrimaryKeyConstraint('idempotency_keys_pk', ['user_id', 'key'])
    .execute()
  await db.schema.createIndex('idempotency_keys_created_at').on('idempotency_keys').column('created_at').execute()
}
