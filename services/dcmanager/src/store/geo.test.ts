import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countStatements } from '@murmuration/data'
import { eachEngine, type TestEngine } from '@murmuration/data/testing'
import type { Sealed } from '@murmuration/trust'
import { createRealWorld } from '@murmuration/world'
import { claimAssociationDelete, claimAssociationSync, claimNewAssociation } from './association-claims.ts'
import { announceGatewayChange, readAssociation, readAssociationFacts, statusOf, updateAssociation } from './associations.ts'
import type { Asker, Desk } from './claims.ts'
import { migrations } from './migrations/index.ts'
import {
  announceChange,
  countPeerGroupMembers,
  deletePeerGroup,
  findPeerGroup,
  insertPeerGroup,
  peerGroupsOfPeer,
  touchMember,
  updatePeerGroup,
  type PeerGroupColumns,
} from './peer-groups.ts'
import type { Schema } from './schema.ts'
import { deleteSystemPeer, findSystemPeer, insertSystemPeer, updateSystemPeer, type SystemPeerColumns } from './system-peers.ts'

const world = createRealWorld()
const asker: Asker = { userId: 'u', requestId: 'req-1' }
const us = '11111111-1111-4111-8111-111111111111'
const uuidOf = (n: number): string => `22222222-2222-4222-8222-${String(n).padStart(12, '0')}`

const peer = (n: number, changes: Partial<SystemPeerColumns> = {}): SystemPeerColumns => ({
  peer_uuid: uuidOf(n),
  peer_name: `dc-${n}`,
  manager_endpoint: 'http://192.0.2.1:5000/v3',
  manager_username: 'admin',
  manager_password: 'sealed' as Sealed,
  peer_controller_gateway_ip: '192.0.2.254',
  administrative_state: 'enabled',
  heartbeat_interval: 60,
  heartbeat_failure_threshold: 3,
  heartbeat_failure_policy: 'alarm',
  heartbeat_maintenance_timeout: 600,
  rehome_sysadmin_password: null,
  ...changes,
})
const group = (name: string, changes: Partial<PeerGroupColumns> = {}): PeerGroupColumns => ({
  peer_group_name: name,
  group_priority: 0,
  group_state: 'enabled',
  max_subcloud_rehoming: 10,
  system_leader_id: us,
  system_leader_name: 'here',
  migration_status: null,
  ...changes,
})

async function openDesk(engine: TestEngine): Promise<Desk & { readonly woken: string[] }> {
  const woken: string[] = []
  const nothing = (): void => {}
  return {
    database: await engine.open<Schema>(migrations),
    world,
    keyring: {} as never,
    wakeManagers: () => void woken.push('managers'),
    wakeAuditors: nothing,
    wakeReaders: nothing,
    woken,
  }
}

