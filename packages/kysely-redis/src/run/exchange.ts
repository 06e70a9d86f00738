import type { Catalog, Table } from '../catalog/types.ts'
import type { Engine } from '../engine.ts'
import { isSerializationFailure, RedisDatabaseError } from '../errors.ts'
import type { StatementCounters } from '../options.ts'
import type { Connection } from '../wire/connection.ts'
import type { Reply } from '../wire/resp.ts'
import type { Ongoing } from '../wire/wire.ts'
import { Assumptions } from './assumptions.ts'
import { keysOfReads, questionOf } from './nearby.ts'
import { ReadSet } from './read-set.ts'

export interface Pending {
  readonly args: readonly (string | number)[]
  readonly table: Table | undefined
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: unknown) => void
}

export interface ExchangeOptions {
  /** False: reads are not the statement's own business, or need not be of one moment. Default true. */
  readonly validated?: boolean
  /** May be answered by the near cache, as long as nothing has come from the server. */
  readonly nearby?: boolean
}

export const lost = (what: string): RedisDatabaseError =>
  new RedisDatabaseError('serialization', `Another transaction changed what this one has read (${what}); run it again.`)

/**
 * Asks the server for one transaction, and sees to it that all answers are of one moment. What is asked for in the same turn travels
 * together.
 */
export class Exchange {
  readonly engine: Engine
  readonly reads: ReadSet
  readonly assumed = new Assumptions()
  readonly counters: StatementCounters = { keysRead: 0, rowsFetched: 0, rowsReturned: 0, roundTrips: 0, attempts: 1, cacheHits: 0 }
  catalog: Catalog | undefined
  readonly #validated: boolean
  /** Of the server that was read from: versions of another one may be the same and mean something else. */
  #history: string | undefined
  #nearby: boolean
  /** All that the near cache has answered was true at this number. */
  #nearbyAt: number | undefined
  #pending: Pending[] = []
  /** The race is lost: whoever caught that error must not commit. */
  #doomed: RedisDatabaseError | undefined

  constructor(engine: Engine, options: ExchangeOptions) {
    this.engine = engine
    this.#validated = options.validated ?? true
    this.reads = new ReadSet(engine.limits)
    this.#nearby = options.nearby ?? false
  }

  ask(table: Table | undefined, args: readonly (string | number)[]): Promise<Reply> {
    const answer = new Promise<Reply>((resolve, reject) => {
      if (this.#pending.length === 0) queueMicrotask(() => void this.#flush())
      this.#pending.push({ args, table, resolve, reject })
    })
    // Several travel together and are awaited one after the other: when the first fails, nobody gets as far as the rest.
    answer.catch(() => undefined)
    return answer
  }

  /** Throws when an answer has told already that the race is lost. */
  checkAlive(): void {
    if (this.#doomed) throw this.#doomed
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
    const { engine } = this
    const catalog = this.catalog as Catalog
    const base = engine.base(catalog.group)
    const tables = new Set(this.reads.tables.keys())
    for (const ask of asked) if (ask.table) tables.add(ask.table.id)
    const ids = [...tables]
    const reads = asked.flatMap((ask) => ask.args)
    const near = this.#nearby ? engine.wire.nearFor(base) : undefined
    const cache = near?.cache
    const question = cache && questionOf(base, catalog.version, asked)
    const known = near && question !== undefined ? this.#near(near, question) : undefined
    if (known) return known
    const since = question === undefined ? undefined : cache?.begin()
    let answered: Connection | undefined
    let reply: Reply[]
    this.counters.roundTrips++
    try {
      const ongoing = this.ongoing((connection) => (answered = connection))
      reply = (await engine.call('read', catalog.group, [catalog.version, ids.length, ...ids, ...reads], ongoing)) as Reply[]
      if (reply[0] === 'schema') throw engine.schemaChanged(catalog.group)
    } catch (error) {
      if (since !== undefined) cache?.abandon()
      throw error
    }
    const versions = reply[1] as string[]
    const results = reply[2] as Reply[]
    if (cache && since !== undefined && question !== undefined) {
      const { keys, size } = keysOfReads(base, asked, results)
      const kept = { results, versions: new Map(ids.map((id, index) => [id, versions[index] ?? ''])) }
      // Only the server that answered tells of changes, and only on the line that it answered on.
      if (answered?.cache === cache) cache.keep(question, since, kept, keys, size)
      else cache.abandon()
    }
    this.#nearby = false
    if (this.#validated && ids.some((id, index) => this.reads.changed(id, versions[index] ?? ''))) return await this.validate(ids, reads)
    for (const [index, id] of ids.entries()) this.reads.seen(id, versions[index] ?? '')
    return results
  }

  /** What the near cache knows is a read at an earlier version of its tables: whoever reads on finds out whether both are of one moment. */
  #near({ cache, history }: Connection, question: string): Reply[] | undefined {
    if (this.#nearbyAt !== undefined && this.#nearbyAt !== cache?.sequence) return undefined
    const kept = cache?.find(question)
    if (!kept) return undefined
    this.#nearbyAt = cache?.sequence
    this.#history = history
    this.counters.cacheHits++
    for (const [id, version] of kept.versions) this.reads.seen(id, version)
    return [...kept.results]
  }

  /** Asks whether all that was read is still so, and reads more if it is. Throws a serialization failure when it is not. */
  async validate(ids: readonly number[], reads: readonly (string | number)[]): Promise<Reply[]> {
    const { engine } = this
    const catalog = this.catalog as Catalog
    this.counters.roundTrips++
    const args = [catalog.version, ids.length, ...ids, ...this.checks(), 'W', ...reads]
    const reply = (await engine.call('validate', catalog.group, args, this.ongoing())) as Reply[]
    if (reply[0] === 'schema') throw engine.schemaChanged(catalog.group)
    if (reply[0] !== 'ok') throw lost(this.nameIn(String(reply[1])))
    const versions = new Map(ids.map((id, index) => [id, (reply[1] as string[])[index] ?? '']))
    for (const [id, version] of versions) this.reads.seen(id, version)
    this.reads.confirmed(versions)
    return reply[2] as Reply[]
  }

  /** All that must be true when the transaction commits. */
  checks(): string[] {
    return [...this.reads.checks(), ...this.assumed.checks()]
  }

  ongoing(via?: (connection: Connection) => void): Ongoing {
    return {
      history: this.#history,
      via: (connection) => {
        this.#history = connection.history
        via?.(connection)
      },
    }
  }

  /** What the server says is not as it was, with the table's name. */
  nameIn(problem: string): string {
    const [what, id] = problem.split(' ')
    const table = this.catalog?.byId.get(Number(id))
    return table ? `${what} of ${table.name}` : (what ?? '')
  }
}
