import assert from 'node:assert/strict'
import { test } from 'node:test'
import { admits, mayClaim, silenceMs, type Heard } from './ownership.ts'

const current = { owner: 'aaaa', ownerName: 'north', epoch: 3 }

test('a claim needs a higher epoch, or to be the same one again', () => {
  const cases: [owner: string, epoch: number, taken: boolean][] = [
    ['bbbb', 4, true],
    ['bbbb', 3, false],
    ['bbbb', 2, false],
    ['aaaa', 3, true],
    ['AAAA', 3, true],
    ['aaaa', 2, false],
    ['aaaa', 9, true],
  ]
  for (const [owner, epoch, taken] of cases) assert.equal(mayClaim(current, { owner, epoch }), taken, `${owner} ${epoch}`)
  assert.equal(mayClaim(undefined, { owner: 'bbbb', epoch: 1 }), true)
})

test('only the owner under the current epoch is admitted, once there is one', () => {
  assert.equal(admits(undefined, undefined), true)
  assert.equal(admits(undefined, { system: 'bbbb', epoch: 0 }), true)
  assert.equal(admits(current, { system: 'aaaa', epoch: 3 }), true)
  for (const presented of [
    undefined,
    { system: 'aaaa', epoch: 2 },
    { system: 'aaaa', epoch: 4 },
    { system: 'bbbb', epoch: 3 },
    { system: 'bbbb', epoch: 9 },
  ])
    assert.equal(admits(current, presented), false, JSON.stringify(presented))
})

test('silence is never exaggerated, whatever the clock of the day does', () => {
  const dayMs = 86_400_000
  const heard = (more: Partial<Heard>): Heard => ({
    nowMs: 10 * dayMs,
    monotonicMs: 100_000,
    sinceMonotonicMs: 0,
    lastMonotonicMs: 90_000,
    writtenAtMs: 10 * dayMs - 12_000,
    ...more,
  })
  assert.equal(silenceMs(heard({})), 10_000)
  // The clock jumped one day ahead, and one day back.
  assert.equal(silenceMs(heard({ nowMs: 11 * dayMs })), 10_000)
  assert.equal(silenceMs(heard({ nowMs: 9 * dayMs })), 10_000)
  // Another process of the site heard it later.
  assert.equal(silenceMs(heard({ lastMonotonicMs: undefined, writtenAtMs: 10 * dayMs - 5_000 })), 5_000)
  // A process that began just now has not listened for longer.
  assert.equal(silenceMs(heard({ lastMonotonicMs: undefined, sinceMonotonicMs: 99_000, writtenAtMs: dayMs })), 1_000)
})
