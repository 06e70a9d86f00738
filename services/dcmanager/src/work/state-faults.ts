import type { Site } from '@murmuration/site'
import { createPlatformClient } from '@murmuration/clients'
import { alarmKey, isOurAlarm, type Alarm } from '../rules/sync-status.ts'
import { platformUrlOf } from './controller-facts.ts'

/** The fault management of the controller's own platform service, as far as dcmanager uses it. Raising twice is raising once. */
export interface FaultManagement {
  /** Keys of the raised alarms that are dcmanager's to clear. */
  raised(): Promise<Set<string>>
  raise(alarm: Alarm): Promise<void>
  /** Fine when it is not raised. */
  clear(key: string): Promise<void>
}

const deadlineMs = 10_000

export function createFaultManagement(site: Site): FaultManagement {
  const { world, session } = site
  const base = platformUrlOf(site.config)
  const platform = createPlatformClient(world, { baseUrl: base, session })

  async function send(method: 'POST' | 'DELETE', path: string, accepted: readonly number[], body?: unknown): Promise<void> {
    const token = await session.token(deadlineMs)
    const response = await world.net.request({
      method,
      url: `${base}/v1/${path}`,
      headers: { 'x-auth-token': token, accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      deadlineMs,
      maxResponseBytes: 65_536,
    })
    if (response.status === 401) session.invalidate(token)
    if (!accepted.includes(response.status))
      throw new Error(`fault management answered ${response.status} to ${method} /v1/${path.split('?')[0]}`)
  }

  return {
    raised: async () => new Set((await platform.alarms()).filter(isOurAlarm).map(alarmKey)),
    raise: (alarm) =>
      send('POST', 'alarms', [200, 201, 204], {
        alarm_id: alarm.alarmId,
        entity_type_id: 'subcloud',
        entity_instance_id: alarm.entityInstanceId,
        severity: alarm.severity,
        reason_text: alarm.reasonText,
      }),
    clear: (key) => {
      const [alarmId = '', ...entity] = key.split(' ')
      const query = new URLSearchParams({ alarm_id: alarmId, entity_instance_id: entity.join(' ') })
      return send('DELETE', `alarms?${query.toString()}`, [200, 204, 404])
    },
  }
}
