import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Generated } from 'kysely'
import { bulkInsert, copyDatabase, DatabaseError, loadDatabase, openDatabase, summarize, withSnapshot } from '../index.ts'
import type { Database, Migrations, TransferSource } from '../index.ts'
import { eachEngine, testEngine, testEngines, type TestEngine } from '../testing/index.ts'
import { createRealWorld } from '@murmuration/world'
import { parentsFirst } from './source.ts'

interface Tables {
  // A child whose name sorts before its parent's.
  eggs: { nest: string; place: number; bird_id: number; weight: number | null }
  birds: { id: Generated<number>; name: string; mother_id: number | null; song: string | null }
  flock: { name: string }
}

const migrations: Migrations = {
  '001-birds': async (db, c) => {
    await db.schema
      .createTable('birds')
      .addColumn('id', c.id.type, c.id.with)
      .addColumn('name', c.text, (column) => column.notNull().unique())
      .addColumn('mother_id', c.bigint, (column) => column.references('birds.id'))
      .execute()
    await db.schema
      .createTable('eggs')
      .addColumn('nest', c.text, (column) => column.notNull())
      .addColumn('place', c.integer, (column) => column.notNull())
      .addColumn('weight', c.real)
      .addColumn('bird_id', c.bigint, (column) => column.notNull().references('birds.id').onDelete('cascade'))
      .addPrimaryKeyConstraint('eggs_key', ['nest', 'place'])
      .execute()
    await db.schema
      .createTable('flock')
      .addColumn('name', c.text, (column) => column.primaryKey())
      .execute()
    await db.insertInto('flock').values({ name: 'default' }).execute()
  },
  '002-song': async (db, c) => {
    await db.schema.alterTable('birds').addColumn('song', c.text).execute()
  },
}
const later: Migrations = {
  ...migrations,
  '003-more': async (db, c) => {
    await db.schema.alterTable('flock').addColumn('size', c.integer).execute()
  },
}

/** More rows than a page, a mother younger than her child, keys that differ in their last part only, and a number that was given and taken back. */
async function fill(db: Database<Tables>): Promise<void> {
  const names = Array.from({ length: 600 }, (_, index) => ({
    id: index + 1,
    name: `bird ${index} 🐦 "ö"\\%`,
    mother_id: index === 0 ? 550 : null,
    song: index % 3 === 0 ? null : 'x'.repeat(index % 1_000),
  }))
  await db.transaction(async (tx) => {
    await bulkInsert(
      tx,
      'birds',
      names.map((bird) => ({ ...bird, mother_id: null })),
    )
    await tx.query.updateTable('birds').set({ mother_id: 550 }).where('id', '=', 1).execute()
    const eggs = Array.from({ length: 550 }, (_, index) => ({
      nest: `nest ${index % 3}`,
      place: index,
      weight: index % 2 === 0 ? index / 7 : null,
      bird_id: index + 1,
    }))
    await bulkInsert(tx, 'eggs', eggs)
  })
  // The counter is behind rows with given numbers on PostgreSQL.
  const query = db.query
  for (const name of ['ghost', 'second ghost']) {
    await query
      .insertInto('birds')
      .values({ id: name === 'ghost' ? 5_000 : 6_000, name })
      .execute()
    await query.deleteFrom('birds').where('name', '=', name).execute()
  }
}

const summaryOf = (db: Database<Tables>) => withSnapshot(db, summarize)
const refusal = (kind: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof DatabaseError, String(error))
  assert.equal(error.kind, kind)
  assert.match(error.message, message)
  return true
}

