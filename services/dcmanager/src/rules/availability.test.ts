import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { failCountMax, nextAvailability, type Availability, type AuditVerdict } from './availability.ts'

const rows: [Availability['status'], number, AuditVerdict, Availability['status'], number][] = [
  ['online', 0, 'failure', 'online', 1],
  ['online', 1, 'failure', 'offline', 2],
  ['offline', 2, 'failure', 'offline', 3],
  ['offline', failCountMax, 'failure', 'offline', failCountMax],
  ['offline', 17, 'success', 'online', 0],
  ['online', 1, 'success', 'online', 0],
  ['offline', 0, 'failure', 'offline', 1],
]
for (const [status, failCount, verdict, nextStatus, nextCount] of rows)
  test(`${status} after ${failCount} failures, ${verdict}: ${nextStatus}, ${nextCount}`, () =>
    assert.deepEqual(nextAvailability({ status, failCount }, verdict, 2), { status: nextStatus, failCount: nextCount }))

test('offline exactly after so many failures in a row as it takes, online exactly after one success', () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.constantFrom<AuditVerdict>('success', 'failure')), (limit, verdicts) => {
      let state: Availability = { status: 'online', failCount: 0 }
      let failures = 0
      for (const verdict of verdicts) {
        state = nextAvailability(state, verdict, limit)
        failures = verdict === 'success' ? 0 : failures + 1
        assert.equal(state.failCount, failures)
        assert.equal(state.status, failures >= limit ? 'offline' : 'online')
      }
    }),
  ))
