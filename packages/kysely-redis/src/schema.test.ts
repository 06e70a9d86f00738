import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Migrator, NO_MIGRATIONS, type Migration } from 'kysely/migration'
import { openRedis } from './testing/database.ts'
import { command, testRedis, type RedisServer } from './testing/index.ts'

let server: RedisServer
before(async () => void (server = await testRedis()))
after(() => server.stop())

const migrations: Record<string, Migration> = {
  '001': {
    async up(db) {
      await db.schema.createTable('groups').addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement()).addColumn('name', 'text', (c) => c.notNull().unique()).execute() // prettier-ignore
      await db.schema.createTable('members').addColumn('group_id', 'integer', (c) => c.notNull().references('groups.id').onDelete('cascade')).addColumn('name', 'text', (c) => c.notNull()).addColumn('boss', 'integer', (c) => c.references('groups.id').onDelete('set null')).addPrimaryKeyConstraint('members_pk', ['group_id', 'name']).execute() // prettier-ignore
    },
    async down(db) {
      await db.schema.dropTable('members').execute()
      await db.schema.dropTable('groups').execute()
    },
  },
  '002': {
    async up(db) {
      await db.schema
        .alterTable('groups')
        .addColumn('size', 'integer', (c) => c.notNull().defaultTo(7))
        .execute()
      await db.schema.createIndex('groups_size').on('groups').column('size').execute()
    },
  },
}

test('migrations by Kysely run once, also when two processes start together, and run down again', async () => {
  await using opened = openRedis(server.url)
  const migrator = (): Migrator => new Migrator({ db: opened.db, provider: { getMigrations: () => Promise.resolve(migrations) } })
  const results = await Promise.all([migrator().migrateToLatest(), migrator().migrateToLatest()])
  assert.deepEqual(
    results.map((result) => result.error),
    [undefined, undefined],
  )
  assert.equal(results.flatMap((result) => result.results ?? []).length, 2)
  const tables = await opened.db.introspection.getTables()
  assert.deepEqual(tables.map((table) => table.name).toSorted(), ['groups', 'members'])
  assert.equal((await migrator().migrateTo(NO_MIGRATIONS)).error, undefined)
  assert.deepEqual(await opened.db.introspection.getTables(), [])
})

test('references: cascade, set null, no action, and no row without its parent', async () => {
  await using opened = openRedis(server.url)
  const { db, dialect } = opened
  await migrations['001']?.up(db)
  await db
    .insertInto('groups')
    .values([{ name: 'a' }, { name: 'b' }])
    .execute()
  await db
    .insertInto('members')
    .values([
      { group_id: 1, name: 'x', boss: 2 },
      { group_id: 2, name: 'y', boss: 1 },
      { group_id: 2, name: 'z', boss: null },
    ])
    .execute()
  await assert.rejects(db.insertInto('members').values({ group_id: 9, name: 'x' }).execute(), {
    code: '23503',
    constraint: 'members.group_id',
  })
  await assert.rejects(db.updateTable('members').set({ boss: 9 }).execute(), { code: '23503' })
  await db.deleteFrom('groups').where('id', '=', 2).execute()
  assert.deepEqual(await db.selectFrom('members').selectAll().execute(), [{ group_id: 1, name: 'x', boss: null }])
  await db.schema
    .createTable('strict')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('g', 'integer', (c) => c.references('groups.id'))
    .execute()
  await db.insertInto('strict').values({ id: 1, g: 1 }).execute()
  await assert.rejects(db.deleteFrom('groups').execute(), { code: '23503', constraint: 'strict.g' })
  await assert.rejects(db.schema.dropTable('groups').execute(), { code: '23503' })
  assert.deepEqual((await dialect.check()).problems, [])
})

test('a child that appears while its parent is deleted stops the delete', async () => {
  await using opened = openRedis(server.url)
  const { db } = opened
  await migrations['001']?.up(db)
  await db.insertInto('groups').values({ name: 'a' }).execute()
  const trx = await db.startTransaction().execute()
  await trx.deleteFrom('groups').where('id', '=', 1).execute()
  await db.insertInto('members').values({ group_id: 1, name: 'late' }).execute()
  await assert.rejects(trx.commit().execute(), { code: '40001' })
})

