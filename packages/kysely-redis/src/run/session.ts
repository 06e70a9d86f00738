import type { Catalog, Index, Table } from '../catalog/types.ts'
import type { Engine } from '../engine.ts'
import { fail, RedisDatabaseError } from '../errors.ts'
import type { StatementCounters } from '../options.ts'
import type { Row } from '../values/kinds.ts'
import type { Reply } from '../wire/resp.ts'
import type { Assumptions } from './assumptions.ts'
import { WriteBuffer } from './buffer.ts'
import { sendCommit } from './commit.ts'
import { Exchange, lost, type ExchangeOptions } from './exchange.ts'
import { keysOfWrites } from './nearby.ts'
import type { RangeRequest } from './reads.ts'
import { RowReader } from './row-reader.ts'
import { writesOf } from './writes.ts'

const mostRowsPerCall = 20_000

export interface SessionOptions extends ExchangeOptions {
  readonly readOnly?: boolean
  /** Which attempt of the statement it is: 1, 2 … */
  readonly attempt?: number
  /** An insert on its own, tried for the first time: nobody is in its way, most likely. */
  readonly hopeful?: boolean
}

/**
 * One transaction, or one statement outside of any. Reads note what they saw, writes stay here, and the commit asks the server to
 * repeat the reads and apply the writes in one step. Reads asked for in the same turn travel together.
 */
export class Session {
  readonly engine: Engine
  readonly buffer = new WriteBuffer()
  readonly rows: RowReader
  readonly rowsPerCall: number
  readonly readOnly: boolean
  readonly hopeful: boolean
  readonly #exchange: Exchange
  readonly #locks = new Map<string, string>()
  #group: string | undefined
  /** Changes of tables that go with the commit, and the indexes that are made by it. */
  readonly #schemaWrites: string[] = []
  readonly #filled = new Set<string>()
  /** Checks of references that wait for the end; undefined when they are made with each statement. */
  #lifted = false
  #deferred: (() => Promise<void>)[] | undefined

