import type { ErrorObject } from 'ajv'

/** One thing that is wrong with a document. */
export interface Problem {
  readonly path: readonly string[]
  readonly message: string
}

const secretName = /pass(?:word|phrase|wd)?|secret|token|credential|private|(?:^|[_-])key$|auth/i

/**
 * ajv's errors as the sentences that OpenStack's clients and operators know from python-jsonschema ("'x' is not of type
 * 'integer'"), with the remedy where that sentence lacks it. Values of secret members and whole objects are never repeated.
 */
export function problemsOf(errors: readonly ErrorObject[]): Problem[] {
  const problems: Problem[] = []
  const unexpected = new Map<string, { path: string[]; names: string[] }>()
  // Where alternatives failed, each alternative's complaints would only confuse: the sentence about the choice comes last.
  const choices = errors.filter((error) => error.keyword === 'anyOf' || error.keyword === 'oneOf')
  for (const error of errors) {
    if (error.keyword === 'if') continue
    if (
      choices.some(
        (choice) =>
          choice !== error && error.schemaPath.startsWith(`${choice.schemaPath}/`) && error.instancePath.startsWith(choice.instancePath),
      )
    ) {
      continue
    }
    const path = pathOf(error.instancePath)
    if (error.keyword === 'additionalProperties' || error.keyword === 'unevaluatedProperties') {
      const name = String(error.params['additionalProperty'] ?? error.params['unevaluatedProperty'])
      const group = unexpected.get(error.instancePath) ?? { path, names: [] }
      if (!group.names.includes(name)) group.names.push(name)
      unexpected.set(error.instancePath, group)
      continue
    }
    const at = error.keyword === 'required' ? [...path, String(error.params['missingProperty'])] : path
    const message = sentenceOf(error, path)
    if (!problems.some((other) => other.message === message && other.path.join('/') === at.join('/'))) problems.push({ path: at, message })
  }
  for (const { path, names } of unexpected.values()) {
    const list = names.slice(0, 8).map(quoted).join(', ')
    const more = names.length > 8 ? ` and ${names.length - 8} more` : ''
    problems.push({
      path: names.length === 1 ? [...path, names[0] as string] : path,
      message: `Additional properties are not allowed (${list}${more} ${names.length === 1 ? 'was' : 'were'} unexpected)`,
    })
  }
  return problems
}

const pathOf = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))

function sentenceOf(error: ErrorObject, path: readonly string[]): string {
  const secret =
    path.some((step) => secretName.test(step)) || (error.parentSchema as { writeOnly?: unknown } | undefined)?.writeOnly === true
  const value = secret ? 'the given value' : show(error.data)
  const { params } = error
  switch (error.keyword) {
    case 'type': {
      const types = (Array.isArray(params['type']) ? (params['type'] as string[]) : String(params['type']).split(',')).map(quoted)
      return `${value} is not of type ${types.join(', ')}`
    }
    case 'required':
      return `${quoted(String(params['missingProperty']))} is a required property`
    case 'enum':
      return `${value} is not one of [${(params['allowedValues'] as unknown[]).slice(0, 30).map(show).join(', ')}]`
    case 'const':
      return `${show(params['allowedValue'])} was expected`
    case 'minLength':
      return `${value} is too short (at least ${String(params['limit'])} characters)`
    case 'maxLength':
      return `${value} is too long (at most ${String(params['limit'])} characters)`
    case 'pattern':
      return `${value} does not match ${quoted(String(params['pattern']))}`
    case 'format':
      return `${value} is not a ${quoted(String(params['format']))}`
    case 'minimum':
      return `${value} is less than the minimum of ${String(params['limit'])}`
    case 'maximum':
      return `${value} is greater than the maximum of ${String(params['limit'])}`
    case 'exclusiveMinimum':
      return `${value} is less than or equal to the minimum of ${String(params['limit'])}`
    case 'exclusiveMaximum':
      return `${value} is greater than or equal to the maximum of ${String(params['limit'])}`
    case 'multipleOf':
      return `${value} is not a multiple of ${String(params['multipleOf'])}`
    case 'minItems':
      return `${value} is too short (at least ${String(params['limit'])} items)`
    case 'maxItems':
      return `${value} is too long (at most ${String(params['limit'])} items)`
    case 'uniqueItems':
      return `${value} has non-unique elements`
    case 'minProperties':
      return `${value} does not have enough properties (at least ${String(params['limit'])})`
    case 'maxProperties':
      return `${value} has too many properties (at most ${String(params['limit'])})`
    case 'dependentRequired':
    case 'dependencies':
      return `${quoted(String(params['missingProperty']))} is a dependency of ${quoted(String(params['property']))}`
    case 'propertyNames':
      return `${quoted(String(params['propertyName']))} is not an allowed property name`
    case 'oneOf':
      return Array.isArray(params['passingSchemas'])
        ? `${value} is valid under more than one of the given schemas`
        : fitsNowhere(value, error.parentSchema)
    case 'anyOf':
      return fitsNowhere(value, error.parentSchema)
    case 'not':
      return `${value} is not allowed here`
    default:
      return `${value} ${error.message ?? 'is not valid'}`
  }
}

/** A choice among values names them, as an enumeration does; any other one is told by its own description. */
function fitsNowhere(value: string, schema: object = {}): string {
  const { anyOf, oneOf = anyOf ?? [], description } = schema as { anyOf?: Branch[]; oneOf?: Branch[]; description?: string }
  if (oneOf.length > 0 && oneOf.every((branch) => 'const' in branch || branch.type === 'null'))
    return `${value} is not one of [${oneOf
      .slice(0, 30)
      .map((branch) => show(branch.const))
      .join(', ')}]`
  return `${value} is not valid under any of the given schemas${description === undefined ? '' : `: ${description}`}`
}

interface Branch {
  readonly const?: unknown
  readonly type?: unknown
}

const quoted = (text: string): string => {
  const short = text.length > 80 ? `${text.slice(0, 80)}…` : text
  return short.includes("'") && !short.includes('"') ? `"${short}"` : `'${short.replaceAll("'", "\\'")}'`
}

/** As Python would print it; containers are only hinted at. */
function show(value: unknown): string {
  if (typeof value === 'string') return quoted(value)
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'number') return String(value)
  if (value === null || value === undefined) return 'None'
  if (Array.isArray(value)) return value.length === 0 ? '[]' : '[…]'
  return Object.keys(value).length === 0 ? '{}' : '{…}'
}
