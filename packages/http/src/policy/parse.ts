/** A check of the oslo.policy language, ready to be evaluated. */
export type Check =
  | { readonly kind: 'always' }
  | { readonly kind: 'never' }
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Check[] }
  | { readonly kind: 'not'; readonly part: Check }
  | { readonly kind: 'rule'; readonly name: string }
  | { readonly kind: 'role'; readonly name: Template }
  /** `attribute` of the caller, or a literal, against a text in which `%(name)s` stands for members of the target. */
  | { readonly kind: 'match'; readonly left: { readonly literal: string } | { readonly attribute: string }; readonly right: Template }

/** Plain text and names of target members in turn. */
export type Template = readonly (string | { readonly target: string })[]

/** A check string that is not one. `column` counts from 1. */
export class PolicyRefused extends Error {
  readonly column: number | undefined
  constructor(message: string, column?: number) {
    super(message)
    this.name = 'PolicyRefused'
    this.column = column
  }
}

const maxLength = 8192
const maxDepth = 32

/**
 * Parses `role:admin and (project_name:admin or rule:other)`: `not` binds tighter than `and`, `and` tighter than `or`;
 * `@` and the empty text allow, `!` denies. Throws PolicyRefused; remote checks (`http:`) and unknown forms are refused, since
 * a check that silently means "never" would be found only by those it locks out.
 */
export function parseCheck(text: string): Check {
  if (text.length > maxLength) throw new PolicyRefused(`the check is longer than ${maxLength} characters`)
  const words = tokenize(text)
  if (words.length === 0) return { kind: 'always' }
  let at = 0

  const fail = (what: string): never => {
    throw new PolicyRefused(what, words[at]?.column ?? text.length + 1)
  }
  const keyword = (): string | undefined => (words[at]?.quoted === false ? words[at]?.text.toLowerCase() : undefined)

  const chain = (kind: 'and' | 'or', next: (depth: number) => Check, depth: number): Check => {
    const parts = [next(depth)]
    while (keyword() === kind) {
      at++
      parts.push(next(depth))
    }
    return parts.length === 1 ? (parts[0] as Check) : { kind, parts }
  }
  const either = (depth: number): Check => chain('or', both, depth)
  const both = (depth: number): Check => chain('and', single, depth)
  const single = (depth: number): Check => {
    if (depth > maxDepth) fail(`more than ${maxDepth} levels`)
    const word = words[at]
    if (word === undefined) return fail('a check is missing at the end')
    const name = keyword()
    if (name === 'not') {
      at++
      return { kind: 'not', part: single(depth + 1) }
    }
    if (name === 'and' || name === 'or' || name === ')') return fail(`a check is missing before '${word.text}'`)
    if (name === '(') {
      at++
      const inner = either(depth + 1)
      if (keyword() !== ')') fail("a ')' is missing")
      at++
      return inner
    }
    const check = parseWord(word.text, word.column)
    at++
    return check
  }

  const whole = either(0)
  if (at < words.length) fail(`'${words[at]?.text}' is not expected here: join checks with 'and' or 'or'`)
  return whole
}

interface Word {
  readonly text: string
  readonly column: number
  /** Quoted words are never keywords. */
  readonly quoted: boolean
}

/** Words end at spaces and parentheses; quotes and `%(…)s` are one piece with what they touch. */
function tokenize(text: string): Word[] {
  const words: Word[] = []
  let at = 0
  while (at < text.length) {
    const sign = text[at] as string
    if (/\s/.test(sign)) at++
    else if (sign === '(' || sign === ')') words.push({ text: sign, column: ++at, quoted: false })
    else {
      const start = at
      let quoted = false
      while (at < text.length) {
        const here = text[at] as string
        if (/[\s()]/.test(here)) break
        if (here === "'" || here === '"') {
          const close = text.indexOf(here, at + 1)
          if (close === -1) throw new PolicyRefused(`the quote ${here} is not closed`, at + 1)
          quoted = true
          at = close + 1
        } else if (here === '%' && text[at + 1] === '(') {
          const close = text.indexOf(')s', at)
          if (close === -1) throw new PolicyRefused("'%(' without ')s'", at + 1)
          at = close + 2
        } else at++
      }
      words.push({ text: text.slice(start, at), column: start + 1, quoted })
    }
  }
  return words
}

function parseWord(word: string, column: number): Check {
  if (word === '@') return { kind: 'always' }
  if (word === '!') return { kind: 'never' }
  // A quoted literal on the left may hold a colon itself.
  const quote = word[0] === "'" || word[0] === '"' ? word.indexOf(word[0], 1) + 1 : 0
  const colon = word.indexOf(':', quote)
  if (colon <= 0) throw new PolicyRefused(`'${word}' is not a check: expected kind:value, for example role:admin`, column)
  const kind = word.slice(0, colon)
  const value = word.slice(colon + 1)
  if (value === '') throw new PolicyRefused(`'${word}' has nothing after its colon`, column)
  if (kind === 'http' || kind === 'https') throw new PolicyRefused('checks by a remote server are not supported', column)
  if (kind === 'rule') return { kind: 'rule', name: value }
  if (kind === 'role') return { kind: 'role', name: template(unquote(value), column) }
  return { kind: 'match', left: leftSide(kind, column), right: template(unquote(value), column) }
}

function leftSide(kind: string, column: number): { literal: string } | { attribute: string } {
  if (kind[0] === "'" || kind[0] === '"') {
    if (kind.at(-1) !== kind[0] || kind.length < 2) throw new PolicyRefused(`'${kind}' is not a literal`, column)
    return { literal: kind.slice(1, -1) }
  }
  if (/^(?:True|False|None|-?\d+(?:\.\d+)?)$/.test(kind)) return { literal: kind }
  if (!/^[A-Za-z_][\w.-]*$/.test(kind)) throw new PolicyRefused(`'${kind}' is neither an attribute nor a literal`, column)
  return { attribute: kind }
}

function unquote(value: string): string {
  const sign = value[0]
  return (sign === "'" || sign === '"') && value.length >= 2 && value.at(-1) === sign ? value.slice(1, -1) : value
}

function template(value: string, column: number): Template {
  const parts: (string | { target: string })[] = []
  let at = 0
  for (const found of value.matchAll(/%\(([^)]*)\)s/g)) {
    if (found.index > at) parts.push(value.slice(at, found.index))
    if (found[1] === '') throw new PolicyRefused('%()s names nothing', column)
    parts.push({ target: found[1] as string })
    at = found.index + found[0].length
  }
  if (at < value.length) parts.push(value.slice(at))
  return parts
}
