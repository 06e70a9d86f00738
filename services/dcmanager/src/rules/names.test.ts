import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeError } from './error-description.ts'
import { nameProblem, renameProblem } from './names.ts'
import { addPhases, redeployPhases, resumePhases } from './phases.ts'
import { busyRelease, isSupportedRelease, majorMinor } from './releases.ts'

test('one rule for names (attacks 10)', () => {
  const bad = [
    '',
    '1',
    '007',
    'a'.repeat(256),
    '-a',
    'a-',
    '.a',
    'a b\n',
    'a/b',
    '../x',
    'a*',
    'a|b',
    'a(b',
    '[a]',
    'a\\b',
    'a^',
    '$a',
    'café',
    'раypal',
    '\u202eabc',
    'a\u200bb',
    'a\0b',
    ' a',
    'a%2fb',
    '<b>',
  ]
  for (const name of bad) {
    assert.notEqual(nameProblem(name, 'subcloud'), undefined, JSON.stringify(name))
    assert.notEqual(nameProblem(name, 'group'), undefined, JSON.stringify(name))
  }
  for (const name of ['a', 'lab.txt', 'subclouds', 'detail', 'constructor', 'peer-groups', 'errors', 'a_b', '1a', 'A'.repeat(255)])
    assert.equal(nameProblem(name, 'subcloud'), undefined, name)
  assert.equal(nameProblem('north side', 'group'), undefined)
  assert.notEqual(nameProblem('north side', 'subcloud'), undefined)
  assert.notEqual(nameProblem('a.b', 'group'), undefined)
})

test('a new name is a DNS name', () => {
  for (const name of ['A', 'a_b', 'a..b', '-a', 'a'.repeat(64), 'a.-b', '12']) assert.notEqual(renameProblem(name), undefined, name)
  for (const name of ['a', 'a-b', 'a.b.c', '1a', 'a'.repeat(63)]) assert.equal(renameProblem(name), undefined, name)
})

test('phases of the flows (reference §3.2, §1.8)', () => {
  assert.deepEqual(addPhases({ installValues: true, deployConfig: true }), ['create', 'install', 'bootstrap', 'configure'])
  assert.deepEqual(addPhases({ installValues: false, deployConfig: false }), ['create', 'bootstrap', 'complete'])
  assert.deepEqual(redeployPhases({ installValues: true, deployConfig: false }), ['install', 'bootstrap', 'complete'])
  assert.deepEqual(resumePhases('install-failed', { installValues: true, deployConfig: true }), ['install', 'bootstrap', 'configure'])
  assert.deepEqual(resumePhases('create-complete', { installValues: false, deployConfig: false }), ['bootstrap', 'complete'])
  assert.deepEqual(resumePhases('bootstrap-aborted', { installValues: true, deployConfig: true }), ['bootstrap', 'configure'])
  assert.deepEqual(resumePhases('config-failed', { installValues: false, deployConfig: true }), ['configure'])
  assert.equal(resumePhases('config-failed', { installValues: false, deployConfig: false }), undefined)
})

test('releases', () => {
  assert.deepEqual(['26.09', '26.09.1', 'starlingx-26.09.10', '26.9', 'x26.09', ''].map(majorMinor), [
    '26.09',
    '26.09',
    '26.09',
    undefined,
    undefined,
    undefined,
  ])
  const known = [{ softwareVersion: '25.09.3' }]
  assert.deepEqual(
    ['26.09', '25.09', '24.09', '27.03'].map((release) => isSupportedRelease(release, '26.09', known)),
    [true, true, false, false],
  )
  assert.equal(busyRelease([{ state: 'deployed' }, { state: 'unavailable' }]), undefined)
  assert.equal(busyRelease([{ state: 'deploying' }])?.state, 'deploying')
})

test('error descriptions say what to do', () => {
  assert.equal(describeError('No errors present', 'complete'), 'No errors present')
  assert.match(describeError('FAILED err_code = bmc_cred', 'install-failed'), /user name and password/)
  assert.match(describeError('FAILED', 'bootstrap-failed'), /bootstrap again or resume/)
  assert.equal(describeError('err_code = constructor', 'complete'), 'err_code = constructor')
})
