import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { Kysely, SqliteDialect, type SqliteDatabase } from 'kysely'

/** SQLite in memory, as the oracle of differential tests: `like` minds the case and references are checked. */
export function openSqlite<DB>(): Kysely<DB> {
  const db = new DatabaseSync(':memory:')
  db.exec('pragma foreign_keys = on; pragma case_sensitive_like = on')
  const database: SqliteDatabase = {
    close: () => db.close(),
    prepare(text) {
      const statement = db.prepare(text)
      const bound = (parameters: readonly unknown[]): SQLInputValue[] => parameters as SQLInputValue[]
      return {
        reader: statement.columns().length > 0,
        all: (parameters) => statement.all(...bound(parameters)),
        run: (parameters) => statement.run(...bound(parameters)),
        iterate: (parameters) => statement.iterate(...bound(parameters)) as IterableIterator<unknown>,
      }
    },
  }
  return new Kysely<DB>({ dialect: new SqliteDialect({ database }) })
}