/** What reads and fills databases holds for every pair of engines. */
eachEngine('transfer', (engine) => {
  const others = (later: (remove: () => Promise<void>) => void): TestEngine[] =>
    testEngines.map((other) => (other === engine.name ? engine : testEngine(other, later)))

  void test('a copy on every engine equals its original, and counts on', async (t) => {
    const from = await engine.open<Tables>(migrations)
    await fill(from)
    const original = await summaryOf(from)
    assert.deepEqual(
      original.map(({ name, rows }) => [name, rows]),
      [
        ['birds', 600],
        ['flock', 1],
        ['eggs', 550],
      ],
    )
    const leftovers: (() => Promise<void>)[] = []
    t.after(async () => {
      for (const remove of leftovers.reverse()) await remove()
    })
    for (const other of others((remove) => void leftovers.push(remove))) {
      const to = await other.open<Tables>(migrations)
      const progress: string[] = []
      const copied = await copyDatabase(from, to, migrations, { onProgress: (table, rows) => void progress.push(`${table} ${rows}`) })
      assert.deepEqual(copied, original, `${engine.name} to ${other.name}`)
      assert.deepEqual(await summaryOf(to), original)
      assert.ok(progress.length > 4 && progress.includes('birds 600') && progress.includes('flock 1'), 'bounded batches')
      const { id } = await to.query.insertInto('birds').values({ name: 'new' }).returning('id').executeTakeFirstOrThrow()
      const counted = await withSnapshot(from, async ({ tables }) => tables.find(({ name }) => name === 'birds')?.counter?.last ?? -1)
      assert.equal(id, Math.max(counted, 600) + 1)
      await assert.rejects(to.query.insertInto('eggs').values({ nest: 'a', place: 1, bird_id: 77_777 }).execute(), { kind: 'foreign-key' })
    }
  })

  void test('a snapshot is one moment, and holds nobody up', async () => {
    const db = await engine.open<Tables>(migrations)
    await fill(db)
    const before = await summaryOf(db)
    const during = await withSnapshot(db, async (source) => {
      const first = source.tables[0]!
      for await (const _ of source.rows(first)) break
      await db.query.deleteFrom('eggs').execute()
      await db.query.updateTable('birds').set({ song: 'other' }).execute()
      return await summarize(source)
    })
    assert.deepEqual(during, before)
    assert.notDeepEqual(await summaryOf(db), before)
  })

  void test('what is in use is refused, or replaced as a whole', async () => {
    const from = await engine.open<Tables>(migrations)
    await fill(from)
    const to = await engine.open<Tables>(migrations)
    await to.query.insertInto('birds').values({ name: 'mine' }).execute()
    await assert.rejects(copyDatabase(from, to, migrations), refusal('other', /in use: birds has 1 rows/))
    assert.equal((await to.query.selectFrom('birds').selectAll().execute()).length, 1)
    const counted = { replace: true, ahead: { birds: 1_000 } }
    assert.deepEqual(await copyDatabase(from, to, migrations, counted), await summaryOf(from))
    assert.deepEqual(await summaryOf(to), await summaryOf(from))
    const { id } = await to.query.insertInto('birds').values({ name: 'new' }).returning('id').executeTakeFirstOrThrow()
    assert.ok(id > 1_600, `${id} was not given after the backup`)
  })

  void test('what breaks off, lies or does not fit changes nothing', async () => {
    const from = await engine.open<Tables>(migrations)
    await fill(from)
    const to = await engine.open<Tables>(migrations)
    const untouched = await summaryOf(to)
    await withSnapshot(from, async (source) => {
      const with_ = (more: Partial<TransferSource>): Promise<unknown> => loadDatabase(to, migrations, { ...source, ...more })
      const breaking = async function* (table: TransferSource['tables'][number]) {
        yield* source.rows(table)
        if (table.name === 'eggs') throw new Error('the line is cut')
      }
      await assert.rejects(with_({ rows: breaking }), /the line is cut/)
      const orphans = async function* (table: TransferSource['tables'][number]) {
        if (table.name !== 'birds') yield* source.rows(table)
      }
      await assert.rejects(with_({ rows: orphans }), { kind: 'foreign-key' })
      const twice = async function* (table: TransferSource['tables'][number]) {
        for await (const rows of source.rows(table)) yield* [rows, rows]
      }
      await assert.rejects(with_({ rows: twice }), { kind: 'unique' })
      await assert.rejects(with_({ tables: source.tables.slice(1) }), refusal('other', /not those of the database: birds/))
      await assert.rejects(with_({ tables: [...source.tables, source.tables[0]!] }), refusal('other', /not those of the database/))
      await assert.rejects(with_({ migrations: [...source.migrations, '009-future'] }), refusal('other', /newer release.*009-future/))
    })
    assert.deepEqual(await summaryOf(to), untouched)
    await copyDatabase(from, to, migrations)
    assert.deepEqual(await summaryOf(to), await summaryOf(from))
  })

  void test('data of an older release is loaded as it was and migrated afterwards; a newer database refuses it', async () => {
    const from = await engine.open<Tables>(migrations)
    await fill(from)
    const url = await engine.freshUrl()
    const to = await openDatabase<Tables>(url, { world: createRealWorld(), name: 'fresh' })
    try {
      await copyDatabase(from, to, later)
      assert.deepEqual(await summaryOf(to), await summaryOf(from))
      assert.deepEqual(await to.migrate(later), ['003-more'])
      await assert.rejects(copyDatabase(from, to, later, { replace: true }), refusal('other', /later release.*003-more/))
    } finally {
      await to.close()
    }
  })

  void test('any rows come back, in the order of their keys', async () => {
    const to = await engine.open<Tables>(migrations)
    const from = await testSqlite(migrations)
    const text = fc.string({ unit: 'binary', maxLength: 12 }).filter((value) => !value.includes('\0') && value.isWellFormed())
    const rows = fc.uniqueArray(
      fc.record({
        nest: text,
        place: fc.maxSafeInteger(),
        // A zero with a sign is the one number that PostgreSQL and SQLite do not both keep.
        weight: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? 0 : value))),
        bird_id: fc.constant(1),
      }),
      { selector: (egg) => `${egg.nest}\0${egg.place}`, maxLength: 40 },
    )
    try {
      await from.query.insertInto('birds').values({ id: 1, name: 'one' }).execute()
      await fc.assert(
        fc.asyncProperty(rows, async (eggs) => {
          await from.query.deleteFrom('eggs').execute()
          await bulkInsert(from, 'eggs', eggs)
          assert.deepEqual(await copyDatabase(from, to, migrations, { replace: true }), await summaryOf(from))
          assert.deepEqual(await summaryOf(to), await summaryOf(from))
        }),
        { numRuns: 12 },
      )
    } finally {
      await from.close()
    }
  })
})

async function testSqlite(of: Migrations): Promise<Database<Tables>> {
  const db = await openDatabase<Tables>('sqlite::memory:', { world: createRealWorld(), name: 'memory' })
  await db.migrate(of)
  return db
}

void test('parents come first, circles last, and the order is always the same', () => {
  const of = (name: string, ...references: string[]) => ({ name, references })
  const order = (...tables: ReturnType<typeof of>[]): string =>
    parentsFirst(tables)
      .map(({ name }) => name)
      .join(' ')
  assert.equal(order(of('a', 'c'), of('b'), of('c', 'b')), 'b c a')
  assert.equal(order(of('d', 'd'), of('a', 'd')), 'd a')
  assert.equal(order(of('x', 'y'), of('y', 'x'), of('a')), 'a x y')
})
