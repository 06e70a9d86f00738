import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Generated } from 'kysely'
import { DatabaseError, flag, isForeignKeyViolation, isUniqueViolation, json, openDatabase, timestamp, type Migrations } from './index.ts'
import { eachEngine } from './testing/index.ts'
import { createRealWorld } from '@murmuration/world'

interface Tables {
  people: {
    id: Generated<number>
    name: string
    age: number | null
    height: number | null
    awake: number
    born: string | null
    facts: string | null
  }
  pets: { id: Generated<number>; person_id: number; name: string }
}

const migrations: Migrations = {
  '001-people': async (db, c) => {
    await db.schema
      .createTable('people')
      .addColumn('id', c.id.type, c.id.with)
      .addColumn('name', c.text, (column) => column.notNull().unique())
      .addColumn('age', c.integer)
      .addColumn('height', c.real)
      .addColumn('awake', c.flag, (column) => column.notNull().defaultTo(0))
      .addColumn('born', c.timestamp)
      .addColumn('facts', c.json)
      .execute()
  },
  '002-pets': async (db, c) => {
    await db.schema
      .createTable('pets')
      .addColumn('id', c.id.type, c.id.with)
      .addColumn('person_id', c.bigint, (column) => column.notNull().references('people.id'))
      .addColumn('name', c.text, (column) => column.notNull())
      .addUniqueConstraint('pets_of_person', ['person_id', 'name'])
      .execute()
  },
}

const kindOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
  } catch (error) {
    assert.ok(error instanceof DatabaseError, String(error))
    return error.kind
  }
  return 'no error'
}

eachEngine('values', (engine) => {
  void test('every column type comes back as it was written', async () => {
    const db = await engine.open<Tables>(migrations)
    const row = {
      name: 'Ünïcode 🐦 "quoted" \\ %_',
      age: 2 ** 53 - 1,
      height: 1.8500000000000001,
      awake: flag(true),
      born: timestamp(1_773_082_456_183),
      facts: json.write({ a: [1, null, 'x\u0000y'] }),
    }
    await db.query.insertInto('people').values(row).execute()
    const read = await db.query.selectFrom('people').selectAll().executeTakeFirstOrThrow()
    assert.deepEqual(read, { id: 1, ...row })
    assert.equal(read.born, '2026-03-09T18:54:16.183000')
    assert.deepEqual(json.read(read.facts ?? ''), { a: [1, null, 'x\u0000y'] })
  })

  void test('whole numbers stay whole in text columns, dates and booleans mean one thing', async () => {
    const db = await engine.open(migrations)
    await db.query
      .insertInto('people')
      .values({ name: 5, awake: true, born: new Date(0) })
      .execute()
    const read = await db.query.selectFrom('people').select(['name', 'awake', 'born']).executeTakeFirstOrThrow()
    assert.deepEqual(read, { name: '5', awake: 1, born: '1970-01-01T00:00:00.000000' })
  })

  void test('what has no meaning is refused and nothing is written', async () => {
    const db = await engine.open(migrations)
    for (const value of [Number.NaN, Infinity, 'a\0b', {}, [], new Date(Number.NaN), 2n ** 63n, new Uint8Array(2), Symbol('s')]) {
      assert.equal(await kindOf(db.query.insertInto('people').values({ name: value }).execute()), 'check', typeof value)
    }
    assert.equal(await kindOf(db.query.selectFrom('people').selectAll().where('name', '=', undefined).execute()), 'check')
    assert.equal(await kindOf(db.query.insertInto('people').values({ name: 'x', age: 'many' }).execute()), 'check')
    assert.equal((await db.query.selectFrom('people').selectAll().execute()).length, 0)
  })

  void test('aggregates and counts are numbers, text sorts by code point, like minds the case', async () => {
    const db = await engine.open(migrations)
    for (const name of ['b', 'B', 'a', 'A', 'ä', '_']) await db.query.insertInto('people').values({ name, age: 3 }).execute()
    const sums = await db.query
      .selectFrom('people')
      .select((eb) => [eb.fn.countAll().as('count'), eb.fn.sum('age').as('sum'), eb.fn.avg('age').as('avg'), eb.fn.max('age').as('max')])
      .executeTakeFirst()
    assert.deepEqual(sums, { count: 6, sum: 18, avg: 3, max: 3 })
    const names = await db.query.selectFrom('people').select('name').orderBy('name').execute()
    assert.deepEqual(names.map((row) => row.name).join(''), 'AB_abä')
    assert.equal((await db.query.selectFrom('people').selectAll().where('name', 'like', 'a%').execute()).length, 1)
  })

  void test('ids are counted up and never used again', async () => {
    const db = await engine.open(migrations)
    const insert = async (name: string) =>
      (await db.query.insertInto('people').values({ name }).returning('id').executeTakeFirstOrThrow()).id as number
    const first = await insert('a')
    const second = await insert('b')
    await db.query.deleteFrom('people').where('id', '=', second).execute()
    assert.ok((await insert('c')) > second && second > first)
  })
})

