import { RedisDatabaseError } from '../errors.ts'
import type { Address, Environment } from '../options.ts'
import type { Target } from './address.ts'
import { Connection, ConnectionLost } from './connection.ts'
import { libraryCode } from './library.ts'
import { NearCache, type NearCacheCounters, type NearCacheOptions } from './near-cache.ts'
import { ReplyError, type Reply } from './resp.ts'
import { slotOf } from './slots.ts'

/** Words of errors after which the same command may be sent again, here or at another server. */
const passing: ReadonlySet<string> = new Set(['ASK', 'TRYAGAIN', 'CLUSTERDOWN', 'LOADING', 'MASTERDOWN', 'READONLY', 'BUSY'])
/** A key that has moved away already; reads find out in the middle, commits before (keys.ts). */
const nonLocalKey = 'non local key'
const pauseMs = 20
const heardWithinMs = 1_000

export interface NearCacheSettings extends NearCacheOptions {
  /** Of all keys that may be kept. */
  readonly prefixes: readonly string[]
}

/** Of a call of our functions. */
export interface Ongoing {
  /** Of the server that answered before: no other one is asked. */
  readonly history?: string | undefined
  /** Is told which connection has answered. */
  readonly via?: (connection: Connection) => void
}

/** Another server answers now, or the same one after a restart, and it may not know what was told before. Nothing was sent to it. */
export class OtherHistory extends RedisDatabaseError {
  readonly maybeSent: boolean
  constructor(maybeSent: boolean) {
    super('serialization', 'Redis was restarted, or another server has taken over, since the transaction began; run it again.')
    this.maybeSent = maybeSent
  }
}

/** The command may have reached the server, and nobody knows what came of it. */
export class LostReply extends RedisDatabaseError {
  constructor(cause: unknown) {
    super('unavailable', 'Redis can not be reached: the connection was lost and could not be made again in time.', { cause })
  }
}

/**
 * Servers of one database. Every command of ours can be sent twice without harm (commits are known by their id), so all of them
 * are sent again after a lost connection, until the deadline.
 */
export class Wire {
  readonly #environment: Environment
  readonly #target: Target
  readonly #timeoutMs: number
  readonly #connections = new Map<string, Promise<Connection>>()
  readonly #ready = new Map<string, Connection>()
  /** Where each slot lives; undefined until known. A single server has them all. */
  #slots: (Address | undefined)[] | undefined
  #refreshing: Promise<void> | undefined
  #closed = false
  readonly #nearCache: NearCacheSettings | undefined
  readonly cacheCounters: NearCacheCounters = { hits: 0, misses: 0, invalidations: 0, entries: 0 }

  constructor(environment: Environment, target: Target, timeoutMs: number, nearCache?: NearCacheSettings) {
    this.#nearCache = nearCache
    this.#environment = environment
    this.#target = target
    this.#timeoutMs = timeoutMs
  }

  get clustered(): boolean {
    return this.#target.cluster
  }

  /**
   * Runs a command where `key` lives; with `ongoing` it is one of our functions. Follows a cluster's redirections; throws `unavailable` when
   * the deadline has passed, OtherHistory when somebody else would answer than before.
   */
  async call(key: string, args: readonly (string | number)[], ongoing?: Ongoing): Promise<Reply> {
    const slot = this.#target.cluster ? slotOf(key) : 0
    return await this.#persist(() => this.#addressOf(slot), args, this.#timeoutMs, ongoing)
  }

