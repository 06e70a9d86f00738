import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  bulkInsert,
  countStatements,
  InvalidMarker,
  keysetPage,
  markerAfter,
  updateFrom,
  upsert,
  type Database,
  type Migrations,
  type PageRequest,
} from './index.ts'
import { eachEngine } from './testing/index.ts'

interface Tables {
  things: { id: string; name: string; size: number | null; note: string | null }
}

const migrations: Migrations = {
  '001-things': async (db, c) => {
    await db.schema
      .createTable('things')
      .addColumn('id', c.text, (column) => column.primaryKey())
      .addColumn('name', c.text, (column) => column.notNull())
      .addColumn('size', c.integer)
      .addColumn('note', c.text)
      .execute()
  },
}

const columns = { name: 'things.name', size: 'things.size', note: 'note', id: 'things.id' }
const page = (db: Database<Tables>, request: PageRequest) =>
  keysetPage(db.query.selectFrom('things').select(['things.id', 'things.name as called']), request, columns, 'things.id', ['things.name'])

async function allPages(db: Database<Tables>, sort: PageRequest['sort'], limit: number): Promise<string[]> {
  const ids: string[] = []
  let marker: string | undefined
  do {
    const { rows, next } = await page(db, { sort, limit, marker })
    assert.ok(rows.length <= limit)
    for (const row of rows) {
      assert.deepEqual(Object.keys(row), ['id', 'called'])
      ids.push(row.id)
    }
    marker = next
  } while (marker)
  return ids
}

type Thing = Tables['things']
/** What every engine must do: nulls are smaller than everything, text by code point, ties by id. */
function model(things: readonly Thing[], sort: PageRequest['sort']): string[] {
  const order = [...sort, { key: 'id', direction: sort.at(-1)?.direction ?? 'asc' }]
  const compare = (a: string | number | null, b: string | number | null): number => {
    if (a === b) return 0
    if (a === null) return -1
    if (b === null) return 1
    return typeof a === 'string' ? Buffer.compare(Buffer.from(a), Buffer.from(b as string)) : a - (b as number)
  }
  return [...things]
    .sort((a, b) => {
      for (const { key, direction } of order) {
        const way = compare(a[key as keyof Thing], b[key as keyof Thing])
        if (way !== 0) return direction === 'asc' ? way : -way
      }
      return 0
    })
    .map((thing) => thing.id)
}

