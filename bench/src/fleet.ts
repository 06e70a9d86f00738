import { bulkInsert, timestamp, type Database } from '@murmuration/data'
import { endpointTypes, type Schema } from '@murmuration/dcmanager/bench'
import type { World } from '@murmuration/world'

/** Address of a simulated subcloud: every 127.x.y.z is this machine. */
export const addressOf = (n: number): string => `127.${16 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`

/** Fills the tables of dcmanager with managed, online, complete subclouds whose seven endpoints have statuses. */
export async function addFleet(
  database: Database<Schema>,
  world: World,
  count: number,
  nextAuditAtMs: (n: number) => number,
): Promise<void> {
  const at = timestamp(world.clock.nowMs())
  const numbers = Array.from({ length: count }, (_, index) => index + 1)
  await bulkInsert(
    database,
    'subclouds',
    numbers.map((n) => ({
      name: `edge-${String(n).padStart(5, '0')}`,
      description: `Plant ${n}, second floor`,
      location: `Site ${n % 300}`,
      software_version: '26.09',
      management_state: 'managed',
      availability_status: 'online',
      deploy_status: 'complete',
      error_description: 'No errors present',
      region_name: n.toString(16).padStart(32, '0'),
      management_subnet: `${addressOf(n)}/32`,
      management_gateway_ip: addressOf(n),
      management_start_ip: addressOf(n),
      management_end_ip: addressOf(n),
      systemcontroller_gateway_ip: '203.0.113.1',
      group_id: 1,
      revision: 1,
      created_at: at,
    })),
  )
  await bulkInsert(
    database,
    'subcloud_status',
    numbers.flatMap((n) =>
      endpointTypes.map((endpoint_type, index) => ({
        subcloud_id: n,
        endpoint_type,
        sync_status: index < 2 ? 'unknown' : n % 17 === 0 && index === 6 ? 'out-of-sync' : 'in-sync',
        created_at: at,
      })),
    ),
  )
  await bulkInsert(
    database,
    'subcloud_audits',
    numbers.map((n) => ({ subcloud_id: n, next_audit_at: timestamp(nextAuditAtMs(n)), audit_finished_at: at })),
  )
}
