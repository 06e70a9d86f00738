import assert from 'node:assert/strict'
import type { Kysely, RootOperationNode } from 'kysely'
import type { AnyDb, TablePlan } from 'kysely-redis/testing'
import type { Database } from '../../database.ts'
import { DatabaseError } from '../../errors.ts'
import { partsOf } from '../../handle.ts'
import { onPostgres, textOf, type DifferentialCase } from './case.ts'

/* oxlint-disable-next-line typescript/no-explicit-any -- tables are made up at run time */
type Db = Database<any>
type Outcome = { readonly rows: readonly string[]; readonly affected: number | undefined } | { readonly error: string }

/** Sums of reals are added in another order by each engine, PostgreSQL cuts averages, and -0 is 0. */
const plain = (value: unknown): unknown =>
  typeof value === 'boolean' ? Number(value) : typeof value !== 'number' ? value : Number(value.toPrecision(12)) + 0
const line = (row: unknown): string => JSON.stringify(Object.entries(row as object).map(([name, value]) => [name, plain(value)]))

async function run(db: Db, query: Kysely<unknown>, { node, ordered }: DifferentialCase['statements'][number]): Promise<Outcome> {
  const executor = query.getExecutor()
  const id = { queryId: 'differential' }
  const own: RootOperationNode = db.engine === 'postgres' ? onPostgres(node) : node
  try {
    const result = await executor.executeQuery(executor.compileQuery(executor.transformQuery(own, id), id))
    const rows = result.rows.map(line)
    return { rows: ordered ? rows : rows.toSorted(), affected: rows.length > 0 ? undefined : Number(result.numAffectedRows ?? 0) }
  } catch (error) {
    return { error: error instanceof DatabaseError ? error.kind : String(error) }
  }
}

/** Runs a case on all of these; throws an AssertionError that tells the first difference from the first of them. */
export async function compareEngines(dbs: readonly Db[], one: DifferentialCase): Promise<void> {
  const outcomes = await Promise.all(dbs.map((db) => outcomesOn(db, one)))
  const [expected = []] = outcomes
  for (const [at, outcome] of outcomes.entries())
    for (const [index, each] of outcome.entries()) {
      const statement = one.statements[index]
      const what = statement === undefined ? 'the rows in the end' : textOf(statement.node)
      assert.deepEqual(each, expected[index], `${dbs[at]?.name} against ${dbs[0]?.name}: ${what}`)
    }
}

async function outcomesOn(db: Db, one: DifferentialCase): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  try {
    await create(db, one.tables)
    const all = async (query: Kysely<unknown>): Promise<void> => {
      for (const statement of one.statements) outcomes.push(await run(db, query, statement))
    }
    // One that failed takes the whole transaction along, on every engine.
    if (one.together) await db.transaction((tx) => all(tx.query)).catch(() => {})
    else await all(db.query)
    for (const { name } of one.tables)
      outcomes.push({ rows: (await db.query.selectFrom(name).selectAll().execute()).map(line).toSorted(), affected: undefined })
    if (db.engine === 'redis') outcomes.push({ rows: await partsOf(db).check(db.query), affected: undefined })
    else outcomes.push({ rows: [], affected: undefined })
  } finally {
    for (const { name } of one.tables) await db.query.schema.dropTable(name).ifExists().execute()
  }
  return outcomes
}

async function create(db: Db, tables: readonly TablePlan[]): Promise<void> {
  const parts = partsOf(db)
  const { columns } = parts
  const { schema } = parts.forMigrations(db.query)
  for (const table of tables) {
    let builder = schema.createTable(table.name)
    for (const column of table.columns)
      builder = builder.addColumn(column.name, columns[column.kind], (made) => {
        const built = column.notNull ? made.notNull() : made
        return column.name === 'id' ? built.primaryKey() : built
      })
    if (table.unique) builder = builder.addUniqueConstraint(`${table.name}_u`, [...table.unique] as never)
    await builder.execute()
    for (const [index, names] of table.indexes.entries())
      await schema
        .createIndex(`${table.name}_i${index}`)
        .on(table.name)
        .columns([...names])
        .execute()
    if (table.rows.length > 0)
      await (db.query as AnyDb)
        .insertInto(table.name)
        .values([...table.rows])
        .execute()
  }
}

/** The smallest that still differs: statements, then rows and indexes are left out one by one. */
export async function shrink(one: DifferentialCase, fails: (smaller: DifferentialCase) => Promise<boolean>): Promise<DifferentialCase> {
  for (let smallest = one; ;) {
    const smaller = await firstFailing(smallerThan(smallest), fails)
    if (smaller === undefined) return smallest
    smallest = smaller
  }
}

async function firstFailing(
  candidates: Iterable<DifferentialCase>,
  fails: (smaller: DifferentialCase) => Promise<boolean>,
): Promise<DifferentialCase | undefined> {
  for (const candidate of candidates) if (await fails(candidate)) return candidate
  return undefined
}

function* smallerThan(one: DifferentialCase): Generator<DifferentialCase> {
  if (one.together) yield { ...one, together: false }
  for (const index of one.statements.keys()) yield { ...one, statements: one.statements.toSpliced(index, 1) }
  for (const [at, table] of one.tables.entries()) {
    const withTable = (changed: TablePlan): DifferentialCase => ({ ...one, tables: one.tables.with(at, changed) })
    if (table.rows.length > 3) yield withTable({ ...table, rows: table.rows.slice(table.rows.length >> 1) })
    for (const index of table.rows.keys()) yield withTable({ ...table, rows: table.rows.toSpliced(index, 1) })
    for (const index of table.indexes.keys()) yield withTable({ ...table, indexes: table.indexes.toSpliced(index, 1) })
    if (table.unique) yield withTable({ ...table, unique: undefined })
  }
}
