import { DatabaseError, type DatabaseErrorKind } from '../errors.ts'

/** SQLSTATEs, whole or by class (first two characters). */
const kinds: Readonly<Record<string, DatabaseErrorKind>> = {
  '23505': 'unique',
  '23503': 'foreign-key',
  '23514': 'check',
  '23502': 'not-null',
  '22': 'check',
  '40001': 'serialization',
  '40P01': 'serialization',
  '08': 'unavailable',
  '57P': 'unavailable',
  '53300': 'unavailable',
  '53': 'full',
  // A standby before its promotion.
  '25006': 'unavailable',
  '28': 'unavailable',
  '3D000': 'unavailable',
  '57014': 'timeout',
  '55P03': 'timeout',
  '25P03': 'timeout',
}

const sentences: Readonly<Record<DatabaseErrorKind, string>> = {
  unique: 'a row with this value exists already',
  'foreign-key': 'a row that is referred to is missing, or is still referred to',
  check: 'a value is not one that the column accepts',
  'not-null': 'a required value is missing',
  serialization: 'another transaction changed the same rows',
  timeout: 'the statement took too long and was cancelled',
  unavailable: 'the server can not be reached or does not let us in',
  full: 'the server has run out of disk or memory',
  other: 'the statement failed',
}

interface PostgresFailure extends Error {
  readonly code?: string
  readonly constraint?: string
  readonly table?: string
  readonly column?: string
  readonly detail?: string
}

const connectionTrouble =
  /Connection terminated|Connection ended|timeout exceeded when trying to connect|Client has encountered|not queryable|pool after calling end|already been destroyed|has been discarded/

/** `table.column` as SQLite tells it, from "Key (a, b)=(values) …"; undefined for anything that is not plain columns. */
function columnsOf(failure: PostgresFailure): string | undefined {
  const { table, column, detail } = failure
  if (table === undefined) return undefined
  if (column !== undefined) return `${table}.${column}`
  const names = failure.code === '23505' ? /^Key \((\w+(?:, \w+)*)\)=/.exec(detail ?? '')?.[1] : undefined
  return names
    ?.split(', ')
    .map((name) => `${table}.${name}`)
    .join(', ')
}

/** The server's own message and detail quote values (`Key (name)=(…)`), so neither they nor the original error go along. */
export function translatePostgres(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error
  const failure = error as PostgresFailure
  const code = failure.code
  const isState = code !== undefined && /^[0-9A-Z]{5}$/.test(code)
  if (!isState) {
    const unavailable = code !== undefined || connectionTrouble.test(failure.message) || failure instanceof AggregateError
    const kind = unavailable ? 'unavailable' : 'other'
    return new DatabaseError(kind, `PostgreSQL: ${sentences[kind]}${code ? ` (${code})` : ''}.`, unavailable ? {} : { cause: error })
  }
  const kind = kinds[code] ?? kinds[code.slice(0, 3)] ?? kinds[code.slice(0, 2)] ?? 'other'
  const constraint = columnsOf(failure) ?? failure.constraint
  // Class 42 is about names of tables and columns: our own mistakes, told by their names.
  const missing = code.startsWith('42') && code !== '42601' ? failure.message : undefined
  const sentence = kind === 'other' ? (missing ?? sentences.other) : sentences[kind]
  return new DatabaseError(
    kind,
    `PostgreSQL: ${sentence} (${constraint ? `${constraint}, ` : ''}${code}).`,
    constraint ? { constraint } : {},
  )
}
