import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createDaemons } from './daemons.ts'

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await sleep(10)
}

void test('a daemon runs in a session of its own, logs privately, is recognised and can be ended', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'daemon-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const daemons = createDaemons()
  const logFile = join(folder, 'log', 'out.log')
  const program = 'console.log("up"); setInterval(() => {}, 1000)'
  const daemon = await daemons.start({ command: process.execPath, args: ['-e', program], env: {}, logFile })
  t.after(() => daemons.signal(daemon, 'SIGKILL'))

  await until(() => readFileSync(logFile, 'utf8').includes('up'))
  assert.equal(statSync(logFile).mode & 0o777, 0o600)
  assert.equal(await daemons.isAlive(daemon), true)
  const session = readFileSync(`/proc/${daemon.pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[3]
  assert.equal(Number(session), daemon.pid)

  assert.equal(await daemons.isAlive({ pid: daemon.pid, startTicks: daemon.startTicks + 1 }), false, 'another process of the same number')
  assert.equal(await daemons.signal({ pid: daemon.pid, startTicks: daemon.startTicks + 1 }, 'SIGKILL'), false)
  assert.equal(await daemons.signal(daemon, 'SIGTERM'), true)
  await until(async () => !(await daemons.isAlive(daemon)))
  assert.equal(await daemons.signal(daemon, 'SIGTERM'), false)
})
