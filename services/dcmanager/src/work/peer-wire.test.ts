import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { openDatabase } from '@murmuration/data'
import { readYaml } from '@murmuration/http'
import { createWorker, enqueue, readJobs, type JobRow } from '@murmuration/jobs'
import { createRealWorld, type HttpRequest, type HttpResponse } from '@murmuration/world'
import { associationKeyOf, type AssociationOperation } from '../rules/operations.ts'
import { readAssociation, updateAssociation } from '../store/associations.ts'
import { readDocuments, writeDocuments } from '../store/documents.ts'
import { migrations } from '../store/migrations/index.ts'
import { queued } from '../store/operations.ts'
import { readPeerGroup, touchMember } from '../store/peer-groups.ts'
import type { Schema } from '../store/schema.ts'
import { geoBench, peerBody, peerToken, type GeoBench } from '../testing/geo-bench.ts'
import { away, createLinks, here, openGeoFixture, type GeoFixture } from '../testing/geo-fixture.ts'
import { associationDeleteKind } from './association-delete.ts'
import { associationSyncKind } from './association-sync.ts'
import { createPeerPush } from './peer-push.ts'

/** Both halves of the wire between controllers, the client of one and the API of the other: neither is a stand-in here. */
interface Pair {
  /** Owns the group: its work, its database. */
  readonly owner: GeoFixture & { readonly associationId: number; readonly groupId: number }
  /** The standby: its API. */
  readonly standby: GeoBench
  run(kind: AssociationOperation): Promise<JobRow>
  setDocument(name: string, change: Readonly<Record<string, unknown>>): Promise<void>
}

const json = (status: number, value: unknown, headers: Record<string, string> = {}): HttpResponse => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: Buffer.from(JSON.stringify(value)),
})

/** What stands beside the API at a site: its Keystone, which knows one account, and what the site says of itself. */
function neighbours(request: HttpRequest): HttpResponse | undefined {
  const { pathname } = new URL(request.url)
  if (pathname === '/v1/isystems')
    return json(200, {
      isystems: [{ uuid: away.uuid, name: away.name, region_name: 'RegionOne', software_version: '26.09', system_mode: 'simplex' }],
    })
  if (pathname !== '/v3/auth/tokens') return undefined
  const entry = (type: string, region: string, url: string) => ({
    type,
    name: type,
    id: type,
    endpoints: [{ id: type, interface: 'public', region, region_id: region, url }],
  })
  const token = {
    expires_at: new Date(Date.now() + 3_600_000).toISOString(),
    issued_at: new Date().toISOString(),
    catalog: [entry('dcmanager', 'SystemController', `${away.origin}/v1.0`), entry('platform', 'RegionOne', `${away.origin}/v1`)],
  }
  return json(201, { token }, { 'x-subject-token': peerToken })
}

