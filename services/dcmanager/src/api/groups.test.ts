import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiBench } from '../testing/api-bench.ts'
import { fromTables } from '../testing/everything.ts'

const north = { name: 'north', description: 'northern sites', update_apply_type: 'parallel', max_parallel_subclouds: 25 }

test('groups: create, list, show, members, update, delete (reference §1.11)', async (t) => {
  const bench = await apiBench(t)
  const created = await bench.call('POST', '/v1.0/subcloud-groups/', { json: north })
  assert.equal(created.status, 200, created.text)
  assert.deepEqual({ ...created.json, 'created-at': '' }, { id: 2, ...north, 'created-at': '', 'updated-at': null })
  await bench.add(3, { group_id: '2' })
  const list = await bench.call('GET', '/v1.0/subcloud-groups')
  assert.deepEqual(
    list.json.subcloud_groups.map((group: { name: string; subcloud_count: number }) => [group.name, group.subcloud_count]),
    [
      ['Default', 0],
      ['north', 1],
    ],
  )
  assert.equal((await bench.call('GET', '/v1.0/subcloud-groups/north')).json.id, 2)
  // The form of the published document of the original.
  assert.equal((await bench.call('GET', '/v1.0/subcloud-groups?group_ref=north')).json.id, 2)
  assert.equal((await bench.call('GET', '/v1.0/subcloud-groups?group_ref=south')).status, 404)
  const members = await bench.call('GET', '/v1.0/subcloud-groups/north/subclouds')
  assert.deepEqual(
    members.json.subclouds.map((each: { name: string }) => each.name),
    ['subcloud3'],
  )
  assert.equal((await bench.call('DELETE', '/v1.0/subcloud-groups/2')).status, 400)
  const changed = await bench.call('PATCH', '/v1.0/subcloud-groups/north', { json: { max_parallel_subclouds: '7', name: 'far north' } })
  assert.deepEqual([changed.json.max_parallel_subclouds, changed.json.name], [7, 'far north'], changed.text)
  assert.equal((await bench.call('GET', '/v1.0/subcloud-groups/far%20north')).json.id, 2)
  await bench.call('PATCH', '/v1.0/subclouds/1', { form: { group_id: 'Default' } })
  const removed = await bench.call('DELETE', '/v1.0/subcloud-groups/2')
  assert.deepEqual([removed.status, removed.text], [200, 'null'])
  assert.equal((await bench.call('GET', '/v1.0/subcloud-groups/2')).status, 404)
})

test('what groups refuse, they refuse without a trace', async (t) => {
  const bench = await apiBench(t)
  await bench.call('POST', '/v1.0/subcloud-groups', { json: north })
  const before = await fromTables(bench.database)
  const posts: unknown[] = [
    {},
    [],
    null,
    { ...north },
    { ...north, name: '12' },
    { ...north, name: 'a.b' },
    { ...north, name: 'default' },
    { ...north, name: 'n\u043erth' },
    { ...north, name: 'x'.repeat(256) },
    { ...north, name: 'b', description: '' },
    { ...north, name: 'b', description: 'x'.repeat(255) },
    { ...north, name: 'b', update_apply_type: 'both' },
    { ...north, name: 'b', max_parallel_subclouds: 0 },
    { ...north, name: 'b', max_parallel_subclouds: 5001 },
    { ...north, name: 'b', max_parallel_subclouds: '5001' },
    { ...north, name: 'b', max_parallel_subclouds: 1.5 },
    { ...north, name: 'b', surprise: 1 },
  ]
  for (const json of posts) {
    const answer = await bench.call('POST', '/v1.0/subcloud-groups', { json })
    assert.equal(answer.status, 400, `${JSON.stringify(json)}: ${answer.text}`)
  }
  for (const [ref, json, status] of [
    ['north', {}, 400],
    ['north', { name: 'Default' }, 400],
    ['1', { name: 'other' }, 400],
    ['unknown', { description: 'x' }, 404],
  ] as const)
    assert.equal((await bench.call('PATCH', `/v1.0/subcloud-groups/${ref}`, { json })).status, status, ref)
  assert.equal((await bench.call('DELETE', '/v1.0/subcloud-groups/Default')).status, 400)
  assert.equal((await bench.call('DELETE', '/v1.0/subcloud-groups/99999999999999')).status, 404)
  assert.deepEqual(await fromTables(bench.database), before)
  await bench.call('POST', '/v1.0/subcloud-groups', { json: { ...north, name: 'south' } })
  assert.equal((await bench.call('PATCH', '/v1.0/subcloud-groups/south', { json: { name: 'north' } })).status, 400)
})
