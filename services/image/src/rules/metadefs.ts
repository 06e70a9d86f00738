import { errors } from '../errors.ts'

/** What a definition of a property may say (reference image §1.14): a small part of JSON schema, and a few words of its own. */
const checks: Readonly<Record<string, (value: unknown) => boolean>> = {
  title: isText,
  description: isText,
  type: (value) => ['array', 'boolean', 'integer', 'number', 'object', 'string'].includes(value as string),
  operators: texts,
  default: () => true,
  readonly: isBoolean,
  confidential: isBoolean,
  minimum: isNumber,
  maximum: isNumber,
  minLength: isCount,
  maxLength: isCount,
  minItems: isCount,
  maxItems: isCount,
  pattern: isText,
  enum: Array.isArray,
  items: isObject,
  uniqueItems: isBoolean,
  additionalItems: isBoolean,
  required: texts,
  properties: isObject,
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}
function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean'
}
function isNumber(value: unknown): boolean {
  return typeof value === 'number'
}
function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0
}
function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
function texts(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

/** Of a body what is the schema of a property; patterns are kept, never run here. Throws 400 naming the field. */
export function propertySchemaOf(body: Readonly<Record<string, unknown>>, field: string): Record<string, unknown> {
  const { name: _name, ...schema } = body
  for (const key of ['title', 'type'])
    if (schema[key] === undefined) throw errors.badField({ field: `${field}.${key}`, why: 'is missing' }, { field: `${field}.${key}` })
  for (const [key, value] of Object.entries(schema)) {
    const check = Object.hasOwn(checks, key) ? checks[key] : undefined
    if (check === undefined) throw errors.badField({ field: `${field}.${key.slice(0, 64)}`, why: 'is not known' }, { field })
    if (!check(value)) throw errors.badField({ field: `${field}.${key}`, why: 'has not the right type' }, { field: `${field}.${key}` })
  }
  return schema
}

/** The properties of an object, by name. */
export function propertySchemasOf(properties: unknown, field: string): Record<string, unknown> {
  if (properties === undefined) return {}
  return Object.fromEntries(
    Object.entries(properties as object).map(([name, body]: [string, unknown]) => {
      if (!isObject(body)) throw errors.badField({ field: `${field}.${name.slice(0, 64)}`, why: 'must be an object' }, { field })
      return [name, propertySchemaOf(body as Record<string, unknown>, `${field}.${name.slice(0, 64)}`)]
    }),
  )
}
