import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { createStockPeer } from '@murmuration/clients/testing'
import { timestamp } from '@murmuration/data'
import { addPeerOf, peerPassword, twoControllers, type Controller, type TwoControllers } from '../testing/two-controllers.ts'

interface Background extends TwoControllers {
  /** `sync-status` and message of the only association of a site. */
  readonly status: (at: Controller) => Promise<string>
  readonly ok: (answer: Promise<{ status: number; text: string; json: Record<string, never> }>) => Promise<Record<string, never>>
}

/** The common background of the scenarios (reference dcmanager §7.12): spg-a of site one, in-sync on both sites, with two members. */
async function background(t: TestContext): Promise<Background> {
  const pair = await twoControllers(t)
  const { one, two } = pair
  const ok: Background['ok'] = async (answer) => {
    const { status, text, json } = await answer
    assert.equal(status, 200, text)
    return json
  }
  const status = async (at: Controller): Promise<string> => {
    const [listed] = (await at.call('GET', '/v1.0/peer-group-associations')).json.peer_group_associations as { id: number }[]
    if (listed === undefined) return 'none'
    const shown = (await at.call('GET', `/v1.0/peer-group-associations/${listed.id}`)).json as Record<string, string | null>
    return shown['sync-message'] === null ? shown['sync-status']! : `${shown['sync-status']}: ${shown['sync-message']}`
  }
  await ok(addPeerOf(one, two))
  await ok(addPeerOf(two, one))
  await ok(one.call('POST', '/v1.0/subcloud-peer-groups', { json: { 'peer-group-name': 'spg-a' } }))
  for (const n of [3, 4]) {
    await ok(one.add(n))
    await one.database.query
      .updateTable('subclouds')
      .set({ deploy_status: 'complete', management_state: 'managed', availability_status: 'online' })
      .execute()
    await one.database.query
      .updateTable('jobs')
      .set({ state: 'done', exclusive_key: null })
      .where('exclusive_key', 'is not', null)
      .execute()
    await ok(one.call('PATCH', `/v1.0/subclouds/subcloud${n}`, { form: { peer_group: 'spg-a' } }))
  }
  await one.start()
  await two.start()
  await ok(one.call('POST', '/v1.0/peer-group-associations', { json: { peer_group_id: 1, system_peer_id: 1, peer_group_priority: 1 } }))
  const background: Background = { ...pair, status, ok }
  await pair.until('both sites to be in-sync', async () => (await status(one)) === 'in-sync' && (await status(two)) === 'in-sync')
  await pair.until(
    'both peers to be available',
    async () => (await one.peerIsAvailable()) === 'available' && (await two.peerIsAvailable()) === 'available',
  )
  return background
}

const members = ({ database }: Controller) =>
  database.query.selectFrom('subclouds').select(['name', 'deploy_status', 'management_state', 'region_name']).orderBy('name').execute()
const group = ({ database }: Controller) => database.query.selectFrom('subcloud_peer_group').selectAll().executeTakeFirstOrThrow()

test(
  'background: the standby site has the group with its priority, and standby copies in it that use its gateway',
  { timeout: 60_000 },
  async (t) => {
    const { one, two } = await background(t)
    assert.deepEqual(
      (await members(two)).map((row) => [row.name, row.deploy_status, row.management_state]),
      [
        ['subcloud3', 'secondary', 'unmanaged'],
        ['subcloud4', 'secondary', 'unmanaged'],
      ],
    )
    assert.deepEqual(
      (await members(two)).map((row) => row.region_name),
      (await members(one)).map((row) => row.region_name),
    )
    const copy = await group(two)
    assert.deepEqual([copy.group_priority, copy.system_leader_id], [1, one.uuid])
    const listed = await two.call('GET', '/v1.0/subcloud-peer-groups/spg-a/subclouds', {
      token: 'admin@admin',
      headers: { 'user-agent': 'dcmanager/1.0' },
    })
    const [first] = listed.json.subclouds as { rehome_data: string }[]
    assert.equal(
      (JSON.parse(first!.rehome_data) as { saved_payload: Record<string, string> }).saved_payload['systemcontroller_gateway_address'],
      '127.0.0.253',
    )
    for (const line of [...one.logLines, ...two.logLines]) assert.doesNotMatch(line, /very-secret/)
  },
)

