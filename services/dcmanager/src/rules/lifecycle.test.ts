import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  abortedStatusOf,
  allDeployStatuses,
  deployStatuses,
  failedStatusOf,
  isTransient,
  ruleOf,
  statusesAllowing,
  transientStatuses,
} from './lifecycle.ts'

test('there are the 57 statuses of the reference', () => assert.equal(allDeployStatuses.length, 57))

test('every status that a rule names exists, and is a resting place', () => {
  for (const status of allDeployStatuses) {
    const { onLostJob, abort } = ruleOf(status)
    if (onLostJob !== undefined) {
      assert.ok(onLostJob in deployStatuses, `${status} → ${onLostJob}`)
      assert.ok(!isTransient(onLostJob), `${onLostJob} must not be transitional`)
      assert.ok(ruleOf(status).operation !== undefined, `${status} has no operation`)
    }
    if (abort === undefined) continue
    for (const next of Object.values(abort)) assert.ok(next in deployStatuses, `${status} → ${next}`)
    assert.ok(isTransient(abort.to))
    assert.equal(abortedStatusOf(abort.to), abort.done)
    assert.equal(failedStatusOf(abort.to), abort.failed)
  }
})

test('a transitional status allows nothing but its abort, and no restore', () => {
  for (const status of transientStatuses) {
    assert.equal(ruleOf(status).restorable, false, status)
    assert.deepEqual(ruleOf(status).verbs, ruleOf(status).abort === undefined ? [] : ['abort'], status)
    assert.equal(ruleOf(status).deletable, status === 'not-deployed', status)
  }
})

test('failure leaves the failed status of the same phase', () => {
  assert.equal(failedStatusOf('pre-install'), 'pre-install-failed')
  assert.equal(failedStatusOf('bootstrapping'), 'bootstrap-failed')
  assert.equal(failedStatusOf('complete'), 'complete')
  assert.equal(abortedStatusOf('bootstrapping'), undefined)
})

test('phased verbs and their statuses (reference §1.8)', () => {
  const expected = {
    install: ['create-complete', 'pre-install-failed', 'install-failed', 'install-complete', 'install-aborted'],
    bootstrap: [
      'install-complete',
      'pre-bootstrap-failed',
      'bootstrap-failed',
      'bootstrap-aborted',
      'bootstrap-complete',
      'create-complete',
    ],
    configure: ['complete', 'pre-config-failed', 'config-failed', 'bootstrap-complete', 'enroll-complete', 'config-aborted'],
    complete: ['bootstrap-complete', 'enroll-complete'],
    abort: ['installing', 'bootstrapping', 'configuring'],
    enroll: [
      'create-complete',
      'enroll-failed',
      'pre-enroll-failed',
      'pre-init-enroll-failed',
      'init-enroll-failed',
      'factory-restore-complete',
    ],
  } as const
  for (const [verb, statuses] of Object.entries(expected))
    assert.deepEqual([...statusesAllowing(verb as keyof typeof expected)].toSorted(), [...statuses].toSorted(), verb)
})
