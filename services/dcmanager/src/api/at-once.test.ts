import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timestamp } from '@murmuration/data'
import { eachEngine } from '@murmuration/data/testing'
import { apiBench, base64 } from '../testing/api-bench.ts'

const times = <T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)))

eachEngine('requests at the same time', (engine) => {
  test('of equal requests one is accepted; with one Idempotency-Key all are told the same', async (t) => {
    const bench = await apiBench(t, { databaseUrl: await engine.freshUrl() })
    const form = (n: number) => ({ bootstrap_values: bench.values(n), 'bootstrap-address': '127.1.3.2', sysadmin_password: base64('x') })
    const plain = await times(4, () => bench.call('POST', '/v1.0/subclouds', { form: form(3) }))
    assert.deepEqual(
      plain.map((answer) => answer.status).toSorted((a, b) => a - b),
      [200, 409, 409, 409],
    )
    const keyed = await times(4, () => bench.call('POST', '/v1.0/subclouds', { form: form(4), headers: { 'idempotency-key': 'k' } }))
    assert.deepEqual(
      keyed.map((answer) => answer.status),
      [200, 200, 200, 200],
      keyed.map((answer) => answer.text).join('\n'),
    )
    assert.equal(new Set(keyed.map((answer) => answer.text)).size, 1)
    assert.equal((await bench.call('GET', '/v1.0/subclouds')).json.subclouds.length, 2)
    assert.equal((await bench.database.query.selectFrom('jobs').selectAll().execute()).length, 2)
  })

  test('a group is removed once', async (t) => {
    const bench = await apiBench(t, { databaseUrl: await engine.freshUrl() })
    const group = { name: 'north', description: 'x', update_apply_type: 'parallel', max_parallel_subclouds: 2 }
    assert.equal((await bench.call('POST', '/v1.0/subcloud-groups', { json: group })).status, 200)
    const answers = await times(3, () => bench.call('DELETE', '/v1.0/subcloud-groups/north'))
    assert.deepEqual(
      answers.map((answer) => answer.status).toSorted((a, b) => a - b),
      [200, 404, 404],
    )
  })

  test('of different operations on one subcloud one is accepted', async (t) => {
    const bench = await apiBench(t, { databaseUrl: await engine.freshUrl() })
    await bench.add(3)
    await bench.database.query
      .updateTable('jobs')
      .set({ state: 'done', exclusive_key: null, finished_at: timestamp(0) })
      .execute()
    await bench.database.query.updateTable('subclouds').set({ deploy_status: 'create-complete' }).execute()
    const answers = await Promise.all([
      bench.call('PATCH', '/v1.0/phased-subcloud-deploy/1/bootstrap', { form: { sysadmin_password: base64('x') } }),
      bench.call('PATCH', '/v1.0/phased-subcloud-deploy/1/resume', { form: { sysadmin_password: base64('x') } }),
      bench.call('DELETE', '/v1.0/subclouds/1'),
    ])
    const statuses = answers.map((answer) => answer.status)
    assert.equal(statuses.filter((status) => status === 200).length, 1, answers.map((answer) => answer.text).join('\n'))
    for (const status of statuses) assert.ok(status === 200 || status === 400 || status === 409, String(status))
    const live = await bench.database.query.selectFrom('jobs').selectAll().where('exclusive_key', 'is not', null).execute()
    assert.equal(live.length, 1)
  })

  test('a group that a subcloud joins while it is deleted', async (t) => {
    const bench = await apiBench(t, { databaseUrl: await engine.freshUrl() })
    await bench.add(3)
    await bench.call('POST', '/v1.0/subcloud-groups', {
      json: { name: 'north', description: 'd', update_apply_type: 'serial', max_parallel_subclouds: 1 },
    })
    const [joined, removed] = await Promise.all([
      bench.call('PATCH', '/v1.0/subclouds/1', { form: { group_id: 'north' } }),
      bench.call('DELETE', '/v1.0/subcloud-groups/north'),
    ])
    assert.deepEqual(
      [joined.status, removed.status].toSorted((a, b) => a - b),
      [200, 400],
      `${joined.text} ${removed.text}`,
    )
  })
})
