import { fail } from '../errors.ts'
import type { Kind, Value } from './kinds.ts'

/**
 * Order-preserving text for index members: byte order of the encodings is the order of the values, nulls first. Every encoding is of
 * fixed length or ends with a zero character (which text can't hold), so encodings can stand one after the other.
 */
export function encodeKey(value: Value, kind: Kind): string {
  if (value === null) return '0'
  switch (kind) {
    case 'boolean':
      return value ? 'b1' : 'b0'
    case 'integer':
      return `n${encodeInteger(value as number | bigint)}`
    case 'real':
      return `n${encodeReal(Number(value))}`
    case 'timestamp':
      return `n${encodeInteger(value as number)}`
    case 'text':
      return `t${value as string}\0`
    case 'bytes':
      return `x${Buffer.from(value as Uint8Array).toString('hex')}\0`
  }
}

/** Sorts after every encoding that starts like the prefix before it, and is never a part of one. */
export const afterAll = '\x7f'
/** Members that hold more than this are refused: an index is no place for documents. */
export const longestMember = 4096

const signBit = 1n << 63n

function encodeInteger(value: number | bigint): string {
  if (typeof value === 'number' && value >= 0) return `8${value.toString(16).padStart(15, '0')}`
  return (BigInt(value) + signBit).toString(16).padStart(16, '0')
}

const scratch = new DataView(new ArrayBuffer(8))

function encodeReal(value: number): string {
  scratch.setFloat64(0, value === 0 ? 0 : value)
  const bits = scratch.getBigUint64(0)
  const ordered = (bits & signBit) === 0n ? bits | signBit : ~bits & 0xffff_ffff_ffff_ffffn
  return ordered.toString(16).padStart(16, '0')
}

/** The end of an index member: its row's key, and the length of that, so that the server can find the row. */
export function memberOf(columns: string, rowKey: string, index: string): string {
  const length = Buffer.byteLength(rowKey)
  const member = `${columns}${rowKey}${length.toString(16).padStart(4, '0')}`
  if (member.length > longestMember) fail('too-large', `A value is too long for index ${index}: ${longestMember} characters at most.`)
  return member
}

/** The smallest text greater than every text with this prefix; undefined when there is none. */
export function nextPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix)
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    const point = last.codePointAt(0) as number
    if (point < 0x10ffff) return points.join('') + String.fromCodePoint(point === 0xd7ff ? 0xe000 : point + 1)
  }
  return undefined
}
