import type { Catalog, Index, Table } from '../catalog/types.ts'
import type { Engine } from '../engine.ts'
import { fail, isSerializationFailure, RedisDatabaseError } from '../errors.ts'
import type { StatementCounters } from '../options.ts'
import type { Row } from '../values/kinds.ts'
import { versionLength } from '../values/rows.ts'
import { afterAll } from '../values/encoding.ts'
import type { Reply } from '../wire/resp.ts'
import type { Connection } from '../wire/connection.ts'
import type { Ongoing } from '../wire/wire.ts'
import { Assumptions } from './assumptions.ts'
import { WriteBuffer } from './buffer.ts'
import { sendCommit } from './commit.ts'
import { mergeOwn } from './merge.ts'
import { keyInMember, keysOfReads, keysOfWrites, questionOf } from './nearby.ts'
import { ReadSet } from './read-set.ts'
import { writesOf } from './writes.ts'

/** A row of a table, and the key it is stored by. */
export interface Found {
  readonly key: string
  readonly row: Row
}

export interface RangeRequest {
  readonly index: Index
  /** In the notation of ZRANGE … BYLEX: `[text`, `(text`, `-`, `+`. */
  readonly low: string
  readonly high: string
  readonly reverse: boolean
  readonly limit: number
  /** Set when the range is all entries with exactly these encoded columns. */
  readonly exactly?: string
}

/**
 * What will be asked next for each row that is found, fetched in the same call: the row of another table whose key is that row's key with
 * a suffix (`whole`), or the entries of an index that begin so.
 */
export interface Follow {
  readonly table: Table
  readonly index: Index
  readonly suffix: string
  readonly whole: boolean
  readonly limit: number
}

export type ManyRequest = Pick<RangeRequest, 'low' | 'high' | 'exactly'>

export interface RangeResult {
  readonly found: Found[]
  /** Where to go on; undefined when the range is exhausted. */
  readonly next: RangeRequest | undefined
}

interface Ahead {
  readonly high: string
  readonly limit: number
  readonly members: readonly string[]
  readonly texts: readonly (string | null)[]
}

export interface Pending {
  readonly args: readonly (string | number)[]
  readonly table: Table | undefined
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: unknown) => void
}

const mostRowsPerCall = 20_000
const rangesAtOnce = 500

const lost = (what: string): RedisDatabaseError =>
  new RedisDatabaseError('serialization', `Another transaction changed what this one has read (${what}); run it again.`)

/**
 * One transaction, or one statement outside of any. Reads note what they saw, writes stay here, and the commit asks the server to
 * repeat the reads and apply the writes in one step. Reads asked for in the same turn travel together.
 */
export class Session {
  readonly engine: Engine
  readonly counters: StatementCounters = { keysRead: 0, rowsFetched: 0, rowsReturned: 0, roundTrips: 0, attempts: 1, cacheHits: 0 }
  readonly buffer = new WriteBuffer()
  readonly #reads: ReadSet
  readonly #locks = new Map<string, string>()
  /** What was fetched with other rows, because it will be asked for next; noted as read already. */
  readonly #ahead = { rows: new Map<number, Map<string, string | null>>(), entries: new Map<string, Map<string, Ahead>>() }
  readonly assumed = new Assumptions()
  /** An insert on its own, tried for the first time: nobody is in its way, most likely. */
  readonly hopeful: boolean
  readonly readOnly: boolean
  readonly rowsPerCall: number
  /** Reads that are not the statement's own business: not checked again. */
  readonly validated: boolean
  /** Of the server that was read from: versions of another one may be the same and mean something else. */
  #history: string | undefined
  /** May be answered by the near cache, as long as nothing has come from the server, and all at the same number. */
  #nearby: boolean
  #nearbyAt: number | undefined
  #group: string | undefined
  #catalog: Catalog | undefined
  #pending: Pending[] = []
  /** Changes of tables that go with the commit, and the indexes that are made by it. */
  readonly #schemaWrites: string[] = []
  readonly #filled = new Set<string>()
  /** Checks of references that wait for the end; undefined when they are made with each statement. */
  #lifted = false
  #deferred: (() => Promise<void>)[] | undefined
  /** The race is lost: whoever caught that error must not commit. */
  #doomed: RedisDatabaseError | undefined

