import { Kysely } from 'kysely'
import type { Database, DatabaseOptions, Transaction, TransactionOptions } from './database.ts'
import type { EngineParts } from './engine.ts'
import { DatabaseError } from './errors.ts'
import { applyMigrations, readMigrationStatus } from './migrations.ts'
import { createMutex } from './mutex.ts'
import { currentScope, insideTransactionOf, inScope, outsideScopes, type Scope } from './scope.ts'
import { watchDriver, type DatabaseCounters, type Watch } from './watched-driver.ts'

/** Attempts of a transaction (or of a lone statement) that loses races before its caller hears of it. */
const attempts = 15
/** After so many, on an engine where nobody waits for anybody, a transaction queues up (see EngineParts.queueWhoLoses). */
const freeAttempts = 3
const lostRaces = 'lost-races'
const pauseBaseMs = 4
const pauseCapMs = 400

/** Puts an engine behind the one interface that all services know. */
export function createHandle<DB>(parts: EngineParts, options: DatabaseOptions): Database<DB> {
  const { world, name } = options
  const owner = {}
  const counters: DatabaseCounters = { statements: 0, transactions: 0, retries: 0 }
  const watch: Watch = {
    owner,
    counters,
    translate: (error) => parts.translate(error),
    async pause(attempt) {
      if (attempt >= attempts) return false
      counters.retries++
      await world.timers.sleep(world.random.float() * Math.min(pauseCapMs, pauseBaseMs * 2 ** attempt))
      return true
    },
  }
  const query = new Kysely<DB>({ dialect: { ...parts.dialect, createDriver: () => watchDriver(parts.dialect.createDriver(), watch) } })

  const runAfterCommit = (after: readonly (() => void)[]): void => {
    for (const then of after) {
      try {
        outsideScopes(then)
      } catch (error) {
        world.log.error('a callback after a commit failed; the commit stands', { database: name, error })
      }
    }
  }

  const run = <T>(
    on: Kysely<DB>,
    { scope, work, isolation }: Attempt<DB, T>,
    locked: string | undefined,
    after: (() => void)[],
  ): Promise<T> =>
    on
      .transaction()
      .setIsolationLevel(isolation)
      .execute(async (own) => {
        scope.active = true
        try {
          if (locked !== undefined) await parts.lock(own as unknown as Kysely<unknown>, locked)
          return await work({
            engine: parts.engine,
            query: own,
            lock: (lockName) => parts.lock(own as unknown as Kysely<unknown>, lockName),
            afterCommit: (then) => void after.push(then),
          })
        } finally {
          scope.active = false
        }
      })

  /** One of this process after the other, so that those who wait hold no connections; and one process after the other. */
  const queue = createMutex()
  async function inTurn<T>(attempt: Attempt<DB, T>, after: (() => void)[]): Promise<T> {
    const leave = await queue.acquire()
    try {
      if (!parts.lockSession) return await run(query, attempt, lostRaces, after)
      return await query.connection().execute(async (connection) => {
        const unlock = await parts.lockSession!(connection as unknown as Kysely<unknown>, lostRaces)
        try {
          return await run(connection, attempt, undefined, after)
        } finally {
          await unlock()
        }
      })
    } finally {
      leave()
    }
  }

  async function attemptTransaction<T>(attempt: Attempt<DB, T>, queued: boolean): Promise<T> {
    const after: (() => void)[] = []
    const result = await inScope(attempt.scope, () => (queued ? inTurn(attempt, after) : run(query, attempt, undefined, after)))
    runAfterCommit(after)
    return result
  }

  async function transaction<T>(work: (tx: Transaction<DB>) => Promise<T>, how: TransactionOptions = {}): Promise<T> {
    if (insideTransactionOf(owner)) {
      throw new DatabaseError(
        'other',
        'database.transaction was called inside a running transaction of the same database: pass tx along instead.',
      )
    }
    for (let attempt = 1; ; attempt++) {
      const scope: Scope = { owner, outer: currentScope(), active: false, lostRace: false }
      try {
        const queued = parts.queueWhoLoses === true && attempt > freeAttempts
        return await attemptTransaction({ scope, work, isolation: how.isolation ?? 'serializable' }, queued)
      } catch (error) {
        if (!scope.lostRace || !(await watch.pause(attempt))) throw error
      }
    }
  }

  /** A Kysely over the engine's own driver for snapshots; without one, over the driver of everything else. */
  const snapshots =
    parts.createSnapshotDriver === undefined
      ? query
      : new Kysely<DB>({ dialect: { ...parts.dialect, createDriver: () => watchDriver(parts.createSnapshotDriver!(), watch) } })

  async function snapshot<T>(work: (query: Kysely<DB>) => Promise<T>): Promise<T> {
    const scope: Scope = { owner, outer: currentScope(), active: false, lostRace: false }
    return await inScope(scope, () => snapshots.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(work))
  }

  const handle: Database<DB> = {
    engine: parts.engine,
    name,
    query,
    counters,
    transaction,
    snapshot,
    async migrate(migrations) {
      // Read committed: whoever waited for the lock must see what its holder did.
      return await transaction((tx) => applyMigrations(parts, tx.query as Kysely<unknown>, migrations, world.clock.nowMs()), {
        isolation: 'read committed',
      })
    },
    migrationStatus: (migrations) => readMigrationStatus(parts, query as Kysely<unknown>, migrations),
    async ping() {
      try {
        await parts.ping(query as Kysely<unknown>)
      } catch (error) {
        throw parts.translate(error)
      }
    },
    async close() {
      // Kysely's own destroy is not used: what comes after it would not speak our vocabulary of errors.
      await parts.shutDown()
    },
  }
  partsByHandle.set(handle, parts)
  return handle
}

const partsByHandle = new WeakMap<object, EngineParts>()

/** For this package's own rooms, which do what no service does. */
export function partsOf(db: object): EngineParts {
  const parts = partsByHandle.get(db)
  if (parts === undefined) throw new DatabaseError('other', 'This is not a database of openDatabase().')
  return parts
}

type Isolation = NonNullable<TransactionOptions['isolation']>

interface Attempt<DB, T> {
  readonly scope: Scope
  readonly work: (tx: Transaction<DB>) => Promise<T>
  readonly isolation: Isolation
}
