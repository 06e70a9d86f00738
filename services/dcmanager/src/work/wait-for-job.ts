import type { Queryable } from '@murmuration/data'
import { readJobs, type JobRow } from '@murmuration/jobs'
import type { Site } from '@murmuration/site'
import type { Schema } from '../store/schema.ts'

/** Short jobs are over soon: the first looks come quickly, later ones at most 250 ms apart. */
const pausesMs = [15, 30, 60, 120, 250] as const
const ended = new Set(['done', 'failed', 'cancelled'])

/** The job as it has ended, or undefined when it still lives after `deadlineMs` (its work goes on). */
export async function waitForJob(site: Site, database: Queryable<Schema>, jobId: string, deadlineMs: number): Promise<JobRow | undefined> {
  const { clock, timers } = site.world
  const startedMs = clock.monotonicMs()
  for (let look = 0; ; look += 1) {
    const [job] = await readJobs(database, { ids: [jobId] })
    if (job !== undefined && ended.has(job.state)) return job
    const leftMs = deadlineMs - (clock.monotonicMs() - startedMs)
    if (leftMs <= 0) return undefined
    await timers.sleep(Math.min(pausesMs[Math.min(look, pausesMs.length - 1)]!, leftMs))
  }
}
