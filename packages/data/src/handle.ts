import { Kysely } from 'kysely'
import type { Database, DatabaseOptions, Transaction, TransactionOptions } from './database.ts'
import type { EngineParts } from './engine.ts'
import { DatabaseError } from './errors.ts'
import { applyMigrations, readMigrationStatus } from './migrations.ts'
import { currentScope, insideTransactionOf, inScope, outsideScopes, type Scope } from './scope.ts'
import { watchDriver, type DatabaseCounters, type Watch } from './watched-driver.ts'

/** Attempts of a transaction (or of a lone statement) that loses races before its caller hears of it. */
const attempts = 15
/** After so many, on an engine that has no other fairness, a transaction queues up (see EngineParts.queueWhoLoses). */
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

  async function attemptTransaction<T>(
    scope: Scope,
    work: (tx: Transaction<DB>) => Promise<T>,
    isolation: Isolation,
    queue: boolean,
  ): Promise<T> {
    const after: (() => void)[] = []
    const result = await inScope(scope, () =>
      query
        .transaction()
        .setIsolationLevel(isolation)
        .execute(async (own) => {
          scope.active = true
          try {
            if (queue) await parts.lock(own as unknown as Kysely<unknown>, lostRaces)
            return await work({
              engine: parts.engine,
              query: own,
              lock: (lockName) => parts.lock(own as unknown as Kysely<unknown>, lockName),
              afterCommit: (then) => void after.push(then),
            })
          } finally {
            scope.active = false
          }
        }),
    )
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
        return await attemptTransaction(
          scope,
          work,
          how.isolation ?? 'serializable',
          parts.queueWhoLoses === true && attempt > freeAttempts,
        )
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
