import type { CompiledQuery, DatabaseConnection, Driver, QueryResult } from 'kysely'
import { DatabaseError } from './errors.ts'
import { currentScope, insideTransactionOf, type Scope } from './scope.ts'
import { noteStatement } from './statements.ts'

/** What /metrics shows of a database handle. They only grow. */
export interface DatabaseCounters {
  statements: number
  transactions: number
  /** Attempts beyond the first, of transactions and of single statements. */
  retries: number
}

export interface Watch {
  /** Identity of the handle. */
  readonly owner: object
  readonly counters: DatabaseCounters
  translate(error: unknown): DatabaseError
  /** Waits before the next attempt; false when there was enough of them. */
  pause(attempt: number): Promise<boolean>
}

const misuse = (): DatabaseError =>
  new DatabaseError(
    'other',
    'database.query was used inside a running transaction of the same database: pass the transaction (tx) along instead.',
  )

/** What holds for every engine: failures in one vocabulary, counters, and a transaction that failed stays failed. */
class WatchedConnection implements DatabaseConnection {
  readonly inner: DatabaseConnection
  readonly #watch: Watch
  readonly #scope: Scope | undefined
  inTransaction = false
  failed: DatabaseError | undefined

  constructor(inner: DatabaseConnection, watch: Watch, scope: Scope | undefined) {
    this.inner = inner
    this.#watch = watch
    this.#scope = scope
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    this.refuseIfFailed()
    for (let attempt = 1; ; attempt++) {
      this.#watch.counters.statements++
      noteStatement(query.sql)
      try {
        return await this.inner.executeQuery<R>(query)
      } catch (error) {
        const failure = this.fail(error)
        // A lone statement that lost a race had no effect; a transaction is repeated as a whole by its owner.
        if (this.inTransaction || failure.kind !== 'serialization' || !(await this.#watch.pause(attempt))) throw failure
      }
    }
  }

  async *streamQuery<R>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    this.refuseIfFailed()
    this.#watch.counters.statements++
    noteStatement(query.sql)
    try {
      yield* this.inner.streamQuery<R>(query, chunkSize)
    } catch (error) {
      throw this.fail(error)
    }
  }

  fail(error: unknown): DatabaseError {
    const failure = this.#watch.translate(error)
    if (this.inTransaction) this.failed ??= failure
    if (this.#scope && failure.kind === 'serialization') this.#scope.lostRace = true
    return failure
  }

  /** PostgreSQL refuses everything after a failed statement; SQLite would go on with half of the work, so we refuse for it. */
  refuseIfFailed(): void {
    if (this.failed) {
      throw new DatabaseError('other', 'An earlier statement of this transaction failed, so nothing more can be done in it.', {
        cause: this.failed,
      })
    }
  }
}

export function watchDriver(inner: Driver, watch: Watch): Driver {
  const own = (connection: DatabaseConnection): WatchedConnection => connection as WatchedConnection
  const translated = async <T>(connection: WatchedConnection | undefined, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw connection ? connection.fail(error) : watch.translate(error)
    }
  }
  return {
    init: () => inner.init(),
    acquireConnection() {
      // A transaction's statements never come here: it holds its connection. So this is `database.query`.
      if (insideTransactionOf(watch.owner)) return Promise.reject(misuse())
      const scope = currentScope()
      return translated(
        undefined,
        async () => new WatchedConnection(await inner.acquireConnection(), watch, scope?.owner === watch.owner ? scope : undefined),
      )
    },
    async beginTransaction(connection, settings) {
      await translated(own(connection), () => inner.beginTransaction(own(connection).inner, settings))
      own(connection).inTransaction = true
      watch.counters.transactions++
    },
    async commitTransaction(connection) {
      own(connection).refuseIfFailed()
      await translated(own(connection), () => inner.commitTransaction(own(connection).inner))
      own(connection).inTransaction = false
    },
    async rollbackTransaction(connection) {
      own(connection).inTransaction = false
      own(connection).failed = undefined
      try {
        await inner.rollbackTransaction(own(connection).inner)
      } catch {
        // The connection is gone, and the engine has rolled back by itself. The error that brought us here matters more.
      }
    },
    releaseConnection: (connection) => inner.releaseConnection(own(connection).inner),
    destroy: () => inner.destroy(),
  }
}
