import { Type, type TProperties } from 'typebox'
import { propertySchemaOf, propertySchemasOf } from '../../rules/metadefs.ts'

/** What callers send about definitions of metadata. */
const name = Type.String({ minLength: 1, maxLength: 80 })
const words = Type.String({ maxLength: 65_535 })

/** Of an answer that is sent back: taken, and of no effect. */
const ignored = Type.Optional(Type.Unknown())
const readOnly = { created_at: ignored, updated_at: ignored, self: ignored, schema: ignored }
/** Refuses what it does not know, as its published schema says: it would be lost. */
const body = <T extends TProperties>(title: string, members: T) =>
  Type.Object({ ...members, ...readOnly }, { title, additionalProperties: false })

export const Property = Type.Object({ name }, { title: 'MetadefProperty', additionalProperties: true })
export const MetadefObject = body('MetadefObject', {
  name,
  description: Type.Optional(words),
  required: Type.Optional(Type.Array(Type.String(), { maxItems: 1_000 })),
  properties: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
})
export const Tag = body('MetadefTag', { name })
export const Tags = body('MetadefTags', { tags: Type.Array(Tag, { maxItems: 1_000 }) })
export const Association = body('MetadefAssociation', {
  name,
  prefix: Type.Optional(Type.String({ maxLength: 80 })),
  properties_target: Type.Optional(Type.String({ maxLength: 80 })),
})
const visibility = Type.Optional(Type.Union([Type.Literal('public'), Type.Literal('private')]))
export const Namespace = body('MetadefNamespace', {
  namespace: name,
  display_name: Type.Optional(Type.String({ maxLength: 80 })),
  description: Type.Optional(Type.String({ maxLength: 500 })),
  visibility,
  protected: Type.Optional(Type.Boolean()),
  owner: Type.Optional(Type.String({ maxLength: 255 })),
  objects: Type.Optional(Type.Array(MetadefObject, { maxItems: 1_000 })),
  properties: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  tags: Type.Optional(Type.Array(Tag, { maxItems: 1_000 })),
  resource_type_associations: Type.Optional(Type.Array(Association, { maxItems: 1_000 })),
})

export const propertyValues = (body: { name: string }) => ({ name: body.name, json_schema: propertySchemaOf(body, 'property') })

export const objectValues = (body: { name: string; description?: string; required?: string[]; properties?: Record<string, unknown> }) => ({
  name: body.name,
  description: body.description ?? null,
  required: body.required ?? [],
  json_schema: propertySchemasOf(body.properties, 'properties'),
})

export const propertyValuesOf = (properties: Record<string, unknown> | undefined) =>
  Object.entries(propertySchemasOf(properties, 'properties')).map(([property, schema]) => ({ name: property, json_schema: schema }))
