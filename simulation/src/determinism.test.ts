import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runSeeds } from './pool.ts'

test('a seed gives the same trace every time, whatever ran before it and in whichever thread', async () => {
  const seeds = [3, 17, 20, 68, 101, 149]
  const once = await runSeeds(seeds, { threads: 1 })
  const again = await runSeeds(seeds.toReversed(), { threads: 2 })
  assert.deepEqual(
    again.map(({ seed, hash, events }) => ({ seed, hash, events })),
    once.map(({ seed, hash, events }) => ({ seed, hash, events })),
  )
  assert.equal(new Set(once.map(({ hash }) => hash)).size, seeds.length, 'and different seeds give different ones')
})