async function addSubcloud(desk: Desk, n: number, peerGroupId: number | null): Promise<number> {
  const { id } = await desk.database.query
    .insertInto('subclouds')
    .values({
      name: `subcloud${n}`,
      description: null,
      location: null,
      software_version: '26.09',
      management_state: 'managed',
      availability_status: 'online',
      deploy_status: n % 2 === 0 ? 'complete' : 'secondary',
      backup_status: null,
      backup_datetime: null,
      prestage_status: null,
      prestage_versions: null,
      error_description: 'No errors present',
      region_name: n.toString(16).padStart(31, '0') + 'a',
      management_subnet: '10.0.0.0/28',
      management_gateway_ip: '10.0.0.1',
      management_start_ip: '10.0.0.2',
      management_end_ip: '10.0.0.3',
      systemcontroller_gateway_ip: '10.255.0.1',
      external_oam_subnet_ip_family: '4',
      openstack_installed: 0,
      first_identity_sync_complete: 0,
      enrolled_with_vcsr: 0,
      rehomed: 0,
      group_id: 1,
      peer_group_id: peerGroupId,
      data_install: null,
      bootstrap_address: null,
      initial_deployment: 0,
      revision: 1,
      created_at: '2026-01-01T00:00:00.000000',
      updated_at: null,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

const none = (): string => 'null'
const statuses = async (desk: Desk): Promise<string[]> =>
  (await readAssociationFacts(desk.database)).map((record) => statusOf(record).status)
const endJobs = (desk: Desk) =>
  desk.database.query.updateTable('jobs').set({ state: 'done', exclusive_key: null }).where('exclusive_key', 'is not', null).execute()

eachEngine('dcmanager geo store', (engine) => {
  test('system peers: refs are ids, system uuids, names', async () => {
    const desk = await openDesk(engine)
    const row = await insertSystemPeer(desk.database, world, peer(1))
    assert.equal(row.availability_state, 'created')
    for (const ref of [String(row.id), uuidOf(1), uuidOf(1).toUpperCase(), 'dc-1'])
      assert.equal((await findSystemPeer(desk.database, ref))?.id, row.id, ref)
    for (const ref of ['99999999999999999999', uuidOf(2), 'dc-2']) assert.equal(await findSystemPeer(desk.database, ref), undefined)
    // One whose name is another's uuid does not hide it.
    await insertSystemPeer(desk.database, world, peer(3, { peer_name: uuidOf(4) }))
    await insertSystemPeer(desk.database, world, peer(4))
    assert.equal((await findSystemPeer(desk.database, uuidOf(4)))?.peer_name, 'dc-4')
    await assert.rejects(insertSystemPeer(desk.database, world, peer(1, { peer_name: 'other' })))
    await assert.rejects(insertSystemPeer(desk.database, world, peer(5, { peer_name: 'dc-1' })))
    assert.equal((await updateSystemPeer(desk.database, world, row.id, { heartbeat_interval: 10 }))?.heartbeat_interval, 10)
    assert.equal(await deleteSystemPeer(desk.database, row.id), true)
    assert.equal(await deleteSystemPeer(desk.database, row.id), false)
  })

  test('an association is claimed with its first sync; a twin, a missing or a forbidden priority change nothing', async () => {
    const desk = await openDesk(engine)
    const there = await insertSystemPeer(desk.database, world, peer(1))
    const ours = await insertPeerGroup(desk.database, world, group('ours'))
    const standby = await insertPeerGroup(desk.database, world, group('standby', { group_priority: 2, system_leader_id: uuidOf(1) }))
    const add = (peerGroupId: number, priority?: number, systemPeerId = there.id) =>
      claimNewAssociation(desk, asker, none, { peerGroupId, systemPeerId, priority })
    await assert.rejects(add(ours.id), { code: 'associationPriorityMissing', status: 400 })
    await assert.rejects(add(standby.id, 1), { code: 'associationPriorityForbidden', status: 400 })
    await assert.rejects(add(99, 1), { code: 'peerGroupInvalid', status: 400 })
    await assert.rejects(add(ours.id, 1, 99), { code: 'systemPeerInvalid', status: 400 })
    assert.deepEqual(await readAssociationFacts(desk.database), [])

    const primary = await add(ours.id, 1)
    assert.deepEqual(statusOf(primary.record), { status: 'syncing', message: null })
    assert.equal(primary.record.association.association_type, 'primary')
    assert.equal(primary.record.running?.id, primary.jobId)
    assert.ok(desk.woken.length > 0)
    await assert.rejects(add(ours.id, 2), { code: 'associationTaken', status: 400 })
    const other = await add(standby.id)
    assert.deepEqual([other.record.association.association_type, other.jobId], ['non-primary', undefined])
    assert.deepEqual(await statuses(desk), ['syncing', 'syncing'])
    assert.deepEqual(
      (await peerGroupsOfPeer(desk.database, there.id)).map((each) => each.peer_group_name),
      ['ours', 'standby'],
    )
  })

  test('status follows from revisions: a change, a sync, a failure, a peer that is away', async () => {
    const desk = await openDesk(engine)
    const { id: systemPeerId } = await insertSystemPeer(desk.database, world, peer(1))
    const { id: peerGroupId } = await insertPeerGroup(desk.database, world, group('ours'))
    const member = await addSubcloud(desk, 1, peerGroupId)
    const stranger = await addSubcloud(desk, 2, null)
    const { record } = await claimNewAssociation(desk, asker, none, { peerGroupId, systemPeerId, priority: 1 })
    const { id } = record.association
    const sync = (more: { priority?: number; localSystemId?: string } = {}) =>
      claimAssociationSync(desk, asker, none, id, { localSystemId: us, ...more })
    await assert.rejects(sync(), { code: 'associationBusy', status: 409 })

    const settle = async (columns: Parameters<typeof updateAssociation>[3]): Promise<void> => {
      await endJobs(desk)
      await updateAssociation(desk.database, world, id, columns)
    }
    await settle({ synced_revision: 1 })
    assert.deepEqual(await statuses(desk), ['in-sync'])
    assert.deepEqual(await desk.database.transaction((tx) => touchMember(tx, world, [stranger])), [])
    assert.deepEqual(await statuses(desk), ['in-sync'])
    assert.deepEqual(await desk.database.transaction((tx) => touchMember(tx, world, [member, stranger])), [peerGroupId])
    assert.deepEqual(await statuses(desk), ['out-of-sync'])

    await desk.database.query.updateTable('system_peer').set({ availability_state: 'unavailable' }).execute()
    const away = statusOf((await readAssociation(desk.database, id))!)
    assert.deepEqual(away, { status: 'failed', message: 'Peer site (dc-1) is unreachable.' })
    await desk.database.query.updateTable('system_peer').set({ availability_state: 'available' }).execute()

    await sync()
    assert.deepEqual(await statuses(desk), ['syncing'])
    await settle({ sync_failure: 'subcloud1' })
    assert.deepEqual(await statuses(desk), ['failed'])
    await desk.database.transaction((tx) => announceChange(tx, world, [peerGroupId]))
    assert.deepEqual(await statuses(desk), ['out-of-sync'])
    await sync()
    await settle({ synced_revision: 3 })
    assert.deepEqual(await statuses(desk), ['in-sync'])

    // Another priority is a difference until it is confirmed, even if the job came to nothing.
    const changed = await sync({ priority: 7 })
    assert.equal(changed.record.association.peer_group_priority, 7)
    await endJobs(desk)
    assert.deepEqual(await statuses(desk), ['out-of-sync'])

    await updatePeerGroup(desk.database, world, peerGroupId, { system_leader_id: uuidOf(1), system_leader_name: 'dc-1' })
    await assert.rejects(sync(), { code: 'associationLeaderElsewhere', status: 400 })
  })

  test('a peer whose gateway moved has to get every member again', async () => {
    const desk = await openDesk(engine)
    const peers = [await insertSystemPeer(desk.database, world, peer(1)), await insertSystemPeer(desk.database, world, peer(2))] as const
    const { id: peerGroupId } = await insertPeerGroup(desk.database, world, group('ours'))
    const ids: number[] = []
    for (const { id: systemPeerId } of peers) {
      const { record } = await claimNewAssociation(desk, asker, none, { peerGroupId, systemPeerId, priority: 1 })
      ids.push(record.association.id)
      await desk.database.query
        .insertInto('peer_group_member_sync')
        .values({ association_id: record.association.id, region_name: 'r', synced_revision: 1, failure: null, updated_at: 'x' })
        .execute()
    }
    assert.deepEqual(await desk.database.transaction((tx) => announceGatewayChange(tx, world, peers[0].id)), [ids[0]])
    const kept = await desk.database.query.selectFrom('peer_group_member_sync').select('association_id').execute()
    assert.deepEqual(kept, [{ association_id: ids[1] }])
    assert.equal((await findPeerGroup(desk.database, 'ours'))?.revision, 2)
  })

  test('deletion: a job where the group is owned, at once where it is not', async () => {
    const desk = await openDesk(engine)
    const { id: systemPeerId } = await insertSystemPeer(desk.database, world, peer(1))
    const ours = await insertPeerGroup(desk.database, world, group('ours'))
    const standby = await insertPeerGroup(desk.database, world, group('standby', { group_priority: 1 }))
    const first = await claimNewAssociation(desk, asker, none, { peerGroupId: ours.id, systemPeerId, priority: 1 })
    const second = await claimNewAssociation(desk, asker, none, { peerGroupId: standby.id, systemPeerId, priority: undefined })
    const remove = (id: number) => claimAssociationDelete(desk, asker, none, id)
    await assert.rejects(remove(first.record.association.id), { code: 'associationBusy' })
    await endJobs(desk)
    assert.equal(typeof (await remove(first.record.association.id)), 'string')
    // Being deleted is not being synced.
    assert.deepEqual(await statuses(desk), ['out-of-sync', 'syncing'])
    assert.equal(await remove(second.record.association.id), undefined)
    await assert.rejects(remove(second.record.association.id), { code: 'associationNotFound', status: 404 })
    assert.deepEqual(await statuses(desk), ['out-of-sync'])
  })

  test('members: counted in one statement, detached when the group goes', async () => {
    const desk = await openDesk(engine)
    const { id } = await insertPeerGroup(desk.database, world, group('ours'))
    for (let n = 1; n <= 5; n++) await addSubcloud(desk, n, id)
    const counted = await countPeerGroupMembers(desk.database, id)
    assert.deepEqual(
      counted.toSorted((a, b) => a.count - b.count),
      [
        { deployStatus: 'complete', managementState: 'managed', count: 2 },
        { deployStatus: 'secondary', managementState: 'managed', count: 3 },
      ],
    )
    assert.equal(await desk.database.transaction((tx) => deletePeerGroup(tx, world, id)), true)
    assert.equal(await desk.database.transaction((tx) => deletePeerGroup(tx, world, id)), false)
    const members = await desk.database.query.selectFrom('subclouds').select('peer_group_id').execute()
    assert.deepEqual(new Set(members.map((row) => row.peer_group_id)), new Set([null]))
  })

  test('statements do not depend on the number of associations or members', async () => {
    const desk = await openDesk(engine)
    const counts: number[] = []
    for (const n of [1, 2, 3, 4]) {
      const { id: systemPeerId } = await insertSystemPeer(desk.database, world, peer(n))
      const { id: peerGroupId } = await insertPeerGroup(desk.database, world, group(`g${n}`))
      await claimNewAssociation(desk, asker, none, { peerGroupId, systemPeerId, priority: 1 })
      for (let m = 1; m <= 5; m++) await addSubcloud(desk, n * 10 + m, peerGroupId)
      const ids = (await desk.database.query.selectFrom('subclouds').select('id').execute()).map((row) => row.id)
      counts.push((await countStatements(() => readAssociationFacts(desk.database))).statements)
      counts.push((await countStatements(() => desk.database.transaction((tx) => touchMember(tx, world, ids)))).statements)
    }
    assert.deepEqual(new Set(counts.filter((_, index) => index % 2 === 0)), new Set([4]))
    assert.equal(new Set(counts.filter((_, index) => index % 2 === 1)).size, 1, counts.join())
  })
})
