import { timestamp, updateFrom, type Queryable, type Timestamp, type Transaction } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { ExpressionBuilder } from 'kysely'
import { auditNames, nextAuditAtMs, type AuditName, type AuditSubject } from '../rules/audit-plan.ts'
import { allDeployStatuses, isTransient, ruleOf, type DeployStatus } from '../rules/lifecycle.ts'
import type { Schema, SubcloudAuditTable } from './schema.ts'

type Flags = 'firmware_audit_requested' | 'kubernetes_audit_requested' | 'kube_rootca_update_audit_requested' | 'software_audit_requested'

export const requestFlags = {
  firmware: 'firmware_audit_requested',
  kubernetes: 'kubernetes_audit_requested',
  'kube-rootca': 'kube_rootca_update_audit_requested',
  software: 'software_audit_requested',
} as const satisfies Record<AuditName, Flags>

const auditedAlways: readonly DeployStatus[] = allDeployStatuses.filter((status) => ruleOf(status).audited === 'yes')
const auditedWhileOnline: readonly DeployStatus[] = allDeployStatuses.filter((status) => ruleOf(status).audited === 'while-online')
const restingUnaudited: readonly DeployStatus[] = allDeployStatuses.filter(
  (status) => ruleOf(status).audited === 'no' && !isTransient(status),
)
const restingWhileOnline: readonly DeployStatus[] = auditedWhileOnline.filter((status) => !isTransient(status))

/** What a worker needs to audit one subcloud, as it was when it was claimed. */
export interface ClaimedSubcloud extends AuditSubject {
  readonly name: string
  readonly managementStartIp: string
  readonly softwareVersion: string
  readonly revision: number
  /** Under which this controller manages it; 0: it has not claimed the site. */
  readonly ownerEpoch: number
}

export interface Claim {
  /** Names this claim and no other, so that a late result of an earlier one is recognised. */
  readonly lease: string
  readonly nowMs: number
  readonly leaseMs: number
  readonly limit: number
  readonly intervalMs: number
}

/**
 * Takes due subclouds for this worker: whoever else looks at the same time gets others (reference dcmanager §8.1, §8.2). Claims
 * whose lease ended count as free, so a worker that died is replaced without anybody noticing. One statement when none is due, so that
 * idle looks do not take SQLite's only write lock; three a batch.
 */
export async function claimDue(db: Queryable<Schema>, claim: Claim): Promise<ClaimedSubcloud[]> {
  const now = timestamp(claim.nowMs)
  const leaseUntil = timestamp(claim.nowMs + claim.leaseMs)
  // Nobody plans that far ahead: the clock was set back since, and audits must not pause until it has caught up.
  const tooLate = timestamp(claim.nowMs + 2 * (claim.leaseMs + claim.intervalMs))
  const due = db.query
    .selectFrom('subcloud_audits as a')
    .innerJoin('subclouds as s', 's.id', 'a.subcloud_id')
    .select('a.subcloud_id')
    .where((eb) => eb.or([eb('a.next_audit_at', '<=', now), eb('a.next_audit_at', '>', tooLate)]))
    .where((eb) => eb.or([eb('a.lease_until', 'is', null), eb('a.lease_until', '<=', now), eb('a.lease_until', '>', tooLate)]))
    .where(qualifies)
  // Those that an operation works on stay due for as long as it does: they alone are no reason to ask for the right to write.
  if ((await due.limit(1).executeTakeFirst()) === undefined) return []
  const picked = due
    .orderBy('a.next_audit_at')
    .limit(claim.limit)
    .$if(db.engine === 'postgres', (query) => query.forUpdate('a').skipLocked())
  const { numUpdatedRows } = await db.query
    // Materialized: a planner may otherwise look for due ones again while it updates, and take more than the limit.
    .with(
      (cte) => cte('due').materialized(),
      () => picked,
    )
    .updateTable('subcloud_audits')
    // Due again when the lease ends; whoever requests an audit meanwhile leaves another time there, and is noticed by it.
    .set({ lease_owner: claim.lease, lease_until: leaseUntil, next_audit_at: leaseUntil, audit_started_at: now })
    .where('subcloud_id', 'in', (eb) => eb.selectFrom('due').select('due.subcloud_id'))
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 0n ? [] : await readClaimed(db, claim.lease)
}

async function readClaimed(db: Queryable<Schema>, lease: string): Promise<ClaimedSubcloud[]> {
  const rows = await db.query
    .selectFrom('subcloud_audits as a')
    .innerJoin('subclouds as s', 's.id', 'a.subcloud_id')
    .select([
      's.id',
      's.name',
      's.management_start_ip',
      's.management_state',
      's.software_version',
      's.first_identity_sync_complete',
      's.revision',
      's.owner_epoch',
      'a.audit_finished_at',
      'a.audit_fail_count',
      ...auditNames.map((name) => `a.${requestFlags[name]}` as const),
    ])
    .where('a.lease_owner', '=', lease)
    .orderBy('a.subcloud_id')
    .execute()
  return rows.map((row) => ({
    subcloudId: row.id,
    name: row.name,
    managementStartIp: row.management_start_ip,
    managementState: row.management_state,
    softwareVersion: row.software_version,
    firstIdentitySyncComplete: row.first_identity_sync_complete === 1,
    revision: row.revision,
    ownerEpoch: row.owner_epoch,
    requested: auditNames.filter((name) => row[requestFlags[name]] === 1),
    lastFinishedAtMs: row.audit_finished_at === null ? undefined : msOf(row.audit_finished_at),
    failCount: row.audit_fail_count,
  }))
}

