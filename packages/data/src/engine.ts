import type { Dialect, Kysely } from 'kysely'
import type { Engine } from './database.ts'
import type { DatabaseError } from './errors.ts'
import type { Columns } from './migrations.ts'

/** What the handle (handle.ts) needs of an engine. The third engine joins here. */
export interface EngineParts {
  readonly engine: Engine
  readonly dialect: Dialect
  readonly columns: Columns
  translate(error: unknown): DatabaseError
  /** Waits for the named lock; it is let go when the transaction ends. */
  lock(query: Kysely<unknown>, name: string): Promise<void>
  tableExists(query: Kysely<unknown>, table: string): Promise<boolean>
  /** Makes a handle for migrations out of a transaction's. */
  forMigrations(query: Kysely<unknown>): Kysely<unknown>
  /** Ends everything at once: open transactions are rolled back, whoever waits is refused. */
  shutDown(): Promise<void>
}
