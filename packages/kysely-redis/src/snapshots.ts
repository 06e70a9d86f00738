import type { DatabaseConnection, Driver } from 'kysely'
import { RedisConnection } from './driver.ts'
import { Engine } from './engine.ts'
import { fail } from './errors.ts'
import type { RedisDialectOptions } from './options.ts'
import type { Reply } from './wire/resp.ts'

/** A snapshot whose process has ended goes by itself. */
const keptMs = 60 * 60_000
const attempts = 20

/**
 * Connections whose transactions see the database as it was when they began, and hold nobody up. Each begins with a copy of all keys on the
 * server, which does nothing else meanwhile (about a second for 300,000 rows), and has room for all data twice.
 */
export class SnapshotDriver implements Driver {
  readonly #engine: Engine
  readonly #options: RedisDialectOptions
  readonly #ends = new WeakMap<DatabaseConnection, () => Promise<void>>()

  constructor(engine: Engine, options: RedisDialectOptions) {
    this.#engine = engine
    this.#options = options
  }

  async init(): Promise<void> {
    await this.#engine.checkServers()
  }

  acquireConnection(): Promise<DatabaseConnection> {
    const suffix = `:s:${this.#engine.environment.uniqueId()}`
    const connection = new RedisConnection(new Engine(this.#options, { wire: this.#engine.wire, suffix }))
    return Promise.resolve(connection)
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    const own = connection as RedisConnection
    const taken: { group: string; tables: string[] }[] = []
    this.#ends.set(connection, async () => {
      for (const { group, tables } of taken.splice(0)) await own.engine.call('forget', group, tables)
    })
    const suffix = own.engine.base('').slice(this.#engine.base('').length)
    for (const group of this.#engine.groups) taken.push({ group, tables: await this.#take(group, suffix) })
    own.begin({ accessMode: 'read only' })
  }

  async #take(group: string, suffix: string): Promise<string[]> {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const catalog = await this.#engine.catalog(group)
      const tables = [...catalog.byId.values()].flatMap((table) => [String(table.id), table.indexes.map((index) => index.id).join()])
      const reply = (await this.#engine.call('snapshot', group, [suffix, keptMs, catalog.version, ...tables])) as Reply[]
      if (reply[0] === 'ok') return tables
      this.#engine.schemaChanged(group)
    }
    return fail('serialization', 'Tables are changed all the time; no snapshot could be taken.')
  }

  async #end(connection: DatabaseConnection): Promise<void> {
    ;(connection as RedisConnection).rollback()
    await this.#ends.get(connection)?.()
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await this.#end(connection)
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await this.#end(connection)
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    await this.#end(connection)
  }

  destroy(): Promise<void> {
    return Promise.resolve()
  }
}
