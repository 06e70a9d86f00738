import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { World } from '@murmuration/world'
import type { SiteFacts } from '../rules/verdicts.ts'
import { createAuditCache } from './audit-cache.ts'

const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** Readings are numbered, and end when the test says so. */
function setUp(intervalMs = 30_000) {
  let nowMs = 0
  let timers: { atMs: number; fire: () => void }[] = []
  const open: { finish(): void; fail(): void }[] = []
  let readings = 0
  const world = {
    clock: { monotonicMs: () => nowMs },
    timers: {
      after: (delayMs: number, fire: () => void) => {
        const timer = { atMs: nowMs + delayMs, fire }
        timers.push(timer)
        return { cancel: () => (timers = timers.filter((other) => other !== timer)) }
      },
    },
    log: { warn: () => undefined },
  } as unknown as World
  const read = (): Promise<SiteFacts> => {
    const number = ++readings
    return new Promise((resolve, reject) => {
      open.push({ finish: () => resolve({ number } as unknown as SiteFacts), fail: () => reject(new Error('database gone')) })
    })
  }
  return {
    cache: createAuditCache(world, read, intervalMs),
    readings: () => readings,
    finish: async () => (open.shift()?.finish(), settle()),
    fail: async () => (open.shift()?.fail(), settle()),
    advance: async (ms: number) => {
      nowMs += ms
      const due = timers.filter((timer) => timer.atMs <= nowMs)
      timers = timers.filter((timer) => timer.atMs > nowMs)
      for (const timer of due) timer.fire()
      await settle()
    },
    pending: () => timers.length,
  }
}
const numberOf = async (facts: Promise<SiteFacts>): Promise<number> => ((await facts) as unknown as { number: number }).number

test('answers from the cache, and renews it every 30 s', async () => {
  const { cache, readings, finish, advance } = setUp()
  cache.start()
  await finish()
  assert.equal(await numberOf(cache.cached()), 1)
  await advance(29_999)
  assert.equal(await numberOf(cache.cached()), 1)
  assert.equal(readings(), 1)
  await advance(1)
  assert.equal(readings(), 2)
  assert.equal(await numberOf(cache.cached()), 1, 'the old picture serves until the new one is there')
  await finish()
  assert.equal(await numberOf(cache.cached()), 2)
})

test('any number of first callers costs one reading', async () => {
  const { cache, readings, finish } = setUp()
  const asked = [cache.cached(), cache.cached(), cache.cached()].map(numberOf)
  await finish()
  assert.deepEqual(await Promise.all(asked), [1, 1, 1])
  assert.equal(readings(), 1)
})

test('a forced audit sees what was true after it came: it does not join a reading that runs already', async () => {
  const { cache, readings, finish } = setUp()
  const first = numberOf(cache.fresh())
  const later = [cache.fresh(), cache.fresh()].map(numberOf)
  await finish()
  assert.equal(await first, 1)
  assert.equal(readings(), 2)
  await finish()
  assert.deepEqual(await Promise.all(later), [2, 2])
})

test('a picture that can not be renewed is not answered with for ever', async () => {
  const { cache, finish, fail, advance } = setUp()
  cache.start()
  await finish()
  for (let time = 0; time < 2; time++) {
    await advance(30_000)
    await fail()
  }
  assert.equal(await numberOf(cache.cached()), 1)
  await advance(30_000)
  await fail()
  const late = assert.rejects(cache.cached(), /database gone/)
  await fail()
  await late
})

test('stop ends the renewing', async () => {
  const { cache, finish, pending } = setUp()
  cache.start()
  await finish()
  assert.equal(pending(), 1)
  cache.stop()
  assert.equal(pending(), 0)
})