test('GR-1, GR-2: the secondary goes down and comes back, with nothing changed meanwhile', { timeout: 60_000 }, async (t) => {
  const scene = await background(t)
  const { one, two, status, until } = scene
  scene.isolate(two)
  await until('it to be unavailable', async () => (await one.peerIsAvailable()) === 'unavailable')
  assert.equal(await status(one), 'unknown: Peer site (dc-2) is unreachable.')
  assert.equal(await status(two), 'in-sync')
  scene.heal()
  await until('it to be back', async () => (await one.peerIsAvailable()) === 'available')
  assert.deepEqual([await status(one), await status(two)], ['in-sync', 'in-sync'])
})

test('GR-3: a change while the secondary is offline; a sync mends it', { timeout: 60_000 }, async (t) => {
  const scene = await background(t)
  const { one, two, status, until, ok } = scene
  scene.isolate(two)
  await until('it to be unavailable', async () => (await one.peerIsAvailable()) === 'unavailable')
  const changed = await ok(one.call('PATCH', '/v1.0/subclouds/subcloud3', { form: { description: 'another plant' } }))
  assert.match(String(changed['info_message']), /peer-group-association sync 1/)
  assert.match(await status(one), /^failed: .* is unreachable/)
  scene.heal()
  await until('both to say so', async () => (await status(one)) === 'out-of-sync' && (await status(two)) === 'out-of-sync')
  const before = scene.links.requests.length
  await ok(one.call('PATCH', '/v1.0/peer-group-associations/1/sync'))
  await until('both to be in-sync', async () => (await status(one)) === 'in-sync' && (await status(two)) === 'in-sync')
  const sent = scene.links.requests.slice(before).filter((request) => /(subclouds\/|standby-copies$)/.test(request))
  assert.deepEqual(sent, ['POST /v1.0/subcloud-peer-groups/1/standby-copies'])
  const changes = await two.database.query.selectFrom('subcloud_changes').select('subcloud_id').where('kind', '=', 'updated').execute()
  assert.equal(changes.length, 1, 'only what differs')
  const copy = await two.database.query.selectFrom('subclouds').select('description').where('name', '=', 'subcloud3').executeTakeFirst()
  assert.equal(copy?.description, 'another plant')
})

