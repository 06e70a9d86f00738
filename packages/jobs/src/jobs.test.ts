import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countStatements, json, type Database, type Migrations } from '@murmuration/data'
import { eachEngine, type TestEngine } from '@murmuration/data/testing'
import type { Log } from '@murmuration/world'
import {
  cancel,
  createWorker,
  defineJob,
  enqueue,
  enqueueAll,
  JobCancelled,
  jobMigrations,
  LeaseLost,
  liveJobFor,
  liveJobs,
  readJobs,
  readSteps,
  Shutdown,
  SubjectBusy,
  TerminalError,
  type JobContext,
  type JobKind,
  type JobRow,
  type JobTables,
  type Worker,
} from './index.ts'
import { createLeaseStore } from './leases.ts'
import { startRun } from './run.ts'
import { crashEverywhere, createManualWorld, runEachStepTwice, type ManualWorld } from './testing/index.ts'

interface Tables extends JobTables {
  notes: { text: string }
}
const migrations: Migrations = {
  ...jobMigrations,
  '001-notes': async (db, c) => {
    await db.schema
      .createTable('notes')
      .addColumn('text', c.text, (column) => column.notNull())
      .execute()
  },
}

const leaseMs = 3_000
const pollMs = 200

/** A database, a world and workers of it, with short names for what every test does. */
async function setUp(engine: TestEngine, url?: string) {
  const warnings: string[] = []
  const warn = (message: string): void => void warnings.push(message)
  const log: Log = { debug() {}, info() {}, warn, error: warn, child: () => log }
  const manual: ManualWorld = createManualWorld({ instant: engine.engine === 'sqlite', log })
  // On the real clock: a lost race makes the database pause, and nobody moves the manual clock while a test awaits it.
  const db = await engine.open<Tables>(migrations, url ? { url } : {})
  const job = async (id: string): Promise<JobRow> => (await readJobs(db, { ids: [id] }))[0] as JobRow
  const begin = (owner: string, kinds: JobKind<never, unknown>[], more: object = {}): Worker & { crash(): void } => {
    const process = manual.process()
    const worker = createWorker({ world: process.world, database: db, owner, kinds, leaseMs, pollMs, ...more })
    worker.start()
    return Object.assign(worker, { crash: () => process.crash() })
  }
  return {
    manual,
    warnings,
    db,
    job,
    begin,
    add: <I>(kind: JobKind<I, unknown>, subject: string, input: I, more: object = {}) =>
      db.transaction((tx) => enqueue(tx, manual.world, kind, { subject, input, ...more })),
    state: async (id: string, ...states: JobRow['state'][]) =>
      manual.until(`job to be ${states.join(' or ')}`, async () => states.includes((await job(id)).state)),
    notes: async () => (await db.query.selectFrom('notes').select('text').execute()).map((row) => row.text).sort(),
  }
}

const note = async (tx: { query: Database<Tables>['query'] }, text: string): Promise<void> => {
  await tx.query.insertInto('notes').values({ text }).execute()
}
const settleNote: NonNullable<JobKind<unknown, unknown>['settle']> = (tx, job, outcome) => note(tx, `${job.subject} ${outcome.state}`)
/** Waits for the end of its signal, as a well-behaved long step does. */
const untilAborted = (context: JobContext<unknown>): Promise<never> =>
  new Promise((_, reject) => {
    const end = (): void => reject(context.signal.reason as Error)
    if (context.signal.aborted) end()
    else context.signal.addEventListener('abort', end)
  })
const forever = (): Promise<never> => new Promise<never>(() => {})

