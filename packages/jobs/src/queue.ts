import { json, timestamp, type Queryable, type Transaction } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { Enqueue, JobKind, JobRow, JobTables, StepRow } from './job.ts'

/** The exclusive key is taken: callers answer 409 naming the running job. */
export class SubjectBusy extends Error {
  readonly running: Pick<JobRow, 'id' | 'kind' | 'subject' | 'state'> | undefined
  constructor(running: SubjectBusy['running']) {
    super(`another operation is in progress${running ? `: ${running.kind}` : ''}`)
    this.name = 'SubjectBusy'
    this.running = running
  }
}

const listedByDefault = 100
const listedAtMost = 1_000

/* oxlint-disable typescript/no-explicit-any -- every service mixes JobTables into a schema of its own */
type AnyQueryable = Queryable<any>
type AnyTransaction = Transaction<any>
type AnyKind<Input> = JobKind<Input, any>
/* oxlint-enable typescript/no-explicit-any */

const tables = (db: AnyQueryable): Queryable<JobTables>['query'] => db.query

/**
 * Adds a job in the caller's own transaction: the claim and the job are one fact. Returns its id.
 *
 * Throws SubjectBusy when a live job holds the exclusive key; the transaction is still usable then. Wake a worker from
 * `tx.afterCommit`; without that the job starts at the worker's next poll.
 */
export async function enqueue<Input>(tx: AnyTransaction, world: World, kind: AnyKind<Input>, job: Enqueue<Input>): Promise<string> {
  const [row] = rowsOf(world, kind, [job]) as [JobRow]
  const inserted = await tables(tx)
    .insertInto('jobs')
    .values(row)
    // Not an error: PostgreSQL would give up the whole transaction, and the caller may want to say more in it.
    .onConflict((conflict) => conflict.column('exclusive_key').doNothing())
    .returning('id')
    .executeTakeFirst()
  if (!inserted) throw new SubjectBusy(row.exclusive_key === null ? undefined : await liveJobFor(tx, row.exclusive_key))
  return row.id
}

/** So many rows stand in one statement: their values stay within every engine's limit of parameters. */
const rowsPerStatement = 100

/**
 * As `enqueue`, for many jobs of one kind in one statement per hundred. All or nothing: SubjectBusy, naming one of them, when any key is
 * taken, so ask which are (`liveJobs`) in the same transaction before. Returns the ids in the order of the jobs.
 */
export async function enqueueAll<Input>(
  tx: AnyTransaction,
  world: World,
  kind: AnyKind<Input>,
  jobs: readonly Enqueue<Input>[],
): Promise<string[]> {
  const rows = rowsOf(world, kind, jobs)
  for (let from = 0; from < rows.length; from += rowsPerStatement) {
    const part = rows.slice(from, from + rowsPerStatement)
    const inserted = await tables(tx)
      .insertInto('jobs')
      .values(part)
      .onConflict((conflict) => conflict.column('exclusive_key').doNothing())
      .returning('id')
      .execute()
    if (inserted.length === part.length) continue
    const ids = new Set(inserted.map((each) => each.id))
    const refused = part.find((row) => !ids.has(row.id))
    const key = refused?.exclusive_key ?? undefined
    throw new SubjectBusy(key === undefined ? undefined : await liveJobFor(tx, key))
  }
  return rows.map((row) => row.id)
}

function rowsOf<Input>(world: World, kind: AnyKind<Input>, jobs: readonly Enqueue<Input>[]): JobRow[] {
  const nowMs = world.clock.nowMs()
  const now = timestamp(nowMs)
  return jobs.map((job) => ({
    id: world.random.uuid(),
    kind: kind.name,
    subject: job.subject,
    exclusive_key: job.exclusiveKey === undefined ? job.subject : job.exclusiveKey,
    input: json.write<unknown>(job.input ?? null),
    state: 'queued',
    lost_leases: 0,
    attempt: 1,
    run_at: timestamp(nowMs + (job.delayMs ?? 0)),
    lease_owner: null,
    lease_epoch: 0,
    lease_until: null,
    cancel_requested: 0,
    cancel_reason: null,
    progress: null,
    outcome: null,
    error: null,
    requested_by: job.requestedBy ?? null,
    request_id: job.requestId ?? null,
    created_at: now,
    started_at: null,
    finished_at: null,
    updated_at: now,
  }))
}

/**
 * Asks for the end of a live job. False when it has ended already. A queued job is settled as cancelled by the next worker; a
 * running one sees its signal aborted with JobCancelled at the worker's next look (`wake()` from `tx.afterCommit` makes it soon).
 */
export async function cancel(tx: AnyTransaction, world: World, jobId: string, reason: string): Promise<boolean> {
  const now = timestamp(world.clock.nowMs())
  const asked = await tables(tx)
    .updateTable('jobs')
    // The first reason stands.
    .set((eb) => ({
      cancel_reason: eb.case().when('cancel_requested', '=', 1).then(eb.ref('cancel_reason')).else(reason).end(),
      cancel_requested: 1,
      updated_at: now,
    }))
    .where('id', '=', jobId)
    .where('state', 'in', ['queued', 'running'])
    .executeTakeFirst()
  return asked.numUpdatedRows > 0n
}

/** The queued or running job that holds the key. */
export async function liveJobFor(db: AnyQueryable, exclusiveKey: string): Promise<JobRow | undefined> {
  return await tables(db).selectFrom('jobs').selectAll().where('exclusive_key', '=', exclusiveKey).executeTakeFirst()
}

/** The live jobs that hold any of these keys, in one statement; without their inputs. */
export async function liveJobs(
  db: AnyQueryable,
  exclusiveKeys: readonly string[],
): Promise<Pick<JobRow, 'id' | 'kind' | 'subject' | 'state' | 'exclusive_key'>[]> {
  if (exclusiveKeys.length === 0) return []
  return await tables(db)
    .selectFrom('jobs')
    .select(['id', 'kind', 'subject', 'state', 'exclusive_key'])
    .where('exclusive_key', 'in', exclusiveKeys)
    .execute()
}

/** Newest first; 100 unless `limit` says otherwise, 1,000 at most. */
export async function readJobs(db: AnyQueryable, filter: { subject?: string; ids?: readonly string[]; limit?: number }): Promise<JobRow[]> {
  let query = tables(db).selectFrom('jobs').selectAll()
  if (filter.subject !== undefined) query = query.where('subject', '=', filter.subject)
  if (filter.ids !== undefined) {
    if (filter.ids.length === 0) return []
    query = query.where('id', 'in', filter.ids)
  }
  const limit = Math.min(listedAtMost, filter.limit ?? filter.ids?.length ?? listedByDefault)
  return await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()
}

/** Recorded steps of these jobs, each job's in the order in which they were recorded. */
export async function readSteps(db: AnyQueryable, jobIds: readonly string[]): Promise<StepRow[]> {
  if (jobIds.length === 0) return []
  return await tables(db)
    .selectFrom('job_steps')
    .selectAll()
    .where('job_id', 'in', jobIds)
    .orderBy('job_id')
    .orderBy('sequence')
    .orderBy('name')
    .execute()
}
export type { JobTables }