test('columns: a default for rows written before, renaming, dropping, not null', async () => {
  await using opened = openRedis(server.url)
  const { db, dialect } = opened
  await migrations['001']?.up(db)
  await db.insertInto('groups').values({ name: 'old' }).execute()
  await migrations['002']?.up(db)
  assert.deepEqual(await db.selectFrom('groups').selectAll().where('size', '=', 7).execute(), [{ id: 1, name: 'old', size: 7 }])
  await db.schema.alterTable('groups').renameColumn('size', 'width').execute()
  await db.schema.alterTable('groups').addColumn('note', 'text').execute()
  await assert.rejects(
    db.schema
      .alterTable('groups')
      .alterColumn('note', (c) => c.setNotNull())
      .execute(),
    { code: '23502' },
  )
  await db.insertInto('groups').values({ name: 'new', note: 'n' }).execute()
  await db.schema.alterTable('groups').dropColumn('note').execute()
  assert.deepEqual(await db.selectFrom('groups').selectAll().orderBy('id').execute(), [
    { id: 1, name: 'old', width: 7 },
    { id: 2, name: 'new', width: 7 },
  ])
  await assert.rejects(db.schema.alterTable('groups').dropColumn('width').execute(), { kind: 'invalid-query' })
  await assert.rejects(
    db.schema
      .alterTable('groups')
      .addColumn('needed', 'text', (c) => c.notNull())
      .execute(),
    { code: '23502' },
  )
  assert.deepEqual((await dialect.check()).problems, [])
})

test('an index that is built while others write has every row; a unique one refuses duplicates', async () => {
  await using opened = openRedis(server.url, { limits: { statementAttempts: 100 } })
  const { db, dialect } = opened
  await db.schema
    .createTable('t')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('n', 'integer')
    .execute()
  await db
    .insertInto('t')
    .values(Array.from({ length: 1_500 }, (_, id) => ({ id, n: id % 50 })))
    .execute()
  let building = true
  let written = 0
  const writers = [0, 1, 2].map(async (writer) => {
    for (let turn = 0; building || turn < 5; turn++, written++) {
      await db
        .updateTable('t')
        .set({ n: 1_000 + turn })
        .where('id', '=', (turn * 37 + writer) % 1_500)
        .execute()
      await db
        .deleteFrom('t')
        .where('id', '=', (turn * 53 + writer) % 1_500)
        .execute()
    }
  })
  await db.schema.createIndex('t_n').on('t').column('n').execute()
  building = false
  await Promise.all(writers)
  assert.ok(written > 0)
  assert.deepEqual((await dialect.check()).problems, [])
  const rows = await db.selectFrom('t').select('id').where('n', '=', 7).explain()
  assert.equal(rows[0]?.['index'], 't_n')
  await assert.rejects(db.schema.createIndex('t_u').unique().on('t').column('n').execute(), { code: '23505' })
  await db.insertInto('t').values({ id: 5_000, n: 7 }).execute()
  await db.schema.dropIndex('t_n').execute()
  assert.deepEqual((await dialect.check()).problems, [])
})

test('a dropped table leaves no key behind', async () => {
  await using opened = openRedis(server.url, { namespace: `dropped${process.pid}` })
  const { db } = opened
  await migrations['001']?.up(db)
  await db
    .insertInto('groups')
    .values(Array.from({ length: 1_200 }, (_, id) => ({ name: `g${id}` })))
    .execute()
  await db.schema.dropTable('members').execute()
  await db.schema.dropTable('groups').execute()
  const keys = (await command(server.port, ['KEYS', `{dropped${process.pid}/*`])) as string[]
  assert.deepEqual(
    keys.filter((key) => !/:(n|cat|tv|seq|c:.*)$/.test(key)),
    [],
  )
  await db.schema
    .createTable('groups')
    .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('name', 'text')
    .execute()
  assert.deepEqual(await db.insertInto('groups').values({ name: 'first' }).returning('id').execute(), [{ id: 1 }])
})

test('a process that knows an older schema is refused once, learns it, and goes on', async () => {
  await using one = openRedis(server.url, { namespace: `schema${process.pid}` })
  await using two = openRedis(server.url, { namespace: `schema${process.pid}` })
  await one.db.schema
    .createTable('t')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .execute()
  await two.db.insertInto('t').values({ id: 1 }).execute()
  await one.db.schema
    .alterTable('t')
    .addColumn('n', 'integer', (c) => c.notNull().defaultTo(3))
    .execute()
  assert.deepEqual(await two.db.selectFrom('t').selectAll().execute(), [{ id: 1, n: 3 }])
  await two.db.insertInto('t').values({ id: 2 }).execute()
  assert.equal(((await one.db.selectFrom('t').select('n').where('id', '=', 2).execute())[0] as { n: number }).n, 3)
})

