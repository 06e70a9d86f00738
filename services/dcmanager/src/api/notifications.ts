import type { App } from '@murmuration/http'
import type { Database } from '@murmuration/data'
import type { Site } from '@murmuration/site'
import { Type } from 'typebox'
import type { AuditName } from '../rules/audit-plan.ts'
import { requestAuditsOfManaged } from '../store/audits.ts'
import type { Schema } from '../store/schema.ts'
import { auditTopic } from '../work/topics.ts'

/** What has happened at the controller, and which audit sees its effect on subclouds (reference dcmanager §1.15). */
const auditOfEvent: Readonly<Record<string, AuditName>> = {
  'platform-upgrade-completed': 'software',
  'k8s-upgrade-completed': 'kubernetes',
  'kube-rootca-update-completed': 'kube-rootca',
}

const Notification = Type.Object({
  events: Type.Array(Type.String({ maxLength: 255 }), { maxItems: 100, description: `Known: ${Object.keys(auditOfEvent).join(', ')}.` }),
})

/** Operation 66: forces audits of all managed subclouds. The request is written down before the answer; the message only hurries. */
export function addNotificationRoutes(app: App, room: { readonly site: Site; readonly database: Database<Schema> }): void {
  const { site, database } = room
  const auditors = site.bus.client(auditTopic)
  const tell = async (audits: readonly AuditName[], requestId: string): Promise<void> => {
    try {
      await auditors.trigger({ audits }, { requestId })
    } catch (error) {
      site.world.log.warn('auditors could not be told of a notification; they find its request by themselves', { error })
    }
  }
  app.post(
    '/v1.0/notifications',
    {
      config: { policy: 'dc_api:notifications:create' },
      schema: { summary: 'Tell that an upgrade of the system controller has ended', tags: ['notifications'], body: Notification },
    },
    async (request) => {
      const audits = [
        ...new Set(request.body.events.flatMap((event) => (Object.hasOwn(auditOfEvent, event) ? [auditOfEvent[event]!] : []))),
      ]
      if (audits.length === 0) return null
      // Before the request as well: an auditor that finds it by itself has forgotten by then what the controller said earlier.
      await tell(audits, request.requestId)
      await requestAuditsOfManaged(database, site.world, audits)
      await tell(audits, request.requestId)
      return null
    },
  )
}