eachEngine('errors', (engine) => {
  void test('each has its kind, and neither SQL nor values', async () => {
    const db = await engine.open(migrations)
    await db.query.insertInto('people').values({ id: 1000, name: 'hunter2' }).execute()
    const failures: [string, () => Promise<unknown>, string?][] = [
      ['unique', () => db.query.insertInto('people').values({ name: 'hunter2' }).execute(), 'people.name'],
      ['unique', () => db.query.insertInto('people').values({ id: 1000, name: 'other' }).execute(), 'people.id'],
      ['foreign-key', () => db.query.insertInto('pets').values({ person_id: 77, name: 'hunter2' }).execute()],
      ['not-null', () => db.query.insertInto('pets').values({ person_id: 1000 }).execute(), 'pets.name'],
      ['check', () => db.query.insertInto('people').values({ name: 'x', age: 'hunter2' }).execute()],
      ['other', () => db.query.selectFrom('nowhere').selectAll().execute()],
    ]
    for (const [kind, work, constraint] of failures) {
      await assert.rejects(work(), (error: unknown) => {
        assert.ok(error instanceof DatabaseError)
        assert.equal(error.kind, kind, error.message)
        if (constraint) assert.equal(error.constraint, constraint)
        const told = [error.message, error.constraint, (error.cause as Error | undefined)?.message].join()
        assert.ok(!/hunter2|77|insert|select/i.test(told), told)
        return true
      })
    }
    await assert.rejects(db.query.insertInto('people').values({ name: 'hunter2' }).execute(), isUniqueViolation)
    await assert.rejects(db.query.insertInto('pets').values({ person_id: 78, name: 'x' }).execute(), isForeignKeyViolation)
  })

  void test('after close everything is unavailable', async () => {
    const db = await engine.open(migrations)
    await db.close()
    await db.close()
    assert.equal(await kindOf(db.ping()), 'unavailable')
    assert.equal(await kindOf(db.transaction(async () => {})), 'unavailable')
    assert.equal(await kindOf(db.query.selectFrom('people').selectAll().execute()), 'unavailable')
  })
})

eachEngine('migrations', (engine) => {
  void test('run once, in order, whoever asks first, and report when', async () => {
    const url = await engine.freshUrl()
    const handles = await Promise.all([1, 2, 3].map(() => engine.open({}, { url })))
    const applied = await Promise.all(handles.map((db) => db.migrate(migrations)))
    assert.deepEqual(applied.flat(), ['001-people', '002-pets'])
    assert.deepEqual(await handles[0]?.migrate({ ...migrations, '000-late': async () => {} }), ['000-late'])
    const status = await handles[1]?.migrationStatus({ ...migrations, '000-late': async () => {}, '003-next': async () => {} })
    assert.deepEqual(
      status?.map((entry) => [entry.name, entry.appliedAt !== null]),
      [
        ['000-late', true],
        ['001-people', true],
        ['002-pets', true],
        ['003-next', false],
      ],
    )
  })

  void test('one that fails leaves nothing behind', async () => {
    const db = await engine.open({})
    const broken: Migrations = {
      ...migrations,
      '003-broken': async (query) => {
        await query.schema.createTable('half').addColumn('a', 'text').execute()
        throw new Error('no')
      },
    }
    await assert.rejects(db.migrate(broken), /no/)
    assert.ok((await db.migrationStatus(broken)).every((entry) => entry.appliedAt === null))
    assert.deepEqual(await db.migrate(migrations), ['001-people', '002-pets'])
  })

  void test('a database of a newer version is refused', async () => {
    const db = await engine.open(migrations)
    await assert.rejects(db.migrate({ '001-people': migrations['001-people'] as never }), /does not know \(002-pets\)/)
  })
})

void test('a URL that no engine knows is refused without being told', async () => {
  const world = createRealWorld()
  for (const url of ['mysql://u:hunter2@h/d', 'nothing', 'sqlite:', 'postgres://u:hunter2@h/d?schema=Not%20ok', 'postgres:///%zz@']) {
    await assert.rejects(openDatabase(url, { world, name: 't' }), (error: unknown) => {
      assert.ok(error instanceof DatabaseError)
      return !error.message.includes('hunter2')
    })
  }
  await assert.rejects(openDatabase('postgres://u:hunter2@127.0.0.1:1/d', { world, name: 't' }), { kind: 'unavailable' })
  await assert.rejects(openDatabase('sqlite:/dev/null/x.db', { world, name: 't' }), { kind: 'unavailable' })
})