test('the shape of a plan, and what a query costs', async () => {
  const trips: number[] = []
  let keysRead = 0
  await using opened = openRedis(server.url, { onStatement: (counters) => void (trips.push(counters.roundTrips), (keysRead = counters.keysRead)) }) // prettier-ignore
  const { db } = opened
  await db.schema.createTable('i').addColumn('id', 'integer', (c) => c.primaryKey()).addColumn('kind', 'text').addColumn('at', 'integer').addColumn('name', 'text', (c) => c.notNull().unique()).execute() // prettier-ignore
  await db.schema.createIndex('i_kind').on('i').columns(['kind', 'at']).execute()
  await db
    .insertInto('i')
    .values(Array.from({ length: 600 }, (_, id) => ({ id, kind: `k${id % 3}`, at: id, name: `n${id}` })))
    .execute()
  const accessOf = async (query: { explain(): Promise<Record<string, unknown>[]> }): Promise<unknown[]> =>
    (await query.explain()).map((row) => row['access'])
  assert.deepEqual(await accessOf(db.selectFrom('i').selectAll().where('id', '=', 5)), ['primary key', 'result'])
  assert.deepEqual(await accessOf(db.selectFrom('i').selectAll().where('name', '=', 'n5')), ['unique key', 'result'])
  assert.deepEqual(await accessOf(db.selectFrom('i').selectAll().where('kind', '=', 'k1').orderBy('at', 'desc').limit(10)), [
    'index',
    'result',
  ])
  assert.deepEqual(await accessOf(db.selectFrom('i').selectAll().where('kind', '=', 'k1').where('at', '>', 100)), ['index range', 'result'])
  assert.deepEqual(await accessOf(db.selectFrom('i').selectAll().where((eb) => eb.or([eb('id', '=', 5), eb('name', '=', 'n7')]))), ['union of i_pkey, i_name_key', 'result']) // prettier-ignore
  assert.deepEqual(await accessOf(db.selectFrom('i').selectAll().orderBy('at')), ['scan', 'result, sorted in memory'])
  trips.length = 0
  await db.selectFrom('i').selectAll().where('kind', '=', 'k2').orderBy('at', 'desc').limit(100).execute()
  await db.selectFrom('i as a').innerJoin('i as b', 'b.id', 'a.at').innerJoin('i as c', 'c.name', 'b.name').select('c.id').where('a.kind', '=', 'k0').limit(50).execute() // prettier-ignore
  await db.updateTable('i').set({ at: 1 }).where('id', '=', 3).execute()
  await db.insertInto('i').values({ id: 1_000, kind: 'k', at: 1, name: 'new' }).execute()
  assert.deepEqual(trips, [1, 3, 1, 1])
  // Several stretches of an index are merged into one order, and no more is read of them than is wanted.
  trips.length = 0
  const merged = await db
    .selectFrom('i')
    .selectAll()
    .where((eb) => eb.or([eb.and([eb('kind', '=', 'k1'), eb('id', '>', 10)]), eb.and([eb('kind', '=', 'k2'), eb('id', '<', 597)])]))
    .orderBy('at', 'desc')
    .orderBy('id', 'desc')
    .limit(5)
    .execute()
  assert.deepEqual(merged.map((row) => row['id']), [598, 596, 595, 593, 592]) // prettier-ignore
  assert.deepEqual(trips, [1])
  assert.ok(keysRead <= 100, `${keysRead} keys`)
  // A row for each value of a unique key is not yet an order of several.
  const named = await db.selectFrom('i').select('id').where('name', 'in', ['n30', 'n4', 'n5']).orderBy('kind', 'desc').limit(3).execute()
  assert.deepEqual(named, [{ id: 5 }, { id: 4 }, { id: 30 }])
})

test('a time, bytes, a boolean and a big integer come back as they were', async () => {
  await using opened = openRedis(server.url)
  const { db } = opened
  await db.schema
    .createTable('t')
    .addColumn('id', 'bigint', (c) => c.primaryKey())
    .addColumn('at', 'timestamp')
    .addColumn('raw', 'bytea')
    .addColumn('yes', 'boolean')
    .execute()
  const row = { id: 2n ** 62n, at: new Date('2026-11-21T10:00:00.123Z'), raw: new Uint8Array([0, 255, 7]), yes: true }
  await db.insertInto('t').values(row).execute()
  assert.deepEqual(
    await db.selectFrom('t').selectAll().where('at', '>=', row.at).where('yes', '=', true).where('id', '=', row.id).execute(),
    [row],
  )
  await assert.rejects(db.insertInto('t').values({ id: 'x' }).execute(), { code: '42804' })
  await assert.rejects(db.selectFrom('t').selectAll().where('at', '=', 'yesterday').execute(), { code: '42804' })
})
