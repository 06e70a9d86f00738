import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createRealWorld } from './index.ts'
import { longestLineBytes } from './lines.ts'

const world = createRealWorld({ log: { level: 'silent' }, timersKeepAlive: true })
const env = { PATH: process.env['PATH'] ?? '' }
const sh = (script: string) => ({ command: 'sh', args: ['-c', script], env })

/** An orphan that has ended may wait for init to reap it; it is dead all the same. */
function isAlive(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return status.slice(status.lastIndexOf(')') + 2)[0] !== 'Z'
  } catch {
    return false
  }
}

/** Runs a script whose lines `name pid` tell of the processes that it started. */
async function family(script: string, options: { abortWhenReady: boolean; killGraceMs?: number }) {
  const pids: Record<string, number> = {}
  const ready = Promise.withResolvers<void>()
  const giveUp = new AbortController()
  const child = await world.processes.start({
    ...sh(script),
    signal: giveUp.signal,
    ...(options.killGraceMs === undefined ? {} : { killGraceMs: options.killGraceMs }),
    onLine: (_stream, line) => {
      const [name, pid] = line.split(' ')
      pids[name!] = Number(pid)
      if (name === 'ready') ready.resolve()
    },
  })
  await ready.promise
  if (options.abortWhenReady) giveUp.abort()
  return { exit: await child.done, pids }
}

void test('TERM reaches the grandchildren', { timeout: 20_000 }, async () => {
  const { exit, pids } = await family('sleep 600 & echo child $!; (sleep 600 & echo grandchild $!; echo ready; wait) & wait', {
    abortWhenReady: true,
  })
  assert.deepEqual(exit, { code: null, signal: 'SIGTERM', reason: 'aborted' })
  assert.ok(pids['child'] && pids['grandchild'])
  assert.equal(isAlive(pids['child']), false)
  assert.equal(isAlive(pids['grandchild']), false)
})

void test('KILL reaches grandchildren that ignore TERM, also when the leader obeys', { timeout: 20_000 }, async () => {
  const stubborn = `sh -c 'trap "" TERM; echo stubborn $$; echo ready; while true; do sleep 600; done' & wait`
  const { exit, pids } = await family(stubborn, { abortWhenReady: true, killGraceMs: 200 })
  assert.equal(exit.reason, 'aborted')
  assert.equal(isAlive(pids['stubborn']!), false)
})

void test('what the leader leaves behind when it ends by itself is ended', { timeout: 20_000 }, async () => {
  const { exit, pids } = await family('sleep 600 & echo left $!; echo ready; exit 0', { abortWhenReady: false })
  assert.deepEqual(exit, { code: 0, signal: null, reason: 'exited' })
  assert.equal(isAlive(pids['left']!), false)
})

void test('a daemon that left the group and keeps our pipe open does not hold us up', { timeout: 20_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'world-daemon-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const away = `setsid sh -c 'echo daemon $$; touch ${folder}/away; echo ready; exec sleep 600' &`
  const { exit, pids } = await family(`${away} while [ ! -e ${folder}/away ]; do :; done; exit 0`, { abortWhenReady: false })
  assert.equal(exit.code, 0)
  process.kill(pids['daemon']!, 'SIGKILL')
})

void test('the environment is the given one and nothing else', async () => {
  process.env['MURMUR_TEST_INHERITED'] = 'yes'
  const lines: string[] = []
  const child = await world.processes.start({
    command: process.execPath,
    args: ['-e', 'console.log(JSON.stringify(process.env))'],
    env: { ONLY: 'this' },
    onLine: (_stream, line) => lines.push(line),
  })
  await child.done
  assert.deepEqual(JSON.parse(lines[0]!), { ONLY: 'this' })
})

void test('input arrives, and a child that does not read it is no error', async () => {
  const lines: string[] = []
  const child = await world.processes.start({ ...sh('cat'), input: 'a\nb', onLine: (_stream, line) => lines.push(line) })
  assert.equal((await child.done).code, 0)
  assert.deepEqual(lines, ['a', 'b'])
  const deaf = await world.processes.start({ ...sh('exit 0'), input: 'x'.repeat(1_000_000) })
  assert.equal((await deaf.done).code, 0)
})

void test('long lines are cut, not collected; odd bytes and ends are fine', async () => {
  const lines: string[] = []
  const script = `head -c ${3 * longestLineBytes} /dev/zero | tr '\\0' x; echo; printf 'caf\\303\\251\\r\\nlast \\377'`
  const child = await world.processes.start({ ...sh(script), onLine: (_stream, line) => lines.push(line) })
  await child.done
  assert.equal(lines.length, 3)
  assert.equal(lines[0], `${'x'.repeat(longestLineBytes)}… [cut at ${longestLineBytes} bytes]`)
  assert.deepEqual(lines.slice(1), ['café', 'last �'])
})

void test('a listener that fails ends the child and tells by `done`', { timeout: 20_000 }, async () => {
  const child = await world.processes.start({
    ...sh('echo x; sleep 600'),
    onLine: () => {
      throw new Error('listener is broken')
    },
  })
  await assert.rejects(child.done, /listener is broken/)
  assert.equal(isAlive(child.pid), false)
})
