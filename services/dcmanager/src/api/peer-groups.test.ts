import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromTables } from '../testing/everything.ts'
import { geoBench, localUuid, peerToken, peerUuid } from '../testing/geo-bench.ts'

test('peer groups: create, list, show, members, status, delete (reference §1.12, §1.16)', async (t) => {
  const bench = await geoBench(t)
  const created = await bench.call('POST', '/v1.0/subcloud-peer-groups', {
    json: { 'peer-group-name': 'spg-north', 'group-state': 'enabled', 'max-subcloud-rehoming': '20' },
  })
  assert.equal(created.status, 200, created.text)
  assert.deepEqual(
    { ...created.json, 'created-at': '' },
    {
      id: 1,
      peer_group_name: 'spg-north',
      group_priority: 0,
      group_state: 'enabled',
      max_subcloud_rehoming: 20,
      system_leader_id: localUuid,
      system_leader_name: 'dc-lisbon',
      migration_status: null,
      'created-at': '',
      'updated-at': null,
    },
  )
  // As a peer makes its standby copy here.
  const leader = { 'system-leader-id': peerUuid, 'system-leader-name': 'dc-madrid', 'group-priority': 2 }
  const standby = await bench.call('POST', '/v1.0/subcloud-peer-groups', { json: { 'peer-group-name': 'spg-south', ...leader } })
  assert.deepEqual(
    [standby.json.group_priority, standby.json.system_leader_id, standby.json.max_subcloud_rehoming],
    [2, peerUuid, 10],
    standby.text,
  )
  assert.deepEqual((await bench.call('GET', '/v1.0/subcloud-peer-groups')).json, { subcloud_peer_groups: [created.json, standby.json] })
  for (const ref of ['/1', '/spg-north', '?group_ref=spg-north'])
    assert.deepEqual((await bench.call('GET', `/v1.0/subcloud-peer-groups${ref}`)).json, created.json, ref)
  const missing = await bench.call('GET', '/v1.0/subcloud-peer-groups/9')
  assert.deepEqual([missing.status, missing.json.description.startsWith('Subcloud Peer Group not found')], [404, true])

  for (const [n, state] of [
    [3, {}],
    [4, { deployStatus: 'secondary', managed: false }],
    [5, { deployStatus: 'rehome-prep-failed', managed: false }],
    [6, { deployStatus: 'rehoming', managed: false }],
  ] as const) {
    const id = await bench.addReady(n, state)
    await bench.database.query.updateTable('subclouds').set({ peer_group_id: 1 }).where('id', '=', id).execute()
  }
  await bench.addReady(7)
  assert.deepEqual((await bench.call('GET', '/v1.0/subcloud-peer-groups/spg-north/status')).json, {
    peer_group_id: 1,
    peer_group_name: 'spg-north',
    total_subclouds: 4,
    complete: 1,
    waiting_for_migrate: 1,
    rehoming: 1,
    rehome_failed: 1,
    managed: 1,
    unmanaged: 3,
  })
  const members = await bench.call('GET', '/v1.0/subcloud-peer-groups/1/subclouds')
  assert.deepEqual(
    members.json.subclouds.map((each: { name: string; peer_group_id: number }) => [each.name, each.peer_group_id]),
    [3, 4, 5, 6].map((n) => [`subcloud${n}`, 1]),
  )
  const unknown = await bench.call('GET', '/v1.0/subcloud-peer-groups/1/everything')
  assert.deepEqual([unknown.status, /subclouds, status/.test(unknown.text)], [400, true], unknown.text)

  const removed = await bench.call('DELETE', '/v1.0/subcloud-peer-groups/spg-north')
  assert.deepEqual([removed.status, removed.text], [200, 'null'])
  assert.equal((await bench.call('GET', '/v1.0/subclouds/subcloud3')).json.peer_group_id, null)
})

