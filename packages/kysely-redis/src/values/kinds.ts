/* oxlint-disable typescript/switch-exhaustiveness-check -- the default refuses every other value */
import { fail } from '../errors.ts'

/** What a column holds. Two kinds never mix in one column, so encodings need not compare across kinds. */
export type Kind = 'integer' | 'real' | 'text' | 'boolean' | 'bytes' | 'timestamp'

/** A value while a query runs. A timestamp is the milliseconds since 1970 as a number; null is SQL's NULL and "unknown". */
export type Value = null | boolean | number | bigint | string | Uint8Array
export type Row = Value[]

/** The column types of Kysely that exist here; others are refused when a table is created. */
export const kindOfType: Readonly<Record<string, Kind>> = {
  varchar: 'text',
  char: 'text',
  text: 'text',
  uuid: 'text',
  integer: 'integer',
  int2: 'integer',
  int4: 'integer',
  int8: 'integer',
  smallint: 'integer',
  bigint: 'integer',
  serial: 'integer',
  bigserial: 'integer',
  boolean: 'boolean',
  real: 'real',
  'double precision': 'real',
  float4: 'real',
  float8: 'real',
  binary: 'bytes',
  varbinary: 'bytes',
  bytea: 'bytes',
  blob: 'bytes',
  timestamp: 'timestamp',
  timestamptz: 'timestamp',
  datetime: 'timestamp',
}

const smallest = -(2n ** 63n)
const largest = 2n ** 63n - 1n

/** A number where it is exact, a bigint beyond. */
export function asInteger(value: bigint): number | bigint {
  if (value < smallest || value > largest) fail('out-of-range', 'An integer needs more than 64 bits.')
  return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value
}

/** The kind of a value that a caller passed; `null` for NULL. */
export function kindOfValue(value: Value, isDate: boolean): Kind | 'null' {
  if (value === null) return 'null'
  if (isDate) return 'timestamp'
  switch (typeof value) {
    case 'boolean':
      return 'boolean'
    case 'number':
      return Number.isInteger(value) ? 'integer' : 'real'
    case 'bigint':
      return 'integer'
    case 'string':
      return 'text'
    default:
      return 'bytes'
  }
}

/** Takes a parameter in. Refuses what has no meaning in a column, before anything is sent. */
export function fromOutside(value: unknown): { value: Value; kind: Kind | 'null' } {
  if (value === null) return { value: null, kind: 'null' }
  if (value instanceof Date) {
    const ms = value.getTime()
    if (Number.isNaN(ms)) fail('invalid-value', 'An invalid date can not be stored or compared.')
    return { value: ms, kind: 'timestamp' }
  }
  if (value instanceof Uint8Array) return { value, kind: 'bytes' }
  switch (typeof value) {
    case 'number':
      if (!Number.isFinite(value)) fail('invalid-value', 'NaN and infinity can not be stored or compared.')
      if (Number.isInteger(value) && !Number.isSafeInteger(value)) return { value, kind: 'real' }
      return { value: value === 0 ? 0 : value, kind: Number.isInteger(value) ? 'integer' : 'real' }
    case 'bigint':
      return { value: asInteger(value), kind: 'integer' }
    case 'boolean':
      return { value, kind: 'boolean' }
    case 'string':
      if (value.includes('\0')) fail('invalid-value', 'Text with a zero character can not be stored or compared.')
      if (!value.isWellFormed()) fail('invalid-value', 'Text with half a surrogate pair can not be stored or compared.')
      return { value, kind: 'text' }
    default:
      return fail('invalid-value', `A value of type ${typeof value} can not be stored or compared.`)
  }
}

/** What the caller gets. */
export const toOutside = (value: Value, kind: Kind | 'null'): unknown =>
  kind === 'timestamp' && typeof value === 'number' ? new Date(value) : value

const wholeNumber = /^\s*[+-]?\d{1,19}\s*$/
const decimalNumber = /^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*$/

/** Reads a value as one of another kind when nothing is lost, as PostgreSQL reads a parameter; undefined when that can't be done. */
export function readAs(value: Value, kind: Kind | 'null', wanted: Kind | 'null'): Value | undefined {
  if (wanted === 'text' && (kind === 'integer' || kind === 'real')) return String(value)
  if (kind !== 'text' || typeof value !== 'string') return undefined
  if (wanted === 'integer' && wholeNumber.test(value)) return asInteger(BigInt(value.trim()))
  if (wanted === 'real' && decimalNumber.test(value)) return Number(value)
  return undefined
}

/** Fits a value into a column, or refuses: whole numbers and decimals as text and back, and nothing else that loses nothing. */
export function fitColumn(value: Value, kind: Kind | 'null', column: Kind, where: string): Value {
  if (value === null || kind === column) return value
  if (column === 'real' && kind === 'integer') return Number(value)
  if (column === 'integer' && kind === 'real' && Number.isInteger(value)) return asInteger(BigInt(value as number))
  const read = readAs(value, kind, column)
  if (read !== undefined) return read
  return fail('type-mismatch', `${where} holds ${column} and can not take ${kind}.`)
}
