import assert from 'node:assert/strict'
import { test } from 'node:test'
import { geoBench, peerToken, peerUuid, type GeoBench } from '../testing/geo-bench.ts'

/**
 * What a peer running the original requires of us (reference dcmanager §7.2, §7.7, §13.2), as the exchanges of one sync, one takeover and
 * one deletion: it accepts anything (so errors are pages), reads only 200 as success, decodes the body of every 200, and looks for texts.
 */
const region = '5d3a2f0b6a0c4b0f9c3c8a1be7f6d201'

interface Asked {
  readonly json?: unknown
  readonly form?: Readonly<Record<string, string | { fileName: string; data: string }>>
  /** Only what the original sends with the name of its program. */
  readonly agent?: true
}

const stockPeer =
  (bench: GeoBench) =>
  async (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, { agent, ...body }: Asked = {}) => {
    const headers = { accept: '*/*', ...(agent === true ? { 'user-agent': 'dcmanager/1.0' } : { 'user-agent': 'keystoneauth1' }) }
    return bench.call(method, `/v1.0/${path}`, { ...body, token: peerToken, headers })
  }

test('a sync by a stock peer, from nothing to in-sync', async (t) => {
  const bench = await geoBench(t)
  const ask = stockPeer(bench)
  const missing = async (path: string, text: string, method: 'GET' | 'DELETE' = 'GET') => {
    const answer = await ask(method, path)
    assert.equal(answer.status, 404, path)
    assert.match(String(answer.headers['content-type']), /text\/html/)
    assert.ok(answer.text.includes(text), `${path}: ${answer.text}`)
  }
  const good = async (...asked: Parameters<typeof ask>) => {
    const answer = await ask(...asked)
    assert.equal(answer.status, 200, `${asked[0]} ${asked[1]}: ${answer.text}`)
    assert.notEqual(answer.json, undefined, 'a body that is JSON')
    return answer.json
  }
  // Heartbeat.
  assert.deepEqual(await good('GET', 'subcloud-peer-groups'), { subcloud_peer_groups: [] })
  // "Do you know me?"
  await missing(`system-peers/${peerUuid}`, 'System Peer not found')
  await bench.addPeer()
  const me = await good('GET', `system-peers/${peerUuid}`)
  assert.deepEqual([me.id, me['peer-name']], [1, 'dc-madrid'])

  await missing('subcloud-peer-groups/spg-north', 'Subcloud Peer Group not found')
  const group = {
    'group-priority': 1,
    'group-state': 'enabled',
    'system-leader-id': peerUuid,
    'system-leader-name': 'dc-madrid',
    'max-subcloud-rehoming': 20,
  }
  const created = await good('POST', 'subcloud-peer-groups', { json: { 'peer-group-name': 'spg-north', ...group } })
  for (const key of ['id', 'group_priority', 'peer_group_name', 'migration_status', 'system_leader_id'])
    assert.ok(Object.hasOwn(created, key), key)
  assert.equal((await good('GET', 'subcloud-peer-groups')).subcloud_peer_groups[0].peer_group_name, 'spg-north')

  assert.deepEqual(await good('GET', 'peer-group-associations'), { peer_group_associations: [] })
  await good('POST', 'peer-group-associations', { json: { peer_group_id: created.id, system_peer_id: me.id } })
  const [association] = (await good('GET', 'peer-group-associations')).peer_group_associations
  assert.deepEqual(
    [association['system-peer-id'], association['peer-group-id'], association['sync-status']],
    [me.id, created.id, 'syncing'],
  )
  await good('PATCH', `peer-group-associations/${association.id}`, { json: { sync_status: 'syncing' } })
  await good('PATCH', 'subcloud-peer-groups/spg-north', { json: group, agent: true })

  await missing('subclouds/edge-porto/detail', 'Subcloud not found')
  const values = bench.values(3).replace('name: subcloud3', 'name: edge-porto')
  const copy = await good('POST', 'subclouds', {
    agent: true,
    form: {
      secondary: 'true',
      bootstrap_values: { fileName: '/opt/dc-vault/tmp/edge-porto_bootstrap_values.yml', data: values },
      'bootstrap-address': '127.1.3.2',
      region_name: region,
      location: 'PT',
      description: 'Porto plant',
      release: '26.09',
    },
  })
  assert.deepEqual(
    [copy.name, copy['region-name'], copy['deploy-status'], copy['management-state']],
    ['edge-porto', region, 'secondary', 'unmanaged'],
  )
  await good('PATCH', `subclouds/${region}`, { agent: true, form: { peer_group: String(created.id) } })
  const shown = await good('GET', 'subclouds/edge-porto/detail')
  assert.deepEqual([shown['deploy-status'], shown.peer_group_id], ['secondary', created.id])
  // The next sync: the same again, as texts.
  await good('PATCH', `subclouds/${region}`, {
    agent: true,
    form: { bootstrap_values: values, bootstrap_address: '127.1.3.2', location: 'PT', description: 'Porto', release: '26.09' },
  })
  const { subclouds } = await good('GET', 'subcloud-peer-groups/spg-north/subclouds')
  for (const key of ['name', 'region-name', 'deploy-status', 'management-state', 'rehome_data'])
    assert.ok(Object.hasOwn(subclouds[0], key), key)
  assert.equal(JSON.parse(subclouds[0].rehome_data).saved_payload['bootstrap-address'], '127.1.3.2')
  await good('PATCH', `peer-group-associations/${association.id}`, { json: { sync_status: 'in-sync' } })
})

