import { readAnswer, type Answer } from '@murmuration/clients'
import type { Site } from '@murmuration/site'
import { alarmIds, alarmKey, entityTypeOf, isOurAlarm, type Alarm } from '../rules/sync-status.ts'
import { platformUrlOf } from './controller-facts.ts'

/** The fault management of the controller's own platform service, as far as dcmanager uses it. */
export interface FaultManagement {
  /** Keys of the raised alarms that are dcmanager's to clear. */
  raised(): Promise<Set<string>>
  /** Raising what is raised already changes nothing. At most 1,000 at once. */
  raise(alarms: readonly Alarm[]): Promise<void>
  /** Fine when they are not raised. At most 1,000 at once. */
  clear(keys: readonly string[]): Promise<void>
}

const deadlineMs = 10_000
const pageSize = 1_000
/** More alarms of one kind than this are not looked at: no fleet raises them. */
const pagesMost = 100

export function createFaultManagement(site: Site): FaultManagement {
  const { world, session } = site
  const base = platformUrlOf(site.config)

  async function ask(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer> {
    const token = await session.token(deadlineMs)
    const response = await world.net.request({
      method,
      url: `${base}/v1/${path}`,
      headers: { 'x-auth-token': token, accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      deadlineMs,
      maxResponseBytes: 8 * 1024 * 1024,
    })
    if (response.status === 401) session.invalidate(token)
    return readAnswer(`platform at ${base}`, response, [200])
  }

  /** All pages of one kind of alarm. */
  async function list(alarmId: string): Promise<string[]> {
    const keys: string[] = []
    let marker: string | undefined
    for (let page = 0; page < pagesMost; page += 1) {
      const query = new URLSearchParams({ alarm_id: alarmId, limit: String(pageSize), ...(marker === undefined ? {} : { marker }) })
      const answer = (await ask('GET', `alarms?${query.toString()}`)).object()
      for (const entry of answer('alarms').list(pageSize)) {
        const alarm = { alarmId, entityInstanceId: entry.object()('entity_instance_id').text(1_024) }
        if (isOurAlarm(alarm)) keys.push(alarmKey(alarm))
      }
      if (answer('next').missing) return keys
      marker = new URL(answer('next').text(4_096), base).searchParams.get('marker') ?? undefined
    }
    return keys
  }

  return {
    raised: async () => new Set((await Promise.all(Object.values(alarmIds).map(list))).flat()),
    async raise(alarms) {
      await ask('POST', 'alarms/raise', {
        alarms: alarms.map((alarm) => ({
          alarm_id: alarm.alarmId,
          entity_type_id: entityTypeOf(alarm),
          entity_instance_id: alarm.entityInstanceId,
          severity: alarm.severity,
          reason_text: alarm.reasonText,
        })),
      })
    },
    async clear(keys) {
      await ask('POST', 'alarms/clear', {
        alarms: keys.map((key) => {
          const [alarmId, ...entity] = key.split(' ')
          return { alarm_id: alarmId, entity_instance_id: entity.join(' ') }
        }),
      })
    },
  }
}
