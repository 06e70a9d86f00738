import assert from 'node:assert/strict'
import { test } from 'node:test'
import { atRest, watchActivity } from './activity.ts'

watchActivity()

test('what a reaction of a tick begins is waited for, even when that tick and ours are of one round', async () => {
  const seen: string[] = []
  process.nextTick(() => {
    queueMicrotask(() => {
      seen.push('reaction')
      process.nextTick(() => void Promise.resolve().then(() => seen.push('reaction of a tick of a reaction')))
    })
  })
  await atRest()
  assert.deepEqual(seen, ['reaction', 'reaction of a tick of a reaction'])
})

test('chains of ticks, immediates and reactions come to their end', async () => {
  let left = 50
  const next = (): void => {
    left -= 1
    if (left === 0) return
    if (left % 3 === 0) setImmediate(next)
    else if (left % 3 === 1) process.nextTick(next)
    else queueMicrotask(next)
  }
  next()
  await atRest()
  assert.equal(left, 0)
})
