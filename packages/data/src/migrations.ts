import { sql, type ColumnDataType, type ColumnDefinitionBuilder, type Expression, type Kysely } from 'kysely'
import type { EngineParts } from './engine.ts'
import { DatabaseError } from './errors.ts'
import { timestamp } from './values.ts'

/** What `addColumn` takes as its type. */
export type ColumnType = ColumnDataType | Expression<unknown>

/** Column types that mean the same on every engine. */
export interface Columns {
  /** An integer primary key that the engine counts up and never reuses. Use: `.addColumn('id', c.id.type, c.id.with)`. */
  readonly id: { type: ColumnType; with: (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder }
  /** Ids that we make (uuid, name): text. Sorts and compares by code point on every engine, whatever the database's locale. */
  readonly text: ColumnType
  /** 64 bit as `bigint` is, so that a number which fits one engine fits all. */
  readonly integer: ColumnType
  /** 64 bit; read back as a number, so at most 2^53. Milliseconds, sizes. */
  readonly bigint: ColumnType
  readonly real: ColumnType
  /** 0 or 1: see `flag()`. */
  readonly flag: ColumnType
  /** UTC text `YYYY-MM-DDTHH:MM:SS.ffffff`: sorts as time does. */
  readonly timestamp: ColumnType
  /** JSON as text: see `json`. */
  readonly json: ColumnType
}

/** Name → change. Names sort in the order of application (`001-subclouds`). There is no way down. */
// oxlint-disable-next-line typescript/no-explicit-any -- a migration sees tables that the schema type no longer has
export type Migrations = Readonly<Record<string, (db: Kysely<any>, columns: Columns) => Promise<void>>>

export const sqliteColumns: Columns = {
  id: { type: 'integer', with: (column) => column.primaryKey().autoIncrement() },
  text: 'text',
  integer: 'integer',
  bigint: 'integer',
  real: 'real',
  flag: 'integer',
  timestamp: 'text',
  json: 'text',
}

export const redisColumns: Columns = {
  id: { type: 'integer', with: (column) => column.primaryKey().autoIncrement() },
  text: 'text',
  integer: 'integer',
  bigint: 'integer',
  real: 'double precision',
  flag: 'integer',
  timestamp: 'text',
  json: 'text',
}

const byCodePoint = sql`text collate "C"`

export const postgresColumns: Columns = {
  id: { type: 'bigint', with: (column) => column.primaryKey().generatedByDefaultAsIdentity() },
  text: byCodePoint,
  integer: 'bigint',
  bigint: 'bigint',
  real: 'double precision',
  flag: 'bigint',
  timestamp: byCodePoint,
  json: byCodePoint,
}

export const schemaChanges = 'schema_changes'
const table = schemaChanges
interface Schema {
  schema_changes: { name: string; applied_at: string }
}

/** Applies what is missing in one transaction: a change that fails leaves the database as it was before all of them. */
export async function applyMigrations(
  parts: EngineParts,
  query: Kysely<unknown>,
  migrations: Migrations,
  nowMs: number,
): Promise<string[]> {
  await parts.lock(query, 'schema-changes')
  const own = query as Kysely<Schema>
  if (!(await parts.tableExists(query, table))) {
    await parts
      .forMigrations(query)
      .schema.createTable(table)
      .addColumn('name', parts.columns.text, (column) => column.primaryKey())
      .addColumn('applied_at', parts.columns.timestamp, (column) => column.notNull())
      .execute()
  }
  const applied = new Set((await own.selectFrom(table).select('name').execute()).map((row) => row.name))
  const unknown = [...applied].filter((name) => !Object.hasOwn(migrations, name))
  if (unknown.length > 0) {
    throw new DatabaseError(
      'other',
      `The database has changes that this version does not know (${unknown.join(', ')}): it was used by a newer one.`,
    )
  }
  const missing = Object.keys(migrations)
    .filter((name) => !applied.has(name))
    .sort()
  for (const name of missing) {
    await migrations[name]?.(parts.forMigrations(query), parts.columns)
    await own
      .insertInto(table)
      .values({ name, applied_at: timestamp(nowMs) })
      .execute()
  }
  return missing
}

/** Names of what is applied, in order. */
export async function appliedMigrations(parts: EngineParts, query: Kysely<unknown>): Promise<string[]> {
  if (!(await parts.tableExists(query, table))) return []
  const rows = await (query as Kysely<Schema>).selectFrom(table).select('name').orderBy('name').execute()
  return rows.map((row) => row.name)
}

export async function readMigrationStatus(
  parts: EngineParts,
  query: Kysely<unknown>,
  migrations: Migrations,
): Promise<{ name: string; appliedAt: string | null }[]> {
  const rows = (await parts.tableExists(query, table)) ? await (query as Kysely<Schema>).selectFrom(table).selectAll().execute() : []
  const applied = new Map(rows.map((row) => [row.name, row.applied_at]))
  const names = new Set([...Object.keys(migrations), ...applied.keys()])
  return [...names].sort().map((name) => ({ name, appliedAt: applied.get(name) ?? null }))
}
