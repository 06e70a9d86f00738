/** What a JSON text may hold at most. The defaults keep one hostile request under 50 ms and 10 MB (attacks 3). */
export interface JsonLimits {
  readonly maxDepth: number
  /** Members of all objects together. */
  readonly maxKeys: number
  /** Values of all kinds together, containers included. */
  readonly maxValues: number
}
export const jsonLimits: JsonLimits = { maxDepth: 32, maxKeys: 20_000, maxValues: 100_000 }

/** Why a JSON text was refused. The message holds a place in the text, never a piece of it but a member's name. */
export class JsonRefused extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'JsonRefused'
  }
}

/** Names that reach a prototype when somebody merges objects carelessly. */
export const forbiddenKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** UTF-8 bytes to a checked value. Throws JsonRefused. */
export function readJsonBytes(bytes: Uint8Array, limits: JsonLimits = jsonLimits): unknown {
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch {
    throw new JsonRefused('the text is not UTF-8')
  }
  return readJson(text, limits)
}

/**
 * JSON as RFC 8259 has it, and stricter where readers differ: one spelling of a member per object, no names that reach a
 * prototype, no lone surrogates, no zero characters, no byte order mark, no number beyond a double, nothing deeper or longer than `limits`.
 */
export function readJson(text: string, limits: JsonLimits = jsonLimits): unknown {
  checkJson(text, limits)
  return JSON.parse(text)
}

const quote = 0x22
const backslash = 0x5c

/**
 * One pass over the text without building values, so that a refusal costs no memory. It knows the whole grammar: its verdict
 * may not differ from JSON.parse's but by being stricter (fuzzed in the tests).
 */
