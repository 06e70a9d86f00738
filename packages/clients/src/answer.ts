import type { HttpResponse } from '@murmuration/world'

/** A site answered, but not in the agreed shape or size; `what` says which member. Never holds the answer itself. */
export class SiteAnswerRefused extends Error {
  readonly status: number | undefined
  constructor(site: string, what: string, status?: number) {
    super(`the answer of ${site} was refused: ${what}`)
    this.name = 'SiteAnswerRefused'
    this.status = status
  }
}

/** One value of an answer with its place in it. Reading it in the wrong way throws SiteAnswerRefused naming the place. */
export interface Answer {
  /** Only these members may be there; without `known` others are passed over. */
  object(known?: readonly string[]): (name: string) => Answer
  list(most: number): Answer[]
  /** At most `most` characters, without control characters unless `pattern` says otherwise. */
  text(most: number, pattern?: RegExp): string
  integer(least: number, most: number): number
  oneOf<const T extends string>(...choices: readonly T[]): T
  boolean(): boolean
  /** Text to text. */
  map(most: number): Record<string, string>
  readonly missing: boolean
}

// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const printable = /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$/

/** The JSON of a response with the expected status, for reading member by member. */
export function readAnswer(site: string, response: HttpResponse, expected: readonly number[]): Answer {
  if (!expected.includes(response.status)) throw new SiteAnswerRefused(site, `status ${response.status}`, response.status)
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(response.body))
  } catch {
    throw new SiteAnswerRefused(site, 'it is not JSON', response.status)
  }
  return at(value, 'it', (what) => new SiteAnswerRefused(site, what, response.status))
}

function at(value: unknown, place: string, refused: (what: string) => SiteAnswerRefused): Answer {
  return {
    missing: value === undefined || value === null,
    object(known) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused(`${place} is not an object`)
      const members = value as Record<string, unknown>
      if (known !== undefined && Object.keys(members).some((name) => !known.includes(name))) throw refused(`${place} has an unknown member`)
      return (name) => at(Object.hasOwn(members, name) ? members[name] : undefined, place === 'it' ? name : `${place}.${name}`, refused)
    },
    list(most) {
      if (!Array.isArray(value)) throw refused(`${place} is not a list`)
      if (value.length > most) throw refused(`${place} has more than ${most} members`)
      return value.map((member, index) => at(member, `${place}[${index}]`, refused))
    },
    text(most, pattern = printable) {
      if (typeof value !== 'string') throw refused(`${place} is not a text`)
      if (value.length > most) throw refused(`${place} is longer than ${most}`)
      if (!pattern.test(value)) throw refused(`${place} holds characters that it must not`)
      return value
    },
    integer(least, most) {
      if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most) {
        throw refused(`${place} is not a number from ${least} to ${most}`)
      }
      return value
    },
    boolean() {
      if (typeof value !== 'boolean') throw refused(`${place} is not true or false`)
      return value
    },
    map(most) {
      const member = this.object()
      const names = Object.keys(value as object)
      if (names.length > most) throw refused(`${place} has more than ${most} members`)
      return Object.fromEntries(names.map((name) => [at(name, `a name in ${place}`, refused).text(255), member(name).text(255)]))
    },
    oneOf(...choices) {
      const found = choices.find((choice) => choice === value)
      if (found === undefined) throw refused(`${place} is not one of ${choices.join(', ')}`)
      return found
    },
  }
}
