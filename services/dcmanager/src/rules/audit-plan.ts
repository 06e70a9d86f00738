import type { DcagentRequest } from '@murmuration/clients'
import type { EndpointType, ManagementState } from './vocabulary.ts'

/** The audits that can be asked for by name; the base audit is part of every request. */
export const auditNames = ['firmware', 'kubernetes', 'kube-rootca', 'software'] as const satisfies readonly EndpointType[]
export type AuditName = (typeof auditNames)[number]

export const hourMs = 3_600_000
/** Asked in every audit; the others once an hour, or when requested (reference dcmanager §8.1). */
const everyTime: readonly AuditName[] = ['kubernetes', 'software']

/** What the plan of one audit depends on: a snapshot taken when the subcloud was claimed. */
export interface AuditSubject {
  readonly subcloudId: number
  readonly managementState: ManagementState
  readonly firstIdentitySyncComplete: boolean
  readonly requested: readonly AuditName[]
  readonly lastFinishedAtMs: number | undefined
  readonly failCount: number
}

export interface AuditPlan {
  readonly ask: readonly AuditName[]
  /** Of these, the ones that were requested. */
  readonly requested: readonly AuditName[]
}

/**
 * What to ask a subcloud beside the base audit (reference dcmanager §8.3). The named audits wait until it is managed and,
 * where an orchestrator runs, until identities have been synchronised once.
 */
export function planAudit(subject: AuditSubject, site: { readonly orchestrator: boolean; readonly nowMs: number }): AuditPlan {
  const open = subject.managementState === 'managed' && (!site.orchestrator || subject.firstIdentitySyncComplete)
  if (!open) return { ask: [], requested: [] }
  // After a failure nobody knows what was missed meanwhile.
  const all = subject.failCount > 0 || hourlyDue(subject.subcloudId, subject.lastFinishedAtMs, site.nowMs)
  const ask = auditNames.filter((name) => all || everyTime.includes(name) || subject.requested.includes(name))
  return { ask, requested: ask.filter((name) => subject.requested.includes(name)) }
}

/** True once an hour, at a minute that differs from subcloud to subcloud, so that hourly work is spread over the hour. */
export function hourlyDue(subcloudId: number, lastFinishedAtMs: number | undefined, nowMs: number): boolean {
  if (lastFinishedAtMs === undefined) return true
  const slot = (ms: number): number => Math.floor((ms - phaseOf(subcloudId) * hourMs) / hourMs)
  return slot(nowMs) !== slot(lastFinishedAtMs)
}

/**
 * When to audit next. Every subcloud has its own fixed place in the interval, so audits are spread evenly over time however
 * many became due at once, and the average distance stays the interval. At least half an interval lies between two starts.
 */
export function nextAuditAtMs(subcloudId: number, startedAtMs: number, nowMs: number, intervalMs: number): number {
  const earliest = Math.max(startedAtMs + intervalMs / 2, nowMs)
  const phase = phaseOf(subcloudId) * intervalMs
  return Math.ceil(Math.ceil((earliest - phase) / intervalMs) * intervalMs + phase)
}

/** A fraction in [0, 1) per id; neighbours lie far apart (golden ratio). */
const phaseOf = (subcloudId: number): number => (subcloudId * 0.618_033_988_749_895) % 1

/** What the system controller says of itself. A member that is absent is not known now, which is not the same as empty. */
export interface ReferenceData {
  readonly deviceImages?: readonly unknown[]
  readonly kubernetesVersion?: string
  readonly deployedReleaseIds?: readonly string[]
}

export interface Question {
  readonly request: DcagentRequest
  readonly asked: readonly AuditName[]
  /** In-sync without asking: the controller has nothing to compare with. */
  readonly assumed: readonly AuditName[]
}

/** The dcagent request of a plan. What the controller does not know at the moment is left for a later audit. */
export function questionOf(plan: AuditPlan, reference: ReferenceData): Question {
  const asked: AuditName[] = []
  const assumed: AuditName[] = []
  for (const name of plan.ask) {
    const data = referenceOf(name, reference)
    if (data !== undefined) (isEmpty(data) ? assumed : asked).push(name)
  }
  const has = (name: AuditName): boolean => asked.includes(name)
  return {
    asked,
    assumed,
    request: {
      base_audit: '',
      ...(has('firmware') ? { firmware_audit: reference.deviceImages ?? [] } : {}),
      ...(has('kubernetes') ? { kubernetes_audit: reference.kubernetesVersion ?? '' } : {}),
      ...(has('kube-rootca') ? { kube_rootca_audit: true } : {}),
      ...(has('software') ? { software_audit: { deployed_release_ids: reference.deployedReleaseIds ?? [] } } : {}),
      // Requested audits want the truth of now, not what the agent remembers. One that can't be asked yet stays requested, and does
      // not keep the agent from its cache meanwhile.
      ...(plan.requested.some(has) ? { use_cache: false } : {}),
    },
  }
}

const referenceOf = (name: AuditName, reference: ReferenceData): readonly unknown[] | string | true | undefined =>
  ({
    firmware: reference.deviceImages,
    kubernetes: reference.kubernetesVersion,
    'kube-rootca': true as const,
    software: reference.deployedReleaseIds,
  })[name]

const isEmpty = (data: readonly unknown[] | string | true): boolean => data !== true && data.length === 0
