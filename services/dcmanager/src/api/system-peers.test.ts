import assert from 'node:assert/strict'
import { test } from 'node:test'
import { base64 } from '../testing/api-bench.ts'
import { fromTables } from '../testing/everything.ts'
import { geoBench, localUuid, peerBody, peerPassword, peerUuid } from '../testing/geo-bench.ts'

test('system peers: add, list, show by id, uuid and name, update, delete (reference §1.14, §1.16)', async (t) => {
  const bench = await geoBench(t)
  const { manager_password: _, peer_controller_gateway_address: gateway, ...rest } = peerBody
  const added = await bench.call('POST', '/v1.0/system-peers/', { json: peerBody })
  assert.equal(added.status, 200, added.text)
  const expected = {
    id: 1,
    ...Object.fromEntries(Object.entries(rest).map(([name, value]) => [name.replaceAll('_', '-'), value])),
    'peer-controller-gateway-address': gateway,
    'administrative-state': 'enabled',
    'heartbeat-interval': 60,
    'heartbeat-failure-threshold': 3,
    'heartbeat-failure-policy': 'alarm',
    'heartbeat-maintenance-timeout': 600,
    'availability-state': 'created',
    'created-at': '',
    'updated-at': null,
    'last-heard-at': null,
    'failure-reason': null,
    'takeover-state': 'off',
    'takeover-reason': 'heartbeat-failure-policy is alarm: an operator migrates the groups',
  }
  assert.deepEqual({ ...added.json, 'created-at': '' }, expected)
  for (const ref of ['1', peerUuid, peerUuid.toUpperCase(), 'dc-madrid', '?peer_ref=dc-madrid']) {
    const shown = await bench.call('GET', `/v1.0/system-peers${ref.startsWith('?') ? '' : '/'}${ref}`)
    assert.deepEqual(shown.json, added.json, ref)
  }
  assert.deepEqual((await bench.call('GET', '/v1.0/system-peers')).json, { system_peers: [added.json] })

  // The stock client sends texts.
  const changed = await bench.call('PATCH', '/v1.0/system-peers/dc-madrid', {
    json: { heartbeat_interval: '10', heartbeat_failure_threshold: '5', administrative_state: 'disabled', peer_name: 'dc-toledo' },
  })
  assert.equal(changed.status, 200, changed.text)
  assert.deepEqual(
    ['heartbeat-interval', 'heartbeat-failure-threshold', 'administrative-state', 'peer-name'].map((name) => changed.json[name]),
    [10, 5, 'disabled', 'dc-toledo'],
  )
  assert.equal(changed.json.info_message, undefined)

  const stored = JSON.stringify(await fromTables(bench.database)) + bench.logLines.join('\n')
  for (const secret of [peerPassword, peerBody.manager_password]) assert.ok(!stored.includes(secret))

  // A uuid that was mistyped can be mended: the password goes with it.
  const other = peerUuid.replace('9b8c', '9b8d')
  assert.equal((await bench.call('PATCH', '/v1.0/system-peers/1', { json: { peer_uuid: other } })).json['peer-uuid'], other)
  const row = await bench.database.query.selectFrom('system_peer').selectAll().executeTakeFirstOrThrow()
  assert.equal(bench.site.keyring.open(row.manager_password, `system-peer:${other}:password`).reveal(), peerPassword)

  const removed = await bench.call('DELETE', '/v1.0/system-peers/1')
  assert.deepEqual([removed.status, removed.text], [200, 'null'])
  const gone = await bench.call('GET', '/v1.0/system-peers/1')
  assert.deepEqual([gone.status, gone.json.description.startsWith('System Peer not found')], [404, true], gone.text)
})

test('what system peers refuse, they refuse without a trace', async (t) => {
  const bench = await geoBench(t)
  await bench.addPeer()
  const second = { ...peerBody, peer_uuid: peerUuid.replace('9b8c', '9b8e'), peer_name: 'dc-faro' }
  const before = await fromTables(bench.database)
  const bad: Record<string, unknown>[] = [
    ...Object.keys(peerBody).map((name) => ({ [name]: undefined })),
    ...Object.keys(peerBody).map((name) => ({ [name]: '' })),
    { peer_uuid: 'x' },
    { peer_uuid: localUuid },
    { peer_name: '12' },
    { peer_name: 'a.b' },
    { peer_name: 'x'.repeat(256) },
    { manager_endpoint: 'ftp://peer' },
    { manager_endpoint: 'https://user:pw@peer' },
    { manager_endpoint: `http://${'x'.repeat(255)}` },
    { manager_username: 'x'.repeat(255) },
    { manager_password: 'not base64!' },
    { manager_password: base64('x'.repeat(250)) },
    { peer_controller_gateway_address: '300.1.1.1' },
    { administrative_state: 'maybe' },
    { heartbeat_interval: 9 },
    { heartbeat_interval: 601 },
    { heartbeat_interval: '1e2' },
    { heartbeat_failure_threshold: 0 },
    { heartbeat_failure_threshold: 31 },
    { heartbeat_failure_policy: 'panic' },
    { heartbeat_maintenance_timeout: 299 },
    { heartbeat_maintenance_timeout: 36_001 },
    { surprise: 1 },
  ]
  for (const change of bad) {
    const answer = await bench.call('POST', '/v1.0/system-peers', { json: { ...second, ...change } })
    assert.equal(answer.status, 400, `${JSON.stringify(change)}: ${answer.text}`)
    assert.ok(!answer.text.includes(peerBody.manager_password))
  }
  for (const change of [{ peer_uuid: peerUuid }, { peer_name: 'dc-madrid' }]) {
    const answer = await bench.call('POST', '/v1.0/system-peers', { json: { ...second, ...change } })
    assert.deepEqual([answer.status, answer.json.code], [409, 409], answer.text)
  }
  for (const json of [{}, { peer_name: '' }, null])
    assert.equal((await bench.call('PATCH', '/v1.0/system-peers/1', { json })).status, 400, JSON.stringify(json))
  assert.equal((await bench.call('PATCH', '/v1.0/system-peers/9', { json: { peer_name: 'x' } })).status, 404)
  assert.deepEqual(await fromTables(bench.database), before)
})

