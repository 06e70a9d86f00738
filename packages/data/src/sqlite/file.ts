import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { QueryResult } from 'kysely'
import { encode } from '../codec.ts'

/** Lists of different length make different statements; beyond this the least recently used one is prepared again. */
const cachedStatements = 256

interface Prepared {
  readonly statement: StatementSync
  readonly hasRows: boolean
  /** Of its columns, once they are known; never of one that has a `*`, whose columns change with the schema. */
  names: readonly string[] | undefined
  readonly keepsNames: boolean
}

/** One connection of node:sqlite with its cache of prepared statements. Everything here is synchronous. */
export interface SqliteFile {
  execute(sql: string, parameters: readonly unknown[]): QueryResult<unknown>
  iterate(sql: string, parameters: readonly unknown[]): IterableIterator<unknown>
  /** One statement without parameters or rows. */
  run(sql: string): void
  readonly inTransaction: boolean
  close(): void
}

/** A whole number goes in as INTEGER: node:sqlite binds numbers as REAL, which a text column would keep as `5.0`. */
const bind = (value: unknown): null | string | number | bigint => {
  const encoded = encode(value)
  return typeof encoded === 'number' && Number.isSafeInteger(encoded) ? BigInt(encoded) : encoded
}

/**
 * Rows come as arrays and become objects here: those that node:sqlite makes have no prototype, so that each would have to be copied, which
 * takes four times as long. Names are asked for after the first row: a changed schema has prepared the statement anew by then.
 */
const namesOf = (prepared: Prepared): readonly string[] => {
  const names = prepared.names ?? prepared.statement.columns().map(({ name }) => name)
  if (prepared.keepsNames) prepared.names = names
  return names
}

function objectOf(names: readonly string[], values: readonly unknown[]): Record<string, unknown> {
  const row: Record<string, unknown> = {}
  for (let at = 0; at < names.length; at += 1) row[names[at]!] = values[at]
  return row
}

export function openSqliteFile(path: string, options: { readOnly: boolean }): SqliteFile {
  // Waiting happens in the driver, through the world's timers: SQLite's own wait would stop the whole process.
  const database = new DatabaseSync(path, { readOnly: options.readOnly, timeout: 0, enableForeignKeyConstraints: true })
  const cache = new Map<string, Prepared>()

  const prepare = (sql: string): Prepared => {
    const known = cache.get(sql)
    if (known) {
      cache.delete(sql)
      cache.set(sql, known)
      return known
    }
    const statement = database.prepare(sql)
    statement.setReturnArrays(true)
    const prepared = { statement, hasRows: statement.columns().length > 0, names: undefined, keepsNames: !sql.includes('*') }
    cache.set(sql, prepared)
    if (cache.size > cachedStatements) cache.delete(cache.keys().next().value as string)
    return prepared
  }

  return {
    execute(sql, parameters) {
      const values = parameters.map(bind)
      const prepared = prepare(sql)
      const { statement, hasRows } = prepared
      if (hasRows) {
        const found = statement.all(...values) as unknown as unknown[][]
        const names = found.length === 0 ? [] : namesOf(prepared)
        return { rows: found.map((row) => objectOf(names, row)), numAffectedRows: BigInt(found.length) }
      }
      const { changes, lastInsertRowid } = statement.run(...values)
      return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) }
    },
    *iterate(sql, parameters) {
      const prepared = prepare(sql)
      let names: readonly string[] | undefined
      for (const row of prepared.statement.iterate(...parameters.map(bind)) as unknown as Iterable<unknown[]>)
        yield objectOf((names ??= namesOf(prepared)), row)
    },
    run(sql) {
      database.exec(sql)
    },
    get inTransaction() {
      return database.isOpen && database.isTransaction
    },
    close() {
      cache.clear()
      if (database.isOpen) database.close()
    },
  }
}
