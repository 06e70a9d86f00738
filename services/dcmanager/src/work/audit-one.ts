import {
  AuthenticationFailed,
  SiteAnswerRefused,
  StaleOwnership,
  type AskingAs,
  type DcagentClient,
  type DcagentReply,
  type Ownership,
} from '@murmuration/clients'
import { NetworkError, type NetworkErrorCode } from '@murmuration/world'
import { planAudit, questionOf, type Question, type ReferenceData } from '../rules/audit-plan.ts'
import { certificateStatus } from '../rules/sync-status.ts'
import type { ClaimedSubcloud } from '../store/audits.ts'
import type { EndpointType, SyncStatus } from '../store/schema.ts'
import type { AuditReport, AuditSuccess } from '../rules/audit-report.ts'

/** The question for the owner comes after an audit that failed, within its lease. */
const probeDeadlineMs = 5_000

export interface AuditContext {
  readonly agent: DcagentClient
  readonly reference: ReferenceData
  readonly orchestrator: boolean
  readonly lease: string
  readonly startedAtMs: number
  readonly deadlineMs: number
  readonly signal: AbortSignal
  /** UUID of this controller's system; undefined while it is not known. */
  readonly system: string | undefined
  /** Authorities (PEM) of the system peers: a site that one of them has taken over stands under its authority. */
  readonly trusted: readonly string[]
  nowMs(): number
}

/**
 * Asks one subcloud and says what was found. A site that can't be reached, refuses us or answers nonsense is a failed audit with
 * a reason; anything else that is thrown is our own fault and says nothing of the site.
 */
export async function auditOne(subcloud: ClaimedSubcloud, context: AuditContext): Promise<AuditReport> {
  const { agent, lease, startedAtMs, deadlineMs, signal } = context
  const plan = planAudit(subcloud, { orchestrator: context.orchestrator, nowMs: startedAtMs })
  const question = questionOf(plan, context.reference)
  const report = { subcloudId: subcloud.subcloudId, revision: subcloud.revision, lease, startedAtMs }
  try {
    const reply = await agent.audit(subcloud.managementStartIp, question.request, { deadlineMs, signal, ...askingAs(subcloud, context) })
    const result = successOf(question, reply, context.nowMs())
    return { ...report, answered: result.availability === 'online' ? [...question.asked, ...question.assumed] : [], result }
  } catch (error) {
    signal.throwIfAborted()
    const refused = error instanceof StaleOwnership ? error.current : lockedOut(error) ? await newOwner(subcloud, context) : undefined
    if (refused !== undefined && context.system !== undefined)
      return { ...report, answered: [], result: { ownedBy: refused, ours: refused.owner === context.system } }
    const failure = failureOf(error)
    if (failure === undefined) throw error
    return { ...report, answered: [], result: { failure } }
  }
}

/** Nothing is said while nothing is claimed. Not to be able to say it is our own fault, and no news of the site. */
function askingAs({ ownerEpoch }: ClaimedSubcloud, { system }: AuditContext): { as?: AskingAs } {
  if (system !== undefined) return { as: { system, epoch: ownerEpoch } }
  if (ownerEpoch === 0) return {}
  throw new Error('the system of this controller is not known yet, so its agents can not be told who asks')
}

/** As a site answers whose passwords and certificates are another controller's now. */
const lockedOut = (error: unknown): boolean =>
  error instanceof AuthenticationFailed || (error instanceof NetworkError && (error.code === 'tls' || error.code === 'reset'))

/** Another owner than this controller, as the agent says to everybody who may connect; undefined when nothing was learned. */
async function newOwner({ managementStartIp, ownerEpoch }: ClaimedSubcloud, context: AuditContext): Promise<Ownership | undefined> {
  const { agent, deadlineMs, signal, trusted, system } = context
  try {
    const owner = await agent.ownership(managementStartIp, { deadlineMs: Math.min(deadlineMs, probeDeadlineMs), signal, trusted })
    return owner === undefined || (owner.owner === system && owner.epoch === ownerEpoch) ? undefined : owner
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}

function successOf(question: Question, reply: DcagentReply, nowMs: number): AuditSuccess {
  const { base_audit: base, software_audit: software } = reply
  const found: [EndpointType, SyncStatus | undefined][] = [
    ['dc-cert', certificateStatus(reply.certificateNotAfterMs, nowMs)],
    ['firmware', reply.firmware_audit],
    ['kubernetes', reply.kubernetes_audit],
    ['kube-rootca', reply.kube_rootca_audit],
    ['software', software?.sync_status],
    ...question.assumed.map((name): [EndpointType, SyncStatus] => [name, 'in-sync']),
  ]
  return {
    availability: base.inactive_sg.length > 0 ? 'offline' : base.availability,
    alarms: base.alarms,
    endpoints: Object.fromEntries(found.filter(([, status]) => status !== undefined)),
    ...(software === undefined ? {} : { softwareVersion: software.software_version }),
  }
}

/** Why, in our own words: nothing that a site sent reaches a row, a log or an alarm through this. */
function failureOf(error: unknown): string | undefined {
  if (error instanceof NetworkError) return reasons[error.code]
  if (error instanceof AuthenticationFailed) return 'the site refused the credentials of the system controller'
  if (error instanceof SiteAnswerRefused) return error.message
  return undefined
}

const reasons: Readonly<Record<NetworkErrorCode, string>> = {
  refused: 'the site refused the connection',
  timeout: 'the site did not answer in time',
  reset: 'the site closed the connection',
  dns: 'the address of the site can not be resolved',
  tls: 'the certificate of the site, or ours to the site, was refused',
  'too-large': 'the answer of the site was too large',
  aborted: 'the audit was interrupted',
  protocol: 'the site does not speak HTTP',
}
