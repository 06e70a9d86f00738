import { fail } from '../errors.ts'
import { asInteger, type Kind, type Value } from '../values/kinds.ts'

type AnyKind = Kind | 'null'
export interface Implementation {
  readonly kind: AnyKind
  readonly apply: (args: Value[]) => Value
}

const upper = (text: string): string => text.replace(/[a-z]+/g, (part) => part.toUpperCase())
const lower = (text: string): string => text.replace(/[A-Z]+/g, (part) => part.toLowerCase())
const isText = (kind: AnyKind): boolean => kind === 'text' || kind === 'null'
const isNumeric = (kind: AnyKind): boolean => kind === 'integer' || kind === 'real' || kind === 'null'

/** The kind that all of them are, numbers widened; refuses a mixture. */
export function commonKind(kinds: readonly AnyKind[], where: string): AnyKind {
  let common: AnyKind = 'null'
  for (const kind of kinds) {
    if (kind === 'null' || kind === common) continue
    if (common === 'null') common = kind
    else if (isNumeric(common) && isNumeric(kind)) common = 'real'
    else fail('type-mismatch', `${where} mixes ${common} and ${kind}.`)
  }
  return common
}

const need = (fine: boolean, name: string): void => {
  if (!fine) fail('type-mismatch', `${name} does not take these kinds of values.`)
}

/** Position in characters, not code units. */
const positionOf = (text: string, part: string): number => {
  const at = text.indexOf(part)
  return at < 0 ? 0 : Array.from(text.slice(0, at)).length + 1
}

export function scalarFunction(name: string, kinds: readonly AnyKind[]): Implementation {
  const [first = 'null', second = 'null', third = 'null'] = kinds
  const onText = (kind: AnyKind, apply: (text: string) => Value): Implementation => {
    need(isText(first), name)
    return { kind, apply: ([text]) => (text === null ? null : apply(text as string)) }
  }
  switch (name) {
    case 'coalesce':
      return { kind: commonKind(kinds, name), apply: (args) => args.find((arg) => arg !== null) ?? null }
    case 'nullif':
      commonKind(kinds, name)
      return { kind: first, apply: ([a = null, b = null]) => (a !== null && b !== null && sameValue(a, b) ? null : a) }
    case 'lower':
      return onText('text', lower)
    case 'upper':
      return onText('text', upper)
    case 'length':
      return onText('integer', (text) => Array.from(text).length)
    case 'abs':
      need(isNumeric(first), name)
      return { kind: first, apply: ([x = null]) => (x === null ? null : (x as number) < 0 ? negate(x) : x) }
    case 'instr':
    case 'strpos':
      need(isText(first) && isText(second), name)
      return {
        kind: 'integer',
        apply: ([text = null, part = null]) => (text === null || part === null ? null : positionOf(text as string, part as string)),
      }
    case 'substr':
      need(isText(first) && isNumeric(second) && isNumeric(third), name)
      return { kind: 'text', apply: (args) => (args.includes(null) ? null : substr(args)) }
    default:
      return fail('invalid-query', `There is no function ${name}.`)
  }
}

function substr(args: Value[]): Value {
  const [text, start, length] = args as [string, number, number | undefined]
  if (start < 1 || (length !== undefined && length < 0)) fail('invalid-value', 'substr counts from 1, and takes no negative length.')
  return Array.from(text)
    .slice(start - 1, length === undefined ? undefined : start - 1 + length)
    .join('')
}

export const negate = (x: Value): Value => (typeof x === 'bigint' ? asInteger(-x) : x === 0 ? 0 : -(x as number))

export const sameValue = (a: Value, b: Value): boolean =>
  a instanceof Uint8Array && b instanceof Uint8Array ? Buffer.compare(a, b) === 0 : a === b

/** Integers stay exact up to 64 bits; a division of integers is cut towards zero, as in SQL. */
export function arithmetic(op: string, integers: boolean): (a: Value, b: Value) => Value {
  return (a, b) => {
    if (a === null || b === null) return null
    if ((op === '/' || op === '%') && Number(b) === 0) fail('division-by-zero', 'Division by zero.')
    if (!integers) return finite(real(op, Number(a), Number(b)))
    if (typeof a === 'number' && typeof b === 'number') {
      const result = op === '/' ? Math.trunc(a / b) : real(op, a, b)
      if (Number.isSafeInteger(result)) return result === 0 ? 0 : result
    }
    return asInteger(big(op, BigInt(a as number), BigInt(b as number)))
  }
}

function real(op: string, a: number, b: number): number {
  switch (op) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '/':
      return a / b
    default:
      return a % b
  }
}

function big(op: string, a: bigint, b: bigint): bigint {
  switch (op) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '/':
      return a / b
    default:
      return a % b
  }
}

export const finite = (value: number): number => {
  if (!Number.isFinite(value)) fail('out-of-range', 'A number is too large.')
  return value === 0 ? 0 : value
}

const wholeNumber = /^\s*[+-]?\d{1,19}\s*$/
const decimalNumber = /^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*$/

/** Text that is no number is refused rather than read as zero. */
export function castTo(to: Kind, from: AnyKind): (value: Value) => Value {
  return (value) => {
    if (value === null || from === to) return value
    if (to === 'text' && (from === 'integer' || from === 'real')) return String(value)
    if (to === 'integer' && from === 'real') return asInteger(BigInt(Math.trunc(value as number)))
    if (to === 'real' && from === 'integer') return Number(value)
    if (to === 'integer' && from === 'boolean') return value ? 1 : 0
    if (from === 'text' && typeof value === 'string') {
      if (to === 'integer' && wholeNumber.test(value)) return asInteger(BigInt(value.trim()))
      if (to === 'real' && decimalNumber.test(value)) return finite(Number(value))
      return fail('invalid-value', `A text can not be read as ${to}.`)
    }
    return fail('type-mismatch', `There is no cast from ${from} to ${to}.`)
  }
}

/** `%` and `_`, with `\` before one that stands for itself. Case matters. Runs in time linear in text × pattern at worst. */
export function likeMatcher(pattern: string): (text: string) => boolean {
  const tokens: (string | 0 | 1)[] = []
  const points = Array.from(pattern)
  for (let at = 0; at < points.length; at++) {
    const point = points[at] as string
    if (point === '%') {
      if (tokens.at(-1) !== 0) tokens.push(0)
    } else if (point === '_') tokens.push(1)
    else tokens.push(point === '\\' ? (points[++at] ?? fail('invalid-value', 'A like pattern must not end with a backslash.')) : point)
  }
  return (text) => {
    const chars = Array.from(text)
    let t = 0
    let p = 0
    let star = -1
    let mark = 0
    while (t < chars.length) {
      const token = tokens[p]
      if (token === 0) {
        star = p++
        mark = t
      } else if (token === 1 || token === chars[t]) {
        p++
        t++
      } else if (star >= 0) {
        p = star + 1
        t = ++mark
      } else return false
    }
    while (tokens[p] === 0) p++
    return p === tokens.length
  }
}

/** The text that everything matching the pattern begins with. */
export function likePrefix(pattern: string): string {
  let prefix = ''
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] as string
    if (char === '%' || char === '_') break
    prefix += char === '\\' ? (pattern[++at] ?? '') : char
  }
  return prefix
}
