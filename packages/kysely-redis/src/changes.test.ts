import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { StatementCounters } from './index.ts'
import { openRedis, type Opened } from './testing/database.ts'
import { testRedis, type RedisServer } from './testing/index.ts'

let server: RedisServer
before(async () => void (server = await testRedis()))
after(() => server.stop())

interface Counted extends Opened {
  /** The calls of the statement that ran last. */
  readonly trips: () => number
}

/** `parts(id, name indexed, code unique, at, flag, size real)`, and `uses` that refer to it. */
async function parts(): Promise<Counted> {
  let last: StatementCounters | undefined
  const opened = openRedis(server.url, { onStatement: (counters) => void (last = counters) })
  const { schema } = opened.db
  await schema
    .createTable('parts')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('name', 'text')
    .addColumn('code', 'integer', (c) => c.unique())
    .addColumn('at', 'timestamp')
    .addColumn('flag', 'boolean', (c) => c.notNull())
    .addColumn('size', 'real')
    .execute()
  await schema.createIndex('parts_name').on('parts').columns(['flag', 'name', 'at']).execute()
  await schema
    .createTable('uses')
    .addColumn('part', 'text', (c) => c.references('parts.id').onDelete('cascade'))
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .execute()
  const row = { at: new Date(7), flag: true, size: 0.5 }
  await opened.db
    .insertInto('parts')
    .values(['a', 'b', 'c'].map((id, at) => ({ ...row, id, name: id, code: at + 1 })))
    .execute()
  return { ...opened, trips: () => last?.roundTrips ?? Number.NaN }
}

test('an update by key is one call, and keeps indexes and unique keys right', async () => {
  await using opened = await parts()
  const { db, trips } = opened
  const odd = { name: '"quoted", [é]\n\\ \u0001 \u{1F426}', code: -(2 ** 40), at: null, flag: false, size: -0.25 }
  const updated = await db.updateTable('parts').set(odd).where('id', '=', 'a').returningAll().execute()
  assert.deepEqual(updated, [{ id: 'a', ...odd }])
  assert.equal(trips(), 1)
  assert.deepEqual(await db.selectFrom('parts').selectAll().where('name', '=', odd.name).where('flag', '=', false).execute(), updated)
  assert.deepEqual(await db.selectFrom('parts').select('id').where('code', '=', odd.code).execute(), [{ id: 'a' }])
  await db.updateTable('parts').set({ code: null }).where('id', '=', 'b').where('code', '=', 2).execute()
  assert.equal(trips(), 1)
  await db.updateTable('parts').set({ code: null, at: new Date(-5) }).where('id', '=', 'a').where('at', 'is', null).execute() // prettier-ignore
  assert.equal(trips(), 1)
  for (const [id, code] of [
    ['nobody', 1],
    ['c', 1],
  ] as const) {
    const missed = await db.updateTable('parts').set({ name: 'x' }).where('id', '=', id).where('code', '=', code).executeTakeFirst()
    assert.equal(missed.numUpdatedRows, 0n)
    assert.equal(trips(), 1)
  }
  assert.deepEqual((await opened.dialect.check()).problems, [])
})

test('what the server does not decide alone is done the ordinary way', async () => {
  await using opened = await parts()
  const { db, trips } = opened
  const of = db.updateTable('parts').where('id', '=', 'a')
  await assert.rejects(of.set({ code: 2 }).execute(), { kind: 'unique', constraint: 'parts.code' })
  await assert.rejects(of.set({ flag: null }).execute(), { kind: 'not-null' })
  await assert.rejects(of.set({ name: 5.5, flag: 'x' }).execute(), { kind: 'type-mismatch' })
  await of.set({ id: 'z' }).execute()
  // A number that JSON in Lua would round.
  const large = 2n ** 62n + 1n
  const z = db.updateTable('parts').where('id', '=', 'z').returning('code')
  assert.deepEqual(await z.set({ code: large }).execute(), [{ code: large }])
  assert.deepEqual(await z.set({ code: 5 }).execute(), [{ code: 5 }])
  assert.ok(trips() > 1)
  assert.deepEqual((await opened.dialect.check()).problems, [])
})

