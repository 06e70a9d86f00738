/** Positions of the first and the last byte, as HTTP counts them. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/**
 * What a Range header asks of `size` bytes (RFC 9110 §14): undefined for all of it, which is also the answer to what is malformed, to
 * another unit and to several ranges at once; `none` when no byte of it is there.
 */
export function readByteRange(header: string | undefined, size: number): ByteRange | 'none' | undefined {
  const parts = /^bytes=([0-9]{0,15})-([0-9]{0,15})$/i.exec(header?.trim() ?? '')
  if (parts === null) return undefined
  const [first, last] = [parts[1]!, parts[2]!]
  if (first === '' && last === '') return undefined
  if (first === '') {
    const count = Math.min(Number(last), size)
    return count === 0 ? 'none' : { start: size - count, end: size - 1 }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return undefined
  return start >= size ? 'none' : { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) }
}
