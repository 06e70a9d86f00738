import { defineTopic } from '@murmuration/rpc'
import type { AuditName } from '../rules/audit-plan.ts'
import type { AuditReport } from '../rules/audit-report.ts'

/**
 * What dcmanager's processes say to each other (reference dcmanager §10). Every message may be lost: rows in the database are
 * the truth, a lost message costs latency only.
 */

/** There may be work for a manager. */
export const managerTopic = defineTopic<{ wake: { kind: 'fanout'; args: Record<string, never> } }>('dcmanager', {
  wake: { kind: 'fanout' },
})

export interface AuditTrigger {
  /** What was requested, for the log; the request itself stands in `subcloud_audits` (store/audits.ts `requestAudits`). */
  readonly audits: readonly AuditName[]
  readonly subcloudIds?: readonly number[]
}

/** Audits have been requested: look now instead of at the next poll. */
export const auditTopic = defineTopic<{ trigger: { kind: 'fanout'; args: AuditTrigger } }>('dcmanager-audit', {
  trigger: { kind: 'fanout' },
})

export const stateTopic = defineTopic<{
  report: { kind: 'cast'; args: { readonly reports: readonly AuditReport[] } }
}>('dcmanager-state', { report: { kind: 'cast' } })

/**
 * Rows of `subcloud_changes` were added: whoever writes some says so after the commit. A topic of its own, because every process
 * with an API listens to it, and reports go to one listener of theirs.
 */
export const changesTopic = defineTopic<{ changed: { kind: 'fanout'; args: Record<string, never> } }>('dcmanager-changes', {
  changed: { kind: 'fanout' },
})
