import { DataRefused } from '../../rules/refusals.ts'
import { beyondBmp } from '../../rules/text.ts'
import type { Values } from '../values.ts'

const mostChars = 80

/** A name that a caller gives: 1 to 80 characters (reference image §1.14). Throws Invalid. */
export function nameOf(values: Values, key = 'name'): string {
  const name = values[key]
  if (typeof name !== 'string' || name === '' || name.length > mostChars)
    throw new DataRefused('Invalid', `${key} must have 1 to ${mostChars} characters.`)
  if (beyondBmp(name)) throw new DataRefused('Invalid', `${key} holds characters beyond the BMP, which are not supported.`)
  return name
}

/** Absent stays absent, so that an update changes only what it names. */
export const textOf = (values: Values, key: string): string | null | undefined => {
  const value = values[key]
  if (value === undefined || value === null) return value
  if (typeof value !== 'string' || beyondBmp(value)) throw new DataRefused('Invalid', `Invalid value for ${key}.`)
  return value
}
