import { DatabaseError } from './errors.ts'
import { timestamp } from './values.ts'

/** What every engine stores in the same way. */
export type Bindable = null | string | number | bigint

const refuse = (what: string, instead: string): never => {
  throw new DatabaseError('check', `A ${what} can't be stored; ${instead}.`)
}

/**
 * The one place where values become parameters, on every engine.
 *
 * Drivers guess differently: node:sqlite stores a lone Date as NULL, pg sends booleans as words, NaN becomes NULL in one and an
 * error in the other. So what has one meaning is converted here, and the rest is refused before anything is written.
 */
export function encode(value: unknown): Bindable {
  switch (typeof value) {
    case 'string':
      return value.includes('\0') ? refuse('text with a zero character', 'PostgreSQL has no way to keep it') : value
    case 'number':
      return Number.isFinite(value) ? value : refuse('number that is not finite', 'use null where there is no value')
    case 'boolean':
      return value ? 1 : 0
    case 'bigint':
      return BigInt.asIntN(64, value) === value ? value : refuse('number over 64 bit', 'use text')
    case 'undefined':
      return refuse('missing value (undefined)', 'use null where no value is meant')
    case 'object':
      if (value === null) return null
      if (value instanceof Date)
        return Number.isNaN(value.getTime()) ? refuse('invalid date', 'check it first') : timestamp(value.getTime())
      return refuse(Array.isArray(value) ? 'list' : 'object', 'use json.write')
    case 'symbol':
    case 'function':
    default:
      return refuse(typeof value, 'use text')
  }
}
