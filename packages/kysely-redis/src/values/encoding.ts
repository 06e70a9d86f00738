import { fail } from '../errors.ts'
import { asInteger, type Kind, type Value } from './kinds.ts'

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

/** The key of the row that an index entry leads to. */
export function keyInMember(member: string): string {
  const length = Number.parseInt(member.slice(-4), 16)
  const key = member.slice(-4 - length, -4)
  // As long in bytes as in characters: nothing in it takes more than one.
  if (Buffer.byteLength(key) === length) return key
  const bytes = Buffer.from(member)
  return bytes.toString('utf8', bytes.length - 4 - length, bytes.length - 4)
}

/** The same for many, which stand in one text. */
export function keysInMembers(members: readonly string[], joined: string): string[] {
  // Letters of one byte each, which is so almost always, need not be counted for each.
  if (Buffer.byteLength(joined) > joined.length) return members.map((member) => keyInMember(member))
  return members.map((member) => member.slice(-4 - Number.parseInt(member.slice(-4), 16), -4))
}

/** Reads encoded values one after the other. */
export class KeyReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  next(kind: Kind): Value {
    const start = this.#at + 1
    switch (this.#text.charAt(this.#at)) {
      case 't': {
        const end = this.#text.indexOf('\0', start)
        this.#at = end + 1
        return this.#text.slice(start, end)
      }
      case 'n':
        this.#at = start + 16
        return kind === 'real' ? decodeReal(this.#text.slice(start, this.#at)) : decodeInteger(this.#text.slice(start, this.#at))
      case 'b':
        this.#at = start + 1
        return this.#text[start] === '1'
      case 'x': {
        const end = this.#text.indexOf('\0', start)
        this.#at = end + 1
        return new Uint8Array(Buffer.from(this.#text.slice(start, end), 'hex'))
      }
      default:
        this.#at = start
        return null
    }
  }
}

function decodeInteger(hex: string): number | bigint {
  // Not negative, and exact as a number: 2^53 has the digits 20…0.
  if (hex >= '8' && hex < '8020') return Number.parseInt(hex.slice(1), 16)
  return asInteger(BigInt(`0x${hex}`) - signBit)
}

function decodeReal(hex: string): number {
  const ordered = BigInt(`0x${hex}`)
  scratch.setBigUint64(0, (ordered & signBit) === 0n ? ~ordered & 0xffff_ffff_ffff_ffffn : ordered ^ signBit)
  return scratch.getFloat64(0)
}