test('a delete by key is one call, unless rows refer to it', async () => {
  await using opened = await parts()
  const { db, trips } = opened
  await db.insertInto('uses').values({ id: 1, part: 'b' }).execute()
  assert.deepEqual(await db.deleteFrom('parts').where('id', '=', 'a').returning(['id', 'code']).execute(), [{ id: 'a', code: 1 }])
  assert.equal(trips(), 1)
  assert.deepEqual(await db.deleteFrom('parts').where('id', '=', 'a').returning('id').execute(), [])
  await db.deleteFrom('parts').where('id', '=', 'b').execute()
  assert.deepEqual(await db.selectFrom('uses').selectAll().execute(), [])
  assert.deepEqual(await db.selectFrom('parts').select('id').execute(), [{ id: 'c' }])
  assert.deepEqual((await opened.dialect.check()).problems, [])
})

test('an insert is one call; what was in its way is told all the same', async () => {
  await using opened = await parts()
  const { db, trips } = opened
  const part = { id: 'd', code: 4, flag: true }
  await db.insertInto('parts').values(part).execute()
  assert.equal(trips(), 1)
  await db.insertInto('uses').values({ id: 1, part: 'd' }).execute()
  assert.equal(trips(), 1)
  await assert.rejects(db.insertInto('parts').values(part).execute(), { kind: 'unique', constraint: 'parts.id' })
  await assert.rejects(db.insertInto('parts').values({ ...part, id: 'e' }).execute(), { kind: 'unique', constraint: 'parts.code' }) // prettier-ignore
  await assert.rejects(db.insertInto('uses').values({ id: 2, part: 'nobody' }).execute(), { kind: 'foreign-key' })
  assert.deepEqual((await opened.dialect.check()).problems, [])
})

test('rows that refer to a row of the same transaction need no look; two of them with one key are refused', async () => {
  const calls: number[] = []
  await using opened = openRedis(server.url, { onStatement: ({ roundTrips }) => void calls.push(roundTrips) })
  const { db } = opened
  await db.schema.createTable('boxes').addColumn('id', 'text', (c) => c.primaryKey()).execute() // prettier-ignore
  await db.schema
    .createTable('things')
    .addColumn('box', 'text', (c) => c.references('boxes.id').onDelete('cascade'))
    .addColumn('name', 'text')
    .addColumn('label', 'text')
    .addPrimaryKeyConstraint('things_key', ['box', 'name'])
    .addUniqueConstraint('things_label', ['box', 'label'])
    .execute()
  const thing = { box: 'a', name: 'x', label: 'y' }
  calls.length = 0
  await db.transaction().execute(async (trx) => {
    await trx.insertInto('boxes').values({ id: 'a' }).execute()
    await trx.insertInto('things').values(thing).execute()
    await assert.rejects(trx.insertInto('things').values(thing).execute(), { kind: 'unique', constraint: 'things.box, things.name' })
    await assert.rejects(trx.insertInto('things').values({ ...thing, name: 'z' }).execute(), { constraint: 'things.box, things.label' }) // prettier-ignore
  })
  assert.deepEqual(calls.slice(0, 2), [1, 0])
  assert.deepEqual(await db.selectFrom('things').selectAll().execute(), [thing])
  // A box that was there before has things that only the server knows of.
  await db.transaction().execute(async (trx) => {
    await trx.deleteFrom('boxes').where('id', '=', 'a').execute()
    await trx.insertInto('boxes').values({ id: 'a' }).execute()
    await trx.insertInto('things').values(thing).execute()
  })
  assert.deepEqual((await opened.dialect.check()).problems, [])
})
