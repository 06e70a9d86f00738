import type {
  CompiledQuery,
  DatabaseConnection,
  Driver,
  QueryCompiler,
  QueryId,
  QueryResult,
  RootOperationNode,
  TransactionSettings,
} from 'kysely'
import { fencedBy, UnsupportedNode } from 'kysely-redis'
import { DatabaseError } from '../errors.ts'
import type { TransactionLock, TransactionLocks } from './locks.ts'
import { translateRedis } from './translate.ts'

interface LockQuery extends CompiledQuery {
  readonly lockName: string
}

/** Takes a lock for the transaction that runs it. */
export const lockQuery = (name: string): LockQuery => ({
  query: { kind: 'RawNode', sqlFragments: ['lock'], parameters: [] },
  queryId: { queryId: 'lock' },
  sql: 'lock',
  parameters: [],
  lockName: name,
})

interface RefusedQuery extends CompiledQuery {
  readonly refusal: DatabaseError
}

/**
 * A query that the engine can't run fails when it is compiled. A value that it can't take is told when the query is run, as the other
 * engines do: by then it is known which transaction it ends.
 */
export class Compiler implements QueryCompiler {
  readonly #inner: QueryCompiler

  constructor(inner: QueryCompiler) {
    this.#inner = inner
  }

  compileQuery(query: RootOperationNode, queryId: QueryId): CompiledQuery {
    try {
      return this.#inner.compileQuery(query, queryId)
    } catch (error) {
      if (error instanceof UnsupportedNode) throw translateRedis(error)
      const refused: RefusedQuery = { query, queryId, sql: 'refused', parameters: [], refusal: translateRedis(error) }
      return refused
    }
  }
}

class RedisConnection implements DatabaseConnection {
  readonly inner: DatabaseConnection
  readonly #locks: TransactionLocks
  readonly #held = new Map<string, TransactionLock>()

  constructor(inner: DatabaseConnection, locks: TransactionLocks) {
    this.inner = inner
    this.#locks = locks
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if ('refusal' in query) throw (query as RefusedQuery).refusal
    if ('lockName' in query) {
      await this.#take((query as LockQuery).lockName)
      return { rows: [] }
    }
    const result = await this.inner.executeQuery<R>(query)
    refuseLargeNumbers(result.rows as readonly Record<string, unknown>[])
    return result
  }

  async *streamQuery<R>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    if ('refusal' in query) throw (query as RefusedQuery).refusal
    for await (const part of this.inner.streamQuery<R>(query, chunkSize)) {
      refuseLargeNumbers(part.rows as readonly Record<string, unknown>[])
      yield part
    }
  }

  async #take(name: string): Promise<void> {
    if (this.#held.has(name)) return
    const taken = await this.#locks.take(name)
    this.#held.set(name, taken)
    await this.inner.executeQuery(fencedBy(taken.lock))
  }

  releaseLocks(): void {
    for (const held of this.#held.values()) held.release()
    this.#held.clear()
  }
}

/** Numbers are numbers on every engine. Beyond 2^53 we would be wrong, so we say so. */
function refuseLargeNumbers(rows: readonly Record<string, unknown>[]): void {
  for (const row of rows)
    for (const key in row) if (typeof row[key] === 'bigint') throw new DatabaseError('check', 'Redis: a number over 2^53 was read.')
}

/** The dialect's driver, with locks that end with the transaction. */
export function withLocks(inner: Driver, locks: TransactionLocks, isClosed: () => boolean): Driver {
  const own = (connection: DatabaseConnection): RedisConnection => connection as RedisConnection
  const ending = async (connection: DatabaseConnection, end: (inner: DatabaseConnection) => Promise<void>): Promise<void> => {
    try {
      await end(own(connection).inner)
    } finally {
      own(connection).releaseLocks()
    }
  }
  return {
    init: () => inner.init(),
    async acquireConnection() {
      if (isClosed()) throw new DatabaseError('unavailable', 'Redis: the database is closed.')
      return new RedisConnection(await inner.acquireConnection(), locks)
    },
    beginTransaction: (connection, settings: TransactionSettings) => inner.beginTransaction(own(connection).inner, settings),
    commitTransaction: (connection) => ending(connection, (ours) => inner.commitTransaction(ours)),
    rollbackTransaction: (connection) => ending(connection, (ours) => inner.rollbackTransaction(ours)),
    releaseConnection: (connection) => ending(connection, (ours) => inner.releaseConnection(ours)),
    destroy: () => inner.destroy(),
  }
}
