import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createRealWorld } from '@murmuration/world'
import { alone } from './alone.ts'

test('many at once: each its turn, none fails, nothing stays', { timeout: 30_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'alone-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const world = createRealWorld({ timersKeepAlive: true, log: { level: 'silent' } })
  let [inside, turns] = [0, 0]
  const take = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn += 1)
      await alone(world, join(folder, 'lock'), async () => {
        inside += 1
        assert.equal(inside, 1)
        await new Promise((done) => setImmediate(done))
        inside -= 1
        turns += 1
      })
  }
  await Promise.all(Array.from({ length: 12 }, take))
  assert.equal(turns, 60)
  assert.deepEqual(await readdir(folder), [])
})

test('who holds on for too long has died: its lock is taken over', { timeout: 30_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'alone-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const world = createRealWorld({ timersKeepAlive: true, log: { level: 'silent' } })
  await world.files.write(join(folder, 'lock/since'), String(world.clock.nowMs() - 60_000))
  assert.equal(await alone(world, join(folder, 'lock'), async () => 'mine'), 'mine')
  assert.deepEqual(await readdir(folder), [])
})