  constructor(
    engine: Engine,
    options: { readOnly?: boolean; validated?: boolean; attempt?: number; nearby?: boolean; hopeful?: boolean } = {},
  ) {
    this.engine = engine
    // Who loses races reads in larger steps: what is read in one call is of one moment.
    this.rowsPerCall = Math.min(mostRowsPerCall, engine.limits.rowsPerCall * 4 ** ((options.attempt ?? 1) - 1))
    this.readOnly = options.readOnly ?? false
    this.hopeful = options.hopeful ?? false
    this.validated = options.validated ?? true
    this.#reads = new ReadSet(engine.limits)
    this.#nearby = options.nearby ?? false
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
    this.#catalog ??= await this.engine.catalog(this.#group)
    return this.#catalog
  }

  get catalog(): Catalog {
    return this.#catalog as Catalog
  }

  /** Rows by key, in the order asked; null for those that are not there. Own writes are seen. */
  async get(table: Table, keys: readonly string[], follow: readonly Follow[] = []): Promise<(Found | null)[]> {
    const own = this.buffer.find(table)
    const ahead = this.#ahead.rows.get(table.id)
    const stored = new Map<string, Found | null>()
    const wanted: string[] = []
    for (const key of new Set(own ? keys.filter((each) => !own.rows.has(each)) : keys)) {
      const text = ahead?.get(key)
      if (text === undefined) wanted.push(key)
      else stored.set(key, this.#decode(table, key, text))
    }
    const step = this.rowsPerCall
    for (let at = 0; at < wanted.length; at += step) {
      const part = wanted.slice(at, at + step)
      const asked = this.#ask(table, ['G', table.id, part.length, ...part])
      const following = this.#follow(follow)
      const texts = (await asked) as (string | null)[]
      for (const [index, key] of part.entries()) stored.set(key, this.#take(table, key, texts[index] ?? null))
      await following(part)
    }
    return keys.map((key) => {
      const written = own?.rows.get(key)
      if (written) return written.now ? { key, row: written.now } : null
      return stored.get(key) ?? null
    })
  }

  /** Index entries in order, with their rows. Own writes are merged in. */
  async range(table: Table, request: RangeRequest, follow: readonly Follow[] = []): Promise<RangeResult> {
    const { index, low, high, reverse, limit } = request
    const ahead = reverse ? undefined : this.#ahead.entries.get(`${table.id}/${index.id}`)?.get(low)
    if (ahead?.high === high) return this.#result(table, { ...request, limit: ahead.limit }, ahead.members, ahead.texts)
    const asked = this.#ask(table, ['R', table.id, index.id, low, high, reverse ? '1' : '0', limit])
    const following = this.#follow(follow)
    const [members, texts] = (await asked) as [string[], (string | null)[]]
    this.#reads.range(table.id, { index: index.id, low, high, reverse, limit }, members)
    this.#note(table, index, members, texts)
    await following(index.primary ? members : members.map(keyInMember))
    return this.#result(table, request, members, texts)
  }

  /** Many ranges of one index in one call, each as `range` would answer it. */
  async ranges(
    table: Table,
    index: Index,
    list: readonly ManyRequest[],
    limit: number,
    follow: readonly Follow[] = [],
  ): Promise<RangeResult[]> {
    const ahead = this.#ahead.entries.get(`${table.id}/${index.id}`)
    const results: RangeResult[] = []
    const requests = list.map((each): RangeRequest => ({ ...each, index, reverse: false, limit }))
    const wanted = requests.flatMap((request, at) => {
      const known = ahead?.get(request.low)
      if (known?.high !== request.high) return [at]
      results[at] = this.#result(table, { ...request, limit: known.limit }, known.members, known.texts)
      return []
    })
    while (wanted.length > 0) {
      const part = wanted.slice(0, rangesAtOnce)
      const bounds = part.flatMap((at) => [(requests[at] as RangeRequest).low, (requests[at] as RangeRequest).high])
      const asked = this.#ask(table, ['M', table.id, index.id, limit, part.length, ...bounds])
      const following = this.#follow(follow)
      const [counts, members, texts] = (await asked) as [number[], string[], (string | null)[]]
      this.#note(table, index, members, texts)
      let from = 0
      for (const [place, count] of counts.entries()) {
        const request = requests[part[place] as number] as RangeRequest
        const own = members.slice(from, from + count)
        this.#reads.range(table.id, { index: index.id, low: request.low, high: request.high, reverse: false, limit }, own)
        results[part[place] as number] = this.#result(table, request, own, texts.slice(from, from + count))
        from += count
      }
      await following(index.primary ? members : members.map(keyInMember))
      wanted.splice(0, counts.length)
    }
    return results
  }

  /** What was fetched ahead is for the statement that wanted it. */
  forgetAhead(): void {
    this.#ahead.rows.clear()
    this.#ahead.entries.clear()
  }

  #follow(list: readonly Follow[]): (keys: readonly string[]) => Promise<void> {
    const asked = list.map((each) =>
      this.#ask(each.table, ['F', each.table.id, each.index.id, each.limit, each.suffix, each.whole ? '1' : '0']),
    )
    return async (keys) => {
      for (const [at, each] of list.entries()) this.#keepAhead(each, keys, (await asked[at]) as Reply[])
    }
  }

  #keepAhead({ table, index, suffix, whole, limit }: Follow, keys: readonly string[], reply: Reply[]): void {
    if (whole) {
      const rows = entryOf(this.#ahead.rows, table.id, () => new Map<string, string | null>())
      for (const [at, key] of keys.entries()) {
        const text = (reply[at] ?? null) as string | null
        this.#noteRow(table, key + suffix, text)
        rows.set(key + suffix, text)
      }
      return
    }
    const [counts, members, texts] = reply as [number[], string[], (string | null)[]]
    this.#note(table, index, members, texts)
    const entries = entryOf(this.#ahead.entries, `${table.id}/${index.id}`, () => new Map<string, Ahead>())
    let from = 0
    for (const [at, count] of counts.entries()) {
      const prefix = `${keys[at]}${suffix}`
      const known = {
        high: `(${prefix}${afterAll}`,
        limit,
        members: members.slice(from, from + count),
        texts: texts.slice(from, from + count),
      }
      this.#reads.range(table.id, { index: index.id, low: `[${prefix}`, high: known.high, reverse: false, limit }, known.members)
      entries.set(`[${prefix}`, known)
      from += count
    }
  }

  /** Notes rows that index entries led to. */
  #note(table: Table, index: Index, members: readonly string[], texts: readonly (string | null)[]): void {
    for (const [at, member] of members.entries()) {
      const text = texts[at] ?? null
      if (text === null) throw new RedisDatabaseError('corrupt', `Index ${index.name} of ${table.name} has an entry without a row.`)
      this.#noteRow(table, index.primary ? member : keyInMember(member), text)
    }
  }

  #result(table: Table, request: RangeRequest, members: readonly string[], texts: readonly (string | null)[]): RangeResult {
    const { index, reverse, limit } = request
    const found = members.map((member, at) => {
      const key = index.primary ? member : keyInMember(member)
      return { key, row: table.decode((texts[at] as string).slice(versionLength)), member }
    })
    const last = members.at(-1)
    const more = members.length >= limit && last !== undefined
    const next = more ? { ...request, ...(reverse ? { high: `(${last}` } : { low: `(${last}` }) } : undefined
    return { found: mergeOwn(this.buffer, table, request, found, more ? last : undefined), next }
  }

