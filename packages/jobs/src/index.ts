/** Durable jobs with recorded steps: what a cast is made of (DESIGN §3.3). */
export type { JobKind, JobContext, JobRow, JobState, JobTables, StepRow, Enqueue, JobOutcome } from './job.ts'
export { defineJob, Shutdown, JobCancelled, LeaseLost, LeasesLostInARow, TerminalError } from './job.ts'
export { enqueue, enqueueAll, cancel, readJobs, readSteps, liveJobFor, liveJobs, SubjectBusy } from './queue.ts'
export { jobMigrations } from './migrations.ts'
export { createWorker, type Worker, type WorkerOptions } from './worker.ts'
