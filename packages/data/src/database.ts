import type { Kysely } from 'kysely'
import type { World } from '@murmuration/world'
import type { Migrations } from './migrations.ts'
import type { DatabaseCounters } from './watched-driver.ts'

export type Engine = 'sqlite' | 'postgres' | 'redis'

/** What a store function takes: it runs the same inside and outside of a transaction. */
export interface Queryable<DB> {
  readonly engine: Engine
  /** Typed queries. Raw SQL is for this package only. */
  readonly query: Kysely<DB>
}

/** A running transaction. Nothing but the database is awaited while it is open. */
export interface Transaction<DB> extends Queryable<DB> {
  /**
   * Held until the transaction ends; waits for the other holder. On SQLite every transaction is exclusive already. Make it the first
   * statement, and ask for `read committed` when what the holder before wrote must be seen without another attempt.
   */
  lock(name: string): Promise<void>
  /** Runs after a successful commit, never after a rollback or on an attempt that was retried. For wake-ups. */
  afterCommit(then: () => void): void
}

export interface TransactionOptions {
  /** Default `serializable`. `read committed` is for queue-like claims that use `for update skip locked`. */
  readonly isolation?: 'serializable' | 'read committed'
}

export interface Database<DB> extends Queryable<DB> {
  readonly name: string
  /** For /metrics; they only grow. */
  readonly counters: Readonly<DatabaseCounters>
  /**
   * Runs `work` in a transaction and commits. Serialization failures and deadlocks are retried (bounded, with jitter), so
   * `work` may run several times: no effects in it but on the database.
   * Using `database.query` inside throws at once, since it would not see the transaction (and wait for ever on SQLite).
   */
  transaction<T>(work: (tx: Transaction<DB>) => Promise<T>, options?: TransactionOptions): Promise<T>
  /** Runs `work` with a view of one moment: what others commit meanwhile is not seen, and nobody waits. For reading only. */
  snapshot<T>(work: (query: Kysely<DB>) => Promise<T>): Promise<T>
  /** Applies what is missing, in order, under a lock; several processes may call it at once. Returns the names applied. */
  migrate(migrations: Migrations): Promise<string[]>
  migrationStatus(migrations: Migrations): Promise<{ name: string; appliedAt: string | null }[]>
  /** For /healthz: resolves when a trivial statement answers. */
  ping(): Promise<void>
  /** At once: open transactions are rolled back, and whoever waits is refused as `unavailable`. */
  close(): Promise<void>
}

export interface DatabaseOptions {
  readonly world: World
  /** Statement and transaction counters in /metrics carry this name. */
  readonly name: string
  /** PostgreSQL connections of this process at most. Default 10. Independent of the fleet's size. */
  readonly maxConnections?: number
  /** A statement that takes longer is cancelled (PostgreSQL), or waits for a lock so long (Redis). Default 30,000. */
  readonly statementTimeoutMs?: number
}
