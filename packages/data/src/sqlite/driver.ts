import type { CompiledQuery, DatabaseConnection, Driver, QueryResult } from 'kysely'
import type { World } from '@murmuration/world'
import { DatabaseError } from '../errors.ts'
import { createMutex, type Mutex } from '../mutex.ts'
import type { SqliteFile } from './file.ts'
import { isBusy } from './translate.ts'

/** How long another process may hold the write lock before we give up. */
const busyLimitMs = 15_000
const busyPauseCapMs = 25
/** Who has waited for long looks less often: a lock that is held for seconds is not let go within the next ones by asking for it. */
const busyLongPauseCapMs = 100
const longWaitMs = 1_000

interface Shared {
  readonly writer: SqliteFile
  /** A second, read-only connection; absent for `:memory:`, which exists in one connection only. */
  readonly reader: SqliteFile | undefined
  readonly mutex: Mutex
  readonly world: World
}

/**
 * A statement or BEGIN that meets the lock of another process has had no effect and is tried again, with pauses of random
 * length from the world. Inside a transaction there is nothing to wait for: BEGIN IMMEDIATE took the lock.
 */
export async function retryBusy<T>(world: World, attempt: () => T): Promise<T> {
  const startedMs = world.clock.monotonicMs()
  for (let pauseMs = 1; ; pauseMs *= 2) {
    let waitedMs: number
    try {
      return attempt()
    } catch (error) {
      waitedMs = world.clock.monotonicMs() - startedMs
      if (!isBusy(error) || waitedMs >= busyLimitMs) throw error
    }
    pauseMs = Math.min(pauseMs, waitedMs < longWaitMs ? busyPauseCapMs : busyLongPauseCapMs)
    await world.timers.sleep(pauseMs * (0.5 + world.random.float()))
  }
}

class SqliteConnection implements DatabaseConnection {
  #shared: Shared
  #letNextIn: (() => void) | undefined

  constructor(shared: Shared) {
    this.#shared = shared
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { writer, reader, mutex, world } = this.#shared
    if (this.#letNextIn) return writer.execute(query.sql, query.parameters) as QueryResult<R>
    // A lone SELECT sees the last commit and waits for nobody: WAL gives readers their own snapshot.
    if (reader && query.query.kind === 'SelectQueryNode')
      return (await retryBusy(world, () => reader.execute(query.sql, query.parameters))) as QueryResult<R>
    const letNextIn = await mutex.acquire()
    try {
      return (await retryBusy(world, () => writer.execute(query.sql, query.parameters))) as QueryResult<R>
    } finally {
      letNextIn()
    }
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    if (query.query.kind !== 'SelectQueryNode') throw new DatabaseError('other', 'SQLite: only a select can be streamed.')
    if (this.#letNextIn || this.#shared.reader) {
      const from = this.#letNextIn ? this.#shared.writer : (this.#shared.reader as SqliteFile)
      for (const row of from.iterate(query.sql, query.parameters)) yield { rows: [row as R] }
    } else yield await this.executeQuery<R>(query)
  }

  async begin(): Promise<void> {
    const { writer, mutex, world } = this.#shared
    const letNextIn = await mutex.acquire()
    try {
      // Taking the write lock at once: a transaction that reads first and writes later could fail in the middle.
      await retryBusy(world, () => writer.run('begin immediate'))
    } catch (error) {
      letNextIn()
      throw error
    }
    this.#letNextIn = letNextIn
  }

  commit(): void {
    this.#shared.writer.run('commit')
    this.release()
  }

  rollback(): void {
    try {
      // A full disk may have rolled it back already.
      if (this.#shared.writer.inTransaction) this.#shared.writer.run('rollback')
    } finally {
      this.release()
    }
  }

  release(): void {
    this.#letNextIn?.()
    this.#letNextIn = undefined
  }
}

/** One writer for the whole process, first come first served, and readers beside it. */
export function createSqliteDriver(writer: SqliteFile, reader: SqliteFile | undefined, world: World): Driver & { shutDown(): void } {
  const shared: Shared = { writer, reader, mutex: createMutex(), world }
  const own = (connection: DatabaseConnection): SqliteConnection => connection as SqliteConnection
  const shutDown = (): void => {
    shared.mutex.close(new DatabaseError('unavailable', 'SQLite: the database is closed.'))
    reader?.close()
    // Closing a connection rolls its open transaction back.
    writer.close()
  }
  return {
    init: async () => {},
    acquireConnection: async () => new SqliteConnection(shared),
    beginTransaction: (connection) => own(connection).begin(),
    commitTransaction: async (connection) => own(connection).commit(),
    rollbackTransaction: async (connection) => own(connection).rollback(),
    releaseConnection: async (connection) => own(connection).release(),
    destroy: async () => shutDown(),
    shutDown,
  }
}
