import type { Queryable, Transaction } from '@murmuration/data'
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

/** Adds a job in the caller's own transaction: the claim and the job are one fact. Throws SubjectBusy. Returns the id. */
export declare function enqueue<Input>(tx: Transaction<any>, world: World, kind: JobKind<Input, any>, job: Enqueue<Input>): Promise<string>

/** Asks for the end of a live job. False when it has ended already. A queued job is settled as cancelled by the next worker. */
export declare function cancel(tx: Transaction<any>, world: World, jobId: string, reason: string): Promise<boolean>

export declare function liveJobFor(db: Queryable<any>, exclusiveKey: string): Promise<JobRow | undefined>
/** Newest first. */
export declare function readJobs(
  db: Queryable<any>,
  filter: { subject?: string; ids?: readonly string[]; limit?: number },
): Promise<JobRow[]>
export declare function readSteps(db: Queryable<any>, jobIds: readonly string[]): Promise<StepRow[]>
export type { JobTables }
