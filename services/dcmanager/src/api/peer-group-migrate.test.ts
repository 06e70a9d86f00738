import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { base64 } from '../testing/api-bench.ts'
import { geoBench } from '../testing/geo-bench.ts'

const password = 'Sys*very-secret'

async function setUp(t: TestContext) {
  const bench = await geoBench(t)
  const groupId = await bench.addGroup('spg', { 'group-priority': 1 })
  const ids = [
    await bench.addReady(1, { deployStatus: 'secondary', managed: false, online: false }),
    await bench.addReady(2, { deployStatus: 'rehome-failed', managed: false, online: false }),
    await bench.addReady(3),
  ]
  await bench.database.query.updateTable('subclouds').set({ peer_group_id: groupId }).where('id', 'in', ids).execute()
  const migrate = (json: object = { sysadmin_password: base64(password) }, query = '') =>
    bench.call('PATCH', `/v1.0/subcloud-peer-groups/spg/migrate${query}`, { json })
  return { bench, groupId, ids, migrate }
}

test('a dry run says of each member what would happen, and changes nothing', async (t) => {
  const { bench, ids, migrate } = await setUp(t)
  const { status, json } = await migrate({}, '?dry-run=true')
  assert.equal(status, 200)
  assert.deepEqual(
    (json as { plan: { id: number; migrate: boolean; reason: string | null }[] }).plan.map(({ id, migrate: would, reason }) => [
      id,
      would,
      reason,
    ]),
    [
      [ids[0], true, null],
      [ids[1], true, null],
      [ids[2], false, 'it is managed here'],
    ],
  )
  assert.equal((await bench.call('GET', '/v1.0/subcloud-peer-groups/spg')).json.migration_status, null)
  assert.deepEqual(await bench.database.query.selectFrom('jobs').select('id').where('kind', '=', 'peer-group.migrate').execute(), [])
})

test('claimed at once: the answer lists who migrates, the group shows it, a second one is 409 and names the first', async (t) => {
  const { bench, groupId, ids, migrate } = await setUp(t)
  const { status, json, text } = await migrate()
  assert.equal(status, 200, text)
  assert.deepEqual(
    (json as { subclouds: { id: number }[] }).subclouds.map((row) => row.id),
    ids.slice(0, 2),
  )
  assert.equal((await bench.call('GET', '/v1.0/subcloud-peer-groups/spg')).json.migration_status, 'migrating')
  const { migration } = (await bench.call('GET', '/v1.0/subcloud-peer-groups/spg/status')).json as { migration: object }
  assert.deepEqual(migration, { status: 'migrating', waiting: 2, rehoming: 0, rehomed: 0, done: 0, failed: 0, refused: 0 })
  const second = await migrate()
  assert.equal(second.status, 409)
  assert.match(second.text, /peer-group\.migrate/)
  const [job] = await bench.database.query.selectFrom('jobs').selectAll().where('kind', '=', 'peer-group.migrate').execute()
  assert.equal(job!.subject, `peer-group:${groupId}`)
  assert.ok(!job!.input.includes(password) && !job!.input.includes(base64(password)), 'the password is sealed')
})

test('refused with what to do, and nothing changed: no password, nothing to migrate, members without rehome data', async (t) => {
  const { bench, ids, migrate } = await setUp(t)
  assert.equal((await migrate({})).status, 400)
  assert.equal((await migrate({ sysadmin_password: '%%%' })).status, 400)
  await bench.database.query.deleteFrom('subcloud_documents').where('subcloud_id', '=', ids[0]!).execute()
  const incomplete = await migrate()
  assert.equal(incomplete.status, 422)
  assert.match(incomplete.text, /subcloud1: it has no rehome data: update it with bootstrap_values and bootstrap_address/)
  await bench.database.query.updateTable('subclouds').set({ deploy_status: 'complete' }).execute()
  const empty = await migrate()
  assert.equal(empty.status, 400)
  assert.match(empty.text, /nothing to migrate/)
  assert.equal((await bench.call('GET', '/v1.0/subcloud-peer-groups/spg')).json.migration_status, null)
  assert.deepEqual(await bench.database.query.selectFrom('jobs').select('id').where('kind', '=', 'peer-group.migrate').execute(), [])
  assert.equal((await bench.call('PATCH', '/v1.0/subcloud-peer-groups/nobody/migrate', { json: {} })).status, 404)
})

test('only who may modify the group may migrate it', async (t) => {
  const { bench } = await setUp(t)
  const { status } = await bench.call('PATCH', '/v1.0/subcloud-peer-groups/spg/migrate', { token: 'reader@admin', json: {} })
  assert.equal(status, 403)
})
