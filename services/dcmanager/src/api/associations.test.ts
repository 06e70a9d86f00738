import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromTables } from '../testing/everything.ts'
import { geoBench, peerUuid } from '../testing/geo-bench.ts'

const url = '/v1.0/peer-group-associations'
const standby = { 'group-priority': 1, 'system-leader-id': peerUuid, 'system-leader-name': 'dc-madrid' }

test('associations: create, list, show, sync, delete (reference §1.13, §1.16)', async (t) => {
  const bench = await geoBench(t)
  await bench.addPeer()
  await bench.addGroup('ours')
  await bench.addGroup('standby', standby)
  // The stock client sends ids as texts.
  const created = await bench.call('POST', url, { json: { peer_group_id: '1', system_peer_id: '1', peer_group_priority: '1' } })
  assert.equal(created.status, 200, created.text)
  assert.deepEqual(
    { ...created.json, 'created-at': '' },
    {
      id: 1,
      'peer-group-id': 1,
      'system-peer-id': 1,
      'peer-group-priority': 1,
      'association-type': 'primary',
      'sync-status': 'syncing',
      'sync-message': null,
      'created-at': '',
      'updated-at': null,
      'murmuration-revision': 0,
    },
  )
  // As a peer makes its own here.
  const other = await bench.asPeer('POST', url, { json: { peer_group_id: 2, system_peer_id: 1 } })
  assert.deepEqual(
    [other.json['association-type'], other.json['peer-group-priority'], other.json['sync-status']],
    ['non-primary', null, 'syncing'],
    other.text,
  )
  const list = await bench.call('GET', url)
  assert.deepEqual(
    list.json.peer_group_associations.map((each: object) => Object.hasOwn(each, 'sync-message')),
    [false, false],
  )
  assert.deepEqual((await bench.call('GET', `${url}/1`)).json, created.json)
  assert.deepEqual((await bench.call('GET', `${url}?association_id=1`)).json, created.json)

  const busy = await bench.call('PATCH', `${url}/1/sync`)
  assert.deepEqual([busy.status, /association\.sync/.test(busy.text)], [409, true], busy.text)
  await bench.endJobs()
  assert.equal((await bench.call('GET', `${url}/1`)).json['sync-status'], 'in-sync')
  for (const verb of ['sync', 'anything']) {
    const synced = await bench.call('PATCH', `${url}/1/${verb}`)
    assert.equal(synced.json['sync-status'], 'syncing', synced.text)
    await bench.endJobs()
  }

  const removed = await bench.call('DELETE', `${url}/2`)
  assert.deepEqual([removed.status, removed.text], [200, 'null'])
  const gone = await bench.call('GET', `${url}/2`)
  assert.deepEqual([gone.status, gone.json.description.startsWith('Peer Group Association not found')], [404, true])
})

test('what associations refuse, they refuse without a trace', async (t) => {
  const bench = await geoBench(t)
  const peer = await bench.addPeer()
  const ours = await bench.addGroup('ours')
  const theirs = await bench.addGroup('standby', standby)
  const led = await bench.addGroup('led', { 'system-leader-id': peerUuid, 'system-leader-name': 'dc-madrid' })
  await bench.associate(ours, peer, 1)
  await bench.associate(theirs, peer)
  await bench.associate(led, peer, 1)
  const before = await fromTables(bench.database)
  const posts: object[] = [
    {},
    { peer_group_id: ours },
    { peer_group_id: ours, system_peer_id: peer, peer_group_priority: 2 },
    { peer_group_id: ours, system_peer_id: peer },
    { peer_group_id: theirs, system_peer_id: peer, peer_group_priority: 2 },
    { peer_group_id: 99, system_peer_id: peer, peer_group_priority: 2 },
    { peer_group_id: ours, system_peer_id: 99, peer_group_priority: 2 },
    { peer_group_id: 'ours', system_peer_id: peer, peer_group_priority: 2 },
    { peer_group_id: ours, system_peer_id: peer, peer_group_priority: 0 },
    { peer_group_id: ours, system_peer_id: peer, peer_group_priority: 65_537 },
  ]
  for (const json of posts) assert.equal((await bench.call('POST', url, { json })).status, 400, JSON.stringify(json))
  const patches: [string, object | undefined, number][] = [
    ['/1', {}, 400],
    ['/1', { peer_group_priority: 2, sync_status: 'in-sync' }, 400],
    ['/1', { sync_status: 'in-sync' }, 400],
    ['/2', { peer_group_priority: 2 }, 400],
    ['/2', { sync_status: 'perhaps' }, 400],
    ['/2', { peer_group_priority: 0 }, 400],
    ['/2/sync', undefined, 400],
    ['/3/sync', undefined, 400],
    ['/x', { sync_status: 'in-sync' }, 400],
    ['/9', { sync_status: 'in-sync' }, 404],
    ['/99999999999', { sync_status: 'in-sync' }, 404],
  ]
  for (const [path, json, status] of patches) {
    const answer = await bench.call('PATCH', `${url}${path}`, json === undefined ? {} : { json })
    assert.equal(answer.status, status, `${path} ${JSON.stringify(json)}: ${answer.text}`)
  }
  for (const [path, status] of [
    ['/x', 400],
    ['/9', 404],
  ] as const) {
    assert.equal((await bench.call('DELETE', `${url}${path}`)).status, status)
    assert.equal((await bench.call('GET', `${url}${path}`)).status, status)
  }
  assert.deepEqual(await fromTables(bench.database), before)
})

