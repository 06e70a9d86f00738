import { DatabaseError, type DatabaseErrorKind } from '../errors.ts'

/** Result codes of SQLite that mean something to callers: extended codes first, then the primary code in the low byte. */
const kinds: Readonly<Record<number, DatabaseErrorKind>> = {
  2067: 'unique',
  1555: 'unique',
  2579: 'unique',
  787: 'foreign-key',
  1811: 'foreign-key',
  275: 'check',
  3091: 'check',
  1299: 'not-null',
  517: 'serialization',
  5: 'timeout',
  6: 'timeout',
  10: 'unavailable',
  11: 'unavailable',
  13: 'full',
  14: 'unavailable',
  8: 'unavailable',
  20: 'check',
  26: 'unavailable',
}

const sentences: Readonly<Record<DatabaseErrorKind, string>> = {
  unique: 'a row with this value exists already',
  'foreign-key': 'a row that is referred to is missing, or is still referred to',
  check: 'a value is not one that the column accepts',
  'not-null': 'a required value is missing',
  serialization: 'another transaction changed the same rows',
  timeout: 'another process kept the database locked for too long',
  unavailable: 'the database file can not be used',
  full: 'the disk is full',
  other: 'the statement failed',
}

interface SqliteFailure extends Error {
  readonly errcode?: number
  readonly errstr?: string
}

export const isBusy = (error: unknown): boolean => error instanceof Error && ((error as SqliteFailure).errcode ?? 0) % 256 === 5

/** SQLite names `table.column`, never the value; syntax errors quote the statement, so only names are taken from its message. */
export function translateSqlite(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error
  const failure = error as SqliteFailure
  const code = failure.errcode
  if (code === undefined) {
    if (/not open|has already been destroyed/.test(failure.message))
      return new DatabaseError('unavailable', 'SQLite: the database is closed.')
    return new DatabaseError('other', `SQLite: ${failure.message}.`, { cause: error })
  }
  const kind = kinds[code] ?? kinds[code % 256] ?? 'other'
  const constraint = /(?:constraint failed: |in \w+ column )([\w.]+(?:, [\w.]+)*)/.exec(failure.message)?.[1]
  const missing = /^(no such (?:table|column|function): [\w.]+|table \w+ has no column named \w+)/.exec(failure.message)?.[1]
  const sentence = kind === 'other' ? (missing ?? `${sentences.other} (${failure.errstr ?? code})`) : sentences[kind]
  return new DatabaseError(kind, `SQLite: ${sentence}${constraint ? ` (${constraint})` : ''}.`, {
    cause: error,
    ...(constraint ? { constraint } : {}),
  })
}
