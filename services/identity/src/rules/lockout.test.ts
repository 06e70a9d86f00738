import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLocked } from './lockout.ts'

const rule = { lockoutFailures: 6, lockoutWindowMs: 1000 }

test('locked from the sixth failure until the window after the last one has passed', () => {
  const user = (failed_count: number) => ({ failed_count, failed_at_ms: 5000 })
  assert.equal(isLocked(user(5), {}, 5000, rule), false)
  assert.equal(isLocked(user(6), {}, 5000, rule), true)
  assert.equal(isLocked(user(6), {}, 5999, rule), true)
  assert.equal(isLocked(user(6), {}, 6000, rule), false)
  assert.equal(isLocked(user(60), { ignore_lockout_failure_attempts: true }, 5000, rule), false)
  assert.equal(isLocked(user(60), { ignore_lockout_failure_attempts: 'true' }, 5000, rule), true)
})
