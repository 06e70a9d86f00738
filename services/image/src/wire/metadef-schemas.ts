/** `GET /v2/schemas/metadefs/{name}` (reference image §1.3, §1.14): clients fetch them and judge by them. */
type Schema = Readonly<Record<string, unknown>>

const text = (description: string, more: Schema = {}): Schema => ({ type: 'string', description, ...more })
const name = (description: string): Schema => text(description, { maxLength: 80 })
const fixed = (description: string): Schema => text(description, { readOnly: true })
const times = {
  created_at: fixed('Date and time of creation'),
  updated_at: fixed('Date and time of the last modification'),
}
const count = { type: 'integer', minimum: 0 }
const definitions = {
  positiveInteger: count,
  positiveIntegerDefault0: { allOf: [{ $ref: '#/definitions/positiveInteger' }, { default: 0 }] },
  stringArray: { type: 'array', items: { type: 'string' }, uniqueItems: true },
}
const propertyWords: Schema = {
  title: { type: 'string' },
  description: { type: 'string' },
  operators: { type: 'array', items: { type: 'string' } },
  type: { type: 'string', enum: ['array', 'boolean', 'integer', 'number', 'object', 'string', null] },
  required: { $ref: '#/definitions/stringArray' },
  minimum: { type: 'number' },
  maximum: { type: 'number' },
  maxLength: count,
  minLength: count,
  pattern: { type: 'string', format: 'regex' },
  enum: { type: 'array' },
  readonly: { type: 'boolean' },
  default: {},
  items: { type: 'object', properties: { type: { type: 'string' }, enum: { type: 'array' } } },
  maxItems: count,
  minItems: count,
  uniqueItems: { type: 'boolean' },
  additionalItems: { type: 'boolean' },
}
const property: Schema = {
  name: 'property',
  type: 'object',
  definitions,
  required: ['name', 'title', 'type'],
  properties: { name: name('Property name'), ...propertyWords },
  additionalProperties: false,
}
const properties: Schema = {
  type: 'object',
  additionalProperties: { type: 'object', required: ['title', 'type'], properties: { name: { type: 'string' }, ...propertyWords } },
}
const object: Schema = {
  name: 'object',
  type: 'object',
  definitions,
  required: ['name'],
  properties: {
    name: name('Object name'),
    description: text('What the object is for'),
    required: { $ref: '#/definitions/stringArray' },
    properties,
    schema: fixed('Where the schema is'),
    self: fixed('A link to this resource'),
    ...times,
  },
  additionalProperties: false,
}
const tag: Schema = {
  name: 'tag',
  type: 'object',
  required: ['name'],
  properties: { name: name('Tag name'), ...times },
  additionalProperties: false,
}
const association: Schema = {
  name: 'resource_type_association',
  type: 'object',
  required: ['name'],
  properties: {
    name: name('Resource type names should be aligned with Heat resource types whenever possible'),
    prefix: name('The prefix to use for the given resource type'),
    properties_target: name('What of the resource the properties belong to'),
    ...times,
  },
  additionalProperties: false,
}
const namespace: Schema = {
  name: 'namespace',
  type: 'object',
  definitions,
  required: ['namespace'],
  properties: {
    namespace: name('The unique namespace text.'),
    display_name: name('The user friendly name for the namespace.'),
    description: text('What the namespace is for', { maxLength: 500 }),
    visibility: text('Scope of namespace accessibility.', { enum: ['public', 'private'] }),
    protected: { type: 'boolean', description: 'If true, the namespace can not be deleted.' },
    owner: text('Owner of the namespace.', { maxLength: 255 }),
    resource_type_associations: { type: 'array', items: { type: 'object', properties: association['properties'] } },
    properties,
    objects: { type: 'array', items: { type: 'object', required: ['name'], properties: object['properties'] } },
    tags: { type: 'array', items: { type: 'object', properties: tag['properties'] } },
    schema: fixed('Where the schema is'),
    self: fixed('A link to this resource'),
    ...times,
  },
  additionalProperties: false,
}
const paged = { first: { type: 'string' }, next: { type: 'string' }, schema: { type: 'string' } }
const pages = [
  { rel: 'first', href: '{first}' },
  { rel: 'next', href: '{next}' },
  { rel: 'describedby', href: '{schema}' },
]
const listed = (plural: string, member: Schema): Schema => ({
  name: plural,
  definitions,
  properties: { [plural]: { type: 'array', items: member }, ...paged },
  links: pages,
})

export const metadefSchemas: Readonly<Record<string, Schema>> = {
  namespace,
  namespaces: listed('namespaces', namespace),
  object,
  objects: listed('objects', object),
  property,
  properties: { name: 'properties', definitions, properties: { properties } },
  tag,
  tags: listed('tags', tag),
  resource_type: association,
  resource_types: {
    name: 'resource_type_associations',
    properties: { resource_type_associations: { type: 'array', items: association } },
  },
}
