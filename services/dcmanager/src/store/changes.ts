import { bulkInsert, json, timestamp, type Transaction } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { Schema, SubcloudChangeTable, SubcloudTable } from './schema.ts'

/**
 * Column → name on the wire, for everything of a subcloud that a caller may see (reference dcmanager §1.5). What is not here
 * (leases, flags of flows, sealed things) never reaches a reply or the change stream.
 */
export const publicNames = {
  name: 'name',
  description: 'description',
  location: 'location',
  software_version: 'software-version',
  management_state: 'management-state',
  availability_status: 'availability-status',
  deploy_status: 'deploy-status',
  backup_status: 'backup-status',
  backup_datetime: 'backup-datetime',
  error_description: 'error-description',
  region_name: 'region-name',
  management_subnet: 'management-subnet',
  management_start_ip: 'management-start-ip',
  management_end_ip: 'management-end-ip',
  management_gateway_ip: 'management-gateway-ip',
  prestage_status: 'prestage-status',
  prestage_versions: 'prestage-versions',
  systemcontroller_gateway_ip: 'systemcontroller-gateway-ip',
  group_id: 'group_id',
  peer_group_id: 'peer_group_id',
} as const satisfies Partial<Record<keyof SubcloudTable, string>>

export interface SubcloudChange {
  readonly subcloudId: number
  readonly kind: SubcloudChangeTable['kind']
  /** Columns and their new values, or names that are public already (`endpoint_sync_status`); others are left out. */
  readonly columns: Partial<SubcloudTable> | Readonly<Record<string, unknown>>
}

/**
 * Writes the change stream in the transaction that makes the change, one statement for all of them. The lock makes `seq` follow
 * the order of commits, so a reader that resumes at a number misses nothing.
 */
export async function recordChanges(tx: Transaction<Schema>, world: World, changes: readonly SubcloudChange[]): Promise<void> {
  if (changes.length === 0) return
  const at = timestamp(world.clock.nowMs())
  await tx.lock('subcloud_changes')
  await bulkInsert(
    tx,
    'subcloud_changes',
    changes.map((change) => ({
      subcloud_id: change.subcloudId,
      kind: change.kind,
      fields: json.write(publicFields(change.columns)),
      at,
    })),
  )
}

const streamedBesides: ReadonlySet<string> = new Set(['endpoint_sync_status', 'sync_status', 'alarm_summary'])

function publicFields(columns: SubcloudChange['columns']): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  for (const [column, value] of Object.entries(columns)) {
    const name = (publicNames as Readonly<Record<string, string>>)[column]
    if (name !== undefined) fields[name] = value
    else if (streamedBesides.has(column)) fields[column] = value
  }
  return fields
}