  /** How many rows the table has, own writes included. */
  async count(table: Table): Promise<number> {
    const size = Number(await this.#ask(table, ['C', table.id]))
    this.#reads.size(table.id, size)
    this.engine.sizes.set(`${table.group}/${table.id}`, size)
    let delta = 0
    for (const written of this.buffer.find(table)?.rows.values() ?? [])
      delta += Number(written.now !== null) - Number(written.stored !== null)
    return size + delta
  }

  /** For `explain`: entries in a range, by the index alone. */
  async estimate(table: Table, index: Index, low: string, high: string): Promise<number> {
    return Number(await this.#ask(table, ['L', table.id, index.id, low, high]))
  }

  /** Reserves ids; they are not given back. Returns the last. */
  async reserveIds(table: Table, count: number): Promise<number> {
    return Number(await this.#ask(table, ['S', table.id, count]))
  }

  /** A row that must not be there when we commit, without looking now: its key is one that nobody else has. */
  expectAbsent(table: Table, key: string): void {
    if (this.#reads.tables.has(table.id)) this.#reads.row(table.id, key, '')
  }

  /** Works by another catalogue from now on; the commit writes it. */
  changeSchema(catalog: Catalog, writes: readonly string[]): void {
    this.#catalog = catalog
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
      const { found, next } = await this.range(table, request)
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

  #take(table: Table, key: string, text: string | null): Found | null {
    this.#noteRow(table, key, text)
    return this.#decode(table, key, text)
  }

  #decode(table: Table, key: string, text: string | null): Found | null {
    return text === null ? null : { key, row: table.decode(text.slice(versionLength)) }
  }

  #noteRow(table: Table, key: string, text: string | null): void {
    this.counters.keysRead++
    if (text !== null) this.counters.rowsFetched++
    if (!this.#reads.row(table.id, key, text === null ? '' : text.slice(0, versionLength))) throw (this.#doomed = lost(table.name))
  }

  #ask(table: Table | undefined, args: readonly (string | number)[]): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#pending.length === 0) queueMicrotask(() => void this.#flush())
      this.#pending.push({ args, table, resolve, reject })
    })
  }