  constructor(engine: Engine, options: SessionOptions = {}) {
    this.engine = engine
    // Who loses races reads in larger steps: what is read in one call is of one moment.
    this.rowsPerCall = Math.min(mostRowsPerCall, engine.limits.rowsPerCall * 4 ** ((options.attempt ?? 1) - 1))
    this.readOnly = options.readOnly ?? false
    this.hopeful = options.hopeful ?? false
    this.#exchange = new Exchange(engine, options)
    this.rows = new RowReader(this.#exchange, this.buffer, this.rowsPerCall)
  }

  get counters(): StatementCounters {
    return this.#exchange.counters
  }

  /** What is taken for true until the commit. */
  get assumed(): Assumptions {
    return this.#exchange.assumed
  }

  /** The catalogue of the group that the first table of a transaction fixes. */
  async catalogFor(tables: readonly string[]): Promise<Catalog> {
    for (const table of tables) {
      const group = this.engine.groupOf(table)
      if (this.#group !== undefined && this.#group !== group)
        throw new RedisDatabaseError(
          'cross-group',
          `Table ${table} is in group ${group}: a transaction or a query stays in one, here ${this.#group}.`,
        )
      this.#group = group
    }
    this.#group ??= this.engine.groups[0] as string
    return (this.#exchange.catalog ??= await this.engine.catalog(this.#group))
  }

  get catalog(): Catalog {
    return this.#exchange.catalog as Catalog
  }

  /** How many rows the table has, own writes included. */
  async count(table: Table): Promise<number> {
    const size = Number(await this.#exchange.ask(table, ['C', table.id]))
    this.#exchange.reads.size(table.id, size)
    this.engine.sizes.set(`${table.group}/${table.id}`, size)
    let delta = 0
    for (const written of this.buffer.find(table)?.rows.values() ?? [])
      delta += Number(written.now !== null) - Number(written.stored !== null)
    return size + delta
  }

  /** For `explain`: entries in a range, by the index alone. */
  async estimate(table: Table, index: Index, low: string, high: string): Promise<number> {
    return Number(await this.#exchange.ask(table, ['L', table.id, index.id, low, high]))
  }

  /** Reserves ids; they are not given back. Returns the last. */
  async reserveIds(table: Table, count: number): Promise<number> {
    return Number(await this.#exchange.ask(table, ['S', table.id, count]))
  }

  /** Works by another catalogue from now on; the commit writes it. */
  changeSchema(catalog: Catalog, writes: readonly string[]): void {
    this.#exchange.catalog = catalog
    this.#schemaWrites.push(...writes)
    this.buffer.retable(catalog.byId)
  }

  deferReferences(): void {
    this.#deferred ??= []
    this.#lifted = true
  }

  /** False when the check is to be made now. */
  defer(check: () => Promise<void>): boolean {
    this.#deferred?.push(check)
    return this.#deferred !== undefined
  }

  async checkDeferred(): Promise<void> {
    const checks = this.#deferred?.splice(0) ?? []
    this.#deferred = undefined
    for (let at = 0; at < checks.length; at += this.rowsPerCall)
      for (const result of await Promise.allSettled(checks.slice(at, at + this.rowsPerCall).map((check) => check())))
        if (result.status === 'rejected') throw result.reason
  }

  get changedSchema(): boolean {
    return this.#schemaWrites.length > 0
  }

  /** Enters all rows into an index that this transaction makes. */
  async fill(table: Table, index: Index): Promise<Row[]> {
    const rows: Row[] = []
    const own = this.buffer.of(table)
    let request: RangeRequest | undefined = { index: table.primary, low: '-', high: '+', reverse: false, limit: this.rowsPerCall }
    while (request) {
      const { found, next } = await this.rows.range(table, request)
      for (const { key, row } of found) {
        rows.push(row)
        if (!own.rows.has(key)) this.buffer.write(table, key, row, row)
      }
      request = next
    }
    this.#filled.add(`${table.id}/${index.id}`)
    return rows
  }

  fence(lock: string, value: string): void {
    this.#locks.set(lock, value)
  }

  /** Asks whether all that was read is still so. Throws a serialization failure when it is not. */
  async validate(): Promise<void> {
    await this.#exchange.validate([...this.#exchange.reads.tables.keys()], [])
  }

  /** Applies all writes in one step on the server, or none. */
  async commit(): Promise<void> {
    this.#exchange.checkAlive()
    await this.checkDeferred()
    const writes = [...this.#schemaWrites, ...writesOf(this.buffer, this.#filled, this.engine.limits, this.#unbounded)]
    if (writes.length === 0) return
    const { engine, catalog } = this
    const locks = [...this.#locks].flatMap(([lock, value]) => ['F', lock, value])
    const args = [...locks, ...this.#exchange.checks(), 'W', ...writes]
    let size = 0
    for (const arg of args) size += arg.length
    if (size > engine.limits.charactersPerCommit && !this.#unbounded)
      fail('too-large', `The transaction is too large: ${size} characters, ${engine.limits.charactersPerCommit} at most.`)
    this.counters.roundTrips++
    const touched = (): readonly string[] => keysOfWrites(engine.base(catalog.group), writes)
    const frees = this.buffer.onlyDeletes && this.#schemaWrites.length === 0
    const [word, problem] = await sendCommit(engine, catalog, frees ? 'commit_freeing' : 'commit', args, touched, this.#exchange.ongoing())
    if (word === 'conflict' && problem === 'lock')
      throw new RedisDatabaseError('lock-lost', 'The lock that this transaction relies on is no longer held.')
    if (this.changedSchema) engine.schemaChanged(catalog.group)
    if (word !== 'ok') throw lost(this.#exchange.nameIn(String(problem)))
    await engine.replicated(catalog.group)
  }

  /** For building indexes: commits entries of our own making if what was read is still so, and the schema has this version. */
  async commitAlso(schemaVersion: string, writes: readonly string[]): Promise<void> {
    const { engine, catalog } = this
    if (catalog.version !== schemaVersion) throw engine.schemaChanged(catalog.group)
    const args = [
      engine.environment.uniqueId(),
      String(engine.limits.outcomeKeptMs),
      catalog.version,
      ...this.#exchange.checks(),
      'W',
      ...writes,
    ]
    const reply = (await engine.call('commit', catalog.group, args)) as Reply[]
    if (reply[0] === 'schema') throw engine.schemaChanged(catalog.group)
    if (reply[0] !== 'ok') throw lost(this.#exchange.nameIn(String(reply[1])))
  }

  /** The version of a table at which all reads were true. */
  versionOf(table: Table): string {
    return this.#exchange.reads.tables.get(table.id)?.version ?? ''
  }

  /** Who changes tables, or fills all of them, has no limits. */
  get #unbounded(): boolean {
    return this.#lifted || this.changedSchema
  }
}