test('what peer groups refuse, they refuse without a trace', async (t) => {
  const bench = await geoBench(t)
  await bench.addGroup('ours')
  await bench.addGroup('standby', { 'group-priority': 1, 'system-leader-id': peerUuid, 'system-leader-name': 'dc-madrid' })
  const before = await fromTables(bench.database)
  const bad: Record<string, unknown>[] = [
    { 'peer-group-name': undefined },
    { 'peer-group-name': '' },
    { 'peer-group-name': 'none' },
    { 'peer-group-name': '12' },
    { 'peer-group-name': 'a.b' },
    { 'peer-group-name': 'x'.repeat(256) },
    { 'group-priority': -1 },
    { 'group-priority': 65_537 },
    { 'group-state': 'broken' },
    { 'max-subcloud-rehoming': 0 },
    { 'max-subcloud-rehoming': 251 },
    { 'max-subcloud-rehoming': '9.5' },
    { 'system-leader-id': 'x' },
    { 'system-leader-name': 'a*b' },
    { migration_status: 'complete' },
    { peer_group_name: 'snake' },
  ]
  for (const change of bad) {
    const answer = await bench.call('POST', '/v1.0/subcloud-peer-groups', { json: { 'peer-group-name': 'new', ...change } })
    assert.equal(answer.status, 400, `${JSON.stringify(change)}: ${answer.text}`)
  }
  assert.equal((await bench.call('POST', '/v1.0/subcloud-peer-groups', { json: { 'peer-group-name': 'ours' } })).status, 409)
  for (const [ref, json, status] of [
    ['ours', {}, 400],
    ['ours', { migration_status: 'migrating' }, 400],
    ['ours', { migration_status: 'soon' }, 400],
    ['ours', { 'peer-group-name': 'standby' }, 409],
    ['9', { 'group-state': 'disabled' }, 404],
    ['standby', { 'max-subcloud-rehoming': 20 }, 400],
  ] as const) {
    const answer = await bench.call('PATCH', `/v1.0/subcloud-peer-groups/${ref}`, { json })
    assert.equal(answer.status, status, `${ref} ${JSON.stringify(json)}: ${answer.text}`)
  }
  assert.equal((await bench.call('PATCH', '/v1.0/subcloud-peer-groups/ours/rename', { json: {} })).status, 400)
  assert.deepEqual(await fromTables(bench.database), before)
})

test('GR-4: a group is updated on its primary site, by anybody, and on a standby by its peer only', async (t) => {
  const bench = await geoBench(t)
  const peer = await bench.addPeer()
  await bench.addGroup('standby', { 'group-priority': 1, 'system-leader-id': peerUuid, 'system-leader-name': 'dc-madrid' })
  await bench.associate(1, peer)
  const json = { 'max-subcloud-rehoming': 20 }
  const patch = (call: typeof bench.call, token?: string) =>
    call('PATCH', '/v1.0/subcloud-peer-groups/standby', { json, ...(token === undefined ? {} : { token }) })
  const refused = await patch(bench.call)
  assert.equal(refused.status, 400)
  assert.match(refused.json.description, /^Cannot update a peer group from a non-primary site\./)
  // The name of a peer's program grants nothing by itself; neither does its account alone, nor its account without rights.
  assert.equal((await patch(bench.asPeer, 'admin@admin')).status, 400)
  assert.equal((await patch(bench.call, 'admin@services')).status, 400)
  assert.equal((await patch(bench.asPeer, 'reader@services')).status, 403)
  const accepted = await patch(bench.asPeer)
  assert.deepEqual([accepted.status, accepted.json.max_subcloud_rehoming], [200, 20], accepted.text)
  assert.equal(bench.pushed.length, 0, 'what a peer says is not told back to it')
})

