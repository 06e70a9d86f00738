import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KyselyPlugin } from 'kysely'
import { openDatabase } from '@murmuration/data'
import { createSimulation } from '@murmuration/world/simulated'
import { createWorker, defineJob, enqueue, jobMigrations, readJobs, type JobTables } from './index.ts'

/** A database and workers in virtual time: two processes, one crashes in the middle, hours pass in no time. */
async function scenario(seed: number): Promise<{ ran: string[]; trace: string; endedAtMs: number }> {
  const simulation = createSimulation(seed)
  const keeper = simulation.host('keeper').boot()
  const db = await simulation.complete(openDatabase<JobTables>('sqlite::memory:', { world: keeper.world, name: 'jobs' }))
  await simulation.complete(db.migrate(jobMigrations))
  const ran: string[] = []
  const kind = defineJob<number, null>({
    name: 'test.slow',
    concurrency: 2,
    retry: { attempts: 10, baseMs: 60_000, capMs: 600_000 },
    async run(context) {
      await context.step('wait', () => context.world.timers.sleep(20_000 * context.world.random.float(), context.signal))
      await context.step('work', async () => void ran.push(context.id))
      if (context.world.random.float() < 0.3) throw new Error('not today')
      return null
    },
  })
  const processes = ['first', 'second'].map((name) => {
    const process = simulation.host(name).boot()
    createWorker({ world: process.world, database: db, owner: name, kinds: [kind] }).start()
    return process
  })
  const ids: string[] = []
  for (let index = 0; index < 8; index++) {
    ids.push(
      await simulation.complete(db.transaction((tx) => enqueue(tx, keeper.world, kind, { subject: `thing:${index}`, input: index }))),
    )
  }
  simulation.at(simulation.nowMs + 7_000, 'the first worker dies', () => processes[0]?.crash())
  let ended = false
  const look = async (): Promise<void> => {
    while (!ended) {
      await keeper.world.timers.sleep(1_000)
      ended = (await readJobs(db, { ids })).every((job) => job.state === 'done')
    }
  }
  void look()
  await simulation.run({ until: () => ended, untilMs: 24 * 3_600_000 })
  const endedAtMs = simulation.nowMs
  await db.close()
  return { ran, trace: simulation.trace.hash, endedAtMs }
}

void test('jobs run to their end in virtual time, the same for the same seed', async () => {
  const started = performance.now()
  const first = await scenario(7)
  // Each step that was recorded ran once, in spite of the crash and of the failures after it.
  assert.equal(new Set(first.ran).size, 8)
  assert.equal(first.ran.length, 8)
  assert.deepEqual(await scenario(7), first)
  assert.ok(first.endedAtMs > 15_000 && performance.now() - started < 30_000)
})

void test('work does not begin under a lease that is over by the time that it is had', async () => {
  const simulation = createSimulation(1)
  const { world } = simulation.host('late').boot()
  const db = await simulation.complete(openDatabase<JobTables>('sqlite::memory:', { world, name: 'jobs' }))
  await simulation.complete(db.migrate(jobMigrations))
  const leaseMs = 3_000
  const updates = new WeakSet<object>()
  let waited = false
  /** The first claim that takes something is answered when the lease in it has run out. */
  const slow: KyselyPlugin = {
    transformQuery({ node, queryId }) {
      if (node.kind === 'UpdateQueryNode') updates.add(queryId)
      return node
    },
    async transformResult({ queryId, result }) {
      if (waited || result.rows.length === 0 || !updates.has(queryId)) return result
      waited = true
      await world.timers.sleep(leaseMs)
      return result
    },
  }
  const epochs: number[] = []
  const kind = defineJob<null, null>({
    name: 'test.late',
    concurrency: 1,
    async run({ epoch }) {
      epochs.push(epoch)
      return null
    },
  })
  const database = { ...db, query: db.query.withPlugin(slow) }
  createWorker({ world, database, owner: 'late', kinds: [kind], leaseMs }).start()
  await simulation.complete(db.transaction((tx) => enqueue(tx, world, kind, { subject: 'thing:1', input: null })))
  await simulation.run({ until: () => epochs.length > 0, untilMs: 60_000 })
  assert.ok(waited)
  assert.deepEqual(epochs, [2])
  await db.close()
})
