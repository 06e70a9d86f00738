import { Ajv, type Options, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import type { Static, TSchema } from 'typebox'
import { ApiError } from '../errors.ts'
import { type Problem, problemsOf } from './problems.ts'

export type { Problem } from './problems.ts'

/** Refusals name at most so many problems. */
const maxProblems = 5
/** Beyond this many members and items only the first problem is looked for: all errors of a hostile document cost memory. */
const maxNodesForAllErrors = 2000

const base: Options = {
  strict: false,
  verbose: true,
  useDefaults: true,
  removeAdditional: false,
  validateFormats: true,
  addUsedSchema: false,
}

type Compile = (schema: object) => ValidateFunction

interface Validators {
  readonly first: Compile
  readonly all: Compile
}

/** By options and shared schemas. Compiling costs far more than checking, and whoever makes many apps (tests, simulations) makes them alike. */
const made = new Map<string, Validators>()

function validators(options: Options, shared: Readonly<Record<string, unknown>>): Validators {
  const key = JSON.stringify([options, shared])
  const known = made.get(key)
  if (known !== undefined) return known
  const compiler = (allErrors: boolean): Compile => {
    let ajv: Ajv | undefined
    const compiled = new Map<string, ValidateFunction>()
    return (schema) => {
      if (ajv === undefined) {
        ajv = new Ajv({ ...base, ...options, allErrors })
        addFormats.default(ajv, ['date-time', 'date', 'time', 'uuid', 'ipv4', 'ipv6', 'uri', 'email', 'hostname'])
        for (const [id, each] of Object.entries(shared)) ajv.addSchema(each as object, id)
      }
      const text = JSON.stringify(schema)
      const before = compiled.get(text)
      if (before !== undefined) return before
      const validate = ajv.compile(schema)
      compiled.set(text, validate)
      return validate
    }
  }
  const result = { first: compiler(false), all: compiler(true) }
  made.set(key, result)
  return result
}

/** Checks one document against one schema; compiled on first use. Returns every problem found, none when it is valid. */
function checker(compile: Validators, schema: object): (value: unknown, parent?: { data: object; name: string }) => Problem[] {
  let first: ValidateFunction | undefined
  let all: ValidateFunction | undefined
  return (value, parent) => {
    const context = parent === undefined ? undefined : ({ parentData: parent.data, parentDataProperty: parent.name } as never)
    first ??= compile.first(schema)
    if (first(value, context)) return []
    if (small(value)) {
      all ??= compile.all(schema)
      all(value, context)
      return problemsOf(all.errors ?? first.errors ?? [])
    }
    return problemsOf(first.errors ?? [])
  }
}

function small(value: unknown): boolean {
  let left = maxNodesForAllErrors
  const count = (node: unknown): boolean => {
    // A long text costs too: where maxLength has failed, its pattern need not be tried any more.
    left -= typeof node === 'string' ? 1 + (node.length >> 6) : 1
    if (left < 0) return false
    return typeof node !== 'object' || node === null || Object.values(node).every(count)
  }
  return count(value)
}

const parts = { body: 'body', querystring: 'query', params: 'path', headers: 'header' } as const
type Part = keyof typeof parts

/** For Fastify's `schemaController`: query, path and headers are text, so they are read as what the schema wants; bodies are not. */
export function buildValidator(shared: unknown): (route: { schema: unknown; httpPart?: string }) => (data: unknown) => unknown {
  const schemas = (shared ?? {}) as Record<string, unknown>
  const strict = validators({}, schemas)
  const lenient = validators({ coerceTypes: 'array' }, schemas)
  return ({ schema, httpPart }) => {
    const part: Part = httpPart !== undefined && httpPart in parts ? (httpPart as Part) : 'body'
    const check = checker(part === 'body' ? strict : lenient, schema as object)
    return (data) => {
      if (part === 'body' && data === null) {
        const wanted = (schema as { type?: unknown }).type
        if (wanted === 'object' || wanted === 'array')
          return { error: new ApiError(400, 'bodyMissing', 'This operation needs a JSON body.') }
      }
      const holder = { data }
      const problems = check(data, { data: holder, name: 'data' })
      return problems.length === 0 ? { value: holder.data } : { error: refusal(problems, part) }
    }
  }
}

function refusal(problems: readonly Problem[], part: Part): ApiError {
  const sentences = problems.slice(0, maxProblems).map(({ path, message }) => {
    const name = path.join('.')
    const place = part === 'body' ? '' : `${parts[part]} parameter `
    return name === ''
      ? `Invalid ${part === 'body' ? 'request body' : `${parts[part]} parameters`}: ${message}`
      : `Invalid input for ${place === '' ? 'field ' : place}'${name}': ${message}`
  })
  if (problems.length > maxProblems) sentences.push(`and ${problems.length - maxProblems} more`)
  const field = problems[0]?.path.join('.')
  return new ApiError(400, 'invalidInput', `${sentences.join('; ')}.`, field === undefined || field === '' ? {} : { field })
}

/**
 * A check for documents that do not come as a JSON body (a values file, a form): returns what is wrong, each with its path, so
 * that the caller can add the line. Missing defaults are filled in.
 */
export function createCheck<T extends TSchema>(schema: T): (value: unknown) => { value: Static<T>; problems: readonly Problem[] } {
  const check = checker(validators({}, {}), schema)
  return (value) => ({ value: value as Static<T>, problems: check(value) })
}
