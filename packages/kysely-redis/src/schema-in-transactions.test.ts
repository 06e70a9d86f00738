import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openRedis } from './testing/database.ts'
import { testRedis, type RedisServer } from './testing/index.ts'

let server: RedisServer
before(async () => void (server = await testRedis()))
after(() => server.stop())

const people = [
  { id: 1, name: 'ada' },
  { id: 2, name: 'bob' },
  { id: 3, name: 'eve' },
]

async function opened() {
  const database = openRedis(server.url)
  await database.db.schema
    .createTable('people')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('name', 'text')
    .execute()
  await database.db.insertInto('people').values(people).execute()
  return database
}

test('changes of tables are seen by their transaction at once, by others with its commit, and agree with the rows', async () => {
  await using database = await opened()
  const { db, dialect } = database
  const others = openRedis(server.url, { namespace: 'nobody' })
  await db.transaction().execute(async (trx) => {
    await trx.updateTable('people').set({ name: 'ann' }).where('id', '=', 1).execute()
    await trx.schema
      .alterTable('people')
      .addColumn('age', 'integer', (c) => c.notNull().defaultTo(30))
      .execute()
    await trx.insertInto('people').values({ id: 4, name: 'zoe', age: 5 }).execute()
    await trx.deleteFrom('people').where('id', '=', 3).execute()
    await trx.schema.createIndex('people_name').on('people').columns(['age', 'name']).unique().execute()
    await trx.updateTable('people').set({ age: 31 }).where('name', '=', 'bob').execute()
    await trx.schema
      .createTable('pets')
      .addColumn('owner', 'integer', (c) => c.references('people.id'))
      .addColumn('name', 'text')
      .execute()
    await trx
      .insertInto('pets')
      .values([
        { owner: 4, name: 'rex' },
        { owner: 4, name: 'rex' },
      ])
      .execute()
    assert.deepEqual(await trx.selectFrom('people').select('name').where('age', '>=', 30).orderBy('age').orderBy('name').execute(), [
      { name: 'ann' },
      { name: 'bob' },
    ])
    await assert.rejects(db.selectFrom('pets').selectAll().execute(), { kind: 'undefined-table' })
  })
  assert.deepEqual(await db.selectFrom('people').selectAll().orderBy('id').execute(), [
    { id: 1, name: 'ann', age: 30 },
    { id: 2, name: 'bob', age: 31 },
    { id: 4, name: 'zoe', age: 5 },
  ])
  assert.deepEqual(await db.selectFrom('pets').selectAll().execute(), [
    { owner: 4, name: 'rex' },
    { owner: 4, name: 'rex' },
  ])
  await assert.rejects(db.insertInto('people').values({ id: 9, name: 'ann', age: 30 }).execute(), { kind: 'unique' })
  assert.deepEqual((await dialect.check()).problems, [])
  await others.db.destroy()
})

test('a rollback leaves tables, indexes and rows as they were', async () => {
  await using database = await opened()
  const { db, dialect } = database
  const attempt = db.transaction().execute(async (trx) => {
    await trx.schema.createTable('t').addColumn('a', 'text').execute()
    await trx.insertInto('t').values({ a: 'x' }).execute()
    await trx.schema.alterTable('people').renameColumn('name', 'called').execute()
    await trx.schema.createIndex('people_called').on('people').column('called').execute()
    await trx.schema.dropTable('people').execute()
    throw new Error('back')
  })
  await assert.rejects(attempt, /back/)
  assert.deepEqual(await db.selectFrom('people').selectAll().orderBy('id').execute(), people)
  await assert.rejects(db.selectFrom('t').selectAll().execute(), { kind: 'undefined-table' })
  assert.deepEqual((await dialect.check()).problems, [])
})

test('a dropped table takes its rows along, and a new one of its name is another', async () => {
  await using database = await opened()
  const { db, dialect } = database
  await db.transaction().execute(async (trx) => {
    await trx.insertInto('people').values({ id: 7, name: 'late' }).execute()
    await trx.schema.dropTable('people').execute()
    await trx.schema
      .createTable('people')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .execute()
    await trx.insertInto('people').values({ id: 'new' }).execute()
  })
  assert.deepEqual(await db.selectFrom('people').selectAll().execute(), [{ id: 'new' }])
  const report = await dialect.check()
  assert.deepEqual([report.rows, report.problems], [1, []])
})

test('a unique index over rows that are the same is refused, and so is a change that others got ahead of', async () => {
  await using database = await opened()
  const { db } = database
  await db.insertInto('people').values({ id: 4, name: 'ada' }).execute()
  const duplicate = db.transaction().execute((trx) => trx.schema.createIndex('people_name').on('people').column('name').unique().execute())
  await assert.rejects(duplicate, { kind: 'unique', constraint: 'people.name' })
  const late = db.transaction().execute(async (trx) => {
    await trx.schema.createIndex('people_name').on('people').column('name').execute()
    await db.insertInto('people').values({ id: 5, name: 'sly' }).execute()
  })
  await assert.rejects(late, { kind: 'serialization' })
  const other = db.transaction().execute(async (trx) => {
    await trx.schema.createTable('mine').addColumn('a', 'text').execute()
    await db.schema.createTable('yours').addColumn('a', 'text').execute()
  })
  await assert.rejects(other, { kind: 'serialization' })
})

test('a table without a primary key keeps equal rows apart', async () => {
  await using database = await opened()
  const { db, dialect } = database
  await db.schema.createTable('log').addColumn('line', 'text').execute()
  await db
    .insertInto('log')
    .values([{ line: 'a' }, { line: 'a' }, { line: 'b' }])
    .execute()
  await db.updateTable('log').set({ line: 'c' }).where('line', '=', 'b').execute()
  assert.deepEqual(await db.selectFrom('log').selectAll().orderBy('line').execute(), [{ line: 'a' }, { line: 'a' }, { line: 'c' }])
  assert.equal((await db.deleteFrom('log').where('line', '=', 'a').executeTakeFirst()).numDeletedRows, 2n)
  assert.deepEqual((await dialect.check()).problems, [])
})