test('GR-4: the group is changed where it is owned, and both sites have it', { timeout: 60_000 }, async (t) => {
  const scene = await background(t)
  const { one, two, status, ok, until } = scene
  const json = { 'max-subcloud-rehoming': 20 }
  const refused = await two.call('PATCH', '/v1.0/subcloud-peer-groups/spg-a', { json })
  assert.equal(refused.status, 400)
  assert.match(refused.text, /Cannot update a peer group from a non-primary site\./)
  assert.deepEqual([(await group(one)).max_subcloud_rehoming, (await group(two)).max_subcloud_rehoming], [10, 10])
  await ok(one.call('PATCH', '/v1.0/subcloud-peer-groups/spg-a', { json }))
  assert.deepEqual([(await group(one)).max_subcloud_rehoming, (await group(two)).max_subcloud_rehoming], [20, 20])
  assert.equal(await status(one), 'in-sync')
  // The peer knows which revision it took: its next answer is not one of a site that was restored from a backup.
  const heard = async (): Promise<string | null> =>
    (await one.database.query.selectFrom('system_peer').select('last_heard_at').executeTakeFirstOrThrow()).last_heard_at
  const before = await heard()
  await until('the next heartbeat', async () => (await heard()) !== before)
  assert.deepEqual([await status(one), await status(two)], ['in-sync', 'in-sync'])

  // The same while the peer has the change and this site not yet: what a heartbeat hears then is no restored site, and no lost group.
  const { links } = scene
  const answer = links.answers.get(two.origin)!
  links.answers.set(two.origin, async (request) => {
    const answered = await answer(request)
    if (request.method !== 'PATCH' || !request.url.endsWith('/subcloud-peer-groups/spg-a')) return answered
    const heardBefore = await heard()
    await one.database.query
      .updateTable('system_peer')
      .set({ next_heartbeat_at: timestamp(one.world.clock.nowMs()) })
      .execute()
    await until('a heartbeat meanwhile', async () => (await heard()) !== heardBefore)
    return answered
  })
  for (const change of [{ 'max-subcloud-rehoming': 30 }, { 'peer-group-name': 'spg-b' }]) {
    await ok(one.call('PATCH', '/v1.0/subcloud-peer-groups/spg-a', { json: change }))
    assert.deepEqual([await status(one), await status(two)], ['in-sync', 'in-sync'], JSON.stringify(change))
  }
  assert.deepEqual([(await group(two)).max_subcloud_rehoming, (await group(two)).peer_group_name], [30, 'spg-b'])
  const known = await one.database.query.selectFrom('peer_group_member_sync').select('synced_revision').execute()
  assert.deepEqual(
    known.map((row) => row.synced_revision > 0),
    [true, true],
    'nothing is sent again for it',
  )
})

test('a standby that was away while the group got another name gets it too, and no second group', { timeout: 60_000 }, async (t) => {
  const scene = await background(t)
  const { one, two, links, status, ok, until } = scene
  // Of two standbys one is there to be told: else the name would be refused.
  const origin = 'http://stock.test'
  const uuid = '9b8c0000-0000-4000-8000-000000000002'
  const stock = createStockPeer({ origin, uuid, name: 'stock', password: peerPassword, nowMs: () => one.world.clock.nowMs() })
  links.answers.set(origin, (request) => stock.answer(request))
  stock.addSystemPeer(one.uuid)
  const { id } = await ok(addPeerOf(one, { uuid, name: 'stock', origin }))
  await ok(one.call('POST', '/v1.0/peer-group-associations', { json: { peer_group_id: 1, system_peer_id: id, peer_group_priority: 2 } }))
  await until('the stock peer to be told', () => stock.associations[0]?.['sync-status'] === 'in-sync')
  scene.isolate(two)
  await until('the peer to be away', async () => (await one.peerIsAvailable()) === 'unavailable')
  await ok(one.call('PATCH', '/v1.0/subcloud-peer-groups/spg-a', { json: { 'peer-group-name': 'spg-b' } }))
  scene.heal()
  await until('the standby to say so', async () => (await status(two)) === 'out-of-sync')
  assert.equal(await status(one), 'out-of-sync')
  await ok(one.call('PATCH', '/v1.0/peer-group-associations/1/sync', {}))
  await until('both to be in-sync', async () => (await status(one)) === 'in-sync' && (await status(two)) === 'in-sync')
  const groups = await two.database.query.selectFrom('subcloud_peer_group').select(['id', 'peer_group_name']).execute()
  assert.deepEqual(groups, [{ id: 1, peer_group_name: 'spg-b' }])
  assert.equal((await two.database.query.selectFrom('peer_group_association').select('id').execute()).length, 1)
})