eachEngine('paging', (engine) => {
  void test('pages join to the whole list, with nulls and ties, in any order', async () => {
    const db = await engine.open<Tables>(migrations)
    const thing = fc.record({
      name: fc.constantFrom('a', 'B', 'b', 'ä', 'Z', ''),
      size: fc.option(fc.integer({ min: -2, max: 2 })),
      note: fc.option(fc.constantFrom('x', 'y')),
    })
    const sorts = fc.array(
      fc.record({ key: fc.constantFrom('name', 'size', 'note'), direction: fc.constantFrom('asc' as const, 'desc' as const) }),
      {
        maxLength: 3,
      },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(thing, { maxLength: 25 }), sorts, fc.integer({ min: 1, max: 7 }), async (list, asked, limit) => {
        const sort = asked.filter((one, index) => asked.findIndex((other) => other.key === one.key) === index)
        await db.query.deleteFrom('things').execute()
        const things = list.map((entry, index) => ({ id: `i${String(index).padStart(3, '0')}`, ...entry }))
        await bulkInsert(db, 'things', things)
        assert.deepEqual(await allPages(db, sort, limit), model(things, sort))
      }),
      { numRuns: 20 },
    )
  })

  void test('what is inserted or deleted between pages moves nothing else', async () => {
    const db = await engine.open<Tables>(migrations)
    const row = (id: string): Thing => ({ id, name: id, size: null, note: null })
    await bulkInsert(db, 'things', ['b', 'd', 'f', 'h'].map(row))
    const sort = [{ key: 'name', direction: 'asc' as const }]
    const first = await page(db, { sort, limit: 2 })
    await bulkInsert(db, 'things', ['a', 'c', 'e', 'g'].map(row))
    await db.query.deleteFrom('things').where('id', '=', 'd').execute()
    const second = await page(db, { sort, limit: 10, marker: first.next })
    assert.deepEqual(
      [...first.rows, ...second.rows].map((entry) => entry.id),
      ['b', 'd', 'e', 'f', 'g', 'h'],
    )
    assert.equal(second.next, undefined)
    const exact = await page(db, { sort, limit: 7 })
    assert.equal(exact.rows.length, 7)
    assert.equal(exact.next, undefined)
  })

  // Redis is asked by trees, not by texts.
  const skip = engine.engine === 'redis'
  void test('a page says where it begins, so that nothing before it is read', { skip }, async () => {
    const db = await engine.open<Tables>(migrations)
    await bulkInsert(db, 'things', ['a', 'b', 'c'].map((id, size) => ({ id, name: id, size, note: null }))) // prettier-ignore
    const bound = async (key: string, direction: 'asc' | 'desc'): Promise<boolean> => {
      const sort = [{ key, direction }]
      const { next } = await page(db, { sort, limit: 1 })
      const { texts } = await countStatements(() => page(db, { sort, limit: 1, marker: next }))
      return texts.some((text) => /"things"\."(name|size)" [<>]= /.test(text))
    }
    // Where nulls come last no bound holds.
    assert.deepEqual([await bound('name', 'asc'), await bound('name', 'desc'), await bound('size', 'asc')], [true, true, true])
  })

  void test('a marker can be made of a row that is known, and foreign ones are refused', async () => {
    const db = await engine.open<Tables>(migrations)
    await bulkInsert(
      db,
      'things',
      ['a', 'b', 'c'].map((id, size) => ({ id, name: id, size, note: null })),
    )
    const sort = [{ key: 'size', direction: 'desc' as const }]
    const made = markerAfter(sort, columns, 'things.id', (column) => (column === 'things.size' ? 1 : 'b'))
    assert.deepEqual(
      (await page(db, { sort, limit: 5, marker: made })).rows.map((row) => row.id),
      ['a'],
    )
    const forge = (...values: unknown[]): string => Buffer.from(JSON.stringify(values)).toString('base64url')
    const forged = [
      '',
      'x',
      '%',
      made.slice(1),
      'e'.repeat(100_000),
      forge(),
      forge('-size,-'),
      forge('-size,-', 1),
      forge('+size,+', 1, 'b'),
    ]
    forged.push(forge('-size,-', 1, null), forge('-size,-', [1], 'b'), forge('-size,-', 'a\0', 'b'), forge('-size,-', 'text', 'a\0'))
    for (const marker of forged) await assert.rejects(page(db, { sort, limit: 5, marker }), InvalidMarker, marker.slice(0, 50))
    await assert.rejects(page(db, { sort: [{ key: '__proto__', direction: 'asc' }], limit: 5 }), RangeError)
    for (const limit of [0, -1, 1.5, Number.NaN]) await assert.rejects(page(db, { sort, limit }), RangeError)
  })

  void test('any text as a marker gives a page or InvalidMarker', async () => {
    const db = await engine.open<Tables>(migrations)
    const parts = fc.array(fc.oneof(fc.constant('+size,+'), fc.jsonValue(), fc.double(), fc.string()), { maxLength: 4 })
    const texts = fc.oneof(
      fc.string(),
      parts.map((value) => Buffer.from(JSON.stringify(value)).toString('base64url')),
    )
    await fc.assert(
      fc.asyncProperty(texts, async (marker) => {
        await page(db, { sort: [{ key: 'size', direction: 'asc' }], limit: 2, marker }).catch((error: unknown) => {
          assert.ok(error instanceof InvalidMarker, String(error))
        })
      }),
      { numRuns: 200 },
    )
  })
})