async function openPair(t: TestContext, members: readonly number[]): Promise<Pair> {
  const standby = await geoBench(
    t,
    {
      waitForJob: async (id) => {
        // Nobody works here: an accepted deletion is done at once.
        const [job] = await readJobs(standby.database, { ids: [id] })
        if (job?.kind === 'subcloud.delete')
          await standby.database.query
            .deleteFrom('subclouds')
            .where('id', '=', Number(job.subject.split(':')[1]))
            .execute()
        await standby.endJobs()
      },
    },
    away,
  )
  const links = createLinks()
  links.answers.set(away.origin, async (request) => {
    const beside = neighbours(request)
    if (beside !== undefined) return beside
    const { pathname, search } = new URL(request.url)
    const answer = await standby.app.inject({
      method: request.method as 'GET',
      url: pathname + search,
      headers: request.headers ?? {},
      ...(request.body === undefined ? {} : { payload: Buffer.from(request.body as string) }),
    })
    return { status: answer.statusCode, headers: { 'content-type': String(answer.headers['content-type']) }, body: answer.rawPayload }
  })
  const real = createRealWorld({ log: { level: 'error' } })
  t.after(() => real.net.close())
  const world = links.worldOf(real)
  const database = await openDatabase<Schema>('sqlite::memory:', { world, name: 'owner' })
  t.after(() => database.close())
  await database.migrate(migrations)
  const fixture = await openGeoFixture(world, database, here)
  const group = await fixture.addGroup()
  const peer = await fixture.addPeer({ peer_controller_gateway_ip: '127.0.0.253' })
  await database.query.updateTable('system_peer').set({ availability_state: 'available' }).execute()
  const association = await fixture.addAssociation(group, peer)
  await fixture.addMembers(group.id, members.length)
  const rows = await database.query.selectFrom('subclouds').select('id').orderBy('id').execute()
  for (const [index, n] of members.entries()) {
    const { id } = rows[index]!
    await database.query
      .updateTable('subclouds')
      .set({ name: `subcloud${n}`, bootstrap_address: `127.1.${n}.2` })
      .where('id', '=', id)
      .execute()
    const values = readYaml(standby.values(n)).value as Record<string, unknown>
    const install = (await readDocuments(database, fixture.site.keyring, id)).install_values
    await writeDocuments(database, world, fixture.site.keyring, id, {
      bootstrap_values: { ...values, admin_password: 'Adm1n*' },
      install_values: install,
    })
  }
  const owner = { ...peerBody, peer_uuid: here.uuid, peer_name: here.name }
  assert.equal((await standby.call('POST', '/v1.0/system-peers', { json: owner })).status, 200)
  return {
    owner: { ...fixture, associationId: association.id, groupId: group.id },
    standby,
    async run(kind) {
      const id = await database.transaction((tx) =>
        enqueue(tx, world, queued<{ associationId: number }>(kind), {
          subject: associationKeyOf(association.id),
          input: { associationId: association.id },
        }),
      )
      const worker = createWorker({ world, database, owner: 'test', kinds: [associationSyncKind(fixture), associationDeleteKind(fixture)] })
      worker.start()
      let job = (await readJobs(database, { ids: [id] }))[0]!
      while (job.finished_at === null) {
        await world.timers.sleep(20)
        job = (await readJobs(database, { ids: [id] }))[0]!
      }
      await worker.stop()
      return job
    },
    setDocument: (name, change) =>
      database.transaction(async (tx) => {
        const row = await tx.query.selectFrom('subclouds').selectAll().where('name', '=', name).executeTakeFirstOrThrow()
        const { bootstrap_values: values } = await readDocuments(tx, fixture.site.keyring, row.id)
        await writeDocuments(tx, world, fixture.site.keyring, row.id, { bootstrap_values: { ...(values as object), ...change } })
        await touchMember(tx, world, [row.id])
      }),
  }
}

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
  const [member] = await client.members('spg-a')
  const payload = JSON.parse(member!.rehomeData!).saved_payload
  assert.equal(Buffer.from(payload.admin_password, 'base64').toString(), 'Adm1n*')
  assert.match((await client.authority())!, /BEGIN CERTIFICATE/)
  assert.equal((await client.subcloud(member!.regionName))!.name, member!.name)
  assert.equal(await client.subcloud('nobody'), undefined)
})

test('a member whose addresses are taken at the other site fails by name; the others go well, and a next sync sends what is left', async (t) => {
  const pair = await openPair(t, [3, 4])
  const { owner, standby } = pair
  assert.equal(
    (await standby.add(4, { bootstrap_values: { fileName: 'v', data: standby.values(4).replace('name: subcloud4', 'name: local4') } }))
      .status,
    200,
  )
  await standby.endJobs()
  await pair.run('association.sync')
  assert.match(
    await owner.status(owner.associationId),
    /^failed: Peer site \(dc-madrid\): 1 subcloud\(s\) could not be synced: subcloud4 \(.*overlaps that of subcloud local4/,
  )
  assert.equal((await get(pair, 'peer-group-associations')).peer_group_associations[0]['sync-status'], 'failed')
  assert.equal((await get(pair, 'subcloud-peer-groups/spg-a/subclouds')).subclouds.length, 1)
  await standby.database.query.deleteFrom('subclouds').where('name', '=', 'local4').execute()
  await pair.run('association.sync')
  assert.equal(await owner.status(owner.associationId), 'in-sync')
  assert.equal((await get(pair, 'subcloud-peer-groups/spg-a/subclouds')).subclouds.length, 2)
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
  const [member] = await client.members('spg-b')
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
