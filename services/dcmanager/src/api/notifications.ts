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
      if (audits.length > 0) {
        await requestAuditsOfManaged(database, site.world, audits)
        await auditors.trigger({ audits }, { requestId: request.requestId })
      }
      return null
    },
  )
}