eachEngine('jobs', (engine) => {
  void test('a job runs its steps, says what goes on, and settles in the transaction of its end', async () => {
    const { db, begin, add, state, job, notes, manual } = await setUp(engine)
    const goOn = Promise.withResolvers<void>()
    const kind = defineJob<{ size: number }, { total: number }>({
      name: 'test.sum',
      concurrency: 2,
      async run(context) {
        assert.equal(context.attempt, 1)
        const first = await context.step('first', async () => ({ size: context.input.size, at: undefined }))
        // What a later run would read is what this one reads.
        assert.deepEqual(Object.keys(first), ['size'])
        assert.equal(await context.step('nothing', async () => undefined), null)
        context.progress('half \0 way')
        await goOn.promise
        await context.transaction((tx) => note(tx, 'inside'))
        return { total: first.size + 1 }
      },
      settle: settleNote,
    })
    const id = await add(kind, 'thing:1', { size: 4 }, { requestedBy: 'me', requestId: 'req-1' })
    const worker = begin('w', [kind])
    await manual.until('its progress to be written', async () => (await job(id)).progress !== null)
    assert.equal((await job(id)).progress, 'half \uFFFD way')
    assert.equal(worker.running, 1)
    goOn.resolve()
    await state(id, 'done')
    const { outcome, exclusive_key, lease_owner, error, requested_by, request_id, finished_at } = await job(id)
    assert.deepEqual(json.read(outcome ?? ''), { total: 5 })
    assert.deepEqual([exclusive_key, lease_owner, error, requested_by, request_id], [null, null, null, 'me', 'req-1'])
    assert.ok(finished_at)
    assert.deepEqual(
      (await readSteps(db, [id])).map((step) => [step.name, step.sequence, step.epoch]),
      [
        ['first', 1, 1],
        ['nothing', 2, 1],
      ],
    )
    assert.deepEqual(await notes(), ['inside', 'thing:1 done'])
    await worker.stop()
    assert.equal(worker.running, 0)
  })

  void test('the last line said is the one that stays, whenever an earlier one is written', async () => {
    const { db, job, add, manual } = await setUp(engine)
    const leases = createLeaseStore(db, manual.world, 'w', leaseMs)
    for (const lines of [['first', 'last'], ['only']]) {
      const said = Promise.withResolvers<void>()
      const goOn = Promise.withResolvers<void>()
      const kind = defineJob<object, void>({
        name: 'test.says',
        concurrency: 1,
        async run(context) {
          context.progress(lines[0] as string)
          said.resolve()
          await goOn.promise
          for (const line of lines.slice(1)) context.progress(line)
        },
      })
      const id = await add(kind, 'thing:1', {})
      const [row] = await leases.claim(kind.name, 1, [])
      assert.ok(row)
      const run = startRun({ world: manual.world, database: db, leases, kind, row, owner: 'w', leaseMs, graceMs: leaseMs })
      await said.promise
      const text = run.takeProgress()
      assert.equal(text, lines[0])
      assert.equal(run.takeProgress(), undefined)
      goOn.resolve()
      await run.done
      await leases.writeProgress([{ id, epoch: row.lease_epoch, text: text as string }])
      assert.deepEqual([(await job(id)).state, (await job(id)).progress], ['done', lines.at(-1)])
    }
  })

  void test('crash before and after everything: the job ends the same, each recorded step once; each step twice', async () => {
    const db = await engine.open<Tables>(migrations)
    const prepare = async (world: ManualWorld['world']) => {
      // What the runs before have left: one database for all of them is cheaper, and none of them knows the others' jobs.
      for (const table of ['job_steps', 'jobs', 'notes'] as const) await db.query.deleteFrom(table).execute()
      const outside = new Set<string>()
      const kind = defineJob<null, string>({
        name: 'test.build',
        concurrency: 1,
        async run(context) {
          const made = await context.step('make', async () => {
            outside.add('made')
            return 'made'
          })
          await context.transaction(async (tx) => {
            // As jobs write: the second time changes nothing.
            await tx.query.deleteFrom('notes').execute()
            await note(tx, 'built')
          })
          await Promise.all([
            context.step('left', async () => void outside.add('left')),
            context.step('right', async () => void outside.add('right')),
          ])
          return made
        },
        // A lost race undoes this and calls it again: what counts is what was committed.
        settle: (tx, job) => note(tx, `settled ${job.id}`),
      })
      return {
        database: db,
        kinds: [kind],
        enqueue: () => db.transaction((tx) => enqueue(tx, world, kind, { subject: 'thing:1', input: null })),
        async check(job: JobRow) {
          assert.equal(job.state, 'done')
          assert.deepEqual([...outside].sort(), ['left', 'made', 'right'])
          const rows = (await db.query.selectFrom('notes').select('text').execute()).map((row) => row.text).sort()
          assert.deepEqual(rows, ['built', `settled ${job.id}`])
        },
      }
    }
    const points = await crashEverywhere(prepare)
    assert.equal(points.length, 12)
    await runEachStepTwice(prepare)
  })

  void test('two workers on 200 jobs: each settles once, within the limits of concurrency', async () => {
    const url = await engine.freshUrl()
    const { manual, db, notes } = await setUp(engine, url)
    const other = await engine.open<Tables>(migrations, { url })
    const now: Record<string, number> = { first: 0, second: 0 }
    const most: Record<string, number> = { first: 0, second: 0 }
    const ran = new Map<string, number>()
    const kindOf = (owner: 'first' | 'second') =>
      defineJob<number, null>({
        name: 'test.many',
        concurrency: 7,
        async run(context) {
          now[owner] = (now[owner] ?? 0) + 1
          most[owner] = Math.max(most[owner] ?? 0, now[owner])
          ran.set(context.id, (ran.get(context.id) ?? 0) + 1)
          await context.step('only', async () => null)
          now[owner] -= 1
          return null
        },
        settle: settleNote,
      })
    await db.transaction(async (tx) => {
      for (let index = 0; index < 200; index++) {
        await enqueue(tx, manual.world, kindOf('first'), { subject: `thing:${String(index).padStart(3, '0')}`, input: index })
      }
    })
    const workers = [
      createWorker({ world: manual.world, database: db, owner: 'first', kinds: [kindOf('first')], leaseMs: 1_200_000, pollMs }),
      createWorker({ world: manual.world, database: other, owner: 'second', kinds: [kindOf('second')], leaseMs: 1_200_000, pollMs }),
    ]
    for (const worker of workers) worker.start()
    // Who lost too many races on a busy machine comes back within a lease; the clock must get there in real seconds.
    await manual.until('all to be settled', async () => (await notes()).length >= 200, 300)
    await Promise.all(workers.map((worker) => worker.stop()))
    assert.deepEqual(
      await notes(),
      Array.from({ length: 200 }, (_, index) => `thing:${String(index).padStart(3, '0')} done`),
    )
    // Who loses every race for its record is interrupted and runs again later; that is rare, and settles once all the same.
    const again = [...ran.values()].filter((times) => times > 1).length
    assert.ok(again <= 5, `${again} of 200 ran more than once`)
    for (const owner of ['first', 'second']) assert.ok((most[owner] ?? 0) <= 7 && (most[owner] ?? 0) > 1, `${owner}: ${most[owner]}`)
  })

  void test('kinds that share slots run no more than those together, whatever each may by itself; others are not counted', async () => {
    const { manual, db, begin } = await setUp(engine)
    const held = Promise.withResolvers<null>()
    const running: string[] = []
    const kindOf = (name: string): JobKind<null, null> =>
      defineJob<null, null>({
        name,
        concurrency: 3,
        run: () => {
          running.push(name)
          return held.promise
        },
      })
    const kinds = [kindOf('test.one'), kindOf('test.two'), kindOf('test.other')]
    await db.transaction(async (tx) => {
      for (const kind of kinds)
        await enqueueAll(
          tx,
          manual.world,
          kind,
          Array.from({ length: 3 }, (_, index) => ({ subject: `${kind.name}:${index}`, input: null })),
        )
    })
    const worker = begin('first', kinds, { maxRunning: 20, together: { kinds: ['test.one', 'test.two'], slots: 4 } })
    await manual.until('all that may run', () => running.length === 7)
    manual.advance(2 * pollMs)
    assert.equal(running.filter((name) => name !== 'test.other').length, 4)
    held.resolve(null)
    await manual.until('the rest', () => running.length === 9)
    await worker.stop()
  })

  void test('many jobs in one statement a hundred: all or nothing, in order, and the taken keys are told', async () => {
    const { manual, db } = await setUp(engine)
    const kind = defineJob<number, null>({ name: 'test.many', concurrency: 1, run: async () => null })
    const wanted = Array.from({ length: 250 }, (_, index) => ({ subject: `thing:${index}`, input: index }))
    const { result: ids, statements } = await countStatements(() => db.transaction((tx) => enqueueAll(tx, manual.world, kind, wanted)))
    assert.equal(statements, 3)
    const jobs = new Map((await readJobs(db, { ids })).map((row) => [row.id, row]))
    assert.deepEqual(
      ids.map((id) => jobs.get(id)?.subject),
      wanted.map(({ subject }) => subject),
    )
    assert.deepEqual(
      (await liveJobs(db, ['thing:7', 'thing:999'])).map((row) => row.exclusive_key),
      ['thing:7'],
    )
    const more = [
      { subject: 'thing:300', input: 1 },
      { subject: 'thing:8', input: 2 },
    ]
    await assert.rejects(
      db.transaction((tx) => enqueueAll(tx, manual.world, kind, more)),
      (error) => error instanceof SubjectBusy && error.running?.subject === 'thing:8',
    )
    assert.equal(await liveJobFor(db, 'thing:300'), undefined)
    assert.deepEqual(await db.transaction((tx) => enqueueAll(tx, manual.world, kind, [])), [])
  })

  void test('slots that are reserved for prompt kinds are not taken by others, and prompt kinds may use all', async () => {
    const { begin, add, state, manual } = await setUp(engine)
    const goOn = Promise.withResolvers<null>()
    const long = defineJob<null, null>({ name: 'test.long', concurrency: 9, run: () => goOn.promise })
    const prompt = defineJob<null, null>({ name: 'test.prompt', concurrency: 9, run: async () => null })
    const ids: string[] = []
    for (let index = 0; index < 9; index++) ids.push(await add(long, `long:${index}`, null))
    const reserved = { kinds: [prompt.name], slots: 2 }
    const worker = begin('first', [long, prompt], { maxRunning: 5, reserved })
    await manual.until('the long ones to hold what they may', () => worker.running === 3)
    for (const subject of ['prompt:0', 'prompt:1']) await state(await add(prompt, subject, null), 'done')
    await manual.until('the slots to be free again', () => worker.running === 3)
    goOn.resolve(null)
    for (const id of ids) await state(id, 'done')
    await worker.stop()

    const held = Promise.withResolvers<null>()
    const alone = begin('second', [defineJob<null, null>({ ...prompt, run: () => held.promise })], { maxRunning: 3, reserved })
    for (let index = 2; index < 6; index++) await add(prompt, `prompt:${index}`, null)
    await manual.until('the prompt ones to hold all', () => alone.running === 3)
    held.resolve(null)
    await alone.stop()
  })

  void test('an old run can write nothing once a newer one holds the job', async () => {
    const { begin, add, state, job, notes, db, manual } = await setUp(engine)
    const goOn = Promise.withResolvers<void>()
    const refused: unknown[] = []
    const finished = Promise.withResolvers<void>()
    const kind = defineJob<null, string>({
      name: 'test.fenced',
      concurrency: 1,
      async run(context) {
        if (context.epoch > 1) return 'second'
        await goOn.promise
        await context.step('late', async () => 1).catch((error: unknown) => refused.push(error))
        await context.transaction((tx) => note(tx, 'late')).catch((error: unknown) => refused.push(error))
        finished.resolve()
        return 'first'
      },
      settle: settleNote,
    })
    const id = await add(kind, 'thing:1', null)
    const first = begin('first', [kind])
    await state(id, 'running')
    // Paused: its clock and timers stand still while time goes on elsewhere.
    first.crash()
    manual.advance(leaseMs + 1)
    const second = begin('second', [kind])
    await state(id, 'done')
    goOn.resolve()
    await finished.promise
    assert.equal(refused.length, 2)
    assert.ok(
      refused.every((error) => error instanceof LeaseLost),
      String(refused),
    )
    const after = await job(id)
    assert.deepEqual([json.read(after.outcome ?? ''), after.lease_epoch], ['second', 2])
    assert.deepEqual(await notes(), ['thing:1 done'])
    assert.deepEqual(await readSteps(db, [id]), [])
    await second.stop()
  })

  void test('who has lost a job takes it again only when its own old run has ended', async () => {
    const { begin, add, state, job, manual, db } = await setUp(engine)
    const letGo = Promise.withResolvers<void>()
    let lost: unknown
    let running = 0
    let mostRunning = 0
    const kind = defineJob<null, number>({
      name: 'test.returned',
      concurrency: 2,
      async run(context) {
        mostRunning = Math.max(mostRunning, ++running)
        try {
          if (context.epoch > 1) return context.epoch
          await untilAborted(context).catch((error: unknown) => (lost = error))
          await letGo.promise
          throw lost
        } finally {
          running--
        }
      },
    })
    const id = await add(kind, 'thing:1', null)
    const worker = begin('w', [kind])
    await state(id, 'running')
    // While this worker stood still another one took the job, failed, and put it back for whoever comes first.
    const returned = { state: 'queued' as const, lease_owner: null, lease_until: null, lease_epoch: 2 }
    await db.query.updateTable('jobs').set(returned).where('id', '=', id).execute()
    worker.wake()
    await manual.until('the old run to be told', () => lost !== undefined)
    assert.ok(lost instanceof LeaseLost)
    assert.equal((await job(id)).state, 'queued')
    letGo.resolve()
    await state(id, 'done')
    assert.equal((await job(id)).lease_epoch, 3)
    assert.equal(mostRunning, 1)
    await worker.stop()
  })

  void test('cancel ends queued, delayed and running jobs, and one that ignores its signal blocks nobody', async () => {
    const { begin, add, state, job, notes, manual, db } = await setUp(engine)
    const stop = (id: string) => db.transaction((tx) => cancel(tx, manual.world, id, 'changed my mind'))
    const reasons: unknown[] = []
    const polite = defineJob<null, null>({
      name: 'test.polite',
      concurrency: 1,
      run: async (context) => {
        try {
          return await untilAborted(context)
        } catch (error) {
          reasons.push(error)
          throw new Error('cleaned up', { cause: error })
        }
      },
      settle: settleNote,
    })
    const deaf = defineJob<null, null>({ name: 'test.deaf', concurrency: 1, run: forever, settle: settleNote })
    const running = await add(polite, 'running', null)
    const worker = begin('w', [polite, deaf])
    await state(running, 'running')
    const queued = await add(polite, 'queued', null)
    const delayed = await add(polite, 'delayed', null, { delayMs: 3_600_000 })
    const ignoring = await add(deaf, 'ignoring', null)
    const next = await add(deaf, 'next', null)
    await state(ignoring, 'running', 'queued')
    // The slot of its kind is taken: a cancelled job that has not begun needs none.
    assert.equal(await stop(queued), true)
    assert.equal(await stop(delayed), true)
    await state(queued, 'cancelled')
    await state(delayed, 'cancelled')
    assert.equal((await job(running)).state, 'running')
    assert.equal(await stop(running), true)
    worker.wake()
    await state(running, 'cancelled')
    assert.ok(reasons[0] instanceof JobCancelled && reasons[0].message === 'changed my mind')
    assert.equal((await job(running)).error, 'changed my mind')
    const [held, waiting] = (await job(ignoring)).state === 'running' ? [ignoring, next] : [next, ignoring]
    await state(held, 'running')
    assert.equal(await stop(held), true)
    await state(held, 'cancelled')
    await state(waiting, 'running')
    await stop(waiting)
    await state(waiting, 'cancelled')
    assert.equal(await stop(queued), false)
    assert.equal(await stop('no such job'), false)
    assert.deepEqual(
      await notes(),
      ['delayed', 'ignoring', 'next', 'queued', 'running'].map((subject) => `${subject} cancelled`),
    )
    await worker.stop()
  })

  void test('failures are tried again later and later, terminal ones never', async () => {
    const { begin, add, state, job, notes, manual } = await setUp(engine)
    const startedAtMs: number[] = []
    const kind = defineJob<string, null>({
      name: 'test.failing',
      concurrency: 5,
      retry: { attempts: 4, baseMs: 1_000, capMs: 3_000 },
      async run(context) {
        if (context.input === 'terminal') throw new TerminalError('not again \0')
        startedAtMs.push(manual.world.clock.monotonicMs())
        assert.equal(context.attempt, startedAtMs.length)
        throw new Error(`failure ${context.attempt}`)
      },
      settle: settleNote,
    })
    const id = await add(kind, 'failing', 'x')
    const terminal = await add(kind, 'terminal', 'terminal')
    const worker = begin('w', [kind])
    await state(terminal, 'failed')
    assert.deepEqual([(await job(terminal)).attempt, (await job(terminal)).error], [1, 'not again \uFFFD'])
    await state(id, 'failed')
    assert.equal(startedAtMs.length, 4)
    // Full jitter below base × 2^n, capped; then up to a poll until it is seen, and the test's own steps.
    for (const [index, capMs] of [1_000, 2_000, 3_000].entries()) {
      const pauseMs = (startedAtMs[index + 1] ?? 0) - (startedAtMs[index] ?? 0)
      assert.ok(pauseMs <= capMs + 2 * pollMs + 500, `pause ${index}: ${pauseMs}`)
    }
    assert.equal((await job(id)).error, 'failure 4')
    assert.deepEqual(await notes(), ['failing failed', 'terminal failed'])
    await worker.stop()
  })

  void test('one live job for each exclusive key, whoever asks at once', async () => {
    const { begin, add, state, db, manual } = await setUp(engine)
    const kind = defineJob<null, null>({ name: 'test.exclusive', concurrency: 5, run: async () => null })
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => add(kind, 'thing:1', null)))
    const won = results.filter((result) => result.status === 'fulfilled')
    assert.equal(won.length, 1)
    const id = won[0]?.value ?? ''
    for (const result of results) {
      if (result.status === 'fulfilled') continue
      const busy: unknown = result.reason
      assert.ok(busy instanceof SubjectBusy, String(busy))
      assert.deepEqual([busy.running?.id, busy.running?.kind], [id, 'test.exclusive'])
    }
    assert.equal((await liveJobFor(db, 'thing:1'))?.id, id)
    // Beside it: with no key, with another one; and the caller's transaction goes on after a refusal.
    await add(kind, 'thing:1', null, { exclusiveKey: null })
    await db.transaction(async (tx) => {
      await assert.rejects(enqueue(tx, manual.world, kind, { subject: 'thing:1', input: null }), SubjectBusy)
      await enqueue(tx, manual.world, kind, { subject: 'thing:1', exclusiveKey: 'thing:1 audit', input: null })
    })
    const worker = begin('w', [kind])
    await state(id, 'done')
    await add(kind, 'thing:1', null)
    assert.equal((await readJobs(db, { subject: 'thing:1' })).length, 4)
    assert.equal((await readJobs(db, { subject: 'thing:1', limit: 2 })).length, 2)
    await worker.stop()
  })

  void test('stop puts running jobs back at once, unspent, and another worker goes on at the next step', async () => {
    const { begin, add, state, job, notes } = await setUp(engine)
    const reasons: unknown[] = []
    const firstStep = { times: 0 }
    const kind = defineJob<null, null>({
      name: 'test.long',
      concurrency: 3,
      retry: { attempts: 2, baseMs: 1, capMs: 1 },
      async run(context) {
        await context.step('first', async () => void firstStep.times++)
        if (context.epoch > 1) return null
        return await untilAborted(context).catch((error: unknown) => {
          reasons.push(error)
          throw error
        })
      },
      settle: settleNote,
    })
    const id = await add(kind, 'thing:1', null)
    const first = begin('first', [kind])
    await state(id, 'running')
    await first.stop()
    const between = await job(id)
    assert.deepEqual([between.state, between.attempt, between.lease_owner], ['queued', 1, null])
    assert.deepEqual(await notes(), [])
    const second = begin('second', [kind])
    await state(id, 'done')
    assert.ok(reasons.every((reason) => reason instanceof Shutdown))
    assert.equal(firstStep.times, 1)
    assert.equal((await job(id)).attempt, 1)
    await second.stop()
    assert.deepEqual(await notes(), ['thing:1 done'])
  })

  void test('a job that ends its process each time is failed after five, a recorded step or a long life begin the count anew', async () => {
    const { manual, db, begin, add, state, job, notes } = await setUp(engine)
    let runs = 0
    const poison = defineJob<null, null>({ name: 'test.poison', concurrency: 1, run: () => (runs++, forever()), settle: settleNote })
    /** One process after the other takes the job and dies of it. */
    const dieOf = async (kind: JobKind<never, unknown>, id: string, times: number, livesMs = 0, recorded = 0): Promise<void> => {
      for (let time = 0; time < times; time++) {
        const before = (await job(id)).lease_epoch
        const worker = begin(`mortal-${before}`, [kind])
        await manual.until('the job to be taken', async () => (await job(id)).lease_epoch > before && worker.running === 1, leaseMs / 20)
        await manual.until('what it does to be recorded', async () => (await readSteps(db, [id])).length >= recorded)
        const diesAtMs = manual.world.clock.monotonicMs() + livesMs
        // The database is asked at every tick, so that the manual clock can't outrun the renewals of the lease.
        const lived = async (): Promise<boolean> =>
          ((await job(id)).lost_leases === 0 || livesMs === 0) && manual.world.clock.monotonicMs() >= diesAtMs
        await manual.until('its time to come', lived, leaseMs / 20)
        worker.crash()
      }
    }
    const id = await add(poison, 'thing:1', null)
    await dieOf(poison, id, 5)
    assert.deepEqual([runs, (await job(id)).state, (await job(id)).lost_leases], [5, 'running', 4])
    const survivor = begin('survivor', [poison])
    await state(id, 'failed')
    assert.equal(runs, 5, 'nobody runs it again')
    assert.match((await job(id)).error ?? '', /ended, or lost its lease, 5 times in a row before anything was done/)
    assert.deepEqual(await notes(), ['thing:1 failed'])
    await survivor.stop()

    const slow = defineJob<null, null>({ name: 'test.slow', concurrency: 1, run: forever })
    const long = await add(slow, 'thing:2', null)
    await dieOf(slow, long, 4)
    await dieOf(slow, long, 1, 5 * leaseMs)
    assert.equal((await job(long)).lost_leases, 0, 'it lived for long')
    await dieOf(slow, long, 2)
    assert.deepEqual([(await job(long)).state, (await job(long)).lost_leases], ['running', 2])

    let steps = 0
    const steady = defineJob<null, null>({
      name: 'test.steady',
      concurrency: 1,
      async run(context) {
        for (let step = 1; step <= 7; step++) await context.step(`step ${step}`, async () => (step > steps + 1 ? forever() : void 0))
        return null
      },
    })
    const done = await add(steady, 'thing:3', null)
    for (; steps < 6; steps++) await dieOf(steady, done, 1, 0, steps + 1)
    const last = begin('last', [steady])
    await state(done, 'done')
    await last.stop()

    let waits = 0
    const patient = defineJob<null, null>({
      name: 'test.patient',
      concurrency: 1,
      async run(context) {
        await context.proven()
        waits += 1
        return forever()
      },
    })
    const waiting = await add(patient, 'thing:4', null)
    for (let time = 1; time <= 7; time++) {
      await dieOf(patient, waiting, 1)
      await manual.until('it to wait', async () => waits === time)
    }
    assert.equal((await job(waiting)).state, 'running', 'those who die beside it are not held against it')
  })

  void test('who can not renew stops by itself before another may take over', async () => {
    const { db, add, state, manual, job } = await setUp(engine)
    let lostAtMs = 0
    let startedAtMs = 0
    const kind = defineJob<null, null>({
      name: 'test.cut',
      concurrency: 1,
      async run(context) {
        if (context.epoch > 1) return null
        startedAtMs = manual.world.clock.monotonicMs()
        return await untilAborted(context).catch((error: unknown) => {
          if (error instanceof LeaseLost) lostAtMs = manual.world.clock.monotonicMs()
          throw error
        })
      },
    })
    let cut = false
    const refuseAll = new Proxy(db.query, {
      get: (query, name) => {
        if (cut) throw new Error('the database is out of reach')
        const value: unknown = Reflect.get(query, name, query)
        return typeof value === 'function' ? (value.bind(query) as unknown) : value
      },
    })
    const cutOff: Database<Tables> = { ...db, query: refuseAll }
    const id = await add(kind, 'thing:1', null)
    const process = manual.process()
    const first = createWorker({ world: process.world, database: cutOff, owner: 'first', kinds: [kind], leaseMs, pollMs })
    first.start()
    await state(id, 'running')
    await manual.until('two renewals', () => manual.world.clock.monotonicMs() > startedAtMs + 2.5 * leaseMs)
    assert.equal(lostAtMs, 0)
    cut = true
    const leaseUntil = Date.parse(`${(await job(id)).lease_until}Z`) - manual.world.clock.nowMs() + manual.world.clock.monotonicMs()
    await manual.until('the run to be aborted', () => lostAtMs > 0)
    assert.ok(lostAtMs < leaseUntil, `${lostAtMs} < ${leaseUntil}`)
    const second = createWorker({ world: manual.process().world, database: db, owner: 'second', kinds: [kind], leaseMs, pollMs })
    second.start()
    await state(id, 'done')
    await Promise.all([first.stop(), second.stop()])
  })

  void test('steps of the wall clock lose no job', async () => {
    const { begin, add, state, job, manual } = await setUp(engine)
    const dayMs = 86_400_000
    let runs = 0
    const goOn = Promise.withResolvers<void>()
    const kind = defineJob<string, null>({
      name: 'test.clock',
      concurrency: 5,
      async run(context) {
        runs++
        if (context.input === 'hangs' && context.epoch === 1) await forever()
        if (context.input === 'goes on') await goOn.promise
        return null
      },
    })
    // Forward: the only worker does not take its own jobs from itself.
    const steady = await add(kind, 'steady', 'goes on')
    const first = begin('first', [kind])
    await state(steady, 'running')
    manual.stepWallClock(dayMs)
    await manual.until('renewals', () => manual.world.clock.monotonicMs() > 2 * leaseMs)
    goOn.resolve()
    await state(steady, 'done')
    assert.equal((await job(steady)).lease_epoch, 1)
    // Back: leases and start times that lie a day ahead are not waited for.
    const orphan = await add(kind, 'orphan', 'hangs')
    await state(orphan, 'running')
    first.crash()
    const queued = await add(kind, 'queued', 'x')
    manual.stepWallClock(-dayMs)
    const second = begin('second', [kind])
    await state(orphan, 'done')
    await state(queued, 'done')
    assert.equal(runs, 4)
    await second.stop()
  })

  void test('an end that can not be written is tried again, and the job is never forgotten', async () => {
    const { begin, add, state, notes } = await setUp(engine)
    let broken = 7
    let runs = 0
    const kind = defineJob<null, null>({
      name: 'test.settle',
      concurrency: 1,
      async run(context) {
        runs++
        await context.step('only', async () => null)
        return null
      },
      async settle(tx, job, outcome, world) {
        await settleNote(tx, job, outcome, world)
        if (broken-- > 0) throw new Error('settle is broken')
      },
    })
    const id = await add(kind, 'thing:1', null)
    const worker = begin('w', [kind])
    await state(id, 'done')
    assert.equal(runs, 2)
    assert.deepEqual(await notes(), ['thing:1 done'])
    await worker.stop()
  })

  void test('ended jobs are removed with their steps when their time is over, live ones never', async () => {
    const { begin, add, state, db, manual } = await setUp(engine)
    const kind = defineJob<string, null>({
      name: 'test.kept',
      concurrency: 5,
      retentionMs: 30_000,
      run: async (context) => {
        await context.step('only', async () => null)
        return context.input === 'live' ? await untilAborted(context) : null
      },
    })
    const id = await add(kind, 'ended', 'ends')
    const live = await add(kind, 'live', 'live')
    const worker = begin('w', [kind], { leaseMs: 600_000 })
    await state(id, 'done')
    assert.equal((await readSteps(db, [id])).length, 1)
    await manual.until('the sweep', async () => (await readJobs(db, { ids: [id] })).length === 0, 200)
    assert.deepEqual(await readSteps(db, [id]), [])
    assert.equal((await readJobs(db, { ids: [live] })).length, 1)
    await worker.stop()
  })

  void test('with every wake-up lost a job begins within one poll; a wake-up from inside a transaction is fine', async () => {
    const { begin, add, state, db, manual, warnings } = await setUp(engine)
    let beganAtMs = 0
    const kind = defineJob<null, null>({
      name: 'test.quiet',
      concurrency: 1,
      run: async () => {
        beganAtMs = manual.world.clock.monotonicMs()
        return null
      },
    })
    const worker = begin('w', [kind])
    await manual.until('it to be idle', () => manual.world.clock.monotonicMs() > 1_000)
    const addedAtMs = manual.world.clock.monotonicMs()
    const id = await add(kind, 'thing:1', null)
    await state(id, 'done')
    // One poll, and what the engine takes in real time while the test moves its clock on.
    assert.ok(beganAtMs - addedAtMs <= pollMs + 150, String(beganAtMs - addedAtMs))
    const woken = await db.transaction(async (tx) => {
      worker.wake()
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
      const added = await enqueue(tx, manual.world, kind, { subject: 'thing:2', input: null })
      tx.afterCommit(() => worker.wake())
      return added
    })
    const limit = performance.now() + 10_000
    // Time stands still: only the wake-up can have started it.
    while ((await readJobs(db, { ids: [woken] }))[0]?.state !== 'done') {
      assert.ok(performance.now() < limit, 'the wake-up was lost')
      await new Promise(setImmediate)
    }
    // The look from inside the transaction did not take itself for a part of it.
    assert.deepEqual(warnings, [])
    await worker.stop()
  })

  void test('mistakes of a job are told: a step begun twice, a result too large, an output that is no JSON', async () => {
    const { begin, add, state, job } = await setUp(engine)
    const kind = defineJob<string, unknown>({
      name: 'test.mistakes',
      concurrency: 5,
      async run(context) {
        if (context.input === 'twice') await Promise.all([context.step('same', async () => 1), context.step('same', async () => 2)])
        if (context.input === 'large') await context.step('large', async () => 'x'.repeat(2 ** 20))
        return context.input === 'bigint' ? 5n : null
      },
    })
    const worker = begin('w', [kind])
    for (const [input, message] of [
      ['twice', /started again/],
      ['large', /1 MiB/],
      ['bigint', /BigInt/],
    ] as const) {
      const id = await add(kind, input, input)
      await state(id, 'failed')
      assert.match((await job(id)).error ?? '', message)
    }
    await worker.stop()
  })
})