  async #flush(): Promise<void> {
    const asked = this.#pending
    this.#pending = []
    try {
      const results = await this.#read(asked)
      for (const [index, ask] of asked.entries()) ask.resolve(results[index] ?? null)
    } catch (error) {
      if (isSerializationFailure(error)) this.#doomed = error
      for (const ask of asked) ask.reject(error)
    }
  }

  /**
   * One call for all that was asked. What we saw before must still be true at the moment of the answer, or nobody may act on both
   * together: when a table of ours has changed, the earlier reads are checked and the new ones are made again, in one step.
   */
  async #read(asked: readonly Pending[]): Promise<Reply[]> {
    const { engine, catalog } = this
    const tables = new Set(this.#reads.tables.keys())
    for (const ask of asked) if (ask.table) tables.add(ask.table.id)
    const ids = [...tables]
    const reads = asked.flatMap((ask) => ask.args)
    const question = this.#nearby ? questionOf(engine.base(catalog.group), catalog.version, asked) : undefined
    const known = question === undefined ? undefined : this.#near(question)
    if (known) return known
    const cache = question === undefined ? undefined : engine.wire.cacheFor(engine.base(catalog.group))
    const since = cache?.begin()
    let answered: Connection | undefined
    let reply: Reply[]
    this.counters.roundTrips++
    try {
      const args = [catalog.version, ids.length, ...ids, ...reads]
      reply = (await engine.call(
        'read',
        catalog.group,
        args,
        this.#ongoing((connection) => (answered = connection)),
      )) as Reply[]
      if (reply[0] === 'schema') throw engine.schemaChanged(catalog.group)
    } catch (error) {
      cache?.abandon()
      throw error
    }
    const versions = reply[1] as string[]
    if (cache && since !== undefined && question !== undefined) {
      const { keys, size } = keysOfReads(engine.base(catalog.group), asked, reply[2] as Reply[])
      const kept = { results: reply[2] as Reply[], versions: new Map(ids.map((id, index) => [id, versions[index] ?? ''])) }
      // Only the server that answered tells of changes, and only on the line that it answered on.
      if (answered?.cache === cache) cache.keep(question, since, kept, keys, size)
      else cache.abandon()
    }
    this.#nearby = false
    if (this.validated && ids.some((id, index) => this.#reads.changed(id, versions[index] ?? ''))) return await this.#validate(ids, reads)
    for (const [index, id] of ids.entries()) this.#reads.seen(id, versions[index] ?? '')
    return reply[2] as Reply[]
  }

  #ongoing(via?: (connection: Connection) => void): Ongoing {
    return {
      history: this.#history,
      via: (connection) => {
        this.#history = connection.history
        via?.(connection)
      },
    }
  }

  /** What the near cache knows is a read at an earlier version of its tables: whoever reads on finds out whether both are of one moment. */
  #near(question: string): Reply[] | undefined {
    const cache = this.engine.wire.cacheFor(this.engine.base(this.catalog.group))
    if (!cache || (this.#nearbyAt !== undefined && this.#nearbyAt !== cache.sequence)) return undefined
    const kept = cache.find(question)
    if (!kept) return undefined
    this.#nearbyAt = cache.sequence
    this.counters.cacheHits++
    for (const [id, version] of kept.versions) this.#reads.seen(id, version)
    return [...kept.results]
  }

  /** Asks whether all that was read is still so. Throws a serialization failure when it is not. */
  async validate(): Promise<void> {
    await this.#validate([...this.#reads.tables.keys()], [])
  }

  async #validate(ids: readonly number[], reads: readonly (string | number)[]): Promise<Reply[]> {
    const { engine, catalog } = this
    this.counters.roundTrips++
    const args = [catalog.version, ids.length, ...ids, ...this.#reads.checks(), ...this.assumed.checks(), 'W', ...reads]
    const reply = (await engine.call('validate', catalog.group, args, this.#ongoing())) as Reply[]
    if (reply[0] === 'schema') throw engine.schemaChanged(catalog.group)
    if (reply[0] !== 'ok') throw lost(this.#nameIn(String(reply[1])))
    const versions = new Map(ids.map((id, index) => [id, (reply[1] as string[])[index] ?? '']))
    for (const [id, version] of versions) this.#reads.seen(id, version)
    this.#reads.confirmed(versions)
    return reply[2] as Reply[]
  }

  #nameIn(problem: string): string {
    const [what, id] = problem.split(' ')
    const table = this.catalog.byId.get(Number(id))
    return table ? `${what} of ${table.name}` : (what ?? '')
  }

  /** Applies all writes in one step on the server, or none. */
  async commit(): Promise<void> {
    if (this.#doomed) throw this.#doomed
    await this.checkDeferred()
    const writes = [...this.#schemaWrites, ...writesOf(this.buffer, this.#filled, this.engine.limits, this.#unbounded)]
    if (writes.length === 0) return
    const { engine, catalog } = this
    const locks = [...this.#locks].flatMap(([lock, value]) => ['F', lock, value])
    const args = [...locks, ...this.#reads.checks(), ...this.assumed.checks(), 'W', ...writes]
    let size = 0
    for (const arg of args) size += arg.length
    if (size > engine.limits.charactersPerCommit && !this.#unbounded)
      fail('too-large', `The transaction is too large: ${size} characters, ${engine.limits.charactersPerCommit} at most.`)
    this.counters.roundTrips++
    const touched = (): readonly string[] => keysOfWrites(engine.base(catalog.group), writes)
    const [word, problem] = await sendCommit(engine, catalog, 'commit', args, touched, this.#ongoing())
    if (word === 'conflict' && problem === 'lock')
      throw new RedisDatabaseError('lock-lost', 'The lock that this transaction relies on is no longer held.')
    if (this.changedSchema) engine.schemaChanged(catalog.group)
    if (word !== 'ok') throw lost(this.#nameIn(String(problem)))
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
      ...this.#reads.checks(),
      'W',
      ...writes,
    ]
    const reply = (await engine.call('commit', catalog.group, args)) as Reply[]
    if (reply[0] === 'schema') throw engine.schemaChanged(catalog.group)
    if (reply[0] !== 'ok') throw lost(this.#nameIn(String(reply[1])))
  }

  /** The version of a table at which all reads were true. */
  versionOf(table: Table): string {
    return this.#reads.tables.get(table.id)?.version ?? ''
  }

  /** Who changes tables, or fills all of them, has no limits. */
  get #unbounded(): boolean {
    return this.#lifted || this.changedSchema
  }
}

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) map.set(key, (value = make()))
  return value
}
