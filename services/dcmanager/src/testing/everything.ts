import type { Database } from '@murmuration/data'
import type { Schema } from '../store/schema.ts'

const tables = [
  'subclouds',
  'subcloud_documents',
  'subcloud_networks',
  'subcloud_status',
  'subcloud_audits',
  'subcloud_alarms',
  'subcloud_group',
  'subcloud_changes',
  'system_peer',
  'subcloud_peer_group',
  'peer_group_association',
  'peer_group_member_sync',
  'idempotency_keys',
  'subcloud_backups',
  'jobs',
] as const

/** All rows of all tables: two of these are equal when nothing has changed in between. */
export async function fromTables(database: Database<Schema>): Promise<Record<(typeof tables)[number], unknown[]>> {
  const rows = await Promise.all(tables.map((table) => database.query.selectFrom(table).selectAll().execute()))
  return Object.fromEntries(tables.map((table, index) => [table, rows[index]])) as Record<(typeof tables)[number], unknown[]>
}
