import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timestamp } from '@murmuration/data'
import { eachEngine, type TestEngine } from '@murmuration/data/testing'
import { createManualWorld } from '@murmuration/jobs/testing'
import { Secret } from '@murmuration/trust'
import type { Desk } from '../store/claims.ts'
import { migrations } from '../store/migrations/index.ts'
import type { Schema } from '../store/schema.ts'
import { peerSecretContext } from '../store/system-peers.ts'
import { takeoverAsker } from '../store/takeovers.ts'
import { away, openGeoFixture } from '../testing/geo-fixture.ts'
import { createTakeover } from './takeover.ts'

/** A standby site with two copies of a group whose owner has been silent since the beginning. */
async function openStandby(engine: TestEngine) {
  const manual = createManualWorld({ instant: engine.engine === 'sqlite' })
  const fixture = await openGeoFixture(manual.world, await engine.open<Schema>(migrations))
  const { database, world, site } = fixture
  const group = await fixture.addGroup({ group_priority: 1, system_leader_id: away.uuid, system_leader_name: away.name })
  const peer = await fixture.addPeer({
    heartbeat_failure_policy: 'rehome',
    rehome_sysadmin_password: site.keyring.seal(new Secret('Sys4dmin!'), peerSecretContext(away.uuid, 'sysadmin_password')),
  })
  await database.query
    .updateTable('system_peer')
    .set({ availability_state: 'unavailable', unavailable_since: timestamp(world.clock.nowMs()) })
    .execute()
  await fixture.addAssociation(group, peer, { reported_status: 'in-sync' })
  await fixture.addMembers(group.id, 2, { deploy_status: 'secondary', management_state: 'unmanaged', availability_status: 'offline' })
  const nothing = (): void => {}
  const desk: Desk = { database, world, keyring: site.keyring, wakeManagers: nothing, wakeAuditors: nothing, wakeReaders: nothing }
  const look = createTakeover(desk)
  const jobs = () => database.query.selectFrom('jobs').select(['kind', 'subject', 'requested_by', 'input', 'state']).execute()
  return { ...fixture, manual, group, look: () => look(new AbortController().signal), jobs }
}

eachEngine('takeover by itself', (engine) => {
  test('begins once the peer was away for its maintenance timeout, as a witnessed migration; once, and again after as long', async () => {
    const { manual, look, jobs, database, group } = await openStandby(engine)
    await look()
    manual.advance(590_000)
    await look()
    assert.deepEqual(await jobs(), [])
    manual.advance(11_000)
    await Promise.all([look(), look()])
    await look()
    const [job, ...others] = await jobs()
    assert.deepEqual(others, [])
    assert.deepEqual([job?.kind, job?.subject, job?.requested_by], ['peer-group.migrate', `peer-group:${group.id}`, takeoverAsker])
    const input = JSON.parse(String(job?.input)) as { witnessed: boolean; subcloudIds: number[] }
    assert.equal(input.witnessed, true)
    assert.equal(input.subcloudIds.length, 2)
    assert.ok(!String(job?.input).includes('Sys4dmin!'))
    const row = await database.query.selectFrom('subcloud_peer_group').select('migration_status').executeTakeFirstOrThrow()
    assert.equal(row.migration_status, 'migrating')

    // All members still heard their controller: they were left to it, and the group with them.
    await database.query.updateTable('jobs').set({ state: 'done', exclusive_key: null }).execute()
    await database.query.updateTable('subcloud_peer_group').set({ migration_status: null }).execute()
    manual.advance(300_000)
    await look()
    assert.equal((await jobs()).length, 1)
    manual.advance(301_000)
    await look()
    assert.equal((await jobs()).length, 2)
  })

  test('a copy that was not in-sync, a missing password, or a peer that is back: nothing begins', async () => {
    const { manual, look, jobs, database } = await openStandby(engine)
    manual.advance(700_000)
    await database.query.updateTable('peer_group_association').set({ reported_status: 'out-of-sync' }).execute()
    await look()
    await database.query.updateTable('peer_group_association').set({ reported_status: 'in-sync' }).execute()
    await database.query.updateTable('system_peer').set({ rehome_sysadmin_password: null }).execute()
    await look()
    await database.query.updateTable('system_peer').set({ availability_state: 'available', unavailable_since: null }).execute()
    await look()
    assert.deepEqual(await jobs(), [])
  })
})
