import assert from 'node:assert/strict'
import type { Database } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { JobContext, JobRow, StepRow } from '../job.ts'
import { readJobs, readSteps } from '../queue.ts'
import type { AnyKind } from '../run.ts'
import { createWorker } from '../worker.ts'
import { createManualWorld, type ManualWorld } from './manual-world.ts'

/** One job in surroundings of its own, made anew for each way of going wrong. */
export interface PreparedJob {
  // oxlint-disable-next-line typescript/no-explicit-any -- the schema is the service's own
  readonly database: Database<any>
  readonly kinds: readonly AnyKind[]
  /** Enqueues the job under test and returns its id. */
  enqueue(): Promise<string>
  /** What must hold after the job has ended, whatever happened on the way: the outside as it should be, nothing twice. */
  check(job: JobRow, steps: readonly StepRow[]): Promise<void> | void
}

export type Prepare = (world: World) => Promise<PreparedJob>

interface Points {
  /** Called at each place where the process may die; a promise that never settles is its death. */
  at(label: string): Promise<void>
  /** How often a step's work is done each time that it is done. */
  readonly workTimes: number
}

interface Outcome {
  readonly job: JobRow
  readonly steps: readonly StepRow[]
  readonly worked: ReadonlyMap<string, number>
}

const leaseMs = 3_000
const pollMs = 200

/** The same kind with hooks around everything that its runs do. */
function instrument(kind: AnyKind, points: Points, worked: Map<string, number>, recorded: Set<string>): AnyKind {
  return {
    ...kind,
    async run(context: JobContext<unknown>) {
      const output: unknown = await kind.run({
        ...context,
        async step(name, work) {
          await points.at(`before step ${name}`)
          const result = await context.step(name, async () => {
            assert.ok(!recorded.has(name), `step ${name} ran again after it was recorded`)
            worked.set(name, (worked.get(name) ?? 0) + 1)
            for (let time = 1; time < points.workTimes; time++) await work()
            const outcome = await work()
            await points.at(`after the work of step ${name}`)
            return outcome
          })
          recorded.add(name)
          await points.at(`after the record of step ${name}`)
          return result
        },
        async transaction(work) {
          await points.at('before a transaction')
          const result = await context.transaction(work)
          await points.at('after a transaction')
          return result
        },
      })
      await points.at('before the end')
      return output
    },
  }
}

/** Runs the job to its end, in a first process that may die and then in a second one. */
async function runJob(prepare: Prepare, points: (die: () => Promise<never>) => Points): Promise<Outcome> {
  const manual = createManualWorld()
  const prepared = await prepare(manual.world)
  const worked = new Map<string, number>()
  const recorded = new Set<string>()
  const first = manual.process()
  let died = false
  const hooks = points(() => {
    first.crash()
    died = true
    return new Promise<never>(() => {})
  })
  const worker = (world: World, owner: string, points: Points) => {
    const kinds = prepared.kinds.map((kind) => instrument(kind, points, worked, recorded))
    return createWorker({ world, database: prepared.database, owner, kinds, leaseMs, pollMs })
  }
  const id = await prepared.enqueue()
  const read = async (): Promise<JobRow> => (await readJobs(prepared.database, { ids: [id] }))[0] as JobRow
  const ended = async (): Promise<boolean> => (await read()).finished_at !== null
  const before = worker(first.world, 'first', hooks)
  before.start()
  await settled(manual, () => died, ended)
  let last = before
  if (died) {
    last = worker(manual.process().world, 'second', { workTimes: 1, at: async () => {} })
    last.start()
    await manual.until('the job to end in the second process', ended, 50)
  }
  await last.stop()
  const job = await read()
  const steps = await readSteps(prepared.database, [id])
  await prepared.check(job, steps)
  return { job, steps, worked }
}

const settled = (manual: ManualWorld, died: () => boolean, ended: () => Promise<boolean>): Promise<void> =>
  manual.until('the job to end or its process to die', async () => died() || (await ended()), 20)

/** Steps that run beside each other are recorded in any order. */
const names = (outcome: Outcome): string[] => outcome.steps.map((step) => step.name).sort()

/**
 * `kill -9` before and after everything that a job does: each step's work, its record, each transaction, and the end. After each,
 * another process must bring the job to the same end, with each recorded step run once. Returns the points tried.
 */
export async function crashEverywhere(prepare: Prepare): Promise<string[]> {
  const labels: string[] = []
  const whole = await runJob(prepare, () => ({
    workTimes: 1,
    at: async (label) => {
      labels.push(label)
    },
  }))
  assert.notEqual(whole.job.finished_at, null)
  for (const [index, label] of labels.entries()) {
    let passed = 0
    try {
      const outcome = await runJob(prepare, (die) => ({
        workTimes: 1,
        at: async () => {
          // What ran beside it in that process is dead too.
          if (passed++ >= index) await die()
        },
      }))
      assert.equal(outcome.job.state, whole.job.state)
      assert.deepEqual(names(outcome), names(whole))
      assert.equal(outcome.job.outcome, whole.job.outcome)
      assert.ok(outcome.job.lease_epoch >= 2, 'the second process took the job over')
    } catch (error) {
      throw new Error(`after a crash ${label} (point ${index + 1} of ${labels.length}): ${(error as Error).message}`, { cause: error })
    }
  }
  return labels
}

/** A step that died after its work and before its record runs again: doing each twice must change nothing. */
export async function runEachStepTwice(prepare: Prepare): Promise<void> {
  const once = await runJob(prepare, () => ({ workTimes: 1, at: async () => {} }))
  const twice = await runJob(prepare, () => ({ workTimes: 2, at: async () => {} }))
  assert.equal(twice.job.state, once.job.state)
  assert.deepEqual(names(twice), names(once))
}
