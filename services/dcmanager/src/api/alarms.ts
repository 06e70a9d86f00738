import type { App } from '@murmuration/http'
import type { Database } from '@murmuration/data'
import { listAlarmSummaries } from '../store/alarms.ts'
import type { Schema } from '../store/schema.ts'

/** Operation 65: the alarm counts of every subcloud (reference dcmanager §1.5 `L`, §1.15). */
export function addAlarmRoutes(app: App, room: { readonly database: Database<Schema> }): void {
  app.get(
    '/v1.0/alarms',
    { config: { policy: 'dc_api:alarm_manager:get' }, schema: { summary: 'Summary of the alarms of all subclouds', tags: ['alarms'] } },
    async () => {
      const rows = await listAlarmSummaries(room.database)
      return {
        alarm_summary: rows.map((row) => ({
          // The command line of the field prints this member as the subcloud's name.
          region_name: row.name,
          uuid: row.uuid,
          critical_alarms: row.critical_alarms,
          major_alarms: row.major_alarms,
          minor_alarms: row.minor_alarms,
          warnings: row.warnings,
          cloud_status: row.cloud_status,
        })),
      }
    },
  )
}
