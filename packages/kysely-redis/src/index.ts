export { RedisDialect, allowScan, isUnavailable } from './dialect.ts'
export { checkReferences, deferReferences, describeTables, raiseCounter, rowsAs, tableExists } from './compile/own-words.ts'
export type { TableDescription } from './catalog/describe.ts'
export { RedisDatabaseError, UnknownOutcome, UnsupportedNode, isSerializationFailure, type RedisErrorKind } from './errors.ts'
export { Locks, fencedBy, type HeldLock, type LockOptions } from './locks.ts'
export {
  defaultLimits,
  type Address,
  type Environment,
  type Limits,
  type LostCommits,
  type RedisDialectOptions,
  type Socket,
  type StatementCounters,
} from './options.ts'
export type { NearCacheCounters, NearCacheOptions } from './wire/near-cache.ts'
export { withRetry, type RetryOptions } from './retry.ts'
export type { CheckReport } from './check.ts'
