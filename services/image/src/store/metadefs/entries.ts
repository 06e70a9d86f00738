import { bulkInsert, json, timestamp } from '@murmuration/data'
import type { World } from '@murmuration/world'
import { DataRefused, type Refusal } from '../../rules/refusals.ts'
import type { Caller } from '../caller.ts'
import { listPage, type PageWanted } from '../list-page.ts'
import type { Db, Tx } from '../schema.ts'
import type { Values } from '../values.ts'
import { nameOf, textOf } from './names.ts'
import { mutableNamespace, readNamespace, sortOf } from './namespaces.ts'
import { entryRecord, type EntryKind, type EntryRecords, type EntryRow } from './records.ts'

/** Objects, properties and tags of a namespace: the same rules for all three (reference image §3.4). */

const refusals = {
  object: { missing: 'MetadefObjectNotFound', duplicate: 'MetadefDuplicateObject' },
  property: { missing: 'MetadefPropertyNotFound', duplicate: 'MetadefDuplicateProperty' },
  tag: { missing: 'MetadefTagNotFound', duplicate: 'MetadefDuplicateTag' },
} as const satisfies Record<EntryKind, { missing: Refusal; duplicate: Refusal }>
const entriesMost = 1_000

const missing = (kind: EntryKind, name: string, namespace: string): DataRefused =>
  new DataRefused(
    refusals[kind].missing,
    `The metadata definition ${kind} with name=${name.slice(0, 80)} was not found in namespace=${namespace}.`,
  )
const duplicate = (kind: EntryKind, name: string, namespace: string): DataRefused =>
  new DataRefused(refusals[kind].duplicate, `A metadata definition ${kind} with name=${name} already exists in namespace=${namespace}.`)

function columnsOf(kind: EntryKind, values: Values): Partial<Pick<EntryRow, 'description' | 'required' | 'json_schema'>> {
  if (kind === 'tag') return {}
  const description = kind === 'object' ? textOf(values, 'description') : undefined
  const { required, json_schema: schema } = values
  return {
    ...(description === undefined ? {} : { description }),
    ...(schema === undefined ? {} : { json_schema: schema === null ? null : json.write(schema) }),
    ...(kind !== 'object' || required === undefined ? {} : { required: Array.isArray(required) ? json.write(required.map(String)) : null }),
  }
}

/** All of them or none: a name that is there already, or twice in the list, is a duplicate. */
export async function addEntries<K extends EntryKind>(
  tx: Tx,
  world: World,
  kind: K,
  namespace: { readonly id: number; readonly namespace: string },
  list: readonly Values[],
): Promise<EntryRecords[K][]> {
  if (list.length > entriesMost) throw new DataRefused('Invalid', `At most ${entriesMost} are taken at once.`)
  if (list.length === 0) return []
  const names = list.map((values) => nameOf(values))
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) throw duplicate(kind, twice, namespace.namespace)
  const named = () =>
    tx.query
      .selectFrom('metadef_entries')
      .selectAll()
      .where('namespace_id', '=', namespace.id)
      .where('kind', '=', kind)
      .where('name', 'in', names)
  const [there] = await named().execute()
  if (there !== undefined) throw duplicate(kind, there.name, namespace.namespace)
  const now = timestamp(world.clock.nowMs())
  await bulkInsert(
    tx,
    'metadef_entries',
    list.map((values, at) => ({
      namespace_id: namespace.id,
      kind,
      name: names[at]!,
      description: null,
      required: null,
      json_schema: null,
      ...columnsOf(kind, values),
      created_at: now,
      updated_at: now,
    })),
  )
  const rows = await named().orderBy('id').execute()
  return rows.map((row) => entryRecord(kind, row))
}

export async function createEntry<K extends EntryKind>(
  tx: Tx,
  world: World,
  caller: Caller,
  kind: K,
  namespaceName: string,
  values: Values,
) {
  const namespace = await mutableNamespace(tx, caller, namespaceName)
  const [entry] = await addEntries(tx, world, kind, namespace, [values])
  return entry as EntryRecords[K]
}

