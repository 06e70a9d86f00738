import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createRealWorld } from '@murmuration/world'
import { countOf, segmentOf } from './commands/context.ts'
import { valuesOf } from './commands/subcloud.ts'
import { CommandFailed, exitCodes } from './exit.ts'
import { loadConfig } from './serve/command.ts'

const folder = mkdtempSync(join(tmpdir(), 'murmur-refusals-'))
after(() => rmSync(folder, { recursive: true }))
const wrongUse = (error: unknown): boolean => error instanceof CommandFailed && error.exitCode === exitCodes.usage
const program = fileURLToPath(new URL('main.js', import.meta.url))

test('an empty name, which would mean the whole list, and what is no number are wrong use', () => {
  for (const ref of ['', '  ']) assert.throws(() => segmentOf(ref), wrongUse)
  assert.equal(segmentOf('a b/c'), 'a%20b%2Fc')
  for (const text of ['abc', '', '1.5', '1e3']) assert.throws(() => countOf('--max-parallel-subclouds', text), wrongUse)
  assert.equal(countOf('--max-parallel-subclouds', '0'), 0)
})

test('mistakes of a deploy command are told before a password is asked for and before anything is sent', async () => {
  const world = createRealWorld({ log: { level: 'error' } })
  const context = { world, environment: {} }
  await assert.rejects(valuesOf(context, { bootstrapValues: join(folder, 'nothing.yaml') }), /no such file/)
  await assert.rejects(valuesOf(context, { bootstrapValues: folder }), /it is a folder/)
  await assert.rejects(valuesOf(context, { timeout: 'soon' }), wrongUse)
  await assert.rejects(loadConfig(world, folder, {}), /is a folder: give the path of a site file/)
  await world.net.close()
})

test('a reader that has gone ends a command without noise, a full disk with one line', async () => {
  const site = join(folder, 'site.yaml')
  writeFileSync(site, `name: north\nrole: system-controller\nvarFolder: ${folder}/var\n`)
  const args = [program, 'config', 'check', '--site', site]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  assert.equal(await new Promise((resolve) => child.once('close', resolve)), exitCodes.ok)
  assert.equal(said, '')
  const full = spawnSync('sh', ['-c', 'exec "$@" > /dev/full', 'sh', process.execPath, ...args], { encoding: 'utf8' })
  assert.equal(full.status, exitCodes.refused)
  assert.equal(full.stderr, 'error: the output could not be written (ENOSPC).\n')
})
