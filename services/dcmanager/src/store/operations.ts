import type { Queryable } from '@murmuration/data'
import { liveJobFor, liveJobs, readJobs, readSteps, type JobKind, type JobRow, type StepRow } from '@murmuration/jobs'
import { exclusiveKeyOf, type OperationName } from '../rules/operations.ts'
import type { Schema } from './schema.ts'

/**
 * The API queues operations by their name; what they do is the manager's business (work/), which the API does not import.
 */
export const queued = <Input>(name: OperationName): JobKind<Input, never> => ({
  name,
  concurrency: 0,
  run: () => Promise.reject(new Error(`${name} is queued here and run by a manager`)),
})

export const runningOperation = (db: Queryable<Schema>, subcloudId: number): Promise<JobRow | undefined> =>
  liveJobFor(db, exclusiveKeyOf(subcloudId))

/** Those of these subclouds on which an operation works or waits, each with its kind: one statement. */
export async function busySubclouds(db: Queryable<Schema>, ids: readonly number[]): Promise<ReadonlyMap<number, string>> {
  const byKey = new Map(ids.map((id) => [exclusiveKeyOf(id), id]))
  return new Map((await liveJobs(db, [...byKey.keys()])).map((job) => [byKey.get(job.exclusive_key!)!, job.kind]))
}

/** What ran on a subcloud, newest first, with the recorded steps of each. Two statements. */
export async function readOperations(
  db: Queryable<Schema>,
  subcloudId: number,
  limit: number,
): Promise<{ job: JobRow; steps: StepRow[] }[]> {
  const jobs = await readJobs(db, { subject: exclusiveKeyOf(subcloudId), limit })
  const steps =
    jobs.length === 0
      ? []
      : await readSteps(
          db,
          jobs.map((job) => job.id),
        )
  const byJob = Map.groupBy(steps, (step) => step.job_id)
  return jobs.map((job) => ({ job, steps: byJob.get(job.id) ?? [] }))
}

/** One operation of this subcloud; undefined for ids of others. */
export async function readOperation(
  db: Queryable<Schema>,
  subcloudId: number,
  id: string,
): Promise<{ job: JobRow; steps: StepRow[] } | undefined> {
  const [job] = await readJobs(db, { ids: [id], subject: exclusiveKeyOf(subcloudId) })
  return job === undefined || job.subject !== exclusiveKeyOf(subcloudId) ? undefined : { job, steps: await readSteps(db, [id]) }
}
