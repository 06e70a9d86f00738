import type { Queryable, Transaction } from '@murmuration/data'
import { enqueueAll, liveJobs, type Enqueue } from '@murmuration/jobs'
import type { Secret } from '@murmuration/trust'
import type { Busy, Ineligible } from '../rules/backup-eligibility.ts'
import { exclusiveKeyOf, peerGroupKeyOf, type BackupOperation } from '../rules/operations.ts'
import { claim, type AnswerOf, type Asker, type Desk } from './claims.ts'
import { readDocumentsOf, type Documents } from './documents.ts'
import { queued } from './operations.ts'
import type { BackupStorage, Schema } from './schema.ts'
import { subcloudsWithBackup } from './backups.ts'
import { updateSubclouds, type SubcloudColumns, type SubcloudRow } from './subclouds.ts'

/** Whom a request is about: one subcloud, or the members of a group as they are inside the transaction. */
export type BackupTarget = { readonly subcloudId: number } | { readonly groupId: number }

/** All rows that a request is about at this moment: for what is asked of other machines before the claim. */
export const backupCandidates = (db: Queryable<Schema>, target: BackupTarget): Promise<SubcloudRow[]> =>
  targeted(db, target).orderBy('id').execute()

function targeted(db: Queryable<Schema>, target: BackupTarget) {
  const query = db.query.selectFrom('subclouds').selectAll()
  return 'subcloudId' in target ? query.where('id', '=', target.subcloudId) : query.where('group_id', '=', target.groupId)
}

/** What became of one subcloud of a request. */
export type Outcome =
  | { readonly row: SubcloudRow; readonly accepted: true; readonly jobId: string }
  | { readonly row: SubcloudRow; readonly accepted: false; readonly why: Ineligible }

/** What is true of a subcloud inside the transaction, beside its row. */
export interface Surroundings {
  readonly busy: Busy | undefined
  /** Its peer group is being taken over by this site. */
  readonly migrates: boolean
  /** Of what is asked for by `reads`; empty otherwise. */
  readonly documents: Documents
  readonly backups: readonly { readonly release: string; readonly storage: BackupStorage }[]
}

export interface BackupClaim<Input> {
  readonly target: BackupTarget
  readonly operation: BackupOperation
  readonly reads?: { readonly documents?: true; readonly backups?: true }
  judge(row: SubcloudRow, around: Surroundings): Ineligible | undefined
  /** What everybody who is accepted shows at once; the same for all, so that it is one statement. */
  readonly columns: SubcloudColumns
  inputOf(row: SubcloudRow, around: Surroundings): Input
  /** Nobody is eligible: throws the refusal. Nothing has been written then. */
  refuse(outcomes: readonly Outcome[]): never
}

/** So many members of a group are judged and written by one set of statements. */
const pageSize = 500

/**
 * Accepts an operation on backups for all who may have it, in one transaction: members, their live jobs, the rule, the status that they
 * show, one job each. Who is not eligible is not touched. The number of statements follows the pages, not the members.
 */
export function claimBackups<Input>(
  desk: Desk,
  asker: Asker,
  answerOf: AnswerOf<readonly Outcome[]>,
  request: BackupClaim<Input>,
): Promise<readonly Outcome[]> {
  return claim(desk, asker, answerOf, async (tx) => {
    const outcomes: Outcome[] = []
    for (let after = 0; ;) {
      const rows = await membersAfter(tx, request.target, after)
      outcomes.push(...(await claimPage(desk, tx, asker, request, rows)))
      if (rows.length < pageSize) break
      after = rows.at(-1)!.id
    }
    if (!outcomes.some((outcome) => outcome.accepted)) request.refuse(outcomes)
    tx.afterCommit(() => desk.wakeManagers())
    return outcomes
  })
}

const membersAfter = (tx: Transaction<Schema>, target: BackupTarget, after: number): Promise<SubcloudRow[]> =>
  targeted(tx, target).where('id', '>', after).orderBy('id').limit(pageSize).execute()

async function claimPage<Input>(
  desk: Desk,
  tx: Transaction<Schema>,
  asker: Asker,
  request: BackupClaim<Input>,
  rows: readonly SubcloudRow[],
): Promise<Outcome[]> {
  if (rows.length === 0) return []
  const ids = rows.map((row) => row.id)
  const groups = [...new Set(rows.flatMap((row) => row.peer_group_id ?? []))]
  const jobs = await liveJobs(tx, [...ids.map(exclusiveKeyOf), ...groups.map(peerGroupKeyOf)])
  const kindOf = new Map(jobs.map((job) => [job.exclusive_key, job.kind]))
  const documents = request.reads?.documents === true ? await readDocumentsOf(tx, desk.keyring, ids) : new Map<number, Documents>()
  const backups = Map.groupBy(request.reads?.backups === true ? await subcloudsWithBackup(tx, ids) : [], (each) => each.subcloudId)
  const around = (row: SubcloudRow): Surroundings => {
    const kind = kindOf.get(exclusiveKeyOf(row.id))
    return {
      busy: kind === undefined ? undefined : { operation: kind },
      migrates: row.peer_group_id !== null && kindOf.has(peerGroupKeyOf(row.peer_group_id)),
      documents: documents.get(row.id) ?? {},
      backups: backups.get(row.id) ?? [],
    }
  }

  const judged = rows.map((row) => ({ row, around: around(row), why: request.judge(row, around(row)) }))
  const eligible = judged.filter(({ why }) => why === undefined)
  const written = await updateSubclouds(
    tx,
    desk.world,
    eligible.map(({ row }) => row.id),
    request.columns,
  )
  const rowOf = new Map(written.map((row) => [row.id, row]))
  const jobIds = await enqueueAll(
    tx,
    desk.world,
    queued<Input>(request.operation),
    eligible.map(({ row, around }): Enqueue<Input> => ({
      subject: exclusiveKeyOf(row.id),
      input: request.inputOf(row, around),
      requestedBy: asker.userId,
      requestId: asker.requestId,
    })),
  )
  const jobOf = new Map(eligible.map(({ row }, index) => [row.id, jobIds[index]!]))
  return judged.map(({ row, why }): Outcome =>
    why === undefined ? { row: rowOf.get(row.id)!, accepted: true, jobId: jobOf.get(row.id)! } : { row, accepted: false, why },
  )
}

/** Context of what an operation is given in secret. */
export const secretContext = (subcloudId: number, member: 'sysadmin_password' | 'operator_values'): string =>
  `subcloud:${subcloudId}:${member}`

/** Seals what every job of a request gets a copy of its own of. */
export const sealFor = (desk: Desk, subcloudId: number, member: 'sysadmin_password' | 'operator_values', secret: Secret) =>
  desk.keyring.seal(secret, secretContext(subcloudId, member))