test('an update is told to the peers first; who took it stays in sync, who did not is out of sync', async (t) => {
  const bench = await geoBench(t)
  const first = await bench.addPeer()
  const second = await bench.call('POST', '/v1.0/system-peers', {
    json: {
      peer_uuid: peerUuid.replace('9b8c', '9b8e'),
      peer_name: 'dc-faro',
      manager_endpoint: 'http://192.0.2.9:5000',
      manager_username: 'admin',
      manager_password: 'cHc=',
      peer_controller_gateway_address: '192.0.2.1',
    },
  })
  const group = await bench.addGroup('ours')
  await bench.associate(group, first, 1)
  await bench.associate(group, second.json.id, 2)
  const statuses = async () =>
    (await bench.call('GET', '/v1.0/peer-group-associations')).json.peer_group_associations.map(
      (each: Record<string, unknown>) => each['sync-status'],
    )
  const update = (json: object) => bench.call('PATCH', '/v1.0/subcloud-peer-groups/ours', { json })
  assert.deepEqual(await statuses(), ['in-sync', 'in-sync'])

  const both = await update({ 'max-subcloud-rehoming': 20, 'group-state': 'enabled' })
  assert.deepEqual([both.status, both.json.max_subcloud_rehoming, both.json.info_message], [200, 20, undefined], both.text)
  assert.deepEqual(bench.pushed[0]![1], { max_subcloud_rehoming: 20 })
  assert.deepEqual(await statuses(), ['in-sync', 'in-sync'])

  // No effective change: no push, no write.
  const before = await fromTables(bench.database)
  assert.equal((await update({ 'max-subcloud-rehoming': '20' })).status, 200)
  assert.deepEqual(await fromTables(bench.database), before)
  assert.equal(bench.pushed.length, 1)

  bench.pushFailures.push('it is unavailable', 'it is unavailable')
  const none = await update({ 'group-state': 'disabled' })
  assert.deepEqual([none.status, /dc-madrid \(it is unavailable\)/.test(none.text)], [403, true], none.text)
  assert.deepEqual(await fromTables(bench.database), before)

  bench.pushFailures.push('it is unavailable')
  const one = await update({ 'group-state': 'disabled' })
  assert.equal(one.status, 200)
  assert.match(one.json.info_message, /dc-madrid \(it is unavailable\)/)
  assert.deepEqual(await statuses(), ['out-of-sync', 'in-sync'])

  const refused = await bench.call('DELETE', '/v1.0/subcloud-peer-groups/ours')
  assert.equal(refused.status, 400)
  assert.match(refused.json.description, /a peer group which is associated with a system peer/)
  assert.equal((await update({ 'group-priority': 3 })).status, 400)
})

test('migration_status is cleared by a word or by null; a running migration keeps its own', async (t) => {
  const bench = await geoBench(t)
  await bench.addGroup('ours')
  const set = async (migration_status: unknown) =>
    (await bench.call('PATCH', '/v1.0/subcloud-peer-groups/1', { json: { migration_status } })).json.migration_status
  assert.equal(await set('complete'), 'complete')
  assert.equal(await set('none'), null)
  assert.equal(await set('complete'), 'complete')
  assert.equal(await set(null), null)
})

test('audit: every member of the contract, and only from a peer of the group', async (t) => {
  const bench = await geoBench(t)
  const peer = await bench.addPeer()
  const group = await bench.addGroup('ours')
  const body = {
    id: 5,
    peer_group_name: 'ours',
    group_priority: 1,
    group_state: 'enabled',
    max_subcloud_rehoming: 20,
    system_leader_id: peerUuid,
    system_leader_name: 'dc-madrid',
    migration_status: 'complete',
    peer_uuid: peerUuid,
  }
  const audit = (json: object) => bench.call('PATCH', '/v1.0/subcloud-peer-groups/ours/audit', { json })
  for (const name of Object.keys(body).filter((each) => each !== 'id' && each !== 'max_subcloud_rehoming')) {
    const answer = await audit({ ...body, [name]: undefined })
    assert.deepEqual([answer.status, answer.json.description.includes(name)], [400, true], answer.text)
  }
  assert.equal((await bench.call('PATCH', '/v1.0/subcloud-peer-groups/theirs/audit', { json: body })).status, 404)
  assert.match((await audit(body)).json.message, /no association/)
  assert.equal(bench.audited.length, 0)
  await bench.associate(group, peer, 1)
  assert.deepEqual((await audit({ ...body, more: true })).json, { message: null })
  const [audited, from, remote] = bench.audited[0]!
  const { peer_uuid: _, ...expected } = body
  assert.deepEqual([audited.peer_group_name, from, remote], ['ours', peerUuid, expected])
})

