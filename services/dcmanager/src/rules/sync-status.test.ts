import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endpointTypes, type SyncStatus } from './vocabulary.ts'
import {
  alarmKey,
  aggregateSyncStatus,
  certificateOverdueMs,
  certificateStatus,
  endpointUpdateAllowed,
  isOurAlarm,
  wantedAlarms,
  type AlarmSubject,
  type SubcloudState,
} from './sync-status.ts'

const state = (text: string): SubcloudState => {
  const [managementState, availabilityStatus, deployStatus] = text.split(' ')
  return { managementState, availabilityStatus, deployStatus } as SubcloudState
}

// Reference dcmanager §8.6: which updates pass, for an endpoint of the audits and for the certificate.
const allowed: [string, string, string][] = [
  ['managed online complete', 'in-sync out-of-sync unknown', 'in-sync out-of-sync unknown'],
  ['unmanaged online complete', 'out-of-sync unknown', 'in-sync out-of-sync unknown'],
  ['managed offline complete', 'out-of-sync unknown', 'out-of-sync unknown'],
  ['unmanaged offline complete', 'out-of-sync unknown', 'out-of-sync unknown'],
  ['managed online secondary', 'unknown', 'unknown'],
  ['unmanaged offline secondary', 'unknown', 'unknown'],
]
for (const [subcloud, ordinary, certificate] of allowed)
  test(`${subcloud}: ${ordinary}; certificate: ${certificate}`, () => {
    for (const endpoint of endpointTypes)
      for (const status of ['in-sync', 'out-of-sync', 'unknown'] as const) {
        const expected = (endpoint === 'dc-cert' ? certificate : ordinary).split(' ').includes(status)
        assert.equal(endpointUpdateAllowed(endpoint, status, state(subcloud)), expected, `${endpoint} ${status}`)
      }
  })

test('the aggregate is the common value, else out-of-sync', () => {
  const rows: [SyncStatus[], SyncStatus][] = [
    [['in-sync', 'in-sync'], 'in-sync'],
    [['unknown', 'unknown'], 'unknown'],
    [['in-sync', 'unknown'], 'out-of-sync'],
    [['out-of-sync', 'out-of-sync'], 'out-of-sync'],
  ]
  for (const [statuses, aggregate] of rows) assert.equal(aggregateSyncStatus(statuses), aggregate)
})

test('a certificate is out-of-sync when its renewal is overdue, and unknown when none was shown', () => {
  assert.equal(certificateStatus(undefined, 0), undefined)
  assert.equal(certificateStatus(certificateOverdueMs + 1, 0), 'in-sync')
  assert.equal(certificateStatus(certificateOverdueMs, 0), 'out-of-sync')
  assert.equal(certificateStatus(-1, 0), 'out-of-sync')
})

const subject = (changes: Partial<AlarmSubject>): AlarmSubject => ({
  ...state('managed offline complete'),
  name: 'edge-1',
  failCount: 2,
  failureReason: 'the site did not answer in time',
  outOfSync: [],
  backupStatus: null,
  ...changes,
})

test('a site that should be up and is not raises a critical alarm that says why', () => {
  const [alarm, ...others] = wantedAlarms(subject({}), 2)
  assert.deepEqual(others, [])
  assert.deepEqual(alarm, {
    alarmId: '280.001',
    entityInstanceId: 'subcloud=edge-1',
    severity: 'critical',
    reasonText: 'edge-1 is offline: the site did not answer in time',
  })
  assert.ok(isOurAlarm(alarm))
})

test('no offline alarm: before enough failures, for one that is still being built, for a standby copy, for one that is online', () => {
  assert.deepEqual(wantedAlarms(subject({ failCount: 1 }), 2), [])
  assert.deepEqual(wantedAlarms(subject({ ...state('unmanaged offline installing') }), 2), [])
  assert.deepEqual(wantedAlarms(subject({ ...state('managed offline secondary'), outOfSync: ['software'] }), 2), [])
  assert.deepEqual(wantedAlarms(subject({ ...state('managed online complete') }), 2), [])
})

test('every endpoint that is out-of-sync raises a major alarm of its own', () => {
  const alarms = wantedAlarms(subject({ ...state('managed online complete'), outOfSync: ['software', 'dc-cert'] }), 2)
  assert.deepEqual(
    alarms.map((alarm) => `${alarm.alarmId} ${alarm.severity} ${alarm.entityInstanceId}`),
    ['280.002 major subcloud=edge-1.resource=software', '280.002 major subcloud=edge-1.resource=dc-cert'],
  )
})

test('a backup that failed raises a minor alarm, until the next one begins', () => {
  const online = state('managed online complete')
  const raised = wantedAlarms(subject({ ...online, backupStatus: 'failed' }), 2)
  assert.deepEqual(raised.map(alarmKey), ['280.003 subcloud=edge-1'])
  assert.equal(raised[0]?.severity, 'minor')
  for (const backupStatus of ['validating', 'pre-backup', 'backing-up', 'complete-central', 'unknown', 'validate-failed', null])
    assert.deepEqual(wantedAlarms(subject({ ...online, backupStatus }), 2), [], String(backupStatus))
})

test('alarms of others are not ours to clear', () => {
  assert.equal(isOurAlarm({ alarmId: '260.002', entityInstanceId: 'subcloud=edge-1' }), false)
  assert.equal(isOurAlarm({ alarmId: '280.001', entityInstanceId: 'host=controller-0' }), false)
})
