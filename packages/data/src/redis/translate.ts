import { RedisDatabaseError, type RedisErrorKind } from 'kysely-redis'
import { DatabaseError, type DatabaseErrorKind } from '../errors.ts'

/** Kinds of kysely-redis that have a meaning to callers; all others are `other`. */
const kinds: Partial<Readonly<Record<RedisErrorKind, DatabaseErrorKind>>> = {
  unique: 'unique',
  'foreign-key': 'foreign-key',
  'not-null': 'not-null',
  'type-mismatch': 'check',
  'invalid-value': 'check',
  'out-of-range': 'check',
  'division-by-zero': 'check',
  serialization: 'serialization',
  // The commit was refused, so the work may be done again under a new lock.
  'lock-lost': 'serialization',
  unavailable: 'unavailable',
  'unknown-outcome': 'unavailable',
  'not-replicated': 'unavailable',
  configuration: 'unavailable',
  'out-of-memory': 'full',
}

/** Its messages name tables and columns, never values. */
export function translateRedis(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error
  if (!(error instanceof RedisDatabaseError)) return new DatabaseError('other', 'Redis: the statement failed.', { cause: error })
  return new DatabaseError(kinds[error.kind] ?? 'other', `Redis: ${error.message}`, {
    cause: error,
    ...(error.constraint === undefined ? {} : { constraint: error.constraint }),
  })
}
