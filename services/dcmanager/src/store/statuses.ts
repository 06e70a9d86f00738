import { timestamp, updateFrom, type Queryable, type Transaction } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { AuditName } from '../rules/audit-plan.ts'
import { auditNames } from '../rules/audit-plan.ts'
import { changedStatuses, type CurrentState } from '../rules/audit-outcome.ts'
import { aggregateSyncStatus, keptWhenUnmanaged, type SubcloudState } from '../rules/sync-status.ts'
import { resetAlarms } from './alarms.ts'
import { requestAudits, type AuditRow } from './audits.ts'
import { recordChanges, type SubcloudChange } from './changes.ts'
import { touchMember } from './peer-groups.ts'
import { endpointTypes, type EndpointType, type Schema, type SyncStatus } from './schema.ts'

/** What an audit report is judged against. `lease` and `audit` belong to the row of `subcloud_audits`. */
export interface AuditedState extends CurrentState {
  readonly name: string
  readonly lease: string | null
  readonly failureReason: string | null
  readonly audit: AuditRow
}

/**
 * Everything that audits may change of these subclouds, in three statements. On PostgreSQL the rows stay locked until the
 * transaction ends: what is derived from them is written before anybody else changes them.
 */
export async function lockAuditedStates(tx: Transaction<Schema>, ids: readonly number[]): Promise<AuditedState[]> {
  if (ids.length === 0) return []
  const rows = await tx.query
    .selectFrom('subcloud_audits as a')
    .innerJoin('subclouds as s', 's.id', 'a.subcloud_id')
    .select([
      's.id',
      's.name',
      's.revision',
      's.management_state',
      's.availability_status',
      's.deploy_status',
      's.software_version',
      's.owner_epoch',
      'a.lease_owner',
      'a.lease_until',
      'a.next_audit_at',
      'a.audit_fail_count',
      'a.failure_reason',
      'a.firmware_audit_requested',
      'a.kubernetes_audit_requested',
      'a.kube_rootca_update_audit_requested',
      'a.software_audit_requested',
    ])
    .where('s.id', 'in', ids)
    .orderBy('s.id')
    .$if(tx.engine === 'postgres', (query) => query.forUpdate(['a', 's']))
    .execute()
  const statuses = await readStatuses(tx, ids)
  const alarms = await tx.query
    .selectFrom('subcloud_alarms')
    .select(['subcloud_id', 'critical_alarms', 'major_alarms', 'minor_alarms', 'warnings', 'cloud_status'])
    .where('subcloud_id', 'in', ids)
    .execute()
  const alarmsOf = new Map(alarms.map(({ subcloud_id, ...summary }) => [subcloud_id, summary]))
  return rows.map((row) => ({
    subcloudId: row.id,
    name: row.name,
    revision: row.revision,
    managementState: row.management_state,
    availabilityStatus: row.availability_status,
    deployStatus: row.deploy_status,
    softwareVersion: row.software_version,
    ownerEpoch: row.owner_epoch,
    failCount: row.audit_fail_count,
    statuses: statuses.get(row.id) ?? new Map(),
    alarms: alarmsOf.get(row.id),
    lease: row.lease_owner,
    failureReason: row.failure_reason,
    audit: row,
  }))
}

export async function readStatuses(
  db: Queryable<Schema>,
  ids: readonly number[],
): Promise<ReadonlyMap<number, ReadonlyMap<EndpointType, SyncStatus>>> {
  const rows = await db.query
    .selectFrom('subcloud_status')
    .select(['subcloud_id', 'endpoint_type', 'sync_status'])
    .where('subcloud_id', 'in', ids)
    .execute()
  const result = new Map<number, Map<EndpointType, SyncStatus>>()
  for (const row of rows) {
    const statuses = result.get(row.subcloud_id)
    if (statuses === undefined) result.set(row.subcloud_id, new Map([[row.endpoint_type, row.sync_status]]))
    else statuses.set(row.endpoint_type, row.sync_status)
  }
  return result
}

export interface StatusChange {
  readonly subcloudId: number
  readonly changed: ReadonlyMap<EndpointType, SyncStatus>
}

/** Writes endpoint statuses of any number of subclouds in one statement (a chunk). The rows exist since the subcloud does. */
export async function writeStatuses(tx: Transaction<Schema>, world: World, changes: readonly StatusChange[]): Promise<void> {
  const at = timestamp(world.clock.nowMs())
  const rows = changes.flatMap(({ subcloudId, changed }) =>
    [...changed].map(([endpoint, status]) => ({
      subcloud_id: subcloudId,
      endpoint_type: endpoint,
      sync_status: status,
      updated_at: at,
    })),
  )
  if (rows.length > 0) await updateFrom(tx, 'subcloud_status', ['subcloud_id', 'endpoint_type'], rows)
}

/** How changed endpoint statuses look in the change stream: whole, as a reader of the list sees them. */
export function statusColumns(
  before: ReadonlyMap<EndpointType, SyncStatus>,
  changed: ReadonlyMap<EndpointType, SyncStatus>,
): Record<string, unknown> {
  const after = endpointTypes.map((endpoint_type) => ({
    endpoint_type,
    sync_status: changed.get(endpoint_type) ?? before.get(endpoint_type) ?? 'unknown',
  }))
  return { endpoint_sync_status: after, sync_status: aggregateSyncStatus(after.map((each) => each.sync_status)) }
}

