import assert from 'node:assert/strict'
import { test } from 'node:test'
import { heartbeatDeadlineMs, verdictOf, type HeartbeatSubject } from './peer-heartbeat.ts'

const peer: HeartbeatSubject = { availability: 'available', failures: 0, threshold: 3, unavailableSinceMs: undefined }
const silence = { heard: false, reason: 'it did not answer in time' } as const

test('as many failures in a row as the threshold make a peer unavailable, since then', () => {
  let subject: HeartbeatSubject = peer
  const seen = [10, 20, 30, 40].map((nowMs) => {
    const verdict = verdictOf(subject, silence, nowMs)
    subject = { ...subject, ...verdict }
    return [verdict.availability, verdict.failures, verdict.unavailableSinceMs, verdict.lost]
  })
  assert.deepEqual(seen, [
    ['available', 1, undefined, false],
    ['available', 2, undefined, false],
    ['unavailable', 3, 30, true],
    ['unavailable', 4, 30, false],
  ])
  assert.deepEqual(verdictOf(subject, { heard: true }, 50), {
    availability: 'available',
    failures: 0,
    unavailableSinceMs: undefined,
    reason: null,
    returned: true,
    lost: false,
  })
})

test('a first contact is no return: a failed sync of a peer that was never away stays failed', () => {
  assert.equal(verdictOf({ ...peer, availability: 'created' }, { heard: true }, 1).returned, false)
  assert.equal(verdictOf({ ...peer, availability: 'created', failures: 1 }, silence, 1).availability, 'created')
})

test('one that succeeds between failures begins the count anew', () => {
  const twice = { ...peer, failures: 2 }
  assert.equal(verdictOf(twice, { heard: true }, 1).failures, 0)
})

test('the deadline of a heartbeat is short, and never longer than half the interval', () => {
  assert.deepEqual([10, 60, 600, 4].map(heartbeatDeadlineMs), [5_000, 5_000, 5_000, 2_000])
})
