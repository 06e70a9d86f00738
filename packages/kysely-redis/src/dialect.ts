import {
  sql,
  type DatabaseIntrospector,
  type DatabaseMetadataOptions,
  type Dialect,
  type DialectAdapter,
  type Driver,
  type Kysely,
  type MigrationLockOptions,
  type QueryCompiler,
  type RawBuilder,
  type SchemaMetadata,
  type TableMetadata,
} from 'kysely'
import { checkDatabase, type CheckReport } from './check.ts'
import { RedisQueryCompiler } from './compile/compiler.ts'
import { allowScanWords } from './compile/selects.ts'
import { RedisDriver } from './driver.ts'
import { Engine } from './engine.ts'
import { RedisDatabaseError } from './errors.ts'
import { Locks, type HeldLock } from './locks.ts'
import type { RedisDialectOptions } from './options.ts'
import type { NearCacheCounters } from './wire/near-cache.ts'
import { SnapshotDriver } from './snapshots.ts'

const migrationLock = 'kysely-migrations'
const migrationLockMs = 30_000

/** For Kysely: `new Kysely<DB>({ dialect: new RedisDialect({ url, environment }) })`. Opens no connection before the first query. */
export class RedisDialect implements Dialect {
  readonly #engine: Engine
  readonly #options: RedisDialectOptions
  readonly locks: Locks

  constructor(options: RedisDialectOptions) {
    this.#engine = new Engine(options)
    this.#options = options
    this.locks = new Locks(this.#engine)
  }

  createDriver(): Driver {
    return new RedisDriver(this.#engine)
  }

  /** For a Kysely of its own: every transaction sees one moment, whatever others write meanwhile. See snapshots.ts for what it costs. */
  createSnapshotDriver(): Driver {
    return new SnapshotDriver(this.#engine, this.#options)
  }

  createQueryCompiler(): QueryCompiler {
    return new RedisQueryCompiler(this.#options.encodeParameter)
  }

  createAdapter(): DialectAdapter {
    return new RedisAdapter(this.locks)
  }

  createIntrospector(): DatabaseIntrospector {
    return new RedisIntrospector(this.#engine)
  }

  /**
   * What became of a commit whose reply was lost (`UnknownOutcome`). One that has not arrived yet will be refused from now on, so the
   * answer is final, as long as the outcome is kept (`outcomeKeptMs`).
   */
  async resolveCommit(group: string, commitId: string): Promise<'committed' | 'not committed'> {
    const reply = await this.#engine.call('outcome', group, [commitId, this.#engine.limits.outcomeKeptMs])
    return reply === 'refused' ? 'not committed' : 'committed'
  }

  /** Connects, and refuses servers that are too old, may evict keys, or don't keep them; the first query does the same. Waits for them for `patienceMs`. */
  async start(patienceMs?: number): Promise<void> {
    await this.#engine.checkServers(patienceMs)
  }

  /** Resolves when every primary answers. */
  async ping(): Promise<void> {
    await this.#engine.wire.callAll(['PING'])
  }

  /** How often the near cache had the answer. All zero without one. */
  get nearCache(): Readonly<NearCacheCounters> {
    return this.#engine.wire.cacheCounters
  }

  /** Walks all keys: do rows, indexes and unique keys agree? See `CheckReport`. */
  async check(): Promise<CheckReport> {
    return await checkDatabase(this.#engine)
  }

  /** Closes the sockets when the dialect was used without a Kysely of its own; `db.destroy()` does the same. */
  async close(): Promise<void> {
    await this.#engine.wire.close()
  }
}

class RedisAdapter implements DialectAdapter {
  readonly supportsCreateIfNotExists = true
  readonly supportsMultipleConnections = true
  readonly supportsTransactionalDdl = true
  readonly supportsReturning = true
  readonly supportsOutput = false
  readonly #locks: Locks
  #held: { lock: HeldLock; release: () => void; done: Promise<void> } | undefined

  constructor(locks: Locks) {
    this.#locks = locks
  }

  /** Renewed in the background until it is released. */
  async acquireMigrationLock(_db: Kysely<unknown>, _options: MigrationLockOptions): Promise<void> {
    const acquired = Promise.withResolvers<HeldLock>()
    const released = Promise.withResolvers<void>()
    const done = this.#locks.hold(migrationLock, { ttlMs: migrationLockMs, waitMs: migrationLockMs * 2 }, async (lock) => {
      acquired.resolve(lock)
      await released.promise
    })
    done.catch(acquired.reject)
    this.#held = { lock: await acquired.promise, release: released.resolve, done }
  }

  async releaseMigrationLock(): Promise<void> {
    const held = this.#held
    this.#held = undefined
    held?.release()
    await held?.done
  }
}

class RedisIntrospector implements DatabaseIntrospector {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  getSchemas(): Promise<SchemaMetadata[]> {
    return Promise.resolve([])
  }

  async getTables(options: DatabaseMetadataOptions = { withInternalKyselyTables: false }): Promise<TableMetadata[]> {
    const tables: TableMetadata[] = []
    for (const group of this.#engine.groups)
      for (const table of (await this.#engine.catalog(group)).byName.values()) {
        if (!options.withInternalKyselyTables && ['kysely_migration', 'kysely_migration_lock'].includes(table.name)) continue
        const columns = [...table.places.values()].map((place) => {
          const column = table.column(place)
          return {
            name: column.name,
            dataType: column.kind,
            isAutoIncrementing: column.counted,
            isNullable: !column.notNull,
            hasDefaultValue: column.default !== undefined,
          }
        })
        tables.push({ name: table.name, isView: false, isForeign: false, columns })
      }
    return tables
  }
}

/** `query.modifyEnd(allowScan)`: this statement means to read a whole table, whatever it finds. */
export const allowScan: RawBuilder<unknown> = sql.raw(allowScanWords)

/** True for errors that say the database can't be reached or is not fit: there is no use in asking again at once. */
export const isUnavailable = (error: unknown): boolean =>
  error instanceof RedisDatabaseError && (error.kind === 'unavailable' || error.kind === 'configuration')
