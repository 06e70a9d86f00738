import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAssociation, updateAssociation } from '../store/associations.ts'
import { readDocuments } from '../store/documents.ts'
import { readPeerGroup } from '../store/peer-groups.ts'
import { away, here } from '../testing/geo-fixture.ts'
import { openPair, type Pair } from '../testing/peer-pair.ts'
import { createPeerPush } from './peer-push.ts'

const get = async ({ standby }: Pair, path: string) => (await standby.call('GET', `/v1.0/${path}`)).json

test('a sync from one controller to the API of another, and again with what has changed', async (t) => {
  const pair = await openPair(t, [3, 4])
  const { owner, standby } = pair
  const first = await pair.run('association.sync')
  assert.equal(first.state, 'done', first.error ?? '')
  assert.equal(await owner.status(owner.associationId), 'in-sync')

  const group = await get(pair, 'subcloud-peer-groups/spg-a')
  assert.deepEqual([group.group_priority, group.system_leader_id, group.system_leader_name], [1, here.uuid, here.name])
  const [association] = (await get(pair, 'peer-group-associations')).peer_group_associations
  assert.deepEqual(
    [association['association-type'], association['sync-status'], association['murmuration-revision']],
    ['non-primary', 'in-sync', 1],
  )
  const { subclouds } = await get(pair, 'subcloud-peer-groups/spg-a/subclouds')
  assert.deepEqual(
    subclouds.map((each: Record<string, unknown>) => [each['name'], each['deploy-status'], each['systemcontroller-gateway-ip']]),
    [
      ['subcloud3', 'secondary', '127.0.0.253'],
      ['subcloud4', 'secondary', '127.0.0.253'],
    ],
  )
  // Installed there, it needs the secrets too: whole in the store of that site, hidden in its replies.
  assert.ok(!JSON.stringify(subclouds).includes('Adm1n*'))
  const copy = await standby.database.query.selectFrom('subclouds').select('id').where('name', '=', 'subcloud3').executeTakeFirstOrThrow()
  const documents = await readDocuments(standby.database, standby.site.keyring, copy.id)
  assert.equal((documents.bootstrap_values as Record<string, unknown>)['admin_password'], 'Adm1n*')
  assert.equal((documents.install_values as Record<string, unknown>)['bmc_password'], 'Qm1jIQ==')

  await pair.setDocument('subcloud4', { name: 'subcloud4', dns_servers: ['192.0.2.53'] })
  assert.equal(await owner.status(owner.associationId), 'out-of-sync')
  const second = await pair.run('association.sync')
  assert.equal(second.state, 'done', second.error ?? '')
  assert.equal(await owner.status(owner.associationId), 'in-sync')
  const changed = await get(pair, 'subclouds/subcloud4')
  assert.deepEqual(JSON.parse(changed.rehome_data).saved_payload.dns_servers, ['192.0.2.53'])

  // The standby of a site of our kind gives a peer what it needs to take its own back.
  const client = owner.peers.of((await readAssociation(owner.database, owner.associationId))!.peer)
  const [member] = (await client.members('spg-a')).subclouds
  const payload = JSON.parse(member!.rehomeData!).saved_payload
  assert.equal(Buffer.from(payload.admin_password, 'base64').toString(), 'Adm1n*')
  assert.match((await client.authority())!, /BEGIN CERTIFICATE/)
  assert.equal((await client.subcloud(member!.regionName))!.name, member!.name)
  assert.equal(await client.subcloud('nobody'), undefined)
})

const writes = ({ wire }: Pair, since = 0) =>
  wire.requests.slice(since).filter((what) => /^(POST|PATCH) .*(subclouds|standby-copies)(\/|$)/.test(what))

