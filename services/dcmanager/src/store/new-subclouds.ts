import { bulkInsert, timestamp, type Transaction } from '@murmuration/data'
import type { ApiError } from '@murmuration/http'
import type { Keyring } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import { errors } from '../errors.ts'
import type { NetworkKeys } from '../rules/addresses.ts'
import { noError } from '../rules/error-description.ts'
import type { DeployStatus } from '../rules/lifecycle.ts'
import { resetAlarms } from './alarms.ts'
import { recordChanges } from './changes.ts'
import { writeDocumentsOfMany, type Documents } from './documents.ts'
import { defaultGroupId, readGroups } from './groups.ts'
import { findTaken, inTheWay, lockNetworks, reserveNetworks, type NetworkConflict } from './networks.ts'
import { endpointTypes, type Schema } from './schema.ts'
import type { SubcloudRow } from './subclouds.ts'

/** What a row is made of, whatever becomes of it then. */
export interface SubcloudToAdd {
  readonly columns: Pick<
    SubcloudRow,
    | 'name'
    | 'description'
    | 'location'
    | 'software_version'
    | 'region_name'
    | 'management_subnet'
    | 'management_gateway_ip'
    | 'management_start_ip'
    | 'management_end_ip'
    | 'systemcontroller_gateway_ip'
    | 'external_oam_subnet_ip_family'
    | 'data_install'
    | 'bootstrap_address'
  >
  /** Id as text; default group when absent. */
  readonly groupId: string | undefined
  readonly documents: Documents
  readonly network: NetworkClaim
}

/** Addresses that a request wants for its subcloud. */
export interface NetworkClaim {
  readonly keys: NetworkKeys
  readonly oam: { readonly first: string; readonly last: string } | undefined
  /** The member that named the range, for the refusal. */
  readonly field: string
}

/** The row that was added, or why it is refused. */
export type Added = SubcloudRow | ApiError

export function conflictRefusal(network: NetworkClaim, conflict: NetworkConflict): ApiError {
  const other = conflict.name
  return conflict.what === 'range'
    ? errors.networkOverlap({ field: network.field, other }, { field: network.field })
    : errors.oamOverlap({ field: 'external_oam_subnet', other }, { field: 'bootstrap_values.external_oam_subnet' })
}

/**
 * Adds subclouds, and all that belongs to each, in a number of statements that does not grow with them. What is asked about one is asked
 * of those before it in the list too; a refusal of one leaves the others alone. In their order.
 */
export async function insertSubclouds(
  { world, keyring }: { readonly world: World; readonly keyring: Keyring },
  tx: Transaction<Schema>,
  given: readonly SubcloudToAdd[],
  deployStatus: DeployStatus,
  peerGroupId: number | null = null,
): Promise<readonly Added[]> {
  // Names and ranges are claimed under one lock, so two requests at the same time get one answer each: yes and no.
  await lockNetworks(tx)
  const refusals = await judge(tx, given)
  const accepted = given.filter((_, index) => refusals[index] === undefined)
  if (accepted.length === 0) return refusals.filter((refusal) => refusal !== undefined)

  const at = timestamp(world.clock.nowMs())
  const inserted = await tx.query
    .insertInto('subclouds')
    .values(
      accepted.map((each) => ({
        ...each.columns,
        management_state: 'unmanaged' as const,
        availability_status: 'offline' as const,
        deploy_status: deployStatus,
        error_description: noError,
        openstack_installed: 0 as const,
        first_identity_sync_complete: 0 as const,
        enrolled_with_vcsr: 0 as const,
        rehomed: 0 as const,
        group_id: Number(each.groupId ?? defaultGroupId),
        peer_group_id: peerGroupId,
        initial_deployment: 1 as const,
        revision: 1,
        created_at: at,
        updated_at: null,
      })),
    )
    .returningAll()
    .execute()
  const byRegion = new Map(inserted.map((row) => [row.region_name, row]))
  const rows = accepted.map((each) => ({ ...each, row: byRegion.get(each.columns.region_name)! }))
  await bulkInsert(
    tx,
    'subcloud_status',
    rows.flatMap(({ row }) =>
      endpointTypes.map((type) => ({
        subcloud_id: row.id,
        endpoint_type: type,
        sync_status: 'unknown',
        created_at: at,
        updated_at: null,
      })),
    ),
  )
  await bulkInsert(
    tx,
    'subcloud_audits',
    rows.map(({ row }) => ({ subcloud_id: row.id, next_audit_at: at })),
  )
  await resetAlarms(
    tx,
    world,
    rows.map(({ row }) => row.id),
  )
  await reserveNetworks(
    tx,
    rows.map(({ row, network }) => ({ subcloudId: row.id, purpose: 'current', keys: network.keys })),
  )
  await writeDocumentsOfMany(
    tx,
    world,
    keyring,
    rows.map(({ row, documents }) => ({ subcloudId: row.id, documents })),
  )
  await recordChanges(
    tx,
    world,
    rows.map(({ row }) => ({ subcloudId: row.id, kind: 'created', columns: row })),
  )
  return given.map((each, index) => refusals[index] ?? byRegion.get(each.columns.region_name)!)
}

/** Why each of them can not be had; three statements. */
async function judge(tx: Transaction<Schema>, given: readonly SubcloudToAdd[]): Promise<readonly (ApiError | undefined)[]> {
  const labels = [...new Set(given.flatMap(({ columns }) => [columns.name, columns.region_name]))]
  const twins = await tx.query
    .selectFrom('subclouds')
    .select(['name', 'region_name'])
    .where((eb) => eb.or([eb('name', 'in', labels), eb('region_name', 'in', labels)]))
    .execute()
  // Wherever a name may stand, a region may too.
  const taken = new Set(twins.flatMap((twin) => [twin.name, twin.region_name]))
  const groups = await readGroups(
    tx,
    given.map(({ groupId }) => Number(groupId ?? defaultGroupId)),
  )
  const ranges = await findTaken(
    tx,
    given.map(({ network }) => network),
  )
  return given.map(({ columns, groupId, network }) => {
    const { name, region_name: region } = columns
    if (taken.has(name)) return errors.nameTaken({ name }, { field: 'name' })
    if (taken.has(region)) return errors.regionTaken({ region }, { field: 'region_name' })
    if (!groups.has(Number(groupId ?? defaultGroupId)))
      return errors.groupInvalid({ group: groupId ?? defaultGroupId }, { field: 'group_id' })
    const conflict = inTheWay(ranges, network)
    if (conflict !== undefined) return conflictRefusal(network, conflict)
    taken.add(name).add(region)
    ranges.push({ name, ...network.keys })
    return undefined
  })
}
