import { RedisDatabaseError } from '../errors.ts'
import type { Kind, Row, Value } from './kinds.ts'

/** A version is the number of the commit that wrote the row, in so many digits, before the row's text. */
export const versionLength = 16

/** One JSON array in the order of the columns. */
export const encodeRow = (row: Row): string => JSON.stringify(row.map(jsonOf))

/** One value as it stands in a row's text; equal values have equal texts. */
export const encodeValue = (value: Value): string => JSON.stringify(jsonOf(value))

const jsonOf = (value: Value): unknown => {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  return value
}

/** `missing` holds what a column added later has in rows written before. */
export function decodeRow(text: string, kinds: readonly Kind[], missing: Row): Row {
  let row: Row
  try {
    row = JSON.parse(text) as Row
  } catch (cause) {
    throw new RedisDatabaseError('corrupt', 'A stored row can not be read.', { cause })
  }
  for (let index = 0; index < kinds.length; index++) {
    if (index >= row.length) row.push(missing[index] ?? null)
    else if (typeof row[index] === 'string') {
      if (kinds[index] === 'integer') row[index] = BigInt(row[index] as string)
      else if (kinds[index] === 'bytes') row[index] = new Uint8Array(Buffer.from(row[index] as string, 'base64'))
    }
  }
  return row
}