test('GR-5: the primary returns during a migration', { timeout: 60_000 }, async (t) => {
  const scene = await background(t)
  const { one, two, status, until } = scene
  scene.isolate(one)
  await one.stop()
  await until('the standby to notice', async () => (await two.peerIsAvailable()) === 'unavailable')
  const set = (columns: object) => two.database.query.updateTable('subcloud_peer_group').set(columns).execute()
  await set({ migration_status: 'migrating' })
  await two.database.query
    .insertInto('jobs')
    .values(await liveJob(two))
    .execute()
  scene.heal()
  await one.start()
  await until('the primary to give up', async () => (await members(one)).every((row) => row.deploy_status === 'rehome-pending'))
  await until('both to say so', async () => (await status(one)) === 'out-of-sync' && (await status(two)) === 'out-of-sync')
  await two.database.query.updateTable('subclouds').set({ deploy_status: 'complete', management_state: 'managed' }).execute()
  await two.database.query.updateTable('jobs').set({ exclusive_key: null, state: 'done' }).where('id', '=', 'migrate').execute()
  await set({ migration_status: 'complete', system_leader_id: two.uuid, system_leader_name: two.name })
  await until('both to be in-sync', async () => (await status(one)) === 'in-sync' && (await status(two)) === 'in-sync')
  assert.ok((await members(one)).every((row) => row.deploy_status === 'secondary' && row.management_state === 'unmanaged'))
  assert.deepEqual([(await group(one)).system_leader_id, (await group(two)).system_leader_id], [two.uuid, two.uuid])
  await until('the flag to be reset', async () => (await group(two)).migration_status === null)
})

test('the primary that is told by the standby itself concludes at once; who is no peer moves nothing', { timeout: 60_000 }, async (t) => {
  const scene = await background(t)
  const { one, two, status } = scene
  await two.database.query.updateTable('subclouds').set({ deploy_status: 'complete', management_state: 'managed' }).execute()
  const audit = (peer_uuid: string) =>
    one.call('PATCH', '/v1.0/subcloud-peer-groups/spg-a/audit', {
      json: {
        peer_uuid,
        peer_group_name: 'spg-a',
        group_priority: 1,
        group_state: 'enabled',
        system_leader_id: two.uuid,
        system_leader_name: two.name,
        migration_status: 'complete',
      },
    })
  // It says `complete`, and the site that it speaks of does not.
  assert.equal((await audit(two.uuid)).status, 200)
  assert.ok((await members(one)).every((row) => row.management_state === 'managed'))
  // One of them has said so before its new controller did: that makes no difference in the end.
  await one.database.query
    .updateTable('subclouds')
    .set({ deploy_status: 'secondary', management_state: 'unmanaged', fenced_by: two.uuid, error_description: 'It is managed by dc-2.' })
    .where('name', '=', 'subcloud3')
    .execute()
  assert.match(String((await audit('99999999-0000-4000-8000-000000000000')).json.message), /no association/)
  await two.database.query
    .updateTable('subcloud_peer_group')
    .set({ migration_status: 'complete', system_leader_id: two.uuid, system_leader_name: two.name })
    .execute()
  assert.deepEqual((await audit(two.uuid)).json, { message: null })
  assert.ok((await members(one)).every((row) => row.deploy_status === 'secondary'))
  // … and what another standby fails to take is not failed here, whoever was told by the subcloud itself.
  const told = await one.database.query.selectFrom('subclouds').select(['error_description', 'fenced_by']).execute()
  for (const row of told) assert.deepEqual([row.error_description, row.fenced_by], ['No errors present', two.uuid])
  assert.equal((await group(two)).migration_status, null)
  assert.equal(await status(one), 'in-sync')
})

test(
  'both sites complete a migration of the same group: each member has one manager, and both find the same leader',
  { timeout: 60_000 },
  async (t) => {
    const scene = await background(t)
    const { one, two, until } = scene
    scene.isolate(two)
    const won = { deploy_status: 'complete', management_state: 'managed', owner_epoch: 3 } as const
    const lost = { deploy_status: 'secondary', management_state: 'unmanaged' } as const
    for (const [at, mine, theirs] of [
      [one, 'subcloud3', 'subcloud4'],
      [two, 'subcloud4', 'subcloud3'],
    ] as const) {
      await at.database.query.updateTable('subclouds').set(won).where('name', '=', mine).execute()
      await at.database.query.updateTable('subclouds').set(lost).where('name', '=', theirs).execute()
      await at.database.query
        .updateTable('subcloud_peer_group')
        .set({ migration_status: 'complete', system_leader_id: at.uuid, system_leader_name: at.name })
        .execute()
    }
    scene.heal()
    await until(
      'both to have concluded',
      async () => (await group(one)).migration_status === null && (await group(two)).migration_status === null,
    )
    await until(
      'one leader',
      async () => (await group(one)).system_leader_id === one.uuid && (await group(two)).system_leader_id === one.uuid,
    )
    const managed = async (at: Controller) => (await members(at)).filter((row) => row.management_state === 'managed').map((row) => row.name)
    assert.deepEqual([await managed(one), await managed(two)], [['subcloud3'], ['subcloud4']])
  },
)

