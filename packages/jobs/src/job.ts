import type { Flag, Json, Timestamp } from '@murmuration/data'
import type { World } from '@murmuration/world'

/** `queued → running → done | failed | cancelled`; a lost lease puts it back to `queued` with the next epoch. */
export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled'

export interface JobRow {
  id: string
  kind: string
  /** What it works on, for listing: `subcloud:12`. */
  subject: string
  /** Unique while the job lives, null afterwards: two live jobs with one key can't exist. Usually the subject. */
  exclusive_key: string | null
  /** Never holds a secret in clear: seal it first (packages/trust). */
  input: Json<unknown>
  state: JobState
  /** From 1. Counts failures that were retried; crashes, lost leases and shutdowns don't count (`lost_leases` does). */
  attempt: number
  run_at: Timestamp
  lease_owner: string | null
  lease_epoch: number
  lease_until: Timestamp | null
  /** Runs in a row that neither ended nor recorded a step nor lived for long before their lease ran out: crashes, most likely. */
  lost_leases: number
  cancel_requested: Flag
  cancel_reason: string | null
  progress: string | null
  outcome: Json<unknown> | null
  error: string | null
  requested_by: string | null
  request_id: string | null
  created_at: Timestamp
  started_at: Timestamp | null
  finished_at: Timestamp | null
  updated_at: Timestamp
}

export interface StepRow {
  job_id: string
  name: string
  sequence: number
  result: Json<unknown> | null
  epoch: number
  started_at: Timestamp
  finished_at: Timestamp
}

/** The tables that every service with jobs has; mixed into its schema and its migrations (`jobMigrations`). */
export interface JobTables {
  jobs: JobRow
  job_steps: StepRow
}

export interface JobContext<Input> {
  readonly world: World
  readonly id: string
  readonly input: Input
  readonly attempt: number
  /** Fencing epoch of this run; whoever is written to outside may refuse an older one. */
  readonly epoch: number
  /** Aborted on cancel, on a lost lease and on shutdown. `signal.reason` tells which: JobCancelled, LeaseLost or Shutdown. */
  readonly signal: AbortSignal
  /**
   * Runs `work` once and records its (JSON) result under `name`; when a later run comes by, the recorded result is
   * returned and nothing runs. The record is fenced: a run that lost its lease throws LeaseLost instead of recording.
   * `work` may run again if the process dies before the record is written, so it must be idempotent.
   */
  step<T>(name: string, work: () => Promise<T>): Promise<T>
  /**
   * What of this run could have ended its process is behind it: leases that were lost before are not held against the job. For jobs that wait
   * long for others and record no step meanwhile, so that processes that die beside them do not make them look guilty.
   */
  proven(): Promise<void>
  /** A line for people: what goes on now. Cheap; coalesced. */
  progress(text: string): void
  /**
   * A transaction that also proves that this run still holds the lease: it commits only under the current epoch,
   * else throws LeaseLost and changes nothing. All writes of a job to its own database go through it.
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- the schema is the service's own
  transaction<T>(work: (tx: any) => Promise<T>): Promise<T>
}

export interface JobOutcome<Output> {
  readonly state: 'done' | 'failed' | 'cancelled'
  readonly output?: Output
  readonly error?: unknown
}

export interface JobKind<Input, Output> {
  /** Noun first: `subcloud.install`. */
  readonly name: string
  run(context: JobContext<Input>): Promise<Output>
  /**
   * Takes effect exactly once, at the end, in the transaction that writes the end: the place for the final status of the subject.
   * Not called when a run is only interrupted (crash, shutdown, lease lost, retry). Like any transaction's work it may be called
   * again after a lost race, so it does nothing but write to `tx`; if it throws, the end is not written and is tried again later.
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- the schema is the service's own
  settle?(tx: any, job: JobRow, outcome: JobOutcome<Output>, world: World): Promise<void>
  /** Running at once in one process. */
  readonly concurrency: number
  /** Default: no retry. TerminalError is never retried. Delay: base × 2^n with full jitter, capped. */
  readonly retry?: { readonly attempts: number; readonly baseMs: number; readonly capMs: number }
  /** Finished jobs of this kind are kept this long. Default 30 days. */
  readonly retentionMs?: number
}

export interface Enqueue<Input> {
  readonly subject: string
  /** Omit for the subject itself; null for a job that may run beside others of its subject. */
  readonly exclusiveKey?: string | null
  readonly input: Input
  readonly delayMs?: number
  readonly requestedBy?: string
  readonly requestId?: string
}

/** Types the kind from its definition. */
export function defineJob<Input, Output>(kind: JobKind<Input, Output>): JobKind<Input, Output> {
  return kind
}

/** Somebody asked for the end of this job. */
export class JobCancelled extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'JobCancelled'
  }
}
/** Another worker holds the job now; this run must not write any more. */
export class LeaseLost extends Error {
  constructor(jobId: string) {
    super(`job ${jobId} is held by a newer run`)
    this.name = 'LeaseLost'
  }
}
/** The process goes down: the job is queued again as if this run had not begun, and goes on at its first unrecorded step. */
export class Shutdown extends Error {
  constructor() {
    super('the worker is stopping')
    this.name = 'Shutdown'
  }
}
/** The job is failed without running again: whoever runs it dies of it, as far as one can tell from outside. */
export class LeasesLostInARow extends Error {
  constructor(count: number) {
    super(`the process that ran it ended, or lost its lease, ${count} times in a row before anything was done`)
    this.name = 'LeasesLostInARow'
  }
}
/** Fails the job without a retry. */
export class TerminalError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'TerminalError'
  }
}
