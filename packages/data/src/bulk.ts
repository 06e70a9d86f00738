import { sql, type Kysely } from 'kysely'
import { encode, type Bindable } from './codec.ts'
import type { Database, Queryable } from './database.ts'
import { DatabaseError } from './errors.ts'

type Row = Readonly<Record<string, unknown>>

/** SQLite takes 32,766 parameters in a statement and PostgreSQL 65,535; shorter statements are faster to prepare on SQLite. */
const parametersPerStatement = { sqlite: 3_000, postgres: 30_000, redis: 30_000 } as const
const rowsPerUpdate = 5_000

function columnsOf(rows: readonly Row[]): string[] {
  const columns = Object.keys(rows[0] ?? {})
  for (const row of rows) {
    if (Object.keys(row).length !== columns.length || !columns.every((column) => Object.hasOwn(row, column))) {
      throw new DatabaseError('other', `All rows of one bulk statement must have the same columns (${columns.join(', ')}).`)
    }
  }
  return columns
}

const chunks = <T>(list: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, index) => list.slice(index * size, (index + 1) * size))

/** More than one statement outside of a transaction gets one, so that a bulk is all or nothing. */
async function atOnce<DB>(db: Queryable<DB>, parts: number, work: (query: Kysely<unknown>) => Promise<void>): Promise<void> {
  if (parts > 1 && 'transaction' in db) {
    await (db as Database<DB>).transaction((tx) => work(tx.query as unknown as Kysely<unknown>))
  } else await work(db.query as unknown as Kysely<unknown>)
}

/** The later row wins, as it would row by row; PostgreSQL refuses to touch one row twice in a statement. */
function lastByKey(rows: readonly Row[], key: readonly string[]): Row[] {
  const byKey = new Map<string, Row>()
  for (const row of rows) byKey.set(JSON.stringify(key.map((column) => jsonValue(row[column]))), row)
  return [...byKey.values()]
}

type Loose = Kysely<Record<string, Record<string, unknown>>>

/** Inserts any number of rows in as few statements as the engine's parameter limit allows; all or nothing. */
export async function bulkInsert<DB, T extends keyof DB & string>(db: Queryable<DB>, table: T, rows: readonly Row[]): Promise<void> {
  if (rows.length === 0) return
  const columns = columnsOf(rows)
  const parts = chunks(rows, Math.max(1, Math.floor(parametersPerStatement[db.engine] / columns.length)))
  await atOnce(db, parts.length, async (query) => {
    for (const part of parts) await (query as Loose).insertInto(table).values(part.map(refuseUndefined)).execute()
  })
}

/** Inserts, or updates `update` columns where `conflict` columns are taken (nothing when `update` is empty). Set-based like `bulkInsert`. */
export async function upsert<DB, T extends keyof DB & string>(
  db: Queryable<DB>,
  table: T,
  rows: readonly Row[],
  how: { conflict: readonly string[]; update: readonly string[] },
): Promise<void> {
  if (rows.length === 0) return
  const columns = columnsOf(rows)
  const unique = lastByKey(rows, how.conflict)
  const parts = chunks(unique, Math.max(1, Math.floor(parametersPerStatement[db.engine] / columns.length)))
  await atOnce(db, parts.length, async (query) => {
    for (const part of parts) {
      await (query as Loose)
        .insertInto(table)
        .values(part.map(refuseUndefined))
        .onConflict((conflict) => {
          const target = conflict.columns([...how.conflict])
          if (how.update.length === 0) return target.doNothing()
          return target.doUpdateSet(Object.fromEntries(how.update.map((column) => [column, sql.ref(`excluded.${column}`)])) as never)
        })
        .execute()
    }
  })
}

/**
 * `update table set (columns) = values for rows where key matches`, one statement per 5,000 rows; all or nothing. Rows hold the key
 * columns and those to set. Returns the rows changed.
 *
 * The rows travel as one JSON parameter: the statement stays the same whatever their number, and PostgreSQL takes the types of
 * the values from the table.
 */
export async function updateFrom<DB, T extends keyof DB & string>(
  db: Queryable<DB>,
  table: T,
  key: readonly string[],
  rows: readonly Row[],
): Promise<number> {
  if (rows.length === 0) return 0
  const columns = columnsOf(rows)
  const changed = columns.filter((column) => !key.includes(column))
  if (changed.length === 0 || !key.every((column) => columns.includes(column))) {
    throw new DatabaseError('other', 'updateFrom needs the key columns and at least one other in every row.')
  }
  if (db.engine === 'redis') return await updateRedis(db, table, key, changed, lastByKey(rows, key))
  const set = sql.join(changed.map((column) => sql`${sql.ref(column)} = ${sql.ref(`_new.${column}`)}`))
  const match = sql.join(
    key.map((column) => sql`${sql.ref(`${table}.${column}`)} = ${sql.ref(`_new.${column}`)}`),
    sql` and `,
  )
  const source = (text: string) =>
    db.engine === 'sqlite'
      ? sql`(select ${sql.join(columns.map((column, index) => sql`json_extract(value, ${sql.lit(`$[${index}]`)}) as ${sql.ref(column)}`))} from json_each(${text})) as _new`
      : sql`json_populate_recordset(null::${sql.table(table)}, ${text}::json) as _new`
  const encodeRow = (row: Row): unknown => {
    const values = columns.map((column) => jsonValue(row[column]))
    return db.engine === 'sqlite' ? values : Object.fromEntries(columns.map((column, index) => [column, values[index]]))
  }
  const parts = chunks(lastByKey(rows, key), rowsPerUpdate)
  let count = 0
  await atOnce(db, parts.length, async (query) => {
    count = 0
    for (const part of parts) {
      const text = JSON.stringify(part.map(encodeRow))
      const result = await sql`update ${sql.table(table)} set ${set} from ${source(text)} where ${match}`.execute(query)
      count += Number(result.numAffectedRows ?? 0)
    }
  })
  return count
}

/** The same statement; its rows are a source of their own there. */
async function updateRedis<DB>(
  db: Queryable<DB>,
  table: string,
  key: readonly string[],
  changed: readonly string[],
  rows: readonly Row[],
): Promise<number> {
  const { rowsAs } = await import('kysely-redis')
  const columns = [...key, ...changed]
  const parts = chunks(rows, rowsPerUpdate)
  let count = 0
  await atOnce(db, parts.length, async (query) => {
    count = 0
    for (const part of parts) {
      const values = part.map((row) => columns.map((column) => jsonValue(row[column])))
      const { numUpdatedRows } = await (query as Loose)
        .updateTable(table)
        .from(rowsAs('_new', columns, values))
        .set((eb) => Object.fromEntries(changed.map((column) => [column, eb.ref(`_new.${column}`)])))
        .where((eb) => eb.and(key.map((column) => eb(`${table}.${column}`, '=', eb.ref(`_new.${column}`)))))
        .executeTakeFirst()
      count += Number(numUpdatedRows)
    }
  })
  return count
}

const jsonValue = (value: unknown): Exclude<Bindable, bigint> => {
  const encoded = encode(value)
  if (typeof encoded !== 'bigint') return encoded
  if (!Number.isSafeInteger(Number(encoded))) throw new DatabaseError('check', 'A number over 2^53 can not be stored.')
  return Number(encoded)
}

/** Kysely would quietly use the column's default for `undefined`. */
const refuseUndefined = (row: Row): Record<string, unknown> => {
  for (const value of Object.values(row)) if (value === undefined) encode(value)
  return row
}
