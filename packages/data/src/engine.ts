import type { Dialect, Driver, Kysely } from 'kysely'
import type { World } from '@murmuration/world'
import type { Engine } from './database.ts'
import type { DatabaseError } from './errors.ts'
import type { Columns } from './migrations.ts'
import type { TransferTable } from './transfer/source.ts'

/** What the handle (handle.ts) needs of an engine. */
export interface EngineParts {
  readonly engine: Engine
  readonly dialect: Dialect
  readonly columns: Columns
  readonly world: World
  translate(error: unknown): DatabaseError
  /** Waits for the named lock; it is let go when the transaction ends. */
  lock(query: Kysely<unknown>, name: string): Promise<void>
  /**
   * Nobody waits for anybody there, so a transaction that many others get in the way of may lose race after race: those that have lost
   * several queue up for a lock, and go one by one.
   */
  readonly queueWhoLoses?: boolean
  /**
   * Waits for a lock that belongs to the connection, and resolves to what lets it go. For engines where a transaction that waited inside
   * would see what was before its wait, and lose again.
   */
  lockSession?(connection: Kysely<unknown>, name: string): Promise<() => Promise<void>>
  tableExists(query: Kysely<unknown>, table: string): Promise<boolean>
  /** Makes a handle for migrations out of a transaction's. */
  forMigrations(query: Kysely<unknown>): Kysely<unknown>
  /** Transactions of this driver see one moment, and hold nobody up. Without it an ordinary transaction does. */
  readonly createSnapshotDriver?: () => Driver
  readonly transfer: TransferParts
  /** What is not as it must be between rows and what leads to them. */
  check(query: Kysely<unknown>): Promise<string[]>
  /** Resolves when the engine answers. */
  ping(query: Kysely<unknown>): Promise<void>
  /** Ends everything at once: open transactions are rolled back, whoever waits is refused. */
  shutDown(): Promise<void>
}

/** What moving whole databases between engines (transfer/) needs of one. */
export interface TransferParts {
  /** All tables, in any order. */
  describe(query: Kysely<unknown>): Promise<TransferTable[]>
  /** Until the end of this transaction, references are checked by what it resolves to, or by the commit. */
  deferReferences(query: Kysely<unknown>): Promise<() => Promise<void>>
  /** The next number that the engine gives is after `last` (0: none was given). */
  moveCounter(query: Kysely<unknown>, table: string, column: string, last: number): Promise<void>
}
