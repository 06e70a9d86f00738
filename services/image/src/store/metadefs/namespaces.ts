import { flag, timestamp, type SortKey } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { Selectable } from 'kysely'
import { DataRefused } from '../../rules/refusals.ts'
import type { Caller } from '../caller.ts'
import { listPage, type PageWanted } from '../list-page.ts'
import type { Db, NamespaceTable, Tx } from '../schema.ts'
import type { Values } from '../values.ts'
import { nameOf, textOf } from './names.ts'
import { namespaceRecord, type NamespaceRecord } from './records.ts'

type Row = Selectable<NamespaceTable>

/** The namespace, when the caller may see it: MetadefNamespaceNotFound, MetadefForbidden. */
export async function readNamespace(db: Db, caller: Caller, name: string): Promise<NamespaceRecord> {
  const row = await db.query.selectFrom('metadef_namespaces').selectAll().where('namespace', '=', name).executeTakeFirst()
  if (row === undefined) throw missing(name)
  if (!caller.isAdmin && row.visibility !== 'public' && row.owner !== caller.owner)
    throw new DataRefused('MetadefForbidden', `Forbidding request, metadata definition namespace=${name} is not visible.`)
  return namespaceRecord(row)
}

/** …and may change it: administrators, and the project that owns it where the operator lets it. */
export async function mutableNamespace(db: Db, caller: Caller, name: string): Promise<NamespaceRecord> {
  const namespace = await readNamespace(db, caller, name)
  if (!caller.isAdmin && namespace.owner !== caller.owner)
    throw new DataRefused('MetadefForbidden', `Forbidding request, metadata definition namespace=${name} belongs to another project.`)
  return namespace
}

const missing = (name: string): DataRefused =>
  new DataRefused('MetadefNamespaceNotFound', `Metadata definition namespace=${name.slice(0, 80)} was not found.`)
const duplicate = (name: string): DataRefused =>
  new DataRefused('MetadefDuplicateNamespace', `The metadata definition namespace=${name} already exists.`)

export async function createNamespace(tx: Tx, world: World, caller: Caller, values: Values): Promise<NamespaceRecord> {
  const namespace = nameOf(values, 'namespace')
  const now = timestamp(world.clock.nowMs())
  const row = await tx.query
    .insertInto('metadef_namespaces')
    .values({
      namespace,
      display_name: textOf(values, 'display_name') ?? null,
      description: textOf(values, 'description') ?? null,
      visibility: visibilityOf(values['visibility'] ?? 'private'),
      protected: flag(values['protected'] === true),
      owner: typeof values['owner'] === 'string' ? values['owner'] : (caller.owner ?? ''),
      created_at: now,
      updated_at: now,
    })
    .onConflict((conflict) => conflict.column('namespace').doNothing())
    .returningAll()
    .executeTakeFirst()
  if (row === undefined) throw duplicate(namespace)
  return namespaceRecord(row)
}

function visibilityOf(value: unknown): 'public' | 'private' {
  if (value !== 'public' && value !== 'private') throw new DataRefused('Invalid', "visibility must be 'public' or 'private'.")
  return value
}

export async function updateNamespace(tx: Tx, world: World, caller: Caller, id: number, values: Values): Promise<NamespaceRecord> {
  const before = await tx.query.selectFrom('metadef_namespaces').selectAll().where('id', '=', id).executeTakeFirst()
  if (before === undefined) throw missing(String(id))
  await mutableNamespace(tx, caller, before.namespace)
  const namespace = values['namespace'] === undefined ? before.namespace : nameOf(values, 'namespace')
  if (namespace !== before.namespace) {
    const other = await tx.query.selectFrom('metadef_namespaces').select('id').where('namespace', '=', namespace).executeTakeFirst()
    if (other !== undefined) throw duplicate(namespace)
  }
  const [displayName, description] = [textOf(values, 'display_name'), textOf(values, 'description')]
  const row = await tx.query
    .updateTable('metadef_namespaces')
    .set({
      namespace,
      ...(displayName === undefined ? {} : { display_name: displayName }),
      ...(description === undefined ? {} : { description }),
      ...(values['visibility'] === undefined ? {} : { visibility: visibilityOf(values['visibility']) }),
      ...(values['protected'] === undefined ? {} : { protected: flag(values['protected'] === true) }),
      ...(typeof values['owner'] === 'string' ? { owner: values['owner'] } : {}),
      updated_at: timestamp(world.clock.nowMs()),
    })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
  return namespaceRecord(row)
}

/** With all that is in it, in one transaction. Resource types stay. */
export async function deleteNamespace(tx: Tx, caller: Caller, name: string): Promise<NamespaceRecord> {
  const namespace = await mutableNamespace(tx, caller, name)
  for (const table of ['metadef_entries', 'metadef_associations'] as const)
    await tx.query.deleteFrom(table).where('namespace_id', '=', namespace.id).execute()
  await tx.query.deleteFrom('metadef_namespaces').where('id', '=', namespace.id).execute()
  return namespace
}

export interface NamespaceFilter extends PageWanted {
  /** A namespace's name. */
  readonly sort_key?: string | null
  readonly sort_dir?: string | null
  readonly filters?: Readonly<Record<string, unknown>> | null
}

const columns = Object.fromEntries(['namespace', 'created_at', 'updated_at', 'visibility', 'owner', 'id'].map((column) => [column, column]))

export async function listNamespaces(db: Db, caller: Caller, wanted: NamespaceFilter): Promise<NamespaceRecord[]> {
  const sort = sortOf(wanted.sort_key ?? 'created_at', wanted.sort_dir ?? 'desc', columns)
  let query = db.query.selectFrom('metadef_namespaces').selectAll()
  if (!caller.isAdmin) query = query.where((eb) => eb.or([eb('visibility', '=', 'public'), eb('owner', '=', caller.owner ?? '')]))
  const { visibility, resource_types: types, namespaces: names } = wanted.filters ?? {}
  for (const list of [names, types])
    if (list !== undefined && list !== null && !Array.isArray(list))
      throw new DataRefused('Invalid', 'resource_types and namespaces are lists.')
  if (Array.isArray(names)) query = query.where('namespace', 'in', names.map(String))
  if (visibility !== undefined && visibility !== null) query = query.where('visibility', '=', visibilityOf(visibility))
  if (Array.isArray(types))
    query = query.where('id', 'in', (eb) =>
      eb
        .selectFrom('metadef_associations')
        .select('metadef_associations.namespace_id')
        .where('metadef_associations.resource_type', 'in', types.map(String)),
    )
  const rows = await listPage<Row>(query, wanted, { sort, columns }, (marker) => readNamespace(db, caller, marker))
  return rows.map(namespaceRecord)
}

export function sortOf(key: string, direction: string, columns: Readonly<Record<string, string>>): SortKey[] {
  if (!Object.hasOwn(columns, key)) throw new DataRefused('InvalidSortKey', `Sort key supplied was not valid: ${key.slice(0, 64)}.`)
  if (direction !== 'asc' && direction !== 'desc') throw new DataRefused('Invalid', "A sort direction is 'asc' or 'desc'.")
  return [{ key, direction }]
}
