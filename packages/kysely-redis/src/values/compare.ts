import type { Value } from './kinds.ts'

/** By code point, as UTF-8 bytes sort; JavaScript's own order differs beyond U+FFFF. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const x = a.charCodeAt(index)
    const y = b.charCodeAt(index)
    if (x !== y) {
      // Surrogates stand for code points above all others.
      const high = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff
      if (high(x) !== high(y)) return high(x) ? 1 : -1
      return x < y ? -1 : 1
    }
  }
  return a.length - b.length
}

/** Order of two values of one kind, neither of them null. Numbers compare exactly with bigints. */
export function compareValues(a: Value, b: Value): number {
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b)
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b)
  if (a === b) return 0
  return (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0
}

/** A text that is the same for equal values and different for others: keys of groups, sets and hash joins. */
export function keyOfValue(value: Value): string {
  if (value === null) return '0'
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`
  if (typeof value === 'string') return `t${value}`
  if (typeof value === 'boolean') return value ? 'b1' : 'b0'
  return `n${value}`
}

export const keyOfValues = (values: readonly Value[]): string => values.map(keyOfValue).join('\0')