test('a takeover and a deletion by a stock peer', async (t) => {
  const bench = await geoBench(t, {
    waitForJob: async (id) => {
      await bench.database.query.deleteFrom('subclouds').execute()
      await bench.database.query.updateTable('jobs').set({ state: 'done', exclusive_key: null }).where('id', '=', id).execute()
    },
  })
  const ask = stockPeer(bench)
  const peer = await bench.addPeer()
  const ours = await bench.addGroup('spg-north')
  await bench.associate(ours, peer, 1)
  const id = await bench.addReady(3)
  await bench.call('PATCH', `/v1.0/subclouds/${id}`, { form: { peer_group: 'spg-north' } })
  const ownRegion = (await bench.call('GET', `/v1.0/subclouds/${id}`)).json['region-name']

  // It takes a subcloud of ours over.
  const given = await ask('PATCH', `subclouds/${ownRegion}`, { agent: true, form: { 'management-state': 'unmanaged', migrate: 'true' } })
  assert.deepEqual(
    [given.status, given.json['management-state'], given.json['deploy-status']],
    [200, 'unmanaged', 'rehome-pending'],
    given.text,
  )
  const audit = {
    id: 7,
    peer_group_name: 'spg-north',
    group_priority: 1,
    group_state: 'enabled',
    max_subcloud_rehoming: 10,
    system_leader_id: peerUuid,
    system_leader_name: 'dc-madrid',
    migration_status: 'complete',
    'created-at': '2026-03-01 07:00:00.000000',
    peer_uuid: peerUuid,
  }
  const audited = await ask('PATCH', 'subcloud-peer-groups/spg-north/audit', { json: audit })
  assert.deepEqual([audited.status, audited.json], [200, { message: null }], audited.text)
  const reset = await ask('PATCH', 'subcloud-peer-groups/spg-north', { agent: true, json: { migration_status: 'none' } })
  assert.deepEqual([reset.status, reset.json.migration_status], [200, null], reset.text)

  // It may not delete a group that is associated here, and knows so by these words.
  const refused = await ask('DELETE', 'subcloud-peer-groups/spg-north')
  assert.equal(refused.status, 400)
  assert.ok(refused.text.includes('a peer group which is associated with a system peer'), refused.text)
  for (const [path, text] of [
    ['subclouds/nobody', 'Subcloud not found'],
    ['subcloud-peer-groups/nobody', 'Subcloud Peer Group not found'],
    ['peer-group-associations/99', 'Peer Group Association not found'],
    ['system-peers/nobody', 'System Peer not found'],
  ] as const) {
    const answer = await ask('DELETE', path, { agent: true })
    assert.deepEqual([answer.status, answer.text.includes(text)], [404, true], `${path}: ${answer.text}`)
  }
  // Deletes answer 200 with a body that is JSON.
  await bench.addGroup('copy', { 'group-priority': 2, 'system-leader-id': peerUuid, 'system-leader-name': 'dc-madrid' })
  const copyOf = await bench.associate(2, peer)
  await bench.database.query
    .updateTable('subclouds')
    .set({ deploy_status: 'secondary', peer_group_id: 2, availability_status: 'offline' })
    .execute()
  for (const path of ['subclouds/subcloud3', `peer-group-associations/${copyOf}`, 'subcloud-peer-groups/copy']) {
    const answer = await ask('DELETE', path, { agent: true })
    assert.deepEqual([answer.status, answer.text], [200, 'null'], `${path}: ${answer.text}`)
  }
})