  /** The line that keeps what was read where `key` lives and is still true; undefined when nobody could say so. */
  nearFor(key: string): Connection | undefined {
    if (!this.#nearCache) return undefined
    const address = this.#target.cluster ? this.#slots?.[slotOf(key)] : this.#target.seeds[0]
    const connection = address && this.#ready.get(`${address.host}:${address.port}`)
    if (!connection || connection.closed) return undefined
    const silentMs = this.#environment.monotonicMs() - connection.heardMs
    return silentMs <= (this.#nearCache.heardWithinMs ?? heardWithinMs) ? connection : undefined
  }

  /** We have changed these keys ourselves: the server's word of it comes after its answer. */
  changed(keys: () => readonly string[]): void {
    if (!this.#nearCache) return
    const changed = keys()
    for (const connection of this.#ready.values()) connection.cache?.invalidate(changed)
  }

  /** Runs a command on every primary. */
  async callAll(args: readonly (string | number)[], patienceMs?: number): Promise<Reply[]> {
    let primaries: Address[] = []
    await this.#persist(async () => (primaries = await this.#primaries())[0] as Address, ['PING'], patienceMs)
    return await Promise.all(primaries.map((address) => this.#persist(() => Promise.resolve(address), args, patienceMs)))
  }

  /**
   * Sends until there is an answer. While a slot moves to another server, its keys are in two places: we wait until it has moved (MOVED)
   * and never ask the new server before (ASK), for it would take what has not arrived yet for missing.
   */
  async #persist(
    find: () => Promise<Address>,
    args: readonly (string | number)[],
    patienceMs = this.#timeoutMs,
    ongoing?: Ongoing,
  ): Promise<Reply> {
    const deadline = this.#environment.monotonicMs() + patienceMs
    let moved: Address | undefined
    let maybeSent = false
    for (;;) {
      if (this.#closed) throw new RedisDatabaseError('unavailable', 'The database handle is closed.')
      let address = moved
      let trouble: Error
      try {
        address ??= await find()
        const connection = await this.#connect(address)
        if (ongoing?.history !== undefined && ongoing.history !== connection.history) throw new OtherHistory(maybeSent)
        const reply = await connection.send(ongoing ? [...args, connection.history] : args)
        if (!(reply instanceof ReplyError)) {
          ongoing?.via?.(connection)
          return reply
        }
        trouble = reply
        // Who does not answer for the data any more, or not now, does not tell of all its changes either.
        if (passing.has(reply.word) || reply.word === 'MOVED' || reply.word === 'HISTORY') connection.cache?.invalidate(null)
        moved = reply.word === 'MOVED' ? addressIn(reply.message, address) : undefined
        if (reply.word === 'HISTORY') connection.history = reply.message.slice('HISTORY '.length)
        else if (reply.message.includes('Function not found')) await this.#load(connection)
        else if (moved) void this.#refresh()
        else if (!passing.has(reply.word) && !reply.message.includes(nonLocalKey)) throw translateReply(reply)
        else await this.#environment.sleep(this.#pause())
        if (reply.word === 'READONLY') await this.#forget(address)
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error
        trouble = error
        maybeSent ||= error.sent
        moved = undefined
        if (address) await this.#forget(address)
        if (this.#target.cluster) this.#slots = undefined
        await this.#environment.sleep(this.#pause())
      }
      if (this.#environment.monotonicMs() < deadline) continue
      if (maybeSent) throw new LostReply(trouble)
      throw new RedisDatabaseError('unavailable', 'Redis can not be reached.', { cause: trouble })
    }
  }

  #pause(): number {
    return pauseMs * (0.5 + this.#environment.random())
  }

  async close(): Promise<void> {
    this.#closed = true
    const open = [...this.#connections.values()]
    this.#connections.clear()
    for (const connection of open) (await connection.catch(() => undefined))?.close()
  }

  async #primaries(): Promise<Address[]> {
    await this.#addressOf(0)
    const all = new Map<string, Address>()
    for (const address of this.#slots ?? this.#target.seeds) if (address) all.set(`${address.host}:${address.port}`, address)
    return [...all.values()]
  }

  async #addressOf(slot: number): Promise<Address> {
    if (!this.#target.cluster) return this.#target.seeds[0] as Address
    if (this.#slots === undefined) await this.#refresh()
    const address = this.#slots?.[slot]
    if (!address) throw new ConnectionLost('no server of the cluster has this slot', false)
    return address
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#readSlots().finally(() => (this.#refreshing = undefined))
    return this.#refreshing
  }

  /** Asks one server after the other, known ones and seeds, for the map of slots. */
  async #readSlots(): Promise<void> {
    const known = new Map<string, Address>()
    for (const address of [...(this.#slots ?? []), ...this.#target.seeds])
      if (address) known.set(`${address.host}:${address.port}`, address)
    for (const address of known.values()) {
      try {
        const reply = await (await this.#connect(address)).send(['CLUSTER', 'SLOTS'])
        if (!Array.isArray(reply)) continue
        const slots: (Address | undefined)[] = Array.from({ length: 16_384 })
        for (const [from, to, node] of reply as [number, number, [string, number]][])
          for (let slot = from; slot <= to; slot++) slots[slot] = { host: node[0] === '' ? address.host : node[0], port: node[1] }
        this.#slots = slots
        return
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error
        await this.#forget(address)
      }
    }
  }

  #connect(address: Address): Promise<Connection> {
    const name = `${address.host}:${address.port}`
    let opening = this.#connections.get(name)
    if (opening === undefined) {
      opening = this.#open(address)
      this.#connections.set(name, opening)
      opening.catch(() => {
        if (this.#connections.get(name) === opening) this.#connections.delete(name)
      })
    }
    return opening
  }

  async #open(address: Address): Promise<Connection> {
    const { tls } = this.#target.seeds[0] as Address
    const connection = new Connection(this.#environment, { ...address, ...(tls ? { tls } : {}) }, this.#timeoutMs)
    try {
      await connection.greet(this.#target.credentials)
      if (this.#nearCache) await connection.track(new NearCache(this.#nearCache, this.cacheCounters), this.#nearCache.prefixes)
      this.#ready.set(`${address.host}:${address.port}`, connection)
    } catch (error) {
      connection.close()
      if (error instanceof ReplyError && !passing.has(error.word)) throw translateReply(error)
      throw new ConnectionLost((error as Error).message, false)
    }
    return connection
  }

  async #forget(address: Address): Promise<void> {
    const name = `${address.host}:${address.port}`
    const connection = await this.#connections.get(name)?.catch(() => undefined)
    if (connection && (connection.closed || !this.#target.cluster)) {
      connection.close()
      this.#connections.delete(name)
    }
  }

  async #load(connection: Connection): Promise<void> {
    const reply = await connection.send(['FUNCTION', 'LOAD', 'REPLACE', libraryCode])
    if (reply instanceof ReplyError) throw translateReply(reply)
  }
}

function addressIn(message: string, from: Address): Address {
  const [, , where = ''] = message.split(' ')
  const at = where.lastIndexOf(':')
  return { host: where.slice(0, at) || from.host, port: Number(where.slice(at + 1)) }
}

/** Messages of the server hold no values of ours: our functions raise none. */
function translateReply(reply: ReplyError): RedisDatabaseError {
  if (reply.word === 'OOM') return new RedisDatabaseError('out-of-memory', 'Redis has run out of memory; nothing was written.')
  if (['NOAUTH', 'WRONGPASS', 'NOPERM'].includes(reply.word))
    return new RedisDatabaseError('configuration', `Redis does not let us in (${reply.word}).`)
  return new RedisDatabaseError('unavailable', `Redis: ${reply.message}`)
}
