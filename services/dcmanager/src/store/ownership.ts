import { timestamp, updateFrom, type Queryable, type Transaction } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { AuditRefused } from '../rules/audit-report.ts'
import { disabledAlarms } from '../rules/audit-outcome.ts'
import { exclusiveKeyOf } from '../rules/operations.ts'
import { fencedText, fencingOf } from '../rules/ownership.ts'
import { changedStatuses } from '../rules/audit-outcome.ts'
import { writeAlarms } from './alarms.ts'
import { recordChanges } from './changes.ts'
import { endpointTypes, type Schema } from './schema.ts'
import { statusColumns, writeStatuses, type AuditedState } from './statuses.ts'

/** Certificate authorities of the system peers, as far as they told. */
export async function readPeerAuthorities(db: Queryable<Schema>): Promise<string[]> {
  const rows = await db.query
    .selectFrom('system_peer')
    .select('authority_pem')
    .where('authority_pem', 'is not', null)
    .orderBy('id')
    .execute()
  return rows.flatMap((row) => (row.authority_pem === null ? [] : [row.authority_pem]))
}

/** Sites that named this controller under another epoch than its rows: the sites are right. One statement. */
export async function adoptEpochs(tx: Transaction<Schema>, adopted: readonly { current: AuditedState; epoch: number }[]): Promise<void> {
  if (adopted.length === 0) return
  await updateFrom(
    tx,
    'subclouds',
    ['id'],
    adopted.map(({ current, epoch }) => ({ id: current.subcloudId, owner_epoch: epoch, fenced_by: null })),
  )
}

/**
 * Rows of sites that another controller has claimed, locked by this transaction, become standby copies: unmanaged, offline, nothing
 * known of their endpoints; operations of this controller on them end. A fixed number of statements.
 */
export async function fenceSubclouds(
  tx: Transaction<Schema>,
  world: World,
  fenced: readonly { readonly current: AuditedState; readonly ownedBy: AuditRefused['ownedBy'] }[],
): Promise<void> {
  if (fenced.length === 0) return
  const at = timestamp(world.clock.nowMs())
  const rows = fenced.map(({ current, ownedBy }) => ({ current, ownedBy, fencing: fencingOf(current.deployStatus) }))
  const resting = rows.filter(({ fencing }) => fencing.deployStatus !== undefined)
  const busy = rows.filter(({ fencing }) => fencing.deployStatus === undefined)
  await updateFrom(
    tx,
    'subclouds',
    ['id'],
    resting.map(({ current, ownedBy, fencing }) => ({
      id: current.subcloudId,
      management_state: 'unmanaged',
      availability_status: 'offline',
      deploy_status: 'secondary',
      fenced_by: fencing.expected ? null : ownedBy.owner,
      error_description: fencing.expected ? 'No errors present' : fencedText(ownedBy),
      revision: current.revision + 1,
      updated_at: at,
    })),
  )
  const unknown = new Map(endpointTypes.map((type) => [type, 'unknown' as const]))
  const changed = new Map(
    resting.map(({ current }) => [current.subcloudId, changedStatuses({ ...current, deployStatus: 'secondary' }, unknown)]),
  )
  await writeStatuses(
    tx,
    world,
    [...changed].map(([subcloudId, statuses]) => ({ subcloudId, changed: statuses })),
  )
  await writeAlarms(
    tx,
    world,
    resting.map(({ current }) => ({ subcloudId: current.subcloudId, alarms: disabledAlarms })),
  )
  await recordChanges(
    tx,
    world,
    resting.map(({ current, ownedBy, fencing }) => ({
      subcloudId: current.subcloudId,
      kind: 'updated',
      columns: {
        management_state: 'unmanaged',
        availability_status: 'offline',
        deploy_status: 'secondary',
        error_description: fencing.expected ? 'No errors present' : fencedText(ownedBy),
        ...statusColumns(current.statuses, changed.get(current.subcloudId)!),
        alarm_summary: disabledAlarms,
      },
    })),
  )
  await cancelOperations(
    tx,
    at,
    busy.map(({ current }) => current.subcloudId),
  )
}

/** Asks for the end of whatever works on these; the workers see it at their next look. */
async function cancelOperations(tx: Transaction<Schema>, at: string, subcloudIds: readonly number[]): Promise<void> {
  if (subcloudIds.length === 0) return
  await tx.query
    .updateTable('jobs')
    .set({ cancel_requested: 1, cancel_reason: 'another system controller manages the subcloud now', updated_at: at })
    .where('exclusive_key', 'in', subcloudIds.map(exclusiveKeyOf))
    .where('cancel_requested', '=', 0)
    .where('state', 'in', ['queued', 'running'])
    .execute()
}