test('an association that is deleted leaves nothing of it at the standby', { timeout: 60_000 }, async (t) => {
  const { one, two, until, status } = await background(t)
  await one.call('DELETE', '/v1.0/peer-group-associations/1')
  await until('it to be gone', async () => (await status(one)) === 'none' && (await status(two)) === 'none')
  // Nobody runs operations on subclouds in this test: that each copy is to be deleted is accepted.
  const deletions = await two.database.query.selectFrom('jobs').select('subject').where('kind', '=', 'subcloud.delete').execute()
  assert.equal(deletions.length, 2)
  assert.equal((await two.database.query.selectFrom('subcloud_peer_group').select('id').execute()).length, 0)
})

test('who deletes an association or copies during a migration loses nothing of it, on either site', { timeout: 60_000 }, async (t) => {
  const { one, two, status, until } = await background(t)
  const association = '/v1.0/peer-group-associations/1'
  const setGroup = (columns: object) => two.database.query.updateTable('subcloud_peer_group').set(columns).execute()
  await setGroup({ migration_status: 'migrating' })
  await two.database.query
    .insertInto('jobs')
    .values(await liveJob(two))
    .execute()
  await one.call('DELETE', association)
  await until('the refusal', async () => /^failed: .*dc-2\) migrates spg-a to itself/.test(await status(one)))
  // What a stock peer asks for, which does not look first.
  const asPeer = { headers: { 'user-agent': 'dcmanager/1.0' } }
  for (const [path, options] of [
    [association, {}],
    [association, asPeer],
    ['/v1.0/subclouds/subcloud3', asPeer],
  ] as const) {
    const refused = await two.call('DELETE', path, options)
    assert.deepEqual([refused.status, /peer-group\.migrate/.test(refused.text)], [409, true], `${path}: ${refused.text}`)
  }
  assert.equal((await members(two)).length, 2)

  await two.database.query.updateTable('subclouds').set({ deploy_status: 'complete', management_state: 'managed' }).execute()
  await two.database.query.updateTable('jobs').set({ exclusive_key: null, state: 'done' }).where('id', '=', 'migrate').execute()
  await setGroup({ migration_status: 'complete', system_leader_id: two.uuid, system_leader_name: two.name })
  await until('both to be in-sync', async () => (await status(one)) === 'in-sync' && (await status(two)) === 'in-sync')
  await until('the flag to be reset', async () => (await group(two)).migration_status === null)
  // Both sites know who manages what: now it can go, and what the other site manages stays there.
  await one.call('DELETE', association)
  await until('it to be gone', async () => (await status(one)) === 'none' && (await status(two)) === 'none')
  assert.deepEqual(
    (await members(two)).map((row) => row.management_state),
    ['managed', 'managed'],
  )
})

async function liveJob({ world }: Controller) {
  const at = new Date(world.clock.nowMs()).toISOString().replace('Z', '000')
  return {
    id: 'migrate',
    kind: 'peer-group.migrate',
    subject: 'peer-group:1',
    exclusive_key: 'peer-group:1',
    input: '{}' as never,
    state: 'running' as const,
    attempt: 1,
    run_at: at,
    lease_epoch: 1,
    lost_leases: 0,
    cancel_requested: 0 as const,
    created_at: at,
    updated_at: at,
  }
}
