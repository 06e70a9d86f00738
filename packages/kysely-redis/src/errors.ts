/** What went wrong, for a program to decide on. `code` is the SQLSTATE that other databases use for the same thing. */
const codes = {
  unsupported: '0A000',
  'undefined-table': '42P01',
  'undefined-column': '42703',
  'undefined-object': '42704',
  'duplicate-object': '42P07',
  'type-mismatch': '42804',
  'invalid-query': '42601',
  'invalid-value': '22023',
  'out-of-range': '22003',
  'division-by-zero': '22012',
  unique: '23505',
  'not-null': '23502',
  'foreign-key': '23503',
  serialization: '40001',
  'cross-group': '0A001',
  'too-large': '54000',
  'scan-refused': '53400',
  'out-of-memory': '53200',
  'lock-lost': '55P03',
  unavailable: '08006',
  'unknown-outcome': '08007',
  'not-replicated': '08P01',
  configuration: 'F0000',
  corrupt: 'XX001',
} as const

export type RedisErrorKind = keyof typeof codes

/** Every error of this package. Messages name tables and columns, never values. */
export class RedisDatabaseError extends Error {
  readonly kind: RedisErrorKind
  readonly code: string
  /** `table.column` (several joined by a comma) for unique, not-null and foreign-key. */
  readonly constraint: string | undefined

  constructor(kind: RedisErrorKind, message: string, options: { constraint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'RedisDatabaseError'
    this.kind = kind
    this.code = codes[kind]
    this.constraint = options.constraint
  }
}

/** A part of a query that this dialect does not run. Thrown when the query is compiled, before anything is sent. */
export class UnsupportedNode extends RedisDatabaseError {
  /** The kind of the operation node, as Kysely names it. */
  readonly nodeKind: string
  /** Where it stands, from the root: `SelectQueryNode.joins[0].joinType`. */
  readonly path: string

  constructor(nodeKind: string, path: string, why: string) {
    super('unsupported', `Redis can't run this query: ${nodeKind} at ${path}: ${why}.`)
    this.name = 'UnsupportedNode'
    this.nodeKind = nodeKind
    this.path = path
  }
}

/** The reply to a commit was lost and could not be asked for. `resolveCommit(commitId)` of the dialect settles it later. */
export class UnknownOutcome extends RedisDatabaseError {
  readonly commitId: string
  readonly group: string

  constructor(group: string, commitId: string, cause: unknown) {
    super('unknown-outcome', `The connection was lost during commit ${commitId}: it may or may not have been applied.`, { cause })
    this.name = 'UnknownOutcome'
    this.commitId = commitId
    this.group = group
  }
}

/** True for an error after which the whole transaction may be run again with a chance to succeed. */
export const isSerializationFailure = (error: unknown): error is RedisDatabaseError =>
  error instanceof RedisDatabaseError && error.kind === 'serialization'

export const fail = (kind: RedisErrorKind, message: string, constraint?: string): never => {
  throw new RedisDatabaseError(kind, message, constraint === undefined ? {} : { constraint })
}
