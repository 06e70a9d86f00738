/** First and last byte, both included. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

const shape = /^bytes=(\d{0,18})-(\d{0,18})$/

/**
 * What a `Range` header asks of `size` bytes: one range (`a-b`, `a-`, `-n`), cut to what there is. `several` when it names more than one,
 * `unsatisfiable` when it names none of the bytes or is malformed.
 */
export function byteRange(header: string, size: number): ByteRange | 'several' | 'unsatisfiable' {
  const text = header.replaceAll(/\s/g, '')
  if (text.includes(',')) return 'several'
  const [, first = '', last = ''] = shape.exec(text) ?? []
  if (first === '' && last === '') return 'unsatisfiable'
  if (first === '') {
    const start = Math.max(0, size - Number(last))
    return Number(last) === 0 || size === 0 ? 'unsatisfiable' : { start, end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  return start >= size || end < start ? 'unsatisfiable' : { start, end }
}