test('policies that do not do what their name says are told at once', async (t) => {
  const bench = await geoBench(t)
  await bench.addPeer()
  const policy = async (json: object): Promise<string | undefined> =>
    (await bench.call('PATCH', '/v1.0/system-peers/1', { json })).json.info_message
  assert.match((await policy({ heartbeat_failure_policy: 'delegate' }))!, /behaves as alarm/)
  assert.match((await policy({ heartbeat_failure_policy: 'rehome' }))!, /blocked until rehome_sysadmin_password/)
  assert.equal(await policy({ rehome_sysadmin_password: base64('s3cret') }), undefined)
  assert.match((await policy({ rehome_sysadmin_password: '' }))!, /blocked/)
})

test('a gateway that moves makes associations out-of-sync and says what to run; an associated peer stays', async (t) => {
  const bench = await geoBench(t)
  const peer = await bench.addPeer()
  const group = await bench.addGroup('ours')
  const association = await bench.associate(group, peer, 1)
  const status = async () => (await bench.call('GET', `/v1.0/peer-group-associations/${association}`)).json['sync-status']
  assert.equal(await status(), 'in-sync')
  const json = { peer_controller_gateway_address: '203.0.113.253' }
  const moved = await bench.call('PATCH', '/v1.0/system-peers/1', { json })
  assert.match(moved.json.info_message, new RegExp(`\\$ dcmanager peer-group-association sync ${association}\\n`))
  assert.equal(await status(), 'out-of-sync')
  assert.equal((await bench.call('PATCH', '/v1.0/system-peers/1', { json })).json.info_message, undefined)
  const refused = await bench.call('DELETE', '/v1.0/system-peers/1')
  assert.deepEqual([refused.status, /associated/.test(refused.json.description)], [400, true])
  for (const verb of ['subcloud-peer-groups', 'anything']) {
    const groups = await bench.call('GET', `/v1.0/system-peers/dc-madrid/${verb}`)
    assert.deepEqual(
      groups.json.subcloud_peer_groups.map((each: { peer_group_name: string }) => each.peer_group_name),
      ['ours'],
    )
  }
})

test('the certificate authority of the controller is there for its peers', async (t) => {
  const bench = await geoBench(t)
  const answer = await bench.call('GET', '/v1.0/controller-authority', { token: 'reader@admin' })
  assert.match(answer.json.authority_pem, /^-----BEGIN CERTIFICATE-----/)
  assert.equal((await bench.call('GET', '/v1.0/controller-authority', { token: 'reader@other' })).status, 403)
})

test('a repeated request gets its first answer, another one with the same key is refused (attacks 27)', async (t) => {
  const bench = await geoBench(t)
  const once = (json: object, url = '/v1.0/system-peers') => bench.call('POST', url, { json, headers: { 'idempotency-key': 'k1' } })
  const first = await once(peerBody)
  const again = await once(peerBody)
  assert.deepEqual([again.status, again.text, again.headers['idempotency-replayed']], [200, first.text, 'true'])
  const other = await once({ ...peerBody, peer_name: 'dc-other' })
  assert.equal(other.status, 422, other.text)
  assert.equal((await once({ 'peer-group-name': 'ours' }, '/v1.0/subcloud-peer-groups')).status, 422)
  const group = { json: { 'peer-group-name': 'ours' }, headers: { 'idempotency-key': 'k2' } }
  await bench.call('POST', '/v1.0/subcloud-peer-groups', group)
  const association = {
    json: { peer_group_id: 1, system_peer_id: 1, peer_group_priority: 1 },
    headers: { 'idempotency-key': 'k3' },
  }
  const made = await bench.call('POST', '/v1.0/peer-group-associations', association)
  assert.deepEqual((await bench.call('POST', '/v1.0/peer-group-associations', association)).json, made.json)
  assert.equal((await bench.call('GET', '/v1.0/peer-group-associations')).json.peer_group_associations.length, 1)
  for (const each of ['system_peer', 'subcloud_peer_group', 'jobs'] as const)
    assert.equal((await bench.database.query.selectFrom(each).selectAll().execute()).length, 1, each)
})
