import type { NearCacheOptions } from './wire/near-cache.ts'

/** The least of a socket that we need; `node:net` and `node:tls` sockets are such. */
export interface Socket {
  write(data: Uint8Array | string): unknown
  on(event: 'data', then: (chunk: Buffer) => void): unknown
  on(event: 'connect' | 'secureConnect' | 'close', then: () => void): unknown
  on(event: 'error', then: (error: Error) => void): unknown
  /** Where they exist, an idle connection lets the process end. */
  ref?(): unknown
  unref?(): unknown
  destroy(): unknown
}

export interface Address {
  readonly host: string
  readonly port: number
  /** The URL asks for TLS (`rediss:`). */
  readonly tls?: boolean
}

/**
 * All that this package needs from the outside. It uses no clock, timer, randomness or socket of its own accord, so that a whole
 * system can run under simulated time.
 */
export interface Environment {
  /** Milliseconds that only grow, for deadlines. Expiry of locks is by the server's clock. */
  monotonicMs(): number
  /** 0 ≤ x < 1, for pauses between attempts. */
  random(): number
  /** At least 16 characters nobody else makes: commits and lock owners are known by it. */
  uniqueId(): string
  /** Resolves after the time, or at once when the signal aborts; never rejects. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>
  /** Starts to connect and returns at once; errors come as events. Set `noDelay`. */
  connect(address: Address): Socket
}

export interface Limits {
  /** Rows that one statement may hold in memory (sorting, grouping, joins). */
  readonly rowsInMemory: number
  /** Rows that a full scan may read and throw away before the statement is refused (see `allowScan`). */
  readonly scannedRows: number
  /** Rows that one transaction may write; the server is blocked while it applies them. */
  readonly rowsPerCommit: number
  /** Characters of one commit. */
  readonly charactersPerCommit: number
  /** Rows that one call fetches. */
  readonly rowsPerCall: number
  /** Above this many rows read of a table, a transaction validates the table's version instead of each row. */
  readonly validatedRowsPerTable: number
  /** Attempts of a single statement after lost races. */
  readonly statementAttempts: number
  /** How long a command may take, reconnecting included. */
  readonly commandTimeoutMs: number
  /** How long an outcome of a commit is remembered on the server. */
  readonly outcomeKeptMs: number
}

export const defaultLimits: Limits = {
  rowsInMemory: 200_000,
  scannedRows: 1_000,
  rowsPerCommit: 10_000,
  charactersPerCommit: 8 * 1024 * 1024,
  rowsPerCall: 500,
  validatedRowsPerTable: 2_000,
  statementAttempts: 8,
  commandTimeoutMs: 10_000,
  outcomeKeptMs: 600_000,
}

export interface RedisDialectOptions {
  /** `redis://[user:password@]host[:port][/database]`, or `redis+cluster://host:port,host:port`; `rediss` instead of `redis` for TLS. */
  readonly url: string
  readonly environment: Environment
  /** Keys begin with `{namespace/group}`: several databases may share a server. Letters, digits, `.`, `_`, `-`. Default `db`. */
  readonly namespace?: string
  /**
   * Placement: tables of one group lie in one slot of a cluster, and only they can be changed by one transaction or be joined.
   * Group → its tables; tables that are not named are in `main`.
   */
  readonly groups?: Readonly<Record<string, readonly string[]>>
  readonly limits?: Partial<Limits>
  /** A commit is answered when so many replicas have it, or fails as `not-replicated` (it is applied, though). Default 0. */
  readonly waitForReplicas?: { readonly replicas: number; readonly timeoutMs: number }
  /**
   * Takes in what callers pass as values, before anything else does: where dates are to be text, or booleans numbers. Not asked for
   * words of the query itself (`eb.lit`).
   */
  readonly encodeParameter?: (value: unknown) => unknown
  /** What a server must do to keep data over its own restart, checked at start. Default `any`: nothing is asked. */
  readonly persistence?: 'any' | 'append-only'
  /** How the server lists our connections (`CLIENT LIST`). No spaces. */
  readonly clientName?: string
  /**
   * Keeps what selects outside of transactions have read, until the server says that it changed (client-side tracking). For what is read
   * much more often than written. Another process's change is seen as soon as the server's word of it has arrived, which is later than
   * that process may have told somebody: so it is off unless asked for.
   */
  readonly nearCache?: NearCacheOptions
  /**
   * Called when another server has taken over, or the same one came back, without commits of ours that were answered: how many of the last
   * 1,000 of the past 5 minutes are gone. Whoever can makes them again, or tells people.
   */
  readonly onLostCommits?: (loss: LostCommits) => void
  /** Called after every statement. */
  readonly onStatement?: (counters: StatementCounters) => void
}

export interface LostCommits {
  readonly group: string
  readonly lost: number
  /** Of so many that were asked for. */
  readonly asked: number
  /** Milliseconds since the oldest of them was answered. */
  readonly sinceMs: number
}

export interface StatementCounters {
  keysRead: number
  rowsFetched: number
  rowsReturned: number
  roundTrips: number
  attempts: number
  /** Calls that the near cache has saved. */
  cacheHits: number
}
