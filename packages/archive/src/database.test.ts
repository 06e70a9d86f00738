import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bulkInsert, loadDatabase, summarize, withSnapshot, type Migrations } from '@murmuration/data'
import { eachEngine, testEngine } from '@murmuration/data/testing'
import { ArchiveRefused, databaseContent, readDatabase } from './index.ts'

const migrations: Migrations = {
  '001-birds': async (db, c) => {
    await db.schema
      .createTable('birds')
      .addColumn('id', c.id.type, c.id.with)
      .addColumn('name', c.text, (column) => column.notNull())
      .addColumn('weight', c.real)
      .execute()
    await db.schema
      .createTable('eggs')
      .addColumn('bird_id', c.bigint, (column) => column.notNull().references('birds.id'))
      .addColumn('place', c.integer, (column) => column.notNull())
      .addPrimaryKeyConstraint('eggs_key', ['bird_id', 'place'])
      .execute()
  },
}

async function* inPieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size)
}

async function textOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const found: Uint8Array[] = []
  for await (const piece of content) found.push(piece)
  return Buffer.concat(found).toString('utf8')
}

eachEngine('a database in an archive', (engine) => {
  void test('is loaded into every engine as it was, however its bytes come', async (t) => {
    const from = await engine.open(migrations)
    const birds = Array.from({ length: 1_500 }, (_, index) => ({
      id: index + 1,
      name: `bird "${index}"\n🐦`,
      weight: index % 2 ? index / 3 : null,
    }))
    await bulkInsert(from, 'birds', birds)
    await bulkInsert(
      from,
      'eggs',
      birds.slice(0, 700).map(({ id }) => ({ bird_id: id, place: 1 })),
    )
    const [text, facts] = await withSnapshot(from, async (source) => {
      const { content, facts: told } = databaseContent(source)
      return [await textOf(content), told()] as const
    })
    const expected = await withSnapshot(from, summarize)
    assert.deepEqual(facts, { engine: engine.engine, migrations: ['001-birds'], tables: expected })
    const leftovers: (() => Promise<void>)[] = []
    t.after(async () => {
      for (const remove of leftovers.reverse()) await remove()
    })
    for (const [other, size] of [
      ['sqlite', 7],
      ['postgres', 65_536],
    ] as const) {
      const to = await testEngine(other, (remove) => void leftovers.push(remove)).open(migrations)
      const source = await readDatabase(inPieces(text, size))
      assert.deepEqual(await loadDatabase(to, migrations, source), expected)
      assert.deepEqual(await source.finish(), expected)
      assert.deepEqual(await withSnapshot(to, summarize), expected)
    }
  })
})

void describe('a forged database', () => {
  const table = { name: 'birds', columns: ['id', 'name'], key: ['id'], references: [] }
  const empty = { name: 'birds', rows: 0, digest: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' }
  const shape = { engine: 'sqlite', migrations: ['001-birds'], tables: [table] }
  const lines = (...values: unknown[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('')
  const bad: readonly (readonly [what: string, text: string])[] = [
    ['nothing', ''],
    ['no JSON', 'x\n'],
    ['no list of tables', lines({ ...shape, tables: 7 })],
    ['a table of another name', lines({ ...shape, tables: [{ ...table, name: 'a"; drop table b' }] })],
    ['a column of another name', lines({ ...shape, tables: [{ ...table, columns: ['id', 'a b'] }] })],
    ['a column twice', lines({ ...shape, tables: [{ ...table, columns: ['id', 'id'] }] })],
    ['a key that is no column', lines({ ...shape, tables: [{ ...table, key: ['x'] }] })],
    ['a counter that is no number', lines({ ...shape, tables: [{ ...table, counter: { column: 'id', last: 'x' } }] })],
    ['too many tables', lines({ ...shape, tables: Array.from({ length: 1_001 }, () => table) })],
    ['a row of other cells', lines(shape, [1], empty)],
    ['a cell that is an object', lines(shape, [1, {}], empty)],
    ['fewer rows than it says', lines(shape, { ...empty, rows: 1 })],
    ['other rows than it says', lines(shape, [1, 'x'], { ...empty, rows: 1 })],
    ['a table without an end', lines(shape, [1, 'x'])],
    ['an end in the middle of a line', `${lines(shape)}[1,"x`],
    ['more than its tables', lines(shape, empty, [1, 'x'])],
    ['a row without an end', `${lines(shape)}[1,"${'x'.repeat(33 * 1024 * 1024)}`],
  ]
  for (const [what, text] of bad)
    void test(`with ${what} is refused`, async () => {
      const read = async (): Promise<void> => {
        const source = await readDatabase(inPieces(text, 100_000))
        for (const one of source.tables) for await (const _ of source.rows(one));
        await source.finish()
      }
      await assert.rejects(read(), (error: unknown) => error instanceof ArchiveRefused && error.reason === 'damaged')
    })
})
