import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eachEngine, type TestEngine } from '@murmuration/data/testing'
import { createRealWorld } from '@murmuration/world'
import { away, here, openGeoFixture } from '../testing/geo-fixture.ts'
import { repairMigrations } from '../work/repair-migrations.ts'
import { readWantedAlarms } from './alarms.ts'
import { readGeoAlarms } from './geo-alarms.ts'
import { migrations } from './migrations/index.ts'
import type { Schema } from './schema.ts'

const world = createRealWorld({ log: { level: 'silent' } })
const open = async (engine: TestEngine) => openGeoFixture(world, await engine.open<Schema>(migrations))
const local = async (): Promise<string> => here.uuid

eachEngine('alarms and repairs of geo-redundancy', (engine) => {
  test('a peer that is away is major, and critical when it manages groups of ours; a group that is managed elsewhere is an alarm where it is owned', async () => {
    const fixture = await open(engine)
    const { database } = fixture
    assert.deepEqual(await readGeoAlarms(database, () => Promise.reject(new Error('not asked without associations'))), [])
    const [peer, group] = [await fixture.addPeer(), await fixture.addGroup()]
    await fixture.addAssociation(group, peer)
    assert.deepEqual(await readGeoAlarms(database, local), [])
    const reason = 'it did not answer in time'
    await database.query.updateTable('system_peer').set({ availability_state: 'unavailable', failure_reason: reason }).execute()
    assert.deepEqual(await readGeoAlarms(database, local), [
      {
        alarmId: '280.004',
        entityInstanceId: `peer=${away.uuid}`,
        severity: 'major',
        reasonText: 'Peer dc-madrid is in disconnected state: it did not answer in time.',
      },
    ])
    await database.query.updateTable('subcloud_peer_group').set({ system_leader_id: away.uuid, system_leader_name: away.name }).execute()
    const [lost, elsewhere] = await readGeoAlarms(database, local)
    assert.equal(lost?.severity, 'critical')
    assert.match(lost?.reasonText ?? '', /impacted: spg-a\.$/)
    assert.deepEqual(elsewhere, {
      alarmId: '280.005',
      entityInstanceId: `peer_group=spg-a,peer=${away.uuid}`,
      severity: 'major',
      reasonText: 'Subcloud peer group spg-a is managed by remote system dc-madrid with a lower priority.',
    })
    // Subclouds that the leader has taken are told of by their group; one that a third site has is not what anybody asked for.
    await fixture.addMembers(group.id, 2, { deploy_status: 'secondary', management_state: 'unmanaged', fenced_by: away.uuid })
    await database.query.updateTable('subclouds').set({ fenced_by: here.uuid }).where('name', '=', 'edge-2').execute()
    const fenced = await readWantedAlarms(database, 2)
    assert.deepEqual(
      fenced.map((alarm) => [alarm.alarmId, alarm.entityInstanceId]),
      [['280.022', 'subcloud=edge-2']],
    )
    // On the standby site another leader is how it should be.
    await database.query.updateTable('subcloud_peer_group').set({ group_priority: 1 }).execute()
    assert.deepEqual((await readGeoAlarms(database, local)).length, 1)
  })

  test('a migration without a job is complete when it took somebody over, else it never was; one with a job goes on', async () => {
    const fixture = await open(engine)
    const { database } = fixture
    const leader = { system_leader_id: away.uuid, system_leader_name: away.name, group_priority: 1, migration_status: 'migrating' } as const
    const groups = [
      await fixture.addGroup({ peer_group_name: 'taken', ...leader }),
      await fixture.addGroup({ peer_group_name: 'untouched', ...leader }),
      await fixture.addGroup({ peer_group_name: 'running', ...leader }),
    ]
    await fixture.addMembers(groups[0]!.id, 1)
    await fixture.addMembers(groups[1]!.id, 1, { deploy_status: 'secondary', management_state: 'unmanaged' })
    const at = '2026-01-01T00:00:00.000000'
    await database.query
      .insertInto('jobs')
      .values({
        id: 'running',
        kind: 'peer-group.migrate',
        subject: `peer-group:${groups[2]!.id}`,
        exclusive_key: `peer-group:${groups[2]!.id}`,
        input: '{}' as never,
        state: 'queued',
        attempt: 1,
        run_at: at,
        lease_epoch: 0,
        lost_leases: 0,
        cancel_requested: 0,
        created_at: at,
        updated_at: at,
      })
      .execute()
    const repair = () => repairMigrations(world, database, async () => here)
    assert.deepEqual([await repair(), await repair()], [2, 0])
    const rows = await database.query
      .selectFrom('subcloud_peer_group')
      .select(['peer_group_name', 'migration_status', 'system_leader_id'])
      .orderBy('id')
      .execute()
    assert.deepEqual(
      rows.map((row) => [row.peer_group_name, row.migration_status, row.system_leader_id]),
      [
        ['taken', 'complete', here.uuid],
        ['untouched', null, away.uuid],
        ['running', 'migrating', away.uuid],
      ],
    )
  })
})
