import { keysetPage, upsert, type Database, type Page } from '@murmuration/data'
import { certificateAlarmIds, type AlarmCounts } from '../rules/verdicts.ts'
import type { AlarmRow, Db, Schema } from './schema.ts'

export interface AlarmFilter {
  readonly alarm_id?: string
  readonly entity_instance_id?: string
  readonly severity?: string
}

/** The highest alarms first come first; without `limit` all of them, as FM's clients expect. */
export async function listAlarms(db: Db, filter: AlarmFilter, page: { limit?: number; marker?: string }): Promise<Page<AlarmRow>> {
  let query = db.query.selectFrom('alarms').selectAll()
  for (const name of ['alarm_id', 'entity_instance_id', 'severity'] as const) {
    const wanted = filter[name]
    if (wanted !== undefined) query = query.where(name, '=', wanted as never)
  }
  if (page.limit === undefined) return { rows: await query.orderBy('raised_at', 'desc').orderBy('uuid').execute() }
  return keysetPage(
    query,
    {
      limit: page.limit,
      ...(page.marker === undefined ? {} : { marker: page.marker }),
      sort: [{ key: 'raised_at', direction: 'desc' }],
    },
    { raised_at: 'raised_at' },
    'uuid',
    ['raised_at'],
  )
}

export const findAlarm = (db: Db, uuid: string): Promise<AlarmRow | undefined> =>
  db.query.selectFrom('alarms').selectAll().where('uuid', '=', uuid).executeTakeFirst()

/** Raises any number; one that is raised already keeps its uuid and its time, and takes over the new text and severity. */
export const raiseAlarms = (db: Db, alarms: readonly AlarmRow[]): Promise<void> =>
  upsert(
    db,
    'alarms',
    alarms.map((alarm) => ({ ...alarm })),
    {
      conflict: ['alarm_id', 'entity_instance_id'],
      update: [
        'entity_type_id',
        'severity',
        'reason_text',
        'alarm_type',
        'probable_cause',
        'proposed_repair_action',
        'service_affecting',
        'mgmt_affecting',
        'degrade_affecting',
      ],
    },
  )

export const alarmOf = (db: Db, key: Pick<AlarmRow, 'alarm_id' | 'entity_instance_id'>): Promise<AlarmRow> =>
  db.query
    .selectFrom('alarms')
    .selectAll()
    .where('alarm_id', '=', key.alarm_id)
    .where('entity_instance_id', '=', key.entity_instance_id)
    .executeTakeFirstOrThrow()

export const clearAlarm = async (db: Db, uuid: string): Promise<boolean> =>
  (await db.query.deleteFrom('alarms').where('uuid', '=', uuid).executeTakeFirst()).numDeletedRows > 0n

/** SQLite limits how deep an expression may be. */
const keysPerStatement = 250

/** Fine when they are not raised. All or nothing; returns how many were. */
export const clearAlarms = (
  database: Database<Schema>,
  keys: readonly Pick<AlarmRow, 'alarm_id' | 'entity_instance_id'>[],
): Promise<number> =>
  database.transaction(async (tx) => {
    let cleared = 0
    for (let start = 0; start < keys.length; start += keysPerStatement) {
      const part = keys.slice(start, start + keysPerStatement)
      const gone = await tx.query
        .deleteFrom('alarms')
        .where((where) =>
          where.or(
            part.map((key) => where.and([where('alarm_id', '=', key.alarm_id), where('entity_instance_id', '=', key.entity_instance_id)])),
          ),
        )
        .executeTakeFirst()
      cleared += Number(gone.numDeletedRows)
    }
    return cleared
  })

export async function countAlarms(db: Db): Promise<AlarmCounts> {
  const rows = await db.query
    .selectFrom('alarms')
    .select(({ fn }) => ['severity', fn.countAll().as('count')])
    .groupBy('severity')
    .execute()
  const of = (severity: AlarmRow['severity']): number => Number(rows.find((row) => row.severity === severity)?.count ?? 0)
  return { critical: of('critical'), major: of('major'), minor: of('minor'), warning: of('warning') }
}

export const certificateAlarms = (db: Db): Promise<Pick<AlarmRow, 'alarm_id' | 'entity_instance_id'>[]> =>
  db.query
    .selectFrom('alarms')
    .select(['alarm_id', 'entity_instance_id'])
    .where('alarm_id', 'in', [...certificateAlarmIds])
    .limit(1_000)
    .execute()
