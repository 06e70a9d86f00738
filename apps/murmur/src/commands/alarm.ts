import type { AlarmBody } from '../api/types.ts'
import { connection, printList, watching, type CommonOptions, type Context } from './context.ts'

/** −1 says that the counts are not collected (unmanaged or offline); people see a dash. */
const count = (value: number): number | null => (value < 0 ? null : value)

export async function summary(context: Context, options: CommonOptions): Promise<void> {
  const api = await connection(context)
  await watching(context, options, async () => {
    const { alarm_summary: rows } = await api.request<{ alarm_summary: AlarmBody[] }>('GET', '/alarms')
    printList(
      ['NAME', 'CRITICAL_ALARMS', 'MAJOR_ALARMS', 'MINOR_ALARMS', 'WARNINGS', 'STATUS'],
      rows.map((row) => ({
        NAME: row.region_name,
        CRITICAL_ALARMS: count(row.critical_alarms),
        MAJOR_ALARMS: count(row.major_alarms),
        MINOR_ALARMS: count(row.minor_alarms),
        WARNINGS: count(row.warnings),
        STATUS: row.cloud_status,
      })),
      options,
    )
  })
}
