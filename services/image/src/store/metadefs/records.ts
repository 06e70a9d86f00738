import { json, type Timestamp } from '@murmuration/data'
import type { Selectable } from 'kysely'
import type { AssociationTable, EntryTable, NamespaceTable, ResourceTypeTable } from '../schema.ts'

interface Dated {
  readonly id: number
  readonly created_at: Timestamp
  readonly updated_at: Timestamp
}
export interface NamespaceRecord extends Dated {
  readonly namespace: string
  readonly display_name: string | null
  readonly description: string | null
  readonly visibility: 'public' | 'private'
  readonly protected: boolean
  readonly owner: string
}
export interface EntryRecord extends Dated {
  readonly namespace_id: number
  readonly name: string
}
export interface ObjectRecord extends EntryRecord {
  readonly description: string | null
  readonly required: readonly string[] | null
  readonly json_schema: unknown
}
export interface PropertyDefinition extends EntryRecord {
  readonly json_schema: unknown
}
export type TagRecord = EntryRecord
export interface ResourceTypeRecord extends Dated {
  readonly name: string
  readonly protected: boolean
}
export interface AssociationRecord extends Dated {
  readonly namespace_id: number
  readonly name: string
  readonly properties_target: string | null
  readonly prefix: string | null
}

export const namespaceRecord = (row: Selectable<NamespaceTable>): NamespaceRecord => ({ ...row, protected: row.protected === 1 })
export const resourceTypeRecord = (row: Selectable<ResourceTypeTable>): ResourceTypeRecord => ({ ...row, protected: row.protected === 1 })
export const associationRecord = ({ resource_type: name, ...row }: Selectable<AssociationTable>): AssociationRecord => ({ ...row, name })

export type EntryRow = Selectable<EntryTable>
export type EntryKind = EntryTable['kind']
export interface EntryRecords {
  object: ObjectRecord
  property: PropertyDefinition
  tag: TagRecord
}

/** Of a row what its kind has. */
export function entryRecord<K extends EntryKind>(kind: K, row: EntryRow): EntryRecords[K] {
  const { id, namespace_id, name, created_at, updated_at } = row
  const base = { id, namespace_id, name, created_at, updated_at }
  const schema = { json_schema: row.json_schema === null ? null : json.read(row.json_schema) }
  const records: EntryRecords = {
    tag: base,
    property: { ...base, ...schema },
    object: { ...base, ...schema, description: row.description, required: row.required === null ? null : json.read(row.required) },
  }
  return records[kind]
}