test('members go together to a peer of this kind, one by one to an older one, and what becomes of each is told alike', async (t) => {
  const said: string[] = []
  for (const kind of ['new', 'old', 'withdrawn'] as const) {
    const pair = await openPair(t, [3, 4, 5, 6, 7])
    const { owner, standby, wire } = pair
    wire.kind = kind
    const local = async (n: number, name: string) => {
      const values = { fileName: 'v', data: standby.values(n).replace(`name: subcloud${n}`, `name: ${name}`) }
      assert.equal((await standby.add(n, { bootstrap_values: values })).status, 200)
    }
    // Its addresses are taken; its name is; it is no copy there; its rehome data are not whole.
    await local(3, 'local')
    await local(14, 'subcloud4')
    await local(15, 'elsewhere')
    await standby.database.query
      .updateTable('subclouds')
      .set({ region_name: '3'.padStart(32, '0') })
      .where('name', '=', 'elsewhere')
      .execute()
    await owner.database.query.updateTable('subclouds').set({ bootstrap_address: null }).where('name', '=', 'subcloud6').execute()
    await standby.endJobs()
    await pair.run('association.sync')
    // The texts differ in what was asked only.
    said.push(
      (await owner.status(owner.associationId)).replace(/\([^(]*the standby copy was refused \(400\).*(?= the address range)/, '(refused:'),
    )
    const { subclouds } = await get(pair, 'subcloud-peer-groups/spg-a/subclouds')
    assert.deepEqual(
      subclouds.map((each: { name: string }) => each.name),
      ['subcloud7'],
    )
    const one = `PATCH /v1.0/subclouds/${'5'.padStart(32, '0')}`
    const group = 'POST /v1.0/subcloud-peer-groups/1/standby-copies'
    if (kind === 'new') assert.deepEqual(writes(pair), [group])
    if (kind === 'old') assert.ok(writes(pair).includes('POST /v1.0/subclouds'))

    // What is left is sent the next time: new ones, an older one, and one that a sync had left outside of the group.
    await standby.database.query.deleteFrom('subclouds').where('name', 'in', ['local', 'subcloud4', 'elsewhere']).execute()
    await owner.database.query.updateTable('subclouds').set({ bootstrap_address: '127.1.6.2' }).where('name', '=', 'subcloud6').execute()
    await pair.setDocument('subcloud7', { dns_servers: ['192.0.2.53'] })
    await standby.database.query.updateTable('subclouds').set({ peer_group_id: null }).execute()
    const since = wire.requests.length
    await pair.run('association.sync')
    assert.equal(await owner.status(owner.associationId), 'in-sync')
    const all = (await get(pair, 'subcloud-peer-groups/spg-a/subclouds')).subclouds as Record<string, string>[]
    assert.deepEqual(
      all.map((each) => `${each['name']} ${each['deploy-status']}`).toSorted(),
      [3, 4, 5, 6, 7].map((n) => `subcloud${n} secondary`),
    )
    assert.match(all.find((each) => each['name'] === 'subcloud7')!['rehome_data']!, /192\.0\.2\.53/)
    if (kind === 'new') assert.deepEqual(writes(pair, since), [group])
    else assert.ok(writes(pair, since).includes(one))
  }
  assert.match(
    said[0]!,
    /subcloud3 \(refused: .* overlaps that of subcloud local.*subcloud4 \(another .* name there\), subcloud5 \(it is not-deployed there/,
  )
  assert.deepEqual(said, [said[0], said[0], said[0]])
})

test('groups are pushed, subclouds given up, associations deleted over the same wire', async (t) => {
  const pair = await openPair(t, [3])
  const { owner, standby } = pair
  await pair.run('association.sync')
  const group = (await readPeerGroup(owner.database, owner.groupId))!
  const record = (await readAssociation(owner.database, owner.associationId))!
  const push = createPeerPush(owner.peers, owner.world.log)
  assert.deepEqual(await push(group, { max_subcloud_rehoming: 20, peer_group_name: 'spg-b' }, [record.peer]), [{ peerName: away.name }])
  assert.equal((await get(pair, 'subcloud-peer-groups/spg-b')).max_subcloud_rehoming, 20)
  assert.deepEqual(await push(group, { peer_group_name: 'spg-a' }, [record.peer]), [
    { peerName: away.name, failure: (await push(group, {}, [record.peer]))[0]!.failure },
  ])
  await owner.database.query.updateTable('subcloud_peer_group').set({ peer_group_name: 'spg-b' }).execute()

  const client = owner.peers.of(record.peer)
  const [member] = (await client.members('spg-b')).subclouds
  // As if that site had taken it over: it gives it up when it is asked, as often as it is asked.
  await standby.database.query.updateTable('subclouds').set({ deploy_status: 'complete', management_state: 'managed' }).execute()
  for (let time = 1; time <= 2; time++) {
    const given = await client.surrender(member!.regionName)
    assert.deepEqual([given.managementState, given.deployStatus], ['unmanaged', 'rehome-pending'])
  }
  await standby.database.query.updateTable('subclouds').set({ deploy_status: 'secondary' }).execute()

  await updateAssociation(owner.database, owner.world, owner.associationId, { sync_failure: null })
  const deleted = await pair.run('association.delete')
  assert.equal(deleted.state, 'done', deleted.error ?? '')
  assert.equal(await owner.status(owner.associationId), 'gone')
  assert.deepEqual((await get(pair, 'subcloud-peer-groups')).subcloud_peer_groups, [])
  assert.deepEqual((await get(pair, 'peer-group-associations')).peer_group_associations, [])
  assert.deepEqual((await get(pair, 'subclouds')).subclouds, [])
})
