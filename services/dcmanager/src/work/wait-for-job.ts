import type { Queryable } from '@murmuration/data'
import { readJobs, type JobRow } from '@murmuration/jobs'
import type { Site } from '@murmuration/site'
import type { Schema } from '../store/schema.ts'

/** Short jobs are over soon: the first looks come quickly, later ones at most 250 ms apart. */
const pausesMs = [15, 30, 60, 120, 250] as const
const ended = new Set(['done', 'failed', 'cancelled'])

/** The job as it has ended, or undefined when it still lives after `deadlineMs` (its work goes on). */
export async function waitForJob(site: Site, database: Queryable<Schema>, jobId: string, deadlineMs: number): Promise<JobRow | undefined> {
  const [job] = await waitForJobs(site, database, [jobId], deadlineMs)
  return job !== undefined && ended.has(job.state) ? job : undefined
}

/** Jobs that are asked for in one statement. */
const askedAtOnce = 500

/** The jobs when all of them have ended, or as they are after `deadlineMs`. Only those that still live are asked for again. */
export async function waitForJobs(
  site: Site,
  database: Queryable<Schema>,
  jobIds: readonly string[],
  deadlineMs: number,
): Promise<readonly JobRow[]> {
  const { clock, timers } = site.world
  const startedMs = clock.monotonicMs()
  const found = new Map<string, JobRow>()
  for (let look = 0; ; look += 1) {
    const living = jobIds.filter((id) => !ended.has(found.get(id)?.state ?? 'queued'))
    for (let from = 0; from < living.length; from += askedAtOnce)
      for (const job of await readJobs(database, { ids: living.slice(from, from + askedAtOnce) })) found.set(job.id, job)
    const leftMs = deadlineMs - (clock.monotonicMs() - startedMs)
    if (leftMs <= 0 || jobIds.every((id) => ended.has(found.get(id)?.state ?? 'queued'))) return [...found.values()]
    await timers.sleep(Math.min(pausesMs[Math.min(look, pausesMs.length - 1)]!, leftMs))
  }
}