function checkJson(text: string, limits: JsonLimits): void {
  const end = text.length
  /** One entry per open container: the names seen so far, or undefined for an array. */
  const open: (Set<string> | undefined)[] = []
  let at = 0
  let keys = 0
  let values = 0

  const fail = (what: string): never => {
    throw new JsonRefused(`${what} at ${placeOf(text, at)}`)
  }

  const skipSpace = (): number => {
    for (; at < end; at++) {
      const code = text.charCodeAt(at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return code
    }
    return -1
  }

  /** Stands on the opening quote, leaves behind the closing one. Returns whether there was an escape. */
  const skipString = (): boolean => {
    let escaped = false
    at++
    for (;;) {
      if (at >= end) return fail('a string without its end')
      const code = text.charCodeAt(at)
      if (code === quote) {
        at++
        return escaped
      }
      if (code < 0x20) fail('a control character in a string')
      if (code === backslash) {
        escaped = true
        skipEscape()
      } else at++
    }
  }

  const hex4 = (from: number): number => {
    let value = 0
    for (let i = from; i < from + 4; i++) {
      const digit = hexDigit(text.charCodeAt(i))
      if (digit < 0) return -1
      value = value * 16 + digit
    }
    return value
  }

  const skipEscape = (): void => {
    const code = text.charCodeAt(at + 1)
    if (code !== 0x75) {
      if (!simpleEscapes.has(code)) fail('an unknown escape in a string')
      at += 2
      return
    }
    const unit = hex4(at + 2)
    if (unit < 0) fail('an unknown escape in a string')
    // PostgreSQL's text can't keep it, so no engine is asked to.
    if (unit === 0) fail('a zero character in a string')
    if (unit >= 0xdc00 && unit <= 0xdfff) fail('half of a surrogate pair')
    if (unit >= 0xd800 && unit <= 0xdbff) {
      const low = text.charCodeAt(at + 6) === backslash && text.charCodeAt(at + 7) === 0x75 ? hex4(at + 8) : -1
      if (low < 0xdc00 || low > 0xdfff) fail('half of a surrogate pair')
      at += 12
      return
    }
    at += 6
  }

  const digits = (): void => {
    const from = at
    while (at < end && isDigit(text.charCodeAt(at))) at++
    if (at === from) fail('a number without digits')
  }

  const skipNumber = (): void => {
    const from = at
    if (text.charCodeAt(at) === 0x2d) at++
    if (text.charCodeAt(at) === 0x30) at++
    else digits()
    if (text.charCodeAt(at) === 0x2e) {
      at++
      digits()
    }
    const exponent = text.charCodeAt(at) | 0x20
    if (exponent === 0x65) {
      at++
      const sign = text.charCodeAt(at)
      if (sign === 0x2b || sign === 0x2d) at++
      digits()
    }
    // Shorter numbers without an exponent can't overflow.
    if ((exponent === 0x65 || at - from > 300) && !Number.isFinite(Number(text.slice(from, at)))) fail('a number that is too large')
  }

  const word = (expected: string): void => {
    if (!text.startsWith(expected, at)) fail('an unknown word')
    at += expected.length
  }

  /** Stands on the name's quote, leaves behind the colon. */
  const memberName = (names: Set<string>): void => {
    const from = at
    const escaped = skipString()
    const name = escaped ? (JSON.parse(text.slice(from, at)) as string) : text.slice(from + 1, at - 1)
    if (forbiddenKeys.has(name)) fail(`the forbidden member name '${name}'`)
    if (names.has(name)) fail(`a second member named '${printable(name)}'`)
    names.add(name)
    if (++keys > limits.maxKeys) fail(`more than ${limits.maxKeys} members`)
    if (skipSpace() !== 0x3a) fail("a member name without ':'")
    at++
  }

  if (end > 0 && text.charCodeAt(0) === 0xfeff) throw new JsonRefused('the text starts with a byte order mark')
  if (!text.isWellFormed()) throw new JsonRefused('the text holds half of a surrogate pair')

  for (;;) {
    // A value starts here.
    const code = skipSpace()
    if (++values > limits.maxValues) fail(`more than ${limits.maxValues} values`)
    if (code === 0x7b || code === 0x5b) {
      if (open.length >= limits.maxDepth) fail(`more than ${limits.maxDepth} levels`)
      at++
      const next = skipSpace()
      if (code === 0x7b && next !== 0x7d) {
        const names = new Set<string>()
        open.push(names)
        if (next !== quote) fail('a member without a quoted name')
        memberName(names)
        continue
      }
      if (code === 0x5b && next !== 0x5d) {
        open.push(undefined)
        continue
      }
      at++
    } else if (code === quote) skipString()
    else if (code === 0x2d || isDigit(code)) skipNumber()
    else if (code === 0x74) word('true')
    else if (code === 0x66) word('false')
    else if (code === 0x6e) word('null')
    else if (code === -1) fail('the end of the text where a value is expected')
    else fail('an unexpected character')

    // A value has ended: close what ends with it, or go on to the next one.
    for (;;) {
      const next = skipSpace()
      if (open.length === 0) {
        if (next !== -1) fail('text after the end of the document')
        return
      }
      const names = open.at(-1)
      if (next === (names === undefined ? 0x5d : 0x7d)) {
        open.pop()
        at++
        continue
      }
      if (next !== 0x2c) fail(names === undefined ? "a missing ',' or ']'" : "a missing ',' or '}'")
      at++
      if (names !== undefined) {
        if (skipSpace() !== quote) fail('a member without a quoted name')
        memberName(names)
      }
      break
    }
  }
}

const simpleEscapes: ReadonlySet<number> = new Set(Array.from('"\\/bfnrt', (letter) => letter.charCodeAt(0)))
const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39

function hexDigit(code: number): number {
  if (isDigit(code)) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

function placeOf(text: string, at: number): string {
  let line = 1
  let lineStart = 0
  for (let i = text.indexOf('\n'); i !== -1 && i < at; i = text.indexOf('\n', i + 1)) {
    line++
    lineStart = i + 1
  }
  return `line ${line}, column ${at - lineStart + 1}`
}

const printable = (name: string): string => (name.length > 64 ? `${name.slice(0, 64)}…` : name)
