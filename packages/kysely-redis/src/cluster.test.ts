import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openRedis } from './testing/database.ts'
import { isSerializationFailure } from './index.ts'
import { command, startCluster, startRedis, type RedisCluster } from './testing/index.ts'
import { slotOf } from './wire/slots.ts'

let cluster: RedisCluster
before(async () => void (cluster = await startCluster(3)))
after(() => cluster.stop())

test('the slot of a key is that of its hash tag', () => {
  // From the description of Redis Cluster: 123456789 has the checksum 0x31C3.
  assert.equal(slotOf('123456789'), 0x31c3 % 16_384)
  assert.equal(slotOf('{a/b}:r:1:x'), slotOf('a/b'))
  assert.equal(slotOf('{}x'), slotOf('{}x'))
})

test('groups spread over the primaries, and each works as a database does', async () => {
  const groups = Object.fromEntries(['g0', 'g1', 'g2', 'g3', 'g4', 'g5'].map((group) => [group, [`${group}_parent`, `${group}_child`]]))
  await using opened = openRedis(cluster.url, { groups })
  const { db, dialect } = opened
  for (const group of Object.keys(groups)) {
    await db.schema
      .createTable(`${group}_parent`)
      .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
      .addColumn('name', 'text', (c) => c.unique())
      .execute()
    await db.schema
      .createTable(`${group}_child`)
      .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
      .addColumn('parent', 'integer', (c) => c.references(`${group}_parent.id`).onDelete('cascade'))
      .execute()
    await db.transaction().execute(async (trx) => {
      await trx
        .insertInto(`${group}_parent`)
        .values([{ name: 'a' }, { name: 'b' }])
        .execute()
      await trx
        .insertInto(`${group}_child`)
        .values([{ parent: 1 }, { parent: 2 }, { parent: 2 }])
        .execute()
    })
    const joined = await db
      .selectFrom(`${group}_child as c`)
      .innerJoin(`${group}_parent as p`, 'p.id', 'c.parent')
      .select(['p.name', 'c.id'])
      .orderBy('c.id')
      .execute()
    assert.deepEqual(joined, [
      { name: 'a', id: 1 },
      { name: 'b', id: 2 },
      { name: 'b', id: 3 },
    ])
    await db.deleteFrom(`${group}_parent`).where('name', '=', 'b').execute()
    assert.equal((await db.selectFrom(`${group}_child`).selectAll().execute()).length, 1)
  }
  const sizes = await Promise.all(cluster.servers.map(async (server) => Number(await command(server.port, ['DBSIZE']))))
  assert.ok(sizes.filter((size) => size > 0).length >= 2, `keys per primary: ${sizes.join()}`)
  assert.deepEqual((await dialect.check()).problems, [])
  await assert.rejects(db.selectFrom('g0_parent').innerJoin('g1_parent', 'g1_parent.id', 'g0_parent.id').selectAll().execute(), {
    kind: 'cross-group',
  })
})

test('a slot that moves to another primary is followed, while clients write', async () => {
  await using opened = openRedis(cluster.url, { namespace: 'moving', limits: { statementAttempts: 100 } })
  const { db, dialect } = opened
  await db.schema
    .createTable('t')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('n', 'integer', (c) => c.notNull())
    .execute()
  await db.insertInto('t').values({ id: 1, n: 0 }).execute()
  const slot = slotOf('{moving/main}')
  const ids = await Promise.all(cluster.servers.map(async (server) => String(await command(server.port, ['CLUSTER', 'MYID']))))
  const from = Math.min(2, Math.floor(slot / Math.ceil(16_384 / 3)))
  const to = (from + 1) % 3
  const [source, target] = [cluster.servers[from], cluster.servers[to]]
  assert.ok(source && target)
  let done = false
  let raised = 0
  const writing = (async () => {
    while (!done || raised < 20) {
      await db
        .updateTable('t')
        .set((eb) => ({ n: eb('n', '+', 1) }))
        .where('id', '=', 1)
        .execute()
      raised++
    }
  })()
  await command(target.port, ['CLUSTER', 'SETSLOT', slot, 'IMPORTING', ids[from] as string])
  await command(source.port, ['CLUSTER', 'SETSLOT', slot, 'MIGRATING', ids[to] as string])
  for (;;) {
    const keys = (await command(source.port, ['CLUSTER', 'GETKEYSINSLOT', slot, 100])) as string[]
    if (keys.length === 0) break
    await command(source.port, ['MIGRATE', '127.0.0.1', target.port, '', 0, 5_000, 'KEYS', ...keys])
  }
  for (const server of [target, source, ...cluster.servers])
    await command(server.port, ['CLUSTER', 'SETSLOT', slot, 'NODE', ids[to] as string])
  done = true
  await writing
  assert.deepEqual(await db.selectFrom('t').select('n').execute(), [{ n: raised }])
  assert.deepEqual((await dialect.check()).problems, [])
})

test('a primary that was demoted and promoted again, on one connection, is another history', async () => {
  await using opened = openRedis(cluster.url, { namespace: 'twice' })
  const { db } = opened
  await db.schema.createTable('t').addColumn('id', 'integer', (c) => c.primaryKey()).addColumn('n', 'integer').execute() // prettier-ignore
  await db.insertInto('t').values({ id: 1, n: 0 }).execute()
  const slots = (await command(cluster.servers[0]?.port ?? 0, ['CLUSTER', 'SLOTS'])) as [number, number, [string, number, string]][]
  const [, , [, port, id]] = slots.find(([from, to]) => from <= slotOf('{twice/main}') && slotOf('{twice/main}') <= to) ?? assert.fail()
  const replica = await startRedis(['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'])
  const until = async (at: number, words: readonly string[], is: (answer: string) => boolean): Promise<void> => {
    for (const deadline = performance.now() + 20_000; ;) {
      const answer = await command(at, words)
      if (is(answer instanceof Error ? answer.message : JSON.stringify(answer))) return
      if (performance.now() > deadline) assert.fail(`${words.join(' ')}: ${String(answer)}`)
      await new Promise((done) => setTimeout(done, 20))
    }
  }
  const promote = async (at: number, from: number): Promise<void> => {
    await until(at, ['INFO', 'replication'], (answer) => answer.includes('master_link_status:up'))
    await command(at, ['CLUSTER', 'FAILOVER', 'TAKEOVER'])
    await until(from, ['ROLE'], (answer) => answer.includes('"slave"'))
  }
  try {
    await command(replica.port, ['CLUSTER', 'MEET', '127.0.0.1', port])
    await until(replica.port, ['CLUSTER', 'REPLICATE', id], (answer) => answer.includes('OK'))
    const trx = await db.startTransaction().execute()
    await trx.selectFrom('t').selectAll().where('id', '=', 1).execute()
    for (const [at, from] of [
      [replica.port, port],
      [port, replica.port],
    ] as const) {
      // prettier-ignore
      await promote(at, from)
      await db.updateTable('t').set({ n: at }).where('id', '=', 1).where('n', '!=', at).execute()
      await db.updateTable('t').set({ n: 0 }).where('id', '=', 1).execute()
    }
    await trx.insertInto('t').values({ id: 2, n: 0 }).execute().catch(() => undefined) // prettier-ignore
    await assert.rejects(trx.commit().execute(), (error) => isSerializationFailure(error) && /taken over/.test(error.message))
  } finally {
    await replica.stop()
  }
})
