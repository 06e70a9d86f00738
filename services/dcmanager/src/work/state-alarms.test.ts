import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countStatements } from '@murmuration/data'
import { readWantedAlarms } from '../store/alarms.ts'
import { addSubclouds, openAuditFixture, testEngines, until } from '../testing/audit-fixture.ts'
import { fakeFaults } from '../testing/scripted-agents.ts'
import { alarmDifference, createAlarmLoop } from './state-alarms.ts'

for (const engine of testEngines)
  test(`wanted alarms are derived in two statements on ${engine.name}`, async () => {
    await using fixture = await openAuditFixture(engine.url())
    const { database } = fixture
    await addSubclouds(fixture, 5)
    await database.query.updateTable('subclouds').set({ availability_status: 'offline' }).where('id', 'in', [2, 3]).execute()
    await database.query
      .updateTable('subcloud_audits')
      .set({ audit_fail_count: 2, failure_reason: 'gone' })
      .where('subcloud_id', '=', 2)
      .execute()
    await database.query
      .updateTable('subcloud_status')
      .set({ sync_status: 'out-of-sync' })
      .where('subcloud_id', '=', 4)
      .where('endpoint_type', 'in', ['software', 'kubernetes'])
      .execute()
    const { result, statements } = await countStatements(() => readWantedAlarms(database, 2))
    assert.equal(statements, 2)
    assert.deepEqual(
      result.map((alarm) => `${alarm.alarmId} ${alarm.entityInstanceId}`),
      ['280.001 subcloud=edge-2', '280.002 subcloud=edge-4.resource=kubernetes', '280.002 subcloud=edge-4.resource=software'],
    )
  })

test('alarms survive a fault management that is down, a rename and a delete', async () => {
  await using fixture = await openAuditFixture('sqlite::memory:')
  const { database } = fixture
  await addSubclouds(fixture, 2, { availability_status: 'offline' })
  await database.query.updateTable('subcloud_audits').set({ audit_fail_count: 2 }).execute()
  const faults = fakeFaults()
  faults.down = true
  const loop = createAlarmLoop(fixture.site, database, faults)
  loop.start()
  loop.wake()
  await until(() => faults.refused > 0, 'a round that failed')
  faults.down = false
  loop.wake()
  await until(() => faults.raisedKeys.size === 2, 'both alarms')
  await database.query.updateTable('subclouds').set({ name: 'porto' }).where('id', '=', 1).execute()
  await database.query.deleteFrom('subclouds').where('id', '=', 2).execute()
  loop.wake()
  await until(() => faults.raisedKeys.size === 1, 'the old ones to go')
  assert.deepEqual([...faults.raisedKeys], ['280.001 subcloud=porto'])
  await loop.stop()
})

test('critical alarms are raised first, what nobody wants is cleared', () => {
  const major = {
    alarmId: '280.002' as const,
    entityInstanceId: 'subcloud=a.resource=software',
    severity: 'major' as const,
    reasonText: '',
  }
  const critical = { alarmId: '280.001' as const, entityInstanceId: 'subcloud=b', severity: 'critical' as const, reasonText: '' }
  const { raise, clear } = alarmDifference([major, critical], new Set(['280.001 subcloud=gone']))
  assert.deepEqual(raise, [critical, major])
  assert.deepEqual(clear, ['280.001 subcloud=gone'])
})