async function readEntry(
  db: Db,
  kind: EntryKind,
  namespace: { readonly id: number; readonly namespace: string },
  name: string,
): Promise<EntryRow> {
  const row = await db.query
    .selectFrom('metadef_entries')
    .selectAll()
    .where('namespace_id', '=', namespace.id)
    .where('kind', '=', kind)
    .where('name', '=', name)
    .executeTakeFirst()
  if (row === undefined) throw missing(kind, name, namespace.namespace)
  return row
}

export async function getEntry<K extends EntryKind>(db: Db, caller: Caller, kind: K, namespaceName: string, name: string) {
  return entryRecord(kind, await readEntry(db, kind, await readNamespace(db, caller, namespaceName), name))
}

export async function updateEntry<K extends EntryKind>(
  tx: Tx,
  world: World,
  caller: Caller,
  kind: K,
  of: { readonly namespace: string; readonly id: number; readonly values: Values },
) {
  const namespace = await mutableNamespace(tx, caller, of.namespace)
  const mine = tx.query.selectFrom('metadef_entries').selectAll().where('namespace_id', '=', namespace.id).where('kind', '=', kind)
  const before = await mine.where('id', '=', of.id).executeTakeFirst()
  if (before === undefined) throw missing(kind, String(of.id), namespace.namespace)
  const name = of.values['name'] === undefined ? before.name : nameOf(of.values)
  if (name !== before.name && (await mine.where('name', '=', name).executeTakeFirst()) !== undefined)
    throw duplicate(kind, name, namespace.namespace)
  const row = await tx.query
    .updateTable('metadef_entries')
    .set({ name, ...columnsOf(kind, of.values), updated_at: timestamp(world.clock.nowMs()) })
    .where('id', '=', before.id)
    .returningAll()
    .executeTakeFirstOrThrow()
  return entryRecord(kind, row)
}

export async function deleteEntry<K extends EntryKind>(tx: Tx, caller: Caller, kind: K, namespaceName: string, name: string) {
  const row = await readEntry(tx, kind, await mutableNamespace(tx, caller, namespaceName), name)
  await tx.query.deleteFrom('metadef_entries').where('id', '=', row.id).execute()
  return entryRecord(kind, row)
}

/** All of a kind; how many there were. */
export async function deleteEntries(tx: Tx, caller: Caller, kind: EntryKind, namespaceName: string): Promise<number> {
  const namespace = await mutableNamespace(tx, caller, namespaceName)
  const { numDeletedRows } = await tx.query
    .deleteFrom('metadef_entries')
    .where('namespace_id', '=', namespace.id)
    .where('kind', '=', kind)
    .executeTakeFirst()
  return Number(numDeletedRows)
}

/** The whole list of a namespace's tags, in one transaction; `append` keeps those that are there. */
export async function createTags(
  tx: Tx,
  world: World,
  caller: Caller,
  of: { readonly namespace: string; readonly list: readonly Values[]; readonly append: boolean },
) {
  const namespace = await mutableNamespace(tx, caller, of.namespace)
  if (!of.append) await deleteEntries(tx, caller, 'tag', of.namespace)
  return addEntries(tx, world, 'tag', namespace, of.list)
}

export interface EntryFilter extends PageWanted {
  readonly sort_key?: string | null
  readonly sort_dir?: string | null
}
const columns = Object.fromEntries(['id', 'name', 'created_at', 'updated_at'].map((column) => [column, column]))

/** The marker is a name. */
export async function listEntries<K extends EntryKind>(
  db: Db,
  caller: Caller,
  kind: K,
  namespaceName: string,
  wanted: EntryFilter = {},
): Promise<EntryRecords[K][]> {
  const namespace = await readNamespace(db, caller, namespaceName)
  const sort = sortOf(wanted.sort_key ?? 'created_at', wanted.sort_dir ?? 'desc', columns)
  const query = db.query.selectFrom('metadef_entries').selectAll().where('namespace_id', '=', namespace.id).where('kind', '=', kind)
  const rows = await listPage<EntryRow>(query, wanted, { sort, columns }, (marker) => readEntry(db, kind, namespace, marker))
  return rows.map((row) => entryRecord(kind, row))
}
