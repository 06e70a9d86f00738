import type {
  AssociationRecord,
  NamespaceRecord,
  ObjectRecord,
  PropertyDefinition,
  ResourceTypeRecord,
  TagRecord,
} from '../store/metadefs/records.ts'
import { wireTime } from './times.ts'

/** Definitions of metadata as the API shows them (reference image §1.14). */

const dated = ({ created_at, updated_at }: { created_at: string; updated_at: string }) => ({
  created_at: wireTime(created_at),
  updated_at: wireTime(updated_at),
})
const present = (values: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null && value !== undefined))

export const namespacePath = (namespace: string): string => `/v2/metadefs/namespaces/${encodeURIComponent(namespace)}`

export const namespaceToWire = (record: NamespaceRecord) => ({
  ...present({ display_name: record.display_name, description: record.description }),
  namespace: record.namespace,
  visibility: record.visibility,
  protected: record.protected,
  owner: record.owner,
  ...dated(record),
  self: namespacePath(record.namespace),
  schema: '/v2/schemas/metadefs/namespace',
})

/** `prefix`: what the names of properties begin with for one type of resource. */
export const propertyToWire = (record: PropertyDefinition, prefix = '') => ({
  name: prefix + record.name,
  ...(record.json_schema as object),
})

const prefixed = (properties: unknown, prefix: string): Record<string, unknown> =>
  Object.fromEntries(Object.entries(properties ?? {}).map(([name, schema]: [string, unknown]) => [prefix + name, schema]))

export const propertiesToWire = (records: readonly PropertyDefinition[], prefix = '') =>
  Object.fromEntries(records.map((record) => [prefix + record.name, record.json_schema]))

export const objectToWire = (record: ObjectRecord, namespace: string, prefix = '') => ({
  name: record.name,
  ...present({ description: record.description }),
  required: (record.required ?? []).map((name) => prefix + name),
  properties: prefixed(record.json_schema, prefix),
  ...dated(record),
  self: `${namespacePath(namespace)}/objects/${encodeURIComponent(record.name)}`,
  schema: '/v2/schemas/metadefs/object',
})

export const tagToWire = (record: TagRecord) => ({ name: record.name, ...dated(record) })

export const resourceTypeToWire = (record: ResourceTypeRecord) => ({ name: record.name, ...dated(record) })

export const associationToWire = (record: AssociationRecord) => ({
  name: record.name,
  ...present({ prefix: record.prefix, properties_target: record.properties_target }),
  ...dated(record),
})
