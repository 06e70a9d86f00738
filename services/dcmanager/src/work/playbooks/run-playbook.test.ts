import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Secret } from '@murmuration/trust'
import { filesBelow } from '../testing/leftovers.ts'
import { temporaryFolder } from '../testing/test-site.ts'
import { createRealWorld, type World } from '@murmuration/world'
import { Expression } from './documents.ts'
import { AbortFailed, PlaybookFailed } from './failure.ts'
import { createPlaybookRunner, notAbortableMarker, type PlaybookRun } from './run-playbook.ts'

class Wish extends Error {}
const secret = 'hunter2-"quoted"-password'

interface Given {
  readonly folder: string
  readonly world: World
  run(tasks: unknown, changes?: Partial<PlaybookRun>): Promise<void>
  log(): Promise<string>
}

async function setUp(t: TestContext, change: (world: World) => World = (world) => world): Promise<Given> {
  const folder = await temporaryFolder(t)
  const world = change(createRealWorld({ timersKeepAlive: true, log: { level: 'silent' } }))
  const runner = createPlaybookRunner(world, { varFolder: folder, playbooksFolder: folder, sshKeyFile: undefined })
  return {
    folder,
    world,
    async run(tasks, changes = {}) {
      const playbook = join(folder, 'play.yml')
      await world.files.write(
        playbook,
        typeof tasks === 'string' ? tasks : JSON.stringify([{ name: 'trial', hosts: 'all', gather_facts: false, tasks }]),
      )
      await runner.run({
        jobId: 'job-1',
        epoch: 1,
        subcloudId: 12,
        host: 'edge',
        name: 'edge',
        stage: 'bootstrapping',
        playbook,
        files: {
          'inventory.yml': {
            all: {
              hosts: { edge: { ansible_connection: 'local', ansible_python_interpreter: new Expression('{{ ansible_playbook_python }}') } },
            },
          },
        },
        variables: (override_files_dir) => ({ override_files_dir }),
        secrets: { SUBCLOUD_TEST_PASSWORD: new Secret(secret) },
        deadlineMs: 60_000,
        signal: new AbortController().signal,
        abortWaits: (reason) => reason instanceof Wish,
        progress: () => {},
        ...changes,
      })
    },
    log: () => readFile(join(folder, 'log/operations/job-1.log'), 'utf8'),
  }
}

async function failureOf(work: Promise<void>): Promise<PlaybookFailed> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof PlaybookFailed, `${String(error)} is no PlaybookFailed`)
  return error
}

/** Processes whose command line holds `marker`. */
async function processesWith(marker: string): Promise<string[]> {
  const found: string[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (line.includes(marker) && Number(pid) !== process.pid) found.push(`${pid} ${line.replaceAll('\0', ' ')}`)
  }
  return found
}

async function until(what: string, condition: () => Promise<boolean>, withinMs = 20_000): Promise<void> {
  const endMs = performance.now() + withinMs
  while (!(await condition())) {
    assert.ok(performance.now() < endMs, `waited in vain: ${what}`)
    await new Promise((done) => setTimeout(done, 25))
  }
}

test('a failed task is told in parts and in the form of the reference, without the secret', { timeout: 60_000 }, async (t) => {
  const given = await setUp(t)
  const error = await failureOf(
    given.run([
      { name: 'fine', 'ansible.builtin.command': 'true' },
      { name: 'tolerated', 'ansible.builtin.command': 'false', ignore_errors: true },
      {
        name: 'write site.yaml',
        'ansible.builtin.command': { argv: ['sh', '-c', 'echo "disk is full: $(printenv SUBCLOUD_TEST_PASSWORD)" >&2; exit 3'] },
      },
    ]),
  )
  assert.deepEqual(
    { ...error.failure },
    { kind: 'task', task: 'write site.yaml', message: 'non-zero return code (rc 3)', cause: 'disk is full: [secret]' },
  )
  assert.equal(error.exitCode, 2)
  assert.equal(
    error.message,
    'FAILED bootstrapping playbook of (edge).\ndetail: non-zero return code (rc 3)\ndisk is full: [secret]\nFAILED TASK: write site.yaml',
  )
  const log = await given.log()
  assert.match(log, /failed \(ignored\): edge \[tolerated\]/)
  assert.match(log, /failed: edge \[write site\.yaml\]/)
  for (const file of await filesBelow(given.folder))
    if (!file.endsWith('play.yml')) assert.ok(!(await readFile(file, 'utf8')).includes('hunter2'), file)
})