const qualifies = (eb: ExpressionBuilder<{ s: Schema['subclouds'] }, 's'>) =>
  eb.or([
    eb('s.deploy_status', 'in', auditedAlways),
    eb.and([eb('s.deploy_status', 'in', auditedWhileOnline), eb('s.availability_status', '=', 'online')]),
  ])

/**
 * Due ones that rest in a deploy status that is not audited are put off together, so that the search for due ones stays short.
 * Those that an operation works on stay due: they are few, and are audited the moment that it ends.
 */
export async function putOffUnaudited(db: Queryable<Schema>, nowMs: number, delayMs: number): Promise<void> {
  const now = timestamp(nowMs)
  await db.query
    .updateTable('subcloud_audits')
    .set({ next_audit_at: timestamp(nowMs + delayMs) })
    .where('next_audit_at', '<=', now)
    .where((eb) => eb.or([eb('lease_until', 'is', null), eb('lease_until', '<=', now)]))
    .where('subcloud_id', 'in', (eb) =>
      eb
        .selectFrom('subclouds as s')
        .select('s.id')
        .where((status) =>
          status.or([
            status('s.deploy_status', 'in', restingUnaudited),
            status.and([status('s.deploy_status', 'in', restingWhileOnline), status('s.availability_status', '=', 'offline')]),
          ]),
        ),
    )
    .execute()
}

/** Gives leases back without a result (shutdown), so that others need not wait for their end. */
export async function giveBack(db: Queryable<Schema>, world: World, leases: readonly string[]): Promise<void> {
  if (leases.length === 0) return
  await db.query
    .updateTable('subcloud_audits')
    .set({ lease_owner: null, lease_until: null, next_audit_at: timestamp(world.clock.nowMs()) })
    .where('lease_owner', 'in', leases)
    .execute()
}

/**
 * Requests audits of these subclouds, or of all: they are due now and the named endpoints are asked for whatever the hour. One
 * statement. A request that arrives while an audit runs leads to another audit. Wake the auditors after the commit
 * (`auditTopic.trigger`); without it they look within a second.
 */
export async function requestAudits(
  db: Queryable<Schema>,
  world: World,
  request: { readonly audits: readonly AuditName[]; readonly subcloudIds?: readonly number[] },
): Promise<void> {
  if (request.subcloudIds?.length === 0) return
  await db.query
    .updateTable('subcloud_audits')
    .set({
      next_audit_at: timestamp(world.clock.nowMs()),
      ...Object.fromEntries(request.audits.map((name) => [requestFlags[name], 1])),
    })
    .$if(request.subcloudIds !== undefined, (query) => query.where('subcloud_id', 'in', request.subcloudIds!))
    .execute()
}

/** As `requestAudits` for every subcloud that would be asked: the managed ones. */
export async function requestAuditsOfManaged(db: Queryable<Schema>, world: World, audits: readonly AuditName[]): Promise<void> {
  await db.query
    .updateTable('subcloud_audits')
    .set({
      next_audit_at: timestamp(world.clock.nowMs()),
      ...Object.fromEntries(audits.map((name) => [requestFlags[name], 1])),
    })
    .where('subcloud_id', 'in', (eb) => eb.selectFrom('subclouds').select('id').where('management_state', '=', 'managed'))
    .execute()
}

// --- the end of an audit -----------------------------------------------------------------------------------------

/** What the end of one audit writes to its row; set where the report was applied. */
export interface FinishedAudit {
  readonly subcloudId: number
  readonly startedAtMs: number
  readonly failCount: number
  readonly failureReason: string | null
  /** As read in this transaction. */
  readonly row: AuditRow
  readonly answered: readonly AuditName[]
  /** The subcloud changed under the audit: ask again at once. */
  readonly again: boolean
  /** It came online: everything is to be asked, at once. */
  readonly requestAll: boolean
}

export type AuditRow = Pick<SubcloudAuditTable, 'next_audit_at' | 'lease_until' | Flags>

/** Ends audits and gives their leases back: one statement, however many there are. */
export async function finishAudits(
  tx: Transaction<Schema>,
  world: World,
  finished: readonly FinishedAudit[],
  intervalMs: number,
): Promise<void> {
  if (finished.length === 0) return
  const nowMs = world.clock.nowMs()
  await updateFrom(
    tx,
    'subcloud_audits',
    ['subcloud_id'],
    finished.map((audit) => ({
      subcloud_id: audit.subcloudId,
      ...nextOf(audit, nowMs, intervalMs),
      lease_owner: null,
      lease_until: null,
      audit_finished_at: timestamp(nowMs),
      state_update_requested: 0,
      audit_fail_count: audit.failCount,
      failure_reason: audit.failureReason,
    })),
  )
}

function nextOf(audit: FinishedAudit, nowMs: number, intervalMs: number): Pick<SubcloudAuditTable, 'next_audit_at' | Flags> {
  if (audit.requestAll) return { next_audit_at: timestamp(nowMs), ...allRequested }
  const flags = Object.fromEntries(auditNames.map((name) => [requestFlags[name], audit.row[requestFlags[name]]])) as Record<Flags, 0 | 1>
  const requestedMeanwhile = audit.row.next_audit_at !== audit.row.lease_until
  if (requestedMeanwhile || audit.again) return { next_audit_at: timestamp(nowMs), ...flags }
  for (const name of audit.answered) flags[requestFlags[name]] = 0
  return { next_audit_at: timestamp(nextAuditAtMs(audit.subcloudId, audit.startedAtMs, nowMs, intervalMs)), ...flags }
}

const allRequested = Object.fromEntries(auditNames.map((name) => [requestFlags[name], 1])) as Record<Flags, 1>

export const msOf = (at: Timestamp): number => Date.parse(`${at.slice(0, 23)}Z`)
