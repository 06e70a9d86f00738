/** One thing that is wrong with a request: where, and what to do about it. All are told at once, so one correction suffices. */
export interface Problem {
  /** `install_values.bmc_address`. */
  readonly field: string
  readonly message: string
  /** Of the YAML text, where the field stands in one. */
  readonly line?: number
}

/** A parsed YAML text, as `readYaml` gives it; JSON bodies have no lines. */
export interface ParsedDocument {
  readonly value: unknown
  lineOf(path: readonly (string | number)[]): number | undefined
}

/** Reads members of one map and gathers what is wrong with them. */
export class MapReader {
  readonly problems: Problem[] = []
  readonly name: string
  readonly #document: ParsedDocument
  readonly #map: Readonly<Record<string, unknown>>

  constructor(name: string, document: ParsedDocument) {
    this.name = name
    this.#document = document
    const map = asMap(document.value)
    this.#map = map ?? {}
    if (map === undefined) this.problems.push({ field: name, message: 'must be a YAML map of names and values' })
  }

  get map(): Readonly<Record<string, unknown>> {
    return this.#map
  }

  refuse(member: string, message: string): void {
    const line = this.#document.lineOf([member])
    this.problems.push({ field: `${this.name}.${member}`, message, ...(line === undefined ? {} : { line }) })
  }

  has(member: string): boolean {
    return Object.hasOwn(this.#map, member) && this.#map[member] !== undefined && this.#map[member] !== null && this.#map[member] !== ''
  }

  /** Own members only: a map can not borrow what every object has. */
  get(member: string): unknown {
    return Object.hasOwn(this.#map, member) ? this.#map[member] : undefined
  }

  /** A text (a plain number is taken as one, as YAML writes `26.09`); undefined when absent or refused. */
  text(member: string, options: { required?: boolean; maxLength?: number } = {}): string | undefined {
    if (!this.has(member)) {
      if (options.required === true) this.refuse(member, 'is missing')
      return undefined
    }
    const value = this.get(member)
    if (typeof value !== 'string' && typeof value !== 'number') {
      this.refuse(member, 'must be a text')
      return undefined
    }
    const text = String(value)
    if (text.length <= (options.maxLength ?? 255)) return text
    this.refuse(member, `is longer than ${options.maxLength ?? 255} characters`)
    return undefined
  }

  integer(member: string, range: { min: number; max?: number }, required = false): number | undefined {
    if (!this.has(member)) {
      if (required) this.refuse(member, 'is missing')
      return undefined
    }
    const value = this.get(member)
    const number = typeof value === 'string' && /^-?[0-9]{1,15}$/.test(value) ? Number(value) : value
    if (Number.isSafeInteger(number) && (number as number) >= range.min && (number as number) <= (range.max ?? Number.MAX_SAFE_INTEGER))
      return number as number
    this.refuse(
      member,
      range.max === undefined ? `must be a whole number from ${range.min}` : `must be a whole number from ${range.min} to ${range.max}`,
    )
    return undefined
  }

  oneOf<T extends string>(member: string, values: readonly T[], required = false): T | undefined {
    const text = this.text(member, { required })
    if (text === undefined) return undefined
    if ((values as readonly string[]).includes(text)) return text as T
    this.refuse(member, `must be one of ${values.join(', ')}`)
    return undefined
  }
}

export function asMap(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
}

/** RFC 4648 with or without padding at the end; what it holds must be text without NUL. Undefined when it is not that. */
export function decodeBase64(text: string): string | undefined {
  if (text.length === 0 || text.length > 4096 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64').replaceAll('=', '') !== text.replaceAll('=', '')) return undefined
  try {
    const decoded = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return decoded.includes('\u0000') || decoded === '' ? undefined : decoded
  } catch {
    return undefined
  }
}
