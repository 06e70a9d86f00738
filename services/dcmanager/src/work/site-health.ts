import type { Site } from '@murmuration/site'
import { platformOf } from './live-detail.ts'

/** For one question to the subcloud, authentication included. */
const deadlineMs = 15_000
/** Alarms that are told in one refusal. */
const alarmsTold = 3

/**
 * Whether a subcloud may be backed up as it is (reference dcmanager §6.3): it answers, and no alarm of it affects its management. Gives
 * what is wrong, for people; rejects when it can't be asked.
 */
export async function healthProblems(site: Site, subcloud: { readonly management_start_ip: string }): Promise<readonly string[]> {
  const platform = await platformOf(site, subcloud.management_start_ip, deadlineMs)
  const affecting = (await platform.alarms()).filter((alarm) => alarm.managementAffecting)
  const told = affecting.slice(0, alarmsTold).map((alarm) => `${alarm.alarmId} (${alarm.severity}) ${alarm.reasonText.slice(0, 200)}`)
  if (affecting.length > told.length) told.push(`and ${affecting.length - told.length} more alarms that affect its management`)
  return told
}