test('the standby believes what the primary reports, with the revision that came', async (t) => {
  const bench = await geoBench(t)
  const peer = await bench.addPeer()
  const id = await bench.associate(await bench.addGroup('standby', standby), peer)
  const report = async (sync_status: string, headers: Record<string, string> = {}) =>
    (await bench.asPeer('PATCH', `${url}/${id}`, { json: { sync_status }, headers })).json
  const failed = await report('failed')
  assert.deepEqual(
    [failed['sync-status'], failed['sync-message']],
    ['failed', 'The sync from the primary site (dc-madrid) to this site failed.'],
  )
  const good = await report('in-sync', { 'murmuration-revision': '7' })
  assert.deepEqual([good['sync-status'], good['sync-message'], good['murmuration-revision']], ['in-sync', null, 7])
  const forged = await bench.call('PATCH', `${url}/${id}`, { json: { sync_status: 'in-sync' }, headers: { 'murmuration-revision': '9' } })
  assert.deepEqual([forged.status, forged.json['murmuration-revision']], [200, 7], 'the header counts with the privileges of a peer only')
  const away = await report('out-of-sync', { 'murmuration-revision': 'seven' })
  assert.deepEqual([away['sync-status'], away['murmuration-revision']], ['out-of-sync', 7])
})

test('a priority is told to the peer before the answer; an association that can not be deleted says why and stays', async (t) => {
  const waited: string[] = []
  let end: object = { state: 'failed', error: 'Peer site (dc-madrid) is unreachable.' }
  const bench = await geoBench(t, {
    waitForJob: async (id) => {
      waited.push(id)
      await bench.database.query
        .updateTable('jobs')
        .set({ ...end, exclusive_key: null })
        .where('id', '=', id)
        .where('kind', '=', 'association.delete')
        .execute()
      await bench.endJobs()
    },
  })
  const id = await bench.associate(await bench.addGroup('ours'), await bench.addPeer(), 1)
  const changed = await bench.call('PATCH', `${url}/${id}`, { json: { peer_group_priority: '5' } })
  assert.deepEqual([changed.status, changed.json['peer-group-priority'], changed.json['sync-status']], [200, 5, 'in-sync'], changed.text)
  const refused = await bench.call('DELETE', `${url}/${id}`)
  assert.equal(refused.headers['murmuration-message'], undefined)
  assert.deepEqual([refused.status, /dc-madrid\) is unreachable/.test(refused.text)], [422, true], refused.text)
  assert.equal((await bench.call('GET', `${url}/${id}`)).status, 200)
  end = { state: 'done', progress: '1 subcloud(s) were left at dc-madrid: edge-1' }
  const left = await bench.call('DELETE', `${url}/${id}`)
  assert.deepEqual([left.text, left.headers['murmuration-message']], ['null', '1 subcloud(s) were left at dc-madrid: edge-1'])
  assert.equal(waited.length, 3)
})