test('what a task hides (no_log) stays hidden', { timeout: 60_000 }, async (t) => {
  const given = await setUp(t)
  const error = await failureOf(
    given.run([{ name: 'quiet', 'ansible.builtin.command': { argv: ['sh', '-c', 'echo not-known-to-us; exit 1'] }, no_log: true }]),
  )
  assert.match(error.failure.message, /hidden/)
  assert.ok(!(await given.log()).includes('not-known-to-us'))
})

test('exit code 4: a YAML error and an unreachable host are told apart', { timeout: 60_000 }, async (t) => {
  const given = await setUp(t)
  const broken = await failureOf(given.run('- name: x\n  hosts: [\n'))
  assert.equal(broken.exitCode, 4)
  assert.equal(broken.failure.kind, 'unreadable')
  assert.match(broken.message, /line 3/)

  const unreachable = await failureOf(
    given.run([{ name: 'reach', 'ansible.builtin.ping': {} }], {
      files: {
        'inventory.yml': {
          all: { hosts: { edge: { ansible_connection: 'ssh', ansible_host: '127.0.0.1', ansible_port: 1, ansible_user: 'nobody' } } },
        },
      },
    }),
  )
  assert.equal(unreachable.exitCode, 4)
  assert.equal(unreachable.failure.kind, 'unreachable')
  assert.equal(unreachable.failure.task, 'reach')
})

test('an abort ends the whole group, workers and their children too', { timeout: 60_000 }, async (t) => {
  const given = await setUp(t)
  const abort = new AbortController()
  const marker = `sleep 3${Math.floor(Math.random() * 1e6)}`
  const running = given.run([{ name: 'long', 'ansible.builtin.shell': `trap "" TERM; ${marker}` }], { signal: abort.signal })
  running.catch(() => {})
  await until('the task runs', async () => (await processesWith(marker.replace(' ', '\0'))).length > 0)
  const wish = new Wish('aborted by request')
  abort.abort(wish)
  await assert.rejects(running, (error) => error === wish)
  assert.deepEqual(await processesWith(marker.replace(' ', '\0')), [])
  assert.deepEqual(await processesWith(given.folder), [])
  assert.deepEqual(await readdir(join(given.folder, 'run/operations')), [])
})

test('nothing is started for a run that was asked to end while its files were written', async (t) => {
  const asked = new AbortController()
  let started = 0
  const given = await setUp(t, (world) => ({
    ...world,
    files: {
      ...world.files,
      async write(path, ...rest) {
        await world.files.write(path, ...rest)
        if (path.endsWith('/ansible.cfg')) asked.abort(new Wish())
      },
    },
    processes: {
      ...world.processes,
      start: (command) => {
        started += 1
        return world.processes.start(command)
      },
    },
  }))
  await assert.rejects(given.run([], { signal: asked.signal }), Wish)
  assert.equal(started, 0)
})