eachEngine('bulk', (engine) => {
  const many = Array.from({ length: 10_000 }, (_, index) => ({ id: `t${index}`, name: `name ${index}`, size: index, note: null }))
  const count = async (db: Database<Tables>, where: 'note' | 'size', value: string | number): Promise<number> =>
    (
      await db.query
        .selectFrom('things')
        .select((eb) => eb.fn.countAll<number>().as('n'))
        .where(where, '=', value)
        .executeTakeFirstOrThrow()
    ).n

  void test('10,000 rows in few statements, all or nothing', async () => {
    const db = await engine.open<Tables>(migrations)
    const inserted = await countStatements(() => bulkInsert(db, 'things', many))
    assert.ok(inserted.statements <= 20, String(inserted.statements))
    const changed = many.map(({ id }, index) => ({ id, note: index % 2 ? 'odd' : 'even', size: index + 0 }))
    const updated = await countStatements(() => updateFrom(db, 'things', ['id'], [...changed, { id: 'nobody', note: 'x', size: null }]))
    assert.equal(updated.result, 10_000)
    assert.ok(updated.statements <= 3, String(updated.statements))
    assert.equal(await count(db, 'note', 'odd'), 5_000)
    await upsert(db, 'things', [...many.map((row) => ({ ...row, note: 'again' })), { id: 'new', name: 'n', size: 1, note: 'again' }], {
      conflict: ['id'],
      update: ['note'],
    })
    assert.equal(await count(db, 'note', 'again'), 10_001)
    // The last row is taken already: none of the 10,000 before it stays.
    await db.query.deleteFrom('things').where('id', '!=', 't9999').execute()
    await assert.rejects(bulkInsert(db, 'things', many), { kind: 'unique' })
    assert.equal(await count(db, 'size', 5), 0)
  })

  void test('the later of two rows with one key wins; nothing to update leaves rows alone; empty is nothing', async () => {
    const db = await engine.open<Tables>(migrations)
    const row = { id: 'a', name: 'n', size: 1, note: null }
    await upsert(db, 'things', [row, { ...row, size: 2 }], { conflict: ['id'], update: ['size'] })
    await upsert(db, 'things', [{ ...row, size: 3 }], { conflict: ['id'], update: [] })
    assert.equal(await count(db, 'size', 2), 1)
    assert.equal(
      await updateFrom(
        db,
        'things',
        ['id'],
        [
          { id: 'a', size: 4 },
          { id: 'a', size: 5 },
        ],
      ),
      1,
    )
    assert.equal(await count(db, 'size', 5), 1)
    await updateFrom(db, 'things', ['id'], [{ id: 'a', size: null, note: 'it\'s "odd" \\ \u0001' }])
    assert.deepEqual(await db.query.selectFrom('things').selectAll().execute(), [{ ...row, size: null, note: 'it\'s "odd" \\ \u0001' }])
    await bulkInsert(db, 'things', [])
    await upsert(db, 'things', [], { conflict: ['id'], update: [] })
    assert.equal(await updateFrom(db, 'things', ['id'], []), 0)
  })

  void test('rows that differ in columns, or lack a value, are refused', async () => {
    const db = await engine.open<Tables>(migrations)
    const row = { id: 'a', name: 'n', size: 1, note: null }
    await assert.rejects(bulkInsert(db, 'things', [row, { id: 'b', name: 'n' }]), /same columns/)
    await assert.rejects(bulkInsert(db, 'things', [{ ...row, note: undefined }]), { kind: 'check' })
    await assert.rejects(updateFrom(db, 'things', ['id'], [{ id: 'a', note: undefined }]), { kind: 'check' })
    await assert.rejects(updateFrom(db, 'things', ['id'], [{ id: 'a' }]), /at least one other/)
    await assert.rejects(updateFrom(db, 'things', ['id'], [{ name: 'a' }]), /key columns/)
  })
})
