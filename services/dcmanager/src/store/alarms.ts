import { timestamp, upsert, type Queryable, type Transaction } from '@murmuration/data'
import type { World } from '@murmuration/world'
import { alarmingBackupStatus } from '../rules/backup-status.ts'
import { disabledAlarms } from '../rules/audit-outcome.ts'
import { wantedAlarms, type Alarm } from '../rules/sync-status.ts'
import type { AlarmSummary } from '../rules/vocabulary.ts'
import type { Schema } from './schema.ts'

/** Writes alarm counts of any number of subclouds in one statement (a chunk); makes the rows that are missing. */
export async function writeAlarms(
  tx: Transaction<Schema>,
  world: World,
  summaries: readonly { readonly subcloudId: number; readonly alarms: AlarmSummary }[],
): Promise<void> {
  if (summaries.length === 0) return
  const at = timestamp(world.clock.nowMs())
  await upsert(
    tx,
    'subcloud_alarms',
    summaries.map(({ subcloudId, alarms }) => ({
      subcloud_id: subcloudId,
      uuid: world.random.uuid(),
      ...alarms,
      created_at: at,
      updated_at: at,
    })),
    {
      conflict: ['subcloud_id'],
      update: ['critical_alarms', 'major_alarms', 'minor_alarms', 'warnings', 'cloud_status', 'updated_at'],
    },
  )
}

/** Counts of these are not collected any more: −1 and disabled (reference dcmanager §8.5). Also makes the first row. */
export const resetAlarms = (tx: Transaction<Schema>, world: World, subcloudIds: readonly number[]): Promise<void> =>
  writeAlarms(
    tx,
    world,
    subcloudIds.map((subcloudId) => ({ subcloudId, alarms: disabledAlarms })),
  )

export interface AlarmSummaryRow extends AlarmSummary {
  readonly name: string
  readonly uuid: string
}

/** Newest subcloud first, as the reference orders them (dcmanager §1.15). */
export function listAlarmSummaries(db: Queryable<Schema>): Promise<AlarmSummaryRow[]> {
  return db.query
    .selectFrom('subcloud_alarms as a')
    .innerJoin('subclouds as s', 's.id', 'a.subcloud_id')
    .select(['s.name', 'a.uuid', 'a.critical_alarms', 'a.major_alarms', 'a.minor_alarms', 'a.warnings', 'a.cloud_status'])
    .orderBy('a.created_at', 'desc')
    .orderBy('a.subcloud_id', 'desc')
    .execute()
}

/** The alarms that the rows call for at this moment: two statements, whatever the size of the fleet. */
export async function readWantedAlarms(db: Queryable<Schema>, failuresToOffline: number): Promise<Alarm[]> {
  const outOfSync = await db.query
    .selectFrom('subcloud_status')
    .select(['subcloud_id', 'endpoint_type'])
    .where('sync_status', '=', 'out-of-sync')
    .orderBy('subcloud_id')
    .orderBy('endpoint_type')
    .execute()
  const endpointsOf = Map.groupBy(outOfSync, (row) => row.subcloud_id)
  const subclouds = await db.query
    .selectFrom('subclouds as s')
    .innerJoin('subcloud_audits as a', 'a.subcloud_id', 's.id')
    .leftJoin('system_peer as p', 'p.peer_uuid', 's.fenced_by')
    .leftJoin('subcloud_peer_group as g', 'g.id', 's.peer_group_id')
    .select([
      's.id',
      's.name',
      's.management_state',
      's.availability_status',
      's.deploy_status',
      's.fenced_by',
      'p.peer_name',
      'g.system_leader_id',
      's.backup_status',
      'a.audit_fail_count',
      'a.failure_reason',
    ])
    .where((eb) =>
      eb.or([
        eb.and([eb('s.availability_status', '=', 'offline'), eb('a.audit_fail_count', '>', 0)]),
        eb('s.fenced_by', 'is not', null),
        eb('s.backup_status', '=', alarmingBackupStatus),
        eb('s.id', 'in', db.query.selectFrom('subcloud_status').select('subcloud_id').where('sync_status', '=', 'out-of-sync')),
      ]),
    )
    .orderBy('s.id')
    .execute()
  return subclouds.flatMap((row) =>
    wantedAlarms(
      {
        name: row.name,
        managementState: row.management_state,
        availabilityStatus: row.availability_status,
        deployStatus: row.deploy_status,
        failCount: row.audit_fail_count,
        failureReason: row.failure_reason,
        backupStatus: row.backup_status,
        outOfSync: (endpointsOf.get(row.id) ?? []).map((each) => each.endpoint_type),
        // Its group says so already (280.005) once that controller is known as the leader (docs/decisions/0009).
        ...(row.fenced_by === null || row.fenced_by === row.system_leader_id ? {} : { fencedBy: row.peer_name ?? row.fenced_by }),
      },
      failuresToOffline,
    ),
  )
}
