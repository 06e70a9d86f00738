import type { Seen, Wanted } from './probe.ts'

/** What a format says of bytes that bear its mark. */
export interface Verdict {
  /** Bytes of the disk inside. */
  readonly virtualSize?: number
  /** Why the bytes must not be used, in words for who sent them. */
  readonly problem?: string
}

/** One format: how it is known, and what of it could do harm to who opens it. Nothing here opens anything. */
export interface Format {
  readonly name: string
  matches(seen: Seen): boolean
  wants?(seen: Seen): readonly Wanted[]
  judge(seen: Seen): Verdict
}

export const problem = (text: string): Verdict => ({ problem: text })

/** A 64 bit number as far as a number holds it exactly; undefined beyond. */
export function u64(bytes: Buffer, offset: number, order: 'big' | 'little'): number | undefined {
  if (offset + 8 > bytes.length) return undefined
  const value = order === 'big' ? bytes.readBigUInt64BE(offset) : bytes.readBigUInt64LE(offset)
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined
}

export const startsWith = (bytes: Buffer, offset: number, mark: string | readonly number[]): boolean => {
  const wanted = typeof mark === 'string' ? Buffer.from(mark, 'latin1') : Buffer.from(mark)
  return offset >= 0 && bytes.length >= offset + wanted.length && bytes.subarray(offset, offset + wanted.length).equals(wanted)
}
