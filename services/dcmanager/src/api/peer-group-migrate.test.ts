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
  assert.equal(json.refusal, null)
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

test('the plan says what the claim does: refused as a whole, left out, and by whom the group is held', async (t) => {
  const { bench, groupId, ids, migrate } = await setUp(t)
  const planned = async () => {
    const { json } = (await migrate({}, '?dry-run=True')) as { json: { plan: { reason: string | null }[]; refusal: string | null } }
    return { reasons: json.plan.slice(0, 2).map(({ reason }) => reason), refusal: json.refusal }
  }
  const { query } = bench.database
  const hold = (exclusive_key: string) =>
    query.updateTable('jobs').set({ state: 'running', exclusive_key }).where('id', '=', held!.id).execute()
  const release = () => query.updateTable('jobs').set({ state: 'done', exclusive_key: null }).execute()
  const [held] = await query.selectFrom('jobs').select(['id', 'kind']).where('subject', '=', `subcloud:${ids[0]}`).execute()
  await hold(`subcloud:${ids[0]}`)
  assert.deepEqual(await planned(), { reasons: [`an operation works on it (${held!.kind})`, null], refusal: null })
  const begun = await migrate()
  assert.deepEqual(
    (begun.json as { subclouds: { id: number }[] }).subclouds.map((row) => row.id),
    [ids[1]],
  )
  const during = await planned()
  const running = 'peer-group.migrate is in progress for the group'
  assert.deepEqual(during.reasons, [`an operation works on it (${held!.kind})`, running])
  const second = await migrate()
  assert.deepEqual([second.status, second.text.includes(during.refusal!)], [409, true], `${second.text} ${during.refusal}`)
  // What it takes with it would be lost with the group.
  const removed = await bench.call('DELETE', '/v1.0/subcloud-peer-groups/spg')
  assert.deepEqual([removed.status, /peer-group\.migrate/.test(removed.text)], [409, true], removed.text)

  await release()
  await query.updateTable('subcloud_peer_group').set({ migration_status: null }).where('id', '=', groupId).execute()
  await query.deleteFrom('subcloud_documents').where('subcloud_id', '=', ids[0]!).execute()
  const without = await planned()
  assert.match(without.reasons[0]!, /it has no rehome data/)
  assert.equal(without.reasons[1], 'none migrates while others can not: subcloud1')
  const impossible = await migrate()
  assert.deepEqual([impossible.status, impossible.text.includes(without.refusal!)], [422, true], `${impossible.text} ${without.refusal}`)
})

test('a dry run that is misspelt begins nothing; one needs no body', async (t) => {
  const { bench, migrate } = await setUp(t)
  const good = { sysadmin_password: base64(password) }
  for (const [query, named] of [
    ['?dry_run=true', 'dry_run'],
    ['?dry-run=true&force=1', 'force'],
    ['?dry-run=', 'dry-run'],
    ['?dry-run=yes', 'dry-run'],
    ['?dry-run=true&dry-run=false', 'dry-run'],
  ] as const) {
    const refused = await migrate(good, query)
    assert.deepEqual([refused.status, refused.text.includes(named)], [400, true], `${query}: ${refused.text}`)
  }
  assert.equal((await migrate({ ...good, 'dry-run': true })).status, 400)
  const bare = await bench.call('PATCH', '/v1.0/subcloud-peer-groups/spg/migrate?dry-run=TRUE')
  assert.deepEqual([bare.status, bare.json.plan?.length], [200, 3], bare.text)
  assert.deepEqual(await bench.database.query.selectFrom('jobs').select('id').where('kind', '=', 'peer-group.migrate').execute(), [])
  assert.equal((await migrate(good, '?dry-run=False')).status, 200)
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
