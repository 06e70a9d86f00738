import { appendFileSync, existsSync } from 'node:fs'
import type { Migrations } from '@murmuration/data'
import { defineJob, jobMigrations } from '../index.ts'

export interface KillInput {
  /** A file that steps write to: the outside. */
  readonly trace: string
  /** The second step waits for this file to be there. */
  readonly gate: string
}

export const killMigrations: Migrations = {
  ...jobMigrations,
  '001-notes': async (db, c) => {
    await db.schema
      .createTable('notes')
      .addColumn('text', c.text, (column) => column.primaryKey())
      .execute()
  },
}

/** The job of kill.test.ts, shared with the processes that run it. */
export const killJob = defineJob<KillInput, null>({
  name: 'test.kill',
  concurrency: 1,
  async run(context) {
    const { trace, gate } = context.input
    await context.step('first', async () => appendFileSync(trace, 'first\n'))
    await context.step('second', async () => {
      appendFileSync(trace, 'second begins\n')
      while (!existsSync(gate)) await context.world.timers.sleep(5, context.signal)
      appendFileSync(trace, 'second ends\n')
    })
    await context.step('third', async () => appendFileSync(trace, 'third\n'))
    return null
  },
  settle: async (tx, _job, outcome) => {
    await tx.query.insertInto('notes').values({ text: outcome.state }).execute()
  },
})
