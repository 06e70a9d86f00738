import { describeError } from '../rules/error-description.ts'
import { aggregateSyncStatus } from '../rules/sync-status.ts'
import { endpointTypes } from '../store/schema.ts'
import type { EndpointStatuses, SubcloudWithStatuses } from '../store/subcloud-list.ts'
import type { SubcloudRow } from '../store/subclouds.ts'

/**
 * `S` of reference dcmanager §1.5: key order and spelling as there. Secrets are not in a row, so they can not be in a reply.
 * `rehomeData` is JSON text; only where one subcloud or the members of a peer group are shown, for it costs the opening of documents.
 * Timestamps have one spelling, `2026-03-09T18:54:16.183000`.
 */
export function subcloudToWire(row: SubcloudRow, rehomeData: string | null = null): SubcloudOnWire {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    location: row.location,
    'software-version': row.software_version,
    'management-state': row.management_state,
    'availability-status': row.availability_status,
    'deploy-status': row.deploy_status,
    'backup-status': row.backup_status,
    'backup-datetime': row.backup_datetime,
    'error-description': describeError(row.error_description, row.deploy_status),
    'region-name': row.region_name,
    'management-subnet': row.management_subnet,
    'management-start-ip': row.management_start_ip,
    'management-end-ip': row.management_end_ip,
    'management-gateway-ip': row.management_gateway_ip,
    'openstack-installed': row.openstack_installed === 1,
    'prestage-status': row.prestage_status,
    'prestage-versions': row.prestage_versions,
    'systemcontroller-gateway-ip': row.systemcontroller_gateway_ip,
    data_install: row.data_install,
    data_upgrade: null,
    'created-at': row.created_at,
    'updated-at': row.updated_at,
    group_id: row.group_id,
    peer_group_id: row.peer_group_id,
    rehome_data: rehomeData,
  }
}

export type SubcloudOnWire = Readonly<Record<string, string | number | boolean | null>>

export const endpointsToWire = (statuses: EndpointStatuses): { endpoint_type: string; sync_status: string }[] =>
  endpointTypes.map((type, index) => ({ endpoint_type: type, sync_status: statuses[index] ?? 'unknown' }))

/** GET one: statuses of the endpoints, without the aggregate. */
export const shownSubcloud = (row: SubcloudRow, statuses: EndpointStatuses, rehomeData: string | null): object => ({
  ...subcloudToWire(row, rehomeData),
  endpoint_sync_status: endpointsToWire(statuses),
  ...ownership(row),
})

/** New: under which epoch this controller manages it, for peers of this kind. */
const ownership = (row: SubcloudRow): object => (row.owner_epoch === 0 ? {} : { 'murmuration-owner-epoch': row.owner_epoch })

/** cert-mon knows subclouds by their region and reads it as `name` (reference §1.3). */
export type NameAs = 'name' | 'region'

/**
 * The text of a list. Statuses are few combinations over many rows: each is written once and pasted, which halves the time that
 * a list of thousands takes.
 */
export function subcloudListText(
  page: { readonly rows: readonly SubcloudWithStatuses[]; readonly next?: string },
  nameAs: NameAs = 'name',
  rehomeData?: ReadonlyMap<number, string>,
  /** New: beside the list. */
  more: Readonly<Record<string, number>> = {},
): string {
  const tails = new Map<EndpointStatuses, string>()
  const items = page.rows.map(({ row, statuses }) => {
    let tail = tails.get(statuses)
    if (tail === undefined) {
      tail = `,"sync_status":"${aggregateSyncStatus(statuses)}","endpoint_sync_status":${JSON.stringify(endpointsToWire(statuses))}}`
      tails.set(statuses, tail)
    }
    const wire = subcloudToWire(nameAs === 'name' ? row : { ...row, name: row.region_name }, rehomeData?.get(row.id))
    const text = JSON.stringify(rehomeData === undefined ? wire : { ...wire, ...ownership(row) })
    return text.slice(0, -1) + tail
  })
  const next = page.next === undefined ? '' : `,"next":${JSON.stringify(page.next)}`
  const beside = Object.entries(more).map(([name, value]) => `,${JSON.stringify(name)}:${value}`)
  return `{"subclouds":[${items.join()}]${next}${beside.join('')}}`
}
