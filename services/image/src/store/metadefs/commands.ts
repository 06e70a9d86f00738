import type { World } from '@murmuration/world'
import type { Caller } from '../caller.ts'
import type { ImageDatabase, Tx } from '../schema.ts'
import type { Values } from '../values.ts'
import {
  addEntries,
  createEntry,
  createTags,
  deleteEntries,
  deleteEntry,
  getEntry,
  listEntries,
  updateEntry,
  type EntryFilter,
} from './entries.ts'
import { createNamespace, deleteNamespace, listNamespaces, readNamespace, updateNamespace, type NamespaceFilter } from './namespaces.ts'
import type { AssociationRecord, EntryKind, EntryRecords, NamespaceRecord, ResourceTypeRecord } from './records.ts'
import {
  addAssociation,
  associationsOf,
  createAssociation,
  createResourceType,
  deleteAssociation,
  deleteResourceType,
  getAssociation,
  getResourceType,
  listAssociations,
  listResourceTypes,
} from './resource-types.ts'

interface Of {
  readonly namespace_name: string
}
/** The seven commands of a kind; what a namespace holds of it is named by its name, and changed by its id. */
type EntryCommands<K extends 'object' | 'property'> = Record<`metadef_${K}_create`, [Of & Record<`${K}_dict`, Values>, EntryRecords[K]]> &
  Record<`metadef_${K}_get` | `metadef_${K}_delete`, [Of & Record<`${K}_name`, string>, EntryRecords[K]]> &
  Record<`metadef_${K}_update`, [Of & Record<`${K}_id`, number> & Record<`${K}_dict`, Values>, EntryRecords[K]]> &
  Record<`metadef_${K}_delete_namespace_content` | `metadef_${K}_count`, [Of, number]> &
  Record<`metadef_${K}_get_all`, [Of, EntryRecords[K][]]>

export interface MetadefCommands extends EntryCommands<'object'>, EntryCommands<'property'> {
  /** New: with `objects`, `properties`, `tags` and `resource_type_associations` they come with it, all or nothing. */
  metadef_namespace_create: [{ values: Values }, NamespaceRecord]
  metadef_namespace_get: [Of, NamespaceRecord]
  metadef_namespace_update: [{ namespace_id: number; namespace_dict: Values }, NamespaceRecord]
  metadef_namespace_delete: [Of, NamespaceRecord]
  metadef_namespace_get_all: [NamespaceFilter, NamespaceRecord[]]
  metadef_tag_create: [Of & { tag_dict: Values }, EntryRecords['tag']]
  metadef_tag_create_tags: [Of & { tag_list: readonly Values[]; can_append?: boolean | null }, EntryRecords['tag'][]]
  metadef_tag_get: [Of & { name: string }, EntryRecords['tag']]
  metadef_tag_update: [Of & { id: number; tag_dict: Values }, EntryRecords['tag']]
  metadef_tag_delete: [Of & { name: string }, EntryRecords['tag']]
  metadef_tag_delete_namespace_content: [Of, number]
  metadef_tag_get_all: [Of & EntryFilter & { filters?: unknown }, EntryRecords['tag'][]]
  metadef_tag_count: [Of, number]
  metadef_resource_type_create: [{ values: Values }, ResourceTypeRecord]
  metadef_resource_type_get: [{ resource_type_name: string }, ResourceTypeRecord]
  metadef_resource_type_get_all: [Record<string, never>, ResourceTypeRecord[]]
  metadef_resource_type_delete: [{ resource_type_name: string }, ResourceTypeRecord]
  metadef_resource_type_association_create: [Of & { values: Values }, AssociationRecord]
  metadef_resource_type_association_get: [Of & { resource_type_name: string }, AssociationRecord]
  metadef_resource_type_association_delete: [Of & { resource_type_name: string }, AssociationRecord]
  metadef_resource_type_association_get_all_by_namespace: [Of, AssociationRecord[]]
  /** New: of the namespaces of a list, in one question. */
  metadef_resource_type_association_get_all: [{ namespace_names: readonly string[] }, (AssociationRecord & { namespace: string })[]]
}

export type MetadefData = {
  readonly [Name in keyof MetadefCommands]: (caller: Caller, kwargs: MetadefCommands[Name][0]) => Promise<MetadefCommands[Name][1]>
}

