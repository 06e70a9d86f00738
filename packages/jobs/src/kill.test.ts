import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openDatabase, type Database } from '@murmuration/data'
import { createRealWorld } from '@murmuration/world'
import { enqueue, readJobs, readSteps, type JobTables } from './index.ts'
import { killJob, killMigrations, type KillInput } from './testing/kill-job.ts'

/** Real processes, a real kill -9, a real file: what the other tests say of crashes holds outside of them too. */
const world = createRealWorld()
const children = new Set<ChildProcess>()
let folder = ''

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'murmuration-kill-'))
})
after(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

const program = fileURLToPath(new URL('./testing/kill-worker.ts', import.meta.url))
const startWorker = (url: string): ChildProcess => {
  const child = spawn(process.execPath, [program, url], { stdio: ['ignore', 'ignore', 'inherit'] })
  children.add(child)
  return child
}

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const limit = performance.now() + 60_000
  while (!(await holds())) {
    assert.ok(performance.now() < limit, `waited for ${what} in vain`)
    await world.timers.sleep(10)
  }
}

/** Lines that steps have written to the outside, in order. */
const traces = (path: string): string[] => readFileSync(path, 'utf8').split('\n').filter(Boolean)
const exited = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve()
    else child.once('exit', () => resolve())
  })

void test('a process killed in the middle of a step: another one goes on there and ends the job once', async () => {
  const url = `sqlite:${join(folder, 'jobs.db')}`
  const trace = join(folder, 'trace')
  const gate = join(folder, 'gate')
  writeFileSync(trace, '')
  const db: Database<JobTables> = await openDatabase<JobTables>(url, { world, name: 'kill' })
  await db.migrate(killMigrations)
  const input: KillInput = { trace, gate }
  const id = await db.transaction((tx) => enqueue(tx, world, killJob, { subject: 'thing:1', input }))
  const first = startWorker(url)
  await until('the second step to begin', () => traces(trace).includes('second begins'))
  first.kill('SIGKILL')
  await exited(first)
  assert.equal((await readJobs(db, { ids: [id] }))[0]?.state, 'running')
  assert.deepEqual(
    (await readSteps(db, [id])).map((step) => step.name),
    ['first'],
  )
  writeFileSync(gate, 'open')
  const second = startWorker(url)
  await until('the job to end', async () => (await readJobs(db, { ids: [id] }))[0]?.state === 'done')
  const job = (await readJobs(db, { ids: [id] }))[0]
  assert.equal(job?.lease_epoch, 2)
  assert.deepEqual(traces(trace), ['first', 'second begins', 'second begins', 'second ends', 'third'])
  assert.deepEqual(
    (await readSteps(db, [id])).map((step) => [step.name, step.epoch]),
    [
      ['first', 1],
      ['second', 2],
      ['third', 2],
    ],
  )
  assert.deepEqual(await db.query.withTables<{ notes: { text: string } }>().selectFrom('notes').selectAll().execute(), [{ text: 'done' }])
  second.kill('SIGKILL')
  await exited(second)
  await db.close()
})
