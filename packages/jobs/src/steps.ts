import { timestamp, type Database, type Transaction } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { JobTables } from './job.ts'
import { proveLease, type Held } from './leases.ts'

/** A step's result is something to go on with, not a store of data. */
const resultLimitBytes = 1024 * 1024

export interface StepLog {
  step<T>(name: string, work: () => Promise<T>): Promise<T>
}

/** The recorded steps of one run. What was recorded by earlier runs is read once, at the first step. */
export function createStepLog(database: Database<JobTables>, world: World, held: Held, signal: AbortSignal): StepLog {
  const underWay = new Set<string>()
  let recorded: Promise<Map<string, string>> | undefined
  let sequence = 0

  const read = async (): Promise<Map<string, string>> => {
    const rows = await database.query.selectFrom('job_steps').select(['name', 'result', 'sequence']).where('job_id', '=', held.id).execute()
    sequence = rows.reduce((highest, row) => Math.max(highest, row.sequence), 0)
    return new Map(rows.map((row) => [row.name, row.result ?? 'null']))
  }

  // Its own row of the job is written first, and stays locked: nothing that another transaction does matters to it. Serializable, it would
  // lose races against neighbours whose rows only lie on the same page (PostgreSQL).
  const record = (name: string, result: string, startedMs: number): Promise<void> =>
    database.transaction(
      async (tx: Transaction<JobTables>) => {
        // Something is done for good: whatever ended earlier runs, the next one starts behind it.
        await proveLease(tx, world, held, { lost_leases: 0 })
        await tx.query
          .insertInto('job_steps')
          .values({
            job_id: held.id,
            name,
            sequence,
            result,
            epoch: held.epoch,
            started_at: timestamp(startedMs),
            finished_at: timestamp(world.clock.nowMs()),
          })
          .execute()
      },
      { isolation: 'read committed' },
    )

  return {
    async step<T>(name: string, work: () => Promise<T>): Promise<T> {
      signal.throwIfAborted()
      if (underWay.has(name))
        throw new Error(`step ${name} of job ${held.id} was started again while it runs: give each step a name of its own`)
      underWay.add(name)
      try {
        recorded ??= read()
        const known = await recorded
        const before = known.get(name)
        if (before !== undefined) return JSON.parse(before) as T
        signal.throwIfAborted()
        const startedMs = world.clock.nowMs()
        const text = JSON.stringify((await work()) ?? null)
        if (Buffer.byteLength(text) > resultLimitBytes)
          throw new Error(`step ${name} of job ${held.id} returned more than 1 MiB: record a reference instead`)
        sequence++
        await record(name, text, startedMs)
        known.set(name, text)
        // Through JSON at the first time too, so that a later run sees exactly what this one saw.
        return JSON.parse(text) as T
      } finally {
        underWay.delete(name)
      }
    },
  }
}