test('standby copies: for system peers only; a bad request names the field, a bad copy is told and leaves the others alone', async (t) => {
  const bench = await geoBench(t)
  await bench.addPeer()
  const leader = { 'system-leader-id': peerUuid, 'system-leader-name': 'dc-madrid' }
  const group = await bench.addGroup('spg-south', { 'group-priority': 1, ...leader })
  const path = `/v1.0/subcloud-peer-groups/${group}/standby-copies`
  const copy = (n: number, more: Readonly<Record<string, unknown>> = {}) => ({
    region_name: `${n}a`.padStart(32, '0'),
    bootstrap_values: bench.values(n),
    'bootstrap-address': `127.1.${n}.2`,
    release: '26.09',
    ...more,
  })
  const send = (copies: unknown, url = path) => bench.asPeer('POST', url, { json: { standby_copies: copies } })
  const before = await fromTables(bench.database)
  for (const asked of [{}, { headers: { 'user-agent': 'dcmanager/1.0' } }, { token: peerToken }]) {
    const refused = await bench.call('POST', path, { json: { standby_copies: [copy(3)] }, ...asked })
    assert.deepEqual([refused.status, refused.json.description.slice(0, 35)], [403, 'This operation is for system peers.'], refused.text)
  }
  for (const [copies, field] of [
    [[], 'standby_copies'],
    [Array.from({ length: 51 }, (_, n) => copy(n)), 'standby_copies'],
    [[copy(3, { region_name: undefined })], 'standby_copies.0.region_name'],
    [[copy(3), copy(4, { secondary: 'true' })], 'standby_copies.1.secondary'],
    [[copy(3), copy(4, { release: 26 })], 'standby_copies.1.release'],
    [[copy(3), copy(4, { bootstrap_values: 'x'.repeat(1_048_577) })], 'standby_copies.1.bootstrap_values'],
    [[copy(3), copy(3)], 'standby_copies.1.region_name'],
  ] as const) {
    const { status, json, text } = await send(copies)
    assert.deepEqual([status, json.field], [400, field], text)
  }
  assert.equal((await send([copy(3)], '/v1.0/subcloud-peer-groups/77/standby-copies')).status, 404)
  assert.equal((await send(Array.from({ length: 17 }, (_, n) => copy(n, { bootstrap_values: 'x'.repeat(1_000_000) })))).status, 413)
  assert.deepEqual(await fromTables(bench.database), before)

  const outcomes = async (copies: unknown) => {
    const { status, json, text } = await send(copies)
    assert.equal(status, 200, text)
    return (json.standby_copies as Record<string, unknown>[]).map((each) =>
      [each['outcome'], each['deploy-status'], each['status']].join(' '),
    )
  }
  const mixed = [
    copy(3),
    copy(4, { bootstrap_values: bench.values(3) }),
    copy(5, { bootstrap_values: bench.values(3).replace('name: subcloud3', 'name: subcloud5') }),
    copy(6, { bootstrap_values: 'name: [', 'bootstrap-address': '127.1.6.2' }),
    copy(7, { region_name: 'RegionOne' }),
    copy(8, { 'bootstrap-address': 'nowhere' }),
    copy(9),
  ]
  const expected = ['written secondary ', 'name-taken  ', ...Array<string>(4).fill('refused  400'), 'written secondary ']
  assert.deepEqual(await outcomes(mixed), expected)
  const rows = await bench.database.query.selectFrom('subclouds').select(['id', 'name', 'peer_group_id', 'document_revision']).execute()
  assert.deepEqual(
    rows.map((row) => [row.name, row.peer_group_id]),
    [
      ['subcloud3', group],
      ['subcloud9', group],
    ],
  )
  // The same again is the same, and nothing of it is new.
  assert.deepEqual(await outcomes(mixed), expected)
  const documents = () => bench.database.query.selectFrom('subclouds').select(['id', 'document_revision']).execute()
  assert.deepEqual(
    await documents(),
    rows.map(({ id, document_revision }) => ({ id, document_revision })),
  )
  // One that left the group joins again; one that this site manages by now is left alone.
  await bench.database.query.updateTable('subclouds').set({ peer_group_id: null }).where('name', '=', 'subcloud3').execute()
  await bench.database.query.updateTable('subclouds').set({ deploy_status: 'complete' }).where('name', '=', 'subcloud9').execute()
  assert.deepEqual(await outcomes([copy(9), copy(3, { location: 'Porto' })]), ['not-standby complete ', 'written secondary '])
  const moved = await bench.database.query.selectFrom('subclouds').selectAll().where('name', '=', 'subcloud3').executeTakeFirstOrThrow()
  assert.deepEqual([moved.peer_group_id, moved.location], [group, 'Porto'])
  // Only who may use it is told of it.
  const list = `/v1.0/subcloud-peer-groups/${group}/subclouds`
  assert.equal((await bench.asPeer('GET', list)).json['murmuration-standby-copies'], 50)
  assert.equal((await bench.call('GET', list)).json['murmuration-standby-copies'], undefined)
})