// --- what the API does to statuses (PATCH subclouds, PATCH update_status) ------------------------------------------

export interface StatusUpdate {
  readonly subcloudId: number
  /** `all` for every endpoint. */
  readonly endpoint: EndpointType | 'all'
  readonly status: SyncStatus
}

/**
 * Sets an endpoint's status as the state service does (reference dcmanager §8.6, operation 9): not when the rule forbids it, not
 * when it stands there already; a named audit that is set to unknown is run again. Tells what was changed; undefined when there
 * is no such subcloud.
 */
export async function applyEndpointStatus(
  tx: Transaction<Schema>,
  world: World,
  update: StatusUpdate,
): Promise<ReadonlyMap<EndpointType, SyncStatus> | undefined> {
  const [current] = await lockAuditedStates(tx, [update.subcloudId])
  if (current === undefined) return undefined
  const wanted = new Map((update.endpoint === 'all' ? endpointTypes : [update.endpoint]).map((type) => [type, update.status]))
  const changed = changedStatuses(current, wanted)
  await writeChanged(tx, world, current, changed)
  const forced = update.status === 'unknown' ? forcedByUnknown.filter((name) => wanted.has(name)) : []
  if (forced.length > 0) await requestAudits(tx, world, { audits: forced, subcloudIds: [update.subcloudId] })
  return changed
}

const forcedByUnknown: readonly AuditName[] = ['software', 'firmware', 'kubernetes']

/**
 * To be called in the transaction that unmanages a subcloud, after its row was written: endpoints are unknown again but for the
 * certificate (all of them when it becomes a standby copy or waits for its new home), alarm counts are no longer collected
 * (reference dcmanager §4.6, §8.5).
 */
export async function statusesAfterUnmanage(tx: Transaction<Schema>, world: World, subcloudId: number): Promise<void> {
  const [current] = await lockAuditedStates(tx, [subcloudId])
  if (current === undefined) return
  const kept = givenAway(current) ? [] : keptWhenUnmanaged
  const wanted = new Map(endpointTypes.filter((type) => !kept.includes(type)).map((type) => [type, 'unknown' as const]))
  await writeChanged(tx, world, current, changedStatuses(current, wanted))
  await resetAlarms(tx, world, [subcloudId])
}

const givenAway = (subcloud: SubcloudState): boolean => subcloud.deployStatus === 'secondary' || subcloud.deployStatus === 'rehome-pending'

/** To be called in the transaction that manages a subcloud: all audits are requested, so that its endpoints are known soon. */
export const statusesAfterManage = (tx: Transaction<Schema>, world: World, subcloudId: number): Promise<void> =>
  requestAudits(tx, world, { audits: auditNames, subcloudIds: [subcloudId] })

async function writeChanged(
  tx: Transaction<Schema>,
  world: World,
  current: AuditedState,
  changed: ReadonlyMap<EndpointType, SyncStatus>,
): Promise<void> {
  if (changed.size === 0) return
  await writeStatuses(tx, world, [{ subcloudId: current.subcloudId, changed }])
  await writeSubclouds(tx, world, [{ current, columns: {}, shown: statusColumns(current.statuses, changed) }])
}

// --- the subclouds' own rows ---------------------------------------------------------------------------------------

export interface SubcloudWrite {
  readonly current: Pick<AuditedState, 'subcloudId' | 'revision' | 'availabilityStatus' | 'softwareVersion'>
  readonly columns: { readonly availability_status?: SubcloudState['availabilityStatus']; readonly software_version?: string }
  /** For the change stream, beside the columns. */
  readonly shown: Readonly<Record<string, unknown>>
}

/** Columns that audits own, of any number of subclouds whose rows are locked: counts revisions up and tells the change stream. */
export async function writeSubclouds(tx: Transaction<Schema>, world: World, writes: readonly SubcloudWrite[]): Promise<void> {
  if (writes.length === 0) return
  const at = timestamp(world.clock.nowMs())
  await updateFrom(
    tx,
    'subclouds',
    ['id'],
    writes.map(({ current, columns }) => ({
      id: current.subcloudId,
      availability_status: columns.availability_status ?? current.availabilityStatus,
      software_version: columns.software_version ?? current.softwareVersion,
      revision: current.revision + 1,
      updated_at: at,
    })),
  )
  // A subcloud that was upgraded is rehomed with another release.
  const upgraded = writes.filter(
    ({ current, columns }) => (columns.software_version ?? current.softwareVersion) !== current.softwareVersion,
  )
  await touchMember(
    tx,
    world,
    upgraded.map(({ current }) => current.subcloudId),
  )
  await recordChanges(
    tx,
    world,
    writes.map(({ current, columns, shown }): SubcloudChange => ({
      subcloudId: current.subcloudId,
      kind: 'updated',
      columns: { ...columns, ...shown },
    })),
  )
}
