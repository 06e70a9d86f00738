import { Catalog, type TableDefinition } from './catalog/types.ts'
import { RedisDatabaseError } from './errors.ts'
import { defaultLimits, type Environment, type Limits, type RedisDialectOptions, type StatementCounters } from './options.ts'
import { parseUrl } from './wire/address.ts'
import { Losses } from './losses.ts'
import { Margins } from './run/margins.ts'
import { keysOfChange, keysOfCommit } from './wire/keys.ts'
import { functionName, type LibraryFunction } from './wire/library.ts'
import { ReplyError, type Reply } from './wire/resp.ts'
import { Wire, type Ongoing } from './wire/wire.ts'

const nameShape = /^[A-Za-z0-9._-]{1,64}$/
const defaultGroup = 'main'
const keysOf: Partial<Record<LibraryFunction, typeof keysOfCommit>> = { commit: keysOfCommit, change: keysOfChange }

/** What all connections of one dialect share: the way to the servers, the catalogues, the limits. */
export class Engine {
  readonly environment: Environment
  readonly limits: Limits
  readonly wire: Wire
  readonly groups: readonly string[]
  readonly waitForReplicas: RedisDialectOptions['waitForReplicas']
  readonly onStatement: ((counters: StatementCounters) => void) | undefined
  /** Rows per table as last seen, by `group/table id`: estimates for the planner, nothing more. */
  readonly sizes = new Map<string, number>()
  readonly margins = new Margins()
  readonly losses: Losses
  readonly #namespace: string
  readonly #persistence: RedisDialectOptions['persistence']
  readonly #groupOf = new Map<string, string>()
  readonly #catalogs = new Map<string, Promise<Catalog>>()

  readonly #suffix: string

  /** `view`: the same servers, seen through a snapshot. */
  constructor(options: RedisDialectOptions, view?: { readonly wire: Wire; readonly suffix: string }) {
    this.#suffix = view?.suffix ?? ''
    this.environment = options.environment
    this.limits = { ...defaultLimits, ...options.limits }
    this.#namespace = checkName(options.namespace ?? 'db', 'namespace')
    this.#persistence = options.persistence
    this.waitForReplicas = options.waitForReplicas
    this.onStatement = options.onStatement
    const groups = new Set([defaultGroup])
    for (const [group, tables] of Object.entries(options.groups ?? {})) {
      groups.add(checkName(group, 'group'))
      for (const table of tables) this.#groupOf.set(table, group)
    }
    this.groups = [...groups]
    this.wire = view?.wire ?? this.#connect(options)
    this.losses = new Losses(this, options.onLostCommits)
  }

  #connect(options: RedisDialectOptions): Wire {
    const prefixes = this.groups.flatMap((group) => [':r:', ':i:', ':cat'].map((part) => `${this.base(group)}${part}`))
    const nearCache = options.nearCache && { ...options.nearCache, prefixes }
    return new Wire(options.environment, parseUrl(options.url, options.clientName), this.limits.commandTimeoutMs, nearCache)
  }

  groupOf(table: string): string {
    return this.#groupOf.get(table) ?? defaultGroup
  }

  /** All keys of a group begin with it; the braces put them into one slot of a cluster. */
  base(group: string): string {
    return `{${this.#namespace}/${group}}${this.#suffix}`
  }

  /** Calls one of our functions on the server that has the group. */
  async call(entry: LibraryFunction, group: string, args: readonly (string | number)[], ongoing: Ongoing = {}): Promise<Reply> {
    const key = `${this.base(group)}:n`
    const touched = this.wire.clustered ? keysOf[entry] : undefined
    const more = touched?.(this.base(group), args) ?? []
    return await this.wire.call(key, ['FCALL', functionName(entry), 1 + more.length, key, ...more, ...args], {
      ...ongoing,
      via: (connection) => {
        this.losses.answered(group, connection.history)
        ongoing.via?.(connection)
      },
    })
  }

  /** The catalogue as this process knows it; the server refuses to work by an old one (`schemaChanged`). */
  async catalog(group: string): Promise<Catalog> {
    let loading = this.#catalogs.get(group)
    if (loading === undefined) {
      loading = this.#load(group)
      this.#catalogs.set(group, loading)
      loading.catch(() => this.#catalogs.delete(group))
    }
    return await loading
  }

  schemaChanged(group: string): RedisDatabaseError {
    this.#catalogs.delete(group)
    return new RedisDatabaseError('serialization', 'Tables were changed by somebody else meanwhile; the statement can be run again.')
  }

  /** Refuses a server that may throw data away, or is too old. */
  async checkServers(patienceMs?: number): Promise<void> {
    for (const reply of await this.wire.callAll(['INFO', 'server', 'memory', 'persistence'], patienceMs)) {
      if (typeof reply !== 'string') throw new RedisDatabaseError('configuration', 'Redis does not answer INFO.')
      const version = /redis_version:(\d+)/.exec(reply)?.[1]
      if (Number(version) < 7) throw new RedisDatabaseError('configuration', `Redis 7 or newer is needed, this is ${version}.`)
      const policy = /maxmemory_policy:(\S+)/.exec(reply)?.[1]
      if (policy !== 'noeviction')
        throw new RedisDatabaseError('configuration', `Redis must never evict keys: set maxmemory-policy to noeviction (it is ${policy}).`)
      if (this.#persistence === 'append-only' && !reply.includes('aof_enabled:1'))
        throw new RedisDatabaseError('configuration', 'Redis would lose what it holds when it is started again: set appendonly to yes.')
    }
  }

  async #load(group: string): Promise<Catalog> {
    const reply = await this.wire.call(this.base(group), ['HGETALL', `${this.base(group)}:cat`])
    const pairs = reply as string[]
    let version = '0'
    let nextTable = 1
    const definitions: TableDefinition[] = []
    for (let index = 0; index + 1 < pairs.length; index += 2) {
      const [field = '', value = ''] = [pairs[index], pairs[index + 1]]
      if (field === 'version') version = value
      else if (field === 'next') nextTable = Number(value)
      else if (field.startsWith('t:')) definitions.push(JSON.parse(value) as TableDefinition)
    }
    return new Catalog(group, version, definitions, nextTable)
  }

  /** After a commit that is to be on replicas. */
  async replicated(group: string): Promise<void> {
    const wanted = this.waitForReplicas
    if (!wanted || wanted.replicas === 0) return
    const reply = await this.wire.call(this.base(group), ['WAIT', wanted.replicas, wanted.timeoutMs])
    if (reply instanceof ReplyError || Number(reply) < wanted.replicas)
      throw new RedisDatabaseError(
        'not-replicated',
        `The commit is applied, but only ${Number(reply)} of ${wanted.replicas} replicas have it.`,
      )
  }
}

const checkName = (name: string, what: string): string => {
  if (!nameShape.test(name))
    throw new RedisDatabaseError('configuration', `A ${what} is 1 to 64 of letters, digits, dot, dash, underscore.`)
  return name
}
