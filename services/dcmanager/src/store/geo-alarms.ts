import type { Queryable } from '@murmuration/data'
import { ledElsewhereAlarm, unavailablePeerAlarm } from '../rules/geo-alarms.ts'
import type { Alarm } from '../rules/sync-status.ts'
import type { Schema } from './schema.ts'

/**
 * The alarms that the rows of peers and peer groups call for; two statements. A peer without associations has no heartbeat and no alarm.
 * `localId` is asked for only where there is a group.
 */
export async function readGeoAlarms(db: Queryable<Schema>, localId: () => Promise<string>): Promise<Alarm[]> {
  const rows = await db.query
    .selectFrom('peer_group_association as a')
    .innerJoin('subcloud_peer_group as g', 'g.id', 'a.peer_group_id')
    .innerJoin('system_peer as p', 'p.id', 'a.system_peer_id')
    .select([
      'p.peer_uuid',
      'p.peer_name',
      'p.availability_state',
      'p.failure_reason',
      'g.id',
      'g.peer_group_name',
      'g.group_priority',
      'g.system_leader_id',
      'g.system_leader_name',
    ])
    .orderBy('a.id')
    .execute()
  if (rows.length === 0) return []
  const here = await localId()
  const away = Map.groupBy(
    rows.filter((row) => row.availability_state === 'unavailable'),
    (row) => row.peer_uuid,
  )
  const peers = [...away].map(([uuid, those]) =>
    unavailablePeerAlarm({
      uuid,
      name: those[0]!.peer_name,
      failureReason: those[0]!.failure_reason,
      leads: those.filter((row) => row.system_leader_id === uuid).map((row) => row.peer_group_name),
    }),
  )
  const elsewhere = new Map(rows.filter((row) => row.group_priority === 0 && row.system_leader_id !== here).map((row) => [row.id, row]))
  return [
    ...peers,
    ...[...elsewhere.values()].map((row) =>
      ledElsewhereAlarm({ name: row.peer_group_name, leaderId: row.system_leader_id, leaderName: row.system_leader_name }),
    ),
  ]
}