/** The commands on the service's own database; each is one transaction. */
export function createMetadefData(database: ImageDatabase, world: World): MetadefData {
  const write = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => database.transaction(work)
  const list = (values: unknown): readonly Values[] => (Array.isArray(values) ? (values as Values[]) : [])
  const count = async (caller: Caller, kind: EntryKind, namespace: string): Promise<number> =>
    (await listEntries(database, caller, kind, namespace)).length

  return {
    metadef_namespace_create: (caller, { values }) =>
      write(async (tx) => {
        const namespace = await createNamespace(tx, world, caller, values)
        await addEntries(tx, world, 'object', namespace, list(values['objects']))
        await addEntries(tx, world, 'property', namespace, list(values['properties']))
        await addEntries(tx, world, 'tag', namespace, list(values['tags']))
        for (const association of list(values['resource_type_associations'])) await addAssociation(tx, world, namespace, association)
        return namespace
      }),
    metadef_namespace_get: (caller, { namespace_name: name }) => readNamespace(database, caller, name),
    metadef_namespace_update: (caller, { namespace_id: id, namespace_dict: values }) =>
      write((tx) => updateNamespace(tx, world, caller, id, values)),
    metadef_namespace_delete: (caller, { namespace_name: name }) => write((tx) => deleteNamespace(tx, caller, name)),
    metadef_namespace_get_all: (caller, wanted) => listNamespaces(database, caller, wanted),

    metadef_object_create: (caller, { namespace_name: of, object_dict: values }) =>
      write((tx) => createEntry(tx, world, caller, 'object', of, values)),
    metadef_object_get: (caller, { namespace_name: of, object_name: name }) => getEntry(database, caller, 'object', of, name),
    metadef_object_update: (caller, { namespace_name: namespace, object_id: id, object_dict: values }) =>
      write((tx) => updateEntry(tx, world, caller, 'object', { namespace, id, values })),
    metadef_object_delete: (caller, { namespace_name: of, object_name: name }) =>
      write((tx) => deleteEntry(tx, caller, 'object', of, name)),
    metadef_object_delete_namespace_content: (caller, { namespace_name: of }) => write((tx) => deleteEntries(tx, caller, 'object', of)),
    metadef_object_get_all: (caller, { namespace_name: of }) => listEntries(database, caller, 'object', of),
    metadef_object_count: (caller, { namespace_name: of }) => count(caller, 'object', of),

    metadef_property_create: (caller, { namespace_name: of, property_dict: values }) =>
      write((tx) => createEntry(tx, world, caller, 'property', of, values)),
    metadef_property_get: (caller, { namespace_name: of, property_name: name }) => getEntry(database, caller, 'property', of, name),
    metadef_property_update: (caller, { namespace_name: namespace, property_id: id, property_dict: values }) =>
      write((tx) => updateEntry(tx, world, caller, 'property', { namespace, id, values })),
    metadef_property_delete: (caller, { namespace_name: of, property_name: name }) =>
      write((tx) => deleteEntry(tx, caller, 'property', of, name)),
    metadef_property_delete_namespace_content: (caller, { namespace_name: of }) => write((tx) => deleteEntries(tx, caller, 'property', of)),
    metadef_property_get_all: (caller, { namespace_name: of }) => listEntries(database, caller, 'property', of),
    metadef_property_count: (caller, { namespace_name: of }) => count(caller, 'property', of),

    metadef_tag_create: (caller, { namespace_name: of, tag_dict: values }) =>
      write((tx) => createEntry(tx, world, caller, 'tag', of, values)),
    metadef_tag_create_tags: (caller, { namespace_name: namespace, tag_list: tags, can_append: append }) =>
      write((tx) => createTags(tx, world, caller, { namespace, list: tags, append: append === true })),
    metadef_tag_get: (caller, { namespace_name: of, name }) => getEntry(database, caller, 'tag', of, name),
    metadef_tag_update: (caller, { namespace_name: namespace, id, tag_dict: values }) =>
      write((tx) => updateEntry(tx, world, caller, 'tag', { namespace, id, values })),
    metadef_tag_delete: (caller, { namespace_name: of, name }) => write((tx) => deleteEntry(tx, caller, 'tag', of, name)),
    metadef_tag_delete_namespace_content: (caller, { namespace_name: of }) => write((tx) => deleteEntries(tx, caller, 'tag', of)),
    metadef_tag_get_all: (caller, { namespace_name: of, ...wanted }) => listEntries(database, caller, 'tag', of, wanted),
    metadef_tag_count: (caller, { namespace_name: of }) => count(caller, 'tag', of),

    metadef_resource_type_create: (_, type) => write((tx) => createResourceType(tx, world, type)),
    metadef_resource_type_get: (_, { resource_type_name: name }) => getResourceType(database, name),
    metadef_resource_type_get_all: () => listResourceTypes(database),
    metadef_resource_type_delete: (_, { resource_type_name: name }) => write((tx) => deleteResourceType(tx, name)),
    metadef_resource_type_association_create: (caller, { namespace_name: of, values }) =>
      write((tx) => createAssociation(tx, world, caller, of, values)),
    metadef_resource_type_association_get: (caller, { namespace_name: of, resource_type_name: name }) =>
      getAssociation(database, caller, of, name),
    metadef_resource_type_association_delete: (caller, { namespace_name: of, resource_type_name: name }) =>
      write((tx) => deleteAssociation(tx, caller, of, name)),
    metadef_resource_type_association_get_all_by_namespace: (caller, { namespace_name: of }) => listAssociations(database, caller, of),
    async metadef_resource_type_association_get_all(caller, { namespace_names: names }) {
      const seen = await listNamespaces(database, caller, { filters: { namespaces: names } })
      const byId = new Map(seen.map(({ id, namespace }) => [id, namespace]))
      const rows = await associationsOf(database, [...byId.keys()])
      return rows.map((row) => ({ ...row, namespace: byId.get(row.namespace_id)! }))
    },
  }
}
