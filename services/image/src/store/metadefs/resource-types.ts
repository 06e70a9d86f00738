import { flag, timestamp } from '@murmuration/data'
import type { World } from '@murmuration/world'
import { DataRefused } from '../../rules/refusals.ts'
import type { Caller } from '../caller.ts'
import type { Db, Tx } from '../schema.ts'
import type { Values } from '../values.ts'
import { nameOf, textOf } from './names.ts'
import { mutableNamespace, readNamespace } from './namespaces.ts'
import { associationRecord, resourceTypeRecord, type AssociationRecord, type ResourceTypeRecord } from './records.ts'

const missingType = (name: string): DataRefused =>
  new DataRefused('MetadefResourceTypeNotFound', `The metadata definition resource-type with name=${name.slice(0, 80)}, was not found.`)

/** Of a name that is there already: undefined. */
async function insertType(tx: Tx, world: World, name: string, isProtected: boolean): Promise<ResourceTypeRecord | undefined> {
  const now = timestamp(world.clock.nowMs())
  const row = await tx.query
    .insertInto('metadef_resource_types')
    .values({ name, protected: flag(isProtected), created_at: now, updated_at: now })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returningAll()
    .executeTakeFirst()
  return row === undefined ? undefined : resourceTypeRecord(row)
}

export async function createResourceType(tx: Tx, world: World, { values }: { values: Values }): Promise<ResourceTypeRecord> {
  const name = nameOf(values)
  const type = await insertType(tx, world, name, values['protected'] === true)
  if (type === undefined)
    throw new DataRefused('MetadefDuplicateResourceType', `A metadata definition resource-type with name=${name} already exists.`)
  return type
}

export async function getResourceType(db: Db, name: string): Promise<ResourceTypeRecord> {
  const row = await db.query.selectFrom('metadef_resource_types').selectAll().where('name', '=', name).executeTakeFirst()
  if (row === undefined) throw missingType(name)
  return resourceTypeRecord(row)
}

export const listResourceTypes = async (db: Db): Promise<ResourceTypeRecord[]> =>
  (await db.query.selectFrom('metadef_resource_types').selectAll().orderBy('name').execute()).map(resourceTypeRecord)

export async function deleteResourceType(tx: Tx, name: string): Promise<ResourceTypeRecord> {
  const type = await getResourceType(tx, name)
  if (type.protected)
    throw new DataRefused(
      'ProtectedMetadefResourceTypeSystemDelete',
      `Metadata definition resource-type ${name} is protected and cannot be deleted.`,
    )
  const used = await tx.query.selectFrom('metadef_associations').select('id').where('resource_type', '=', name).executeTakeFirst()
  if (used !== undefined)
    throw new DataRefused('MetadefIntegrityError', `The metadata definition resource-type with name=${name} is in use.`)
  await tx.query.deleteFrom('metadef_resource_types').where('name', '=', name).execute()
  return type
}

/** A type that nobody has heard of is made with it. */
export async function addAssociation(
  tx: Tx,
  world: World,
  namespace: { readonly id: number; readonly namespace: string },
  values: Values,
): Promise<AssociationRecord> {
  const name = nameOf(values)
  await insertType(tx, world, name, false)
  const now = timestamp(world.clock.nowMs())
  const row = await tx.query
    .insertInto('metadef_associations')
    .values({
      namespace_id: namespace.id,
      resource_type: name,
      properties_target: textOf(values, 'properties_target') ?? null,
      prefix: textOf(values, 'prefix') ?? null,
      created_at: now,
      updated_at: now,
    })
    .onConflict((conflict) => conflict.columns(['namespace_id', 'resource_type']).doNothing())
    .returningAll()
    .executeTakeFirst()
  if (row === undefined)
    throw new DataRefused(
      'MetadefDuplicateResourceTypeAssociation',
      `The metadata definition resource-type association of resource-type=${name} to namespace=${namespace.namespace} already exists.`,
    )
  return associationRecord(row)
}

export const createAssociation = async (
  tx: Tx,
  world: World,
  caller: Caller,
  namespace: string,
  values: Values,
): Promise<AssociationRecord> => addAssociation(tx, world, await mutableNamespace(tx, caller, namespace), values)

async function readAssociation(
  db: Db,
  namespace: { readonly id: number; readonly namespace: string },
  name: string,
): Promise<AssociationRecord> {
  const row = await db.query
    .selectFrom('metadef_associations')
    .selectAll()
    .where('namespace_id', '=', namespace.id)
    .where('resource_type', '=', name)
    .executeTakeFirst()
  if (row === undefined)
    throw new DataRefused(
      'MetadefResourceTypeAssociationNotFound',
      `The metadata definition resource-type association of resource-type=${name.slice(0, 80)} to namespace=${namespace.namespace}, was not found.`,
    )
  return associationRecord(row)
}

export const getAssociation = async (db: Db, caller: Caller, namespace: string, name: string): Promise<AssociationRecord> =>
  readAssociation(db, await readNamespace(db, caller, namespace), name)

export async function deleteAssociation(tx: Tx, caller: Caller, namespace: string, name: string): Promise<AssociationRecord> {
  const association = await readAssociation(tx, await mutableNamespace(tx, caller, namespace), name)
  await tx.query.deleteFrom('metadef_associations').where('id', '=', association.id).execute()
  return association
}

export async function listAssociations(db: Db, caller: Caller, namespaceName: string): Promise<AssociationRecord[]> {
  const namespace = await readNamespace(db, caller, namespaceName)
  const rows = await db.query
    .selectFrom('metadef_associations')
    .selectAll()
    .where('namespace_id', '=', namespace.id)
    .orderBy('id')
    .execute()
  return rows.map(associationRecord)
}

/** Of many namespaces at once, by their ids; only those that the caller was shown. */
export async function associationsOf(db: Db, namespaceIds: readonly number[]): Promise<AssociationRecord[]> {
  if (namespaceIds.length === 0) return []
  const rows = await db.query
    .selectFrom('metadef_associations')
    .selectAll()
    .where('namespace_id', 'in', namespaceIds)
    .orderBy('id')
    .execute()
  return rows.map(associationRecord)
}
