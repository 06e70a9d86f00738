/** What a caller gets told: one entry per error in a service's `errors.ts`. */
export interface ErrorDefinition {
  readonly status: number
  /** `{name}` places are filled from the details. */
  readonly message: string
  /** What to do about it. Places whose detail was not given stay as they stand (`GET /v1/things/{id}`). */
  readonly hint?: string
}

/** A refusal that reaches the caller through the service's fault format. */
export class ApiError extends Error {
  readonly code: string
  readonly status: number
  readonly hint: string | undefined
  /** The field of the request it is about, where there is one: `install_values.bmc_address`, with a line for YAML. */
  readonly field: string | undefined
  constructor(status: number, code: string, message: string, options: { hint?: string; field?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.name = 'ApiError'
    this.status = status
    this.code = code
    this.hint = options.hint
    this.field = options.field
  }
}

/** Makes typed constructors of a table: `errors.subcloudNotFound({ ref })`. */
export function defineErrors<T extends Record<string, ErrorDefinition>>(
  table: T,
): { readonly [C in keyof T]: (details?: Record<string, string | number>, options?: { field?: string; cause?: unknown }) => ApiError } {
  const make =
    (code: string, definition: ErrorDefinition) =>
    (details: Record<string, string | number> = {}, options: { field?: string; cause?: unknown } = {}) =>
      new ApiError(
        definition.status,
        code,
        definition.message.replace(place, (_, name: string) => String(details[name] ?? '')),
        { ...options, ...(definition.hint === undefined ? {} : { hint: fillKnown(definition.hint, details) }) },
      )
  return Object.fromEntries(Object.entries(table).map(([code, definition]) => [code, make(code, definition)])) as never
}

const place = /\{(\w+)\}/g
const fillKnown = (text: string, details: Readonly<Record<string, string | number>>): string =>
  text.replace(place, (whole: string, name: string) => String(details[name] ?? whole))
