import { defineTopic } from '@murmuration/rpc'
import type { AuditName } from '../rules/audit-plan.ts'
import type { AvailabilityStatus, EndpointType, SyncStatus } from '../store/schema.ts'

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

/** What one audit found. It holds under the lease and the revision that it was asked under; otherwise it is dropped. */
export interface AuditReport {
  readonly subcloudId: number
  readonly lease: string
  /** Of the subcloud's row when the audit began: what was learned of another state must not be written over this one. */
  readonly revision: number
  readonly startedAtMs: number
  /** Requests answered by this audit; the others stay requested. */
  readonly answered: readonly AuditName[]
  readonly result: AuditSuccess | AuditFailure
}

export interface AuditSuccess {
  readonly availability: AvailabilityStatus
  readonly alarms: AlarmCounts
  readonly endpoints: Partial<Record<EndpointType, SyncStatus>>
  readonly softwareVersion?: string
}

export interface AlarmCounts {
  readonly critical_alarms: number
  readonly major_alarms: number
  readonly minor_alarms: number
  readonly warnings: number
  readonly cloud_status: 'OK' | 'degraded' | 'critical'
}

export interface AuditFailure {
  /** In our own words; nothing that the site sent. */
  readonly failure: string
}

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
