import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createLru } from './lru.ts'

test('never holds more than its capacity, never answers anything but what was set last, and keeps what is in use', () => {
  const key = fc.integer({ min: 0, max: 30 }).map(String)
  const action = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), key, value: fc.nat() }),
    fc.record({ kind: fc.constantFrom('get' as const, 'delete' as const), key }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 12 }), fc.array(action, { maxLength: 200 }), (capacity, actions) => {
      const lru = createLru<number>(capacity)
      const latest = new Map<string, number>()
      /** Keys in the order of their last use. */
      let used: string[] = []
      for (const done of actions) {
        used = used.filter((name) => name !== done.key)
        if (done.kind === 'set') {
          lru.set(done.key, done.value)
          latest.set(done.key, done.value)
          used.push(done.key)
        } else if (done.kind === 'delete') {
          lru.delete(done.key)
          latest.delete(done.key)
        } else {
          const value = lru.get(done.key)
          if (value !== undefined) {
            assert.equal(value, latest.get(done.key))
            used.push(done.key)
          }
        }
        assert.ok(lru.size <= capacity, `${lru.size} of ${capacity}`)
        const [oldestKept] = used.slice(-Math.floor(capacity / 2))
        if (oldestKept !== undefined) {
          assert.equal(lru.get(oldestKept), latest.get(oldestKept), 'it was among the last half that was used')
          used = [...used.filter((name) => name !== oldestKept), oldestKept]
        }
      }
      lru.clear()
      assert.equal(lru.size, 0)
    }),
  )
})
