import type { AuditName } from './audit-plan.ts'
import type { AlarmSummary, AvailabilityStatus, EndpointType, SyncStatus } from './vocabulary.ts'

/** What one audit found. It holds under the lease and the revision that it was asked under; otherwise it is dropped. */
export interface AuditReport {
  readonly subcloudId: number
  readonly lease: string
  /** Of the subcloud's row when the audit began: what was learned of another state must not be written over this one. */
  readonly revision: number
  readonly startedAtMs: number
  /** Requests answered by this audit; the others stay requested. */
  readonly answered: readonly AuditName[]
  readonly result: AuditSuccess | AuditFailure | AuditRefused
}

export interface AuditSuccess {
  readonly availability: AvailabilityStatus
  readonly alarms: AlarmSummary
  readonly endpoints: Partial<Record<EndpointType, SyncStatus>>
  readonly softwareVersion?: string
}

/** The agent serves another controller, or this one under another epoch: what it said of its owner. */
export interface AuditRefused {
  readonly ownedBy: { readonly owner: string; readonly ownerName: string; readonly epoch: number }
  /** It names this very controller. */
  readonly ours: boolean
}

export interface AuditFailure {
  /** In our own words; nothing that the site sent. */
  readonly failure: string
}