test('a playbook that must not be ended is waited for; one that never allows it fails the abort', { timeout: 60_000 }, async (t) => {
  const given = await setUp(t)
  const marker = `{{ override_files_dir }}/${notAbortableMarker('edge')}`
  const touch = { name: 'begin', 'ansible.builtin.file': { path: marker, state: 'touch', mode: '0600' } }
  const markerThere = async (): Promise<boolean> =>
    (await filesBelow(join(given.folder, 'run')).catch(() => [])).some((file) => file.endsWith(notAbortableMarker('edge')))

  await t.test('waits', async () => {
    const abort = new AbortController()
    const running = given.run(
      [
        touch,
        { name: 'critical', 'ansible.builtin.command': 'sleep 2' },
        { name: 'was not ended', 'ansible.builtin.file': { path: join(given.folder, 'critical-done'), state: 'touch', mode: '0600' } },
        { name: 'end', 'ansible.builtin.file': { path: marker, state: 'absent' } },
        { name: 'long', 'ansible.builtin.command': 'sleep 60' },
      ],
      { signal: abort.signal },
    )
    running.catch(() => {})
    await until('the marker', markerThere)
    abort.abort(new Wish('aborted by request'))
    await assert.rejects(running, Wish)
    assert.ok((await readdir(given.folder)).includes('critical-done'))
  })

  await t.test('gives up after 600 s', async () => {
    const abort = new AbortController()
    const real = given.world
    // Its clock runs a thousand times faster than the playbook's.
    const hurried: World = { ...real, clock: { ...real.clock, monotonicMs: () => real.clock.monotonicMs() * 1000 } }
    const runner = createPlaybookRunner(hurried, { varFolder: given.folder, playbooksFolder: given.folder, sshKeyFile: undefined })
    await given.world.files.write(
      join(given.folder, 'stuck.yml'),
      JSON.stringify([
        { name: 'stuck', hosts: 'all', gather_facts: false, tasks: [touch, { name: 'critical', 'ansible.builtin.command': 'sleep 60' }] },
      ]),
    )
    const running = runner.run({
      jobId: 'job-2',
      epoch: 1,
      subcloudId: 12,
      host: 'edge',
      name: 'edge',
      stage: 'bootstrapping',
      playbook: join(given.folder, 'stuck.yml'),
      files: {
        'inventory.yml': {
          all: {
            hosts: { edge: { ansible_connection: 'local', ansible_python_interpreter: new Expression('{{ ansible_playbook_python }}') } },
          },
        },
      },
      variables: (override_files_dir) => ({ override_files_dir }),
      secrets: {},
      deadlineMs: 60_000,
      signal: abort.signal,
      abortWaits: () => true,
      progress: () => {},
    })
    running.catch(() => {})
    await until('the marker', markerThere)
    abort.abort(new Wish('aborted by request'))
    await assert.rejects(running, AbortFailed)
  })
})

test('a deadline is told as the reference tells it', { timeout: 60_000 }, async (t) => {
  const given = await setUp(t)
  const error = await failureOf(given.run([{ name: 'long', 'ansible.builtin.command': 'sleep 60' }], { deadlineMs: 1_500 }))
  assert.equal(error.message, 'Timeout occurred while bootstrapping subcloud edge')
})

test('when its manager is killed, the playbook ends by itself, and its successor waits for that', { timeout: 60_000 }, async (t) => {
  const given = await setUp(t)
  const marker = `sleep 4${Math.floor(Math.random() * 1e6)}`
  await given.world.files.write(join(given.folder, 'orphan.json'), JSON.stringify([{ name: 'long', 'ansible.builtin.command': marker }]))
  const manager = spawn(process.execPath, [join(import.meta.dirname, '../testing/run-in-process.ts'), given.folder], { stdio: 'ignore' })
  await until('the task runs', async () => (await processesWith(marker.replace(' ', '\0'))).length > 0)
  manager.kill('SIGKILL')
  await once(manager, 'exit')
  // The job's next run: other epoch, same subcloud.
  await given.run([{ name: 'short', 'ansible.builtin.command': 'true' }], { epoch: 2 })
  assert.deepEqual(await processesWith(marker.replace(' ', '\0')), [], 'the run of the dead manager is over before the next one works')
})
