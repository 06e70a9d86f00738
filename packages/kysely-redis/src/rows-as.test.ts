import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { rowsAs, tableExists } from './index.ts'
import { openRedis } from './testing/database.ts'
import { testRedis, type RedisServer } from './testing/index.ts'

let server: RedisServer
before(async () => void (server = await testRedis()))
after(() => server.stop())

async function opened() {
  const database = openRedis(server.url)
  await database.db.schema
    .createTable('things')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('name', 'text', (c) => c.notNull().unique())
    .addColumn('size', 'integer')
    .execute()
  await database.db
    .insertInto('things')
    .values([1, 2, 3].map((id) => ({ id, name: `n${id}`, size: id })))
    .execute()
  return database
}

test('many rows are changed by one statement, each to values of its own', async () => {
  await using database = await opened()
  const { db, dialect } = database
  const result = await db
    .updateTable('things')
    .from(
      rowsAs(
        'new',
        ['name', 'size'],
        [
          ['n1', 10],
          ['n3', null],
          ['absent', 5],
        ],
      ),
    ) // prettier-ignore
    .set((eb) => ({ size: eb.ref('new.size') }))
    .whereRef('things.name', '=', 'new.name')
    .returning(['id', 'size'])
    .execute()
  assert.deepEqual(
    result.toSorted((a, b) => a.id - b.id),
    [
      { id: 1, size: 10 },
      { id: 3, size: null },
    ],
  )
  assert.deepEqual(
    (await db.selectFrom('things').select('size').orderBy('id').execute()).map((row) => row.size),
    [10, 2, null],
  )
  assert.deepEqual((await dialect.check()).problems, [])
})

test('a row that two of them fit, or a value that its column does not take, is refused and nothing is changed', async () => {
  await using database = await opened()
  const { db } = database
  const change = (rows: unknown[][]) =>
    db
      .updateTable('things')
      .from(rowsAs('new', ['id', 'size'], rows))
      .set((eb) => ({ size: eb.ref('new.size') }))
      .whereRef('things.id', '=', 'new.id')
      .execute()
  await assert.rejects(change([[1, 5], [1, 6]]), { kind: 'invalid-query' }) // prettier-ignore
  await assert.rejects(change([[1, 5], [2, 'large']]), { kind: 'type-mismatch' }) // prettier-ignore
  assert.deepEqual(
    (await db.selectFrom('things').select('size').orderBy('id').execute()).map((row) => row.size),
    [1, 2, 3],
  )
})

test('an update takes values from another table, and a select joins rows of its own', async () => {
  await using database = await opened()
  const { db } = database
  await db.schema
    .createTable('sizes')
    .addColumn('thing', 'integer', (c) => c.primaryKey())
    .addColumn('size', 'integer')
    .execute()
  await db
    .insertInto('sizes')
    .values([{ thing: 2, size: 22 }])
    .execute()
  await db
    .updateTable('things as t')
    .from('sizes as s')
    .set((eb) => ({ size: eb('s.size', '+', eb.ref('t.size')) }))
    .whereRef('s.thing', '=', 't.id')
    .execute()
  const rows = await db
    .selectFrom('things')
    .innerJoin(
      rowsAs(
        'wanted',
        ['id', 'as'],
        [
          [2, 'b'],
          [3, 'c'],
        ],
      ),
      'wanted.id',
      'things.id',
    ) // prettier-ignore
    .select(['things.size', 'wanted.as'])
    .orderBy('things.id')
    .execute()
  assert.deepEqual(rows, [
    { size: 24, as: 'b' },
    { size: 3, as: 'c' },
  ])
})

test('whether a table is there is asked anew, and in a transaction sees what it made', async () => {
  await using database = await opened()
  const { db } = database
  const exists = async (on: Pick<typeof db, 'executeQuery'>, name: string): Promise<boolean> =>
    (await on.executeQuery(tableExists(name))).rows.length > 0
  assert.deepEqual([await exists(db, 'things'), await exists(db, 'other')], [true, false])
  await db.transaction().execute(async (trx) => {
    await trx.schema.createTable('other').addColumn('a', 'text').execute()
    assert.deepEqual([await exists(trx, 'other'), await exists(db, 'other')], [true, false])
  })
  assert.equal(await exists(db, 'other'), true)
})
