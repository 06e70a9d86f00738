import { timestamp } from '@murmuration/data'
import type { World } from '@murmuration/world'
import { DataRefused } from '../rules/refusals.ts'
import type { Caller } from './caller.ts'
import {
  addLocations,
  addTags,
  deleteLocation,
  deleteProperties,
  deleteTags,
  dropLocations,
  readTags,
  updateLocation,
  writeProperties,
} from './children.ts'
import { readMutable, readRow, withChildren } from './read-images.ts'
import type { ImageRecord } from './records.ts'
import type { Tx } from './schema.ts'
import { columnsOf, locationOf, momentOf, propertiesOf, type Values } from './values.ts'

/** Row, properties and locations in one transaction: a bad location leaves no image behind (reference image §3.3). */
export async function createImage(tx: Tx, world: World, caller: Caller, { values }: { values: Values }): Promise<ImageRecord> {
  const nowMs = world.clock.nowMs()
  const columns = columnsOf(values)
  if (columns.status === undefined) throw new DataRefused('Invalid', 'Image status is required.')
  const properties = propertiesOf(values['properties'])
  const locations = Array.isArray(values['locations']) ? values['locations'].map(locationOf) : []
  const id = typeof values['id'] === 'string' ? values['id'] : world.random.uuid()
  if (id.length > 36) throw new DataRefused('Invalid', 'An image id has at most 36 characters.')
  const createdAt = momentOf(values['created_at'], nowMs)
  const row = {
    id,
    name: null,
    disk_format: null,
    container_format: null,
    size: null,
    virtual_size: null,
    status: columns.status,
    visibility: 'shared' as const,
    checksum: null,
    os_hash_algo: null,
    os_hash_value: null,
    owner: null,
    protected: 0 as const,
    os_hidden: 0 as const,
    ...columns,
    min_disk: columns.min_disk ?? 0,
    min_ram: columns.min_ram ?? 0,
    created_at: createdAt,
    updated_at: momentOf(values['updated_at'], nowMs),
    deleted_at: null,
    deleted: 0 as const,
  }
  const inserted = await tx.query
    .insertInto('images')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doNothing())
    .returning('id')
    .executeTakeFirst()
  if (inserted === undefined) throw new DataRefused('Duplicate', `Image ID ${id} already exists!`)
  await writeProperties(tx, id, properties, timestamp(nowMs))
  await addLocations(tx, id, locations, timestamp(nowMs))
  // New: the tags of a new image come with it.
  if (Array.isArray(values['tags'])) await addTags(tx, id, [...new Set(values['tags'].map(String))], timestamp(nowMs))
  return one(tx, caller, id)
}

export interface Update {
  readonly image_id: string
  readonly values: Values
  /** Properties that are not named are deleted. */
  readonly purge_props?: boolean
  /** New: properties that are deleted, whatever else there is. */
  readonly drop_props?: readonly string[] | null
  /** Writes only when the image still has this status. */
  readonly from_state?: string | null
}

export async function updateImage(tx: Tx, world: World, caller: Caller, update: Update): Promise<ImageRecord> {
  const { image_id: id, values, purge_props: purge = false, from_state: from, drop_props } = update
  const dropped = drop_props ?? []
  await readMutable(tx, caller, id)
  const columns = columnsOf(values)
  const properties = values['properties'] === undefined ? undefined : propertiesOf(values['properties'])
  const locations = Array.isArray(values['locations']) ? values['locations'].map(locationOf) : []
  const now = timestamp(world.clock.nowMs())
  let query = tx.query
    .updateTable('images')
    .set({ ...columns, updated_at: now })
    .where('id', '=', id)
  if (typeof from === 'string') query = query.where('status', '=', from as never)
  if ((await query.executeTakeFirst()).numUpdatedRows === 0n)
    throw new DataRefused('Conflict', `cannot transition from ${from} to ${String(values['status'])} in update (wanted from_state=${from})`)
  if (properties !== undefined) {
    await writeProperties(tx, id, properties, now)
    if (purge) await purgeProperties(tx, id, properties, now)
  }
  if (dropped.length > 0) await deleteProperties(tx, id, dropped, now)
  // New: tags are part of the image where they are written with it.
  if (Array.isArray(values['tags'])) await setTags(tx, world, { image_id: id, tags: values['tags'].map(String) })
  if (locations.length > 0) {
    const wanted = new Set(locations.map((location) => location.id))
    const stored = await tx.query.selectFrom('image_locations').select('id').where('image_id', '=', id).where('deleted', '=', 0).execute()
    for (const location of locations) if (location.id !== undefined) await updateLocation(tx, id, location, now)
    for (const row of stored) if (!wanted.has(row.id)) await deleteLocation(tx, id, row.id, 'deleted', now)
    await addLocations(
      tx,
      id,
      locations.filter((location) => location.id === undefined),
      now,
    )
  }
  return one(tx, caller, id)
}

/** Internal properties (locks of imports) are never touched by who saves an image. */
async function purgeProperties(tx: Tx, id: string, keep: Readonly<Record<string, unknown>>, now: string): Promise<void> {
  const stored = await tx.query.selectFrom('image_properties').select('name').where('image_id', '=', id).where('deleted', '=', 0).execute()
  const names = stored.map(({ name }) => name).filter((name) => !Object.hasOwn(keep, name) && !name.startsWith('os_glance'))
  if (names.length > 0) await deleteProperties(tx, id, names, now)
}

/** One moment for the image and all that belongs to it; bytes of ours become garbage. */
export async function destroyImage(tx: Tx, world: World, caller: Caller, { image_id: id }: { image_id: string }): Promise<ImageRecord> {
  const row = await readMutable(tx, caller, id)
  if (row.deleted === 1) throw new DataRefused('ImageNotFound', `No image found with ID ${id}`)
  const at = timestamp(world.clock.nowMs())
  const gone = { deleted: 1, deleted_at: at, updated_at: at } as const
  await tx.query
    .updateTable('images')
    .set({ ...gone, status: 'deleted' })
    .where('id', '=', id)
    .execute()
  await dropLocations(tx, { imageId: id }, at)
  for (const table of ['image_properties', 'image_members', 'image_tags'] as const)
    await tx.query.updateTable(table).set(gone).where('image_id', '=', id).where('deleted', '=', 0).execute()
  const [image] = await withChildren(tx, caller, [await readRow(tx, id, { deleted: true })], { deleted: true })
  return image as ImageRecord
}

async function one(tx: Tx, caller: Caller, id: string): Promise<ImageRecord> {
  const [image] = await withChildren(tx, caller, [await readRow(tx, id, { deleted: true })], { tags: true })
  return image as ImageRecord
}

/** The tags of an image, exactly these, in this order without repetitions; one transaction. */
export async function setTags(tx: Tx, world: World, { image_id: id, tags }: { image_id: string; tags: readonly string[] }): Promise<null> {
  await readRow(tx, id)
  const now = timestamp(world.clock.nowMs())
  const stored = await readTags(tx, id)
  const wanted = [...new Set(tags)]
  await addTags(
    tx,
    id,
    wanted.filter((tag) => !stored.includes(tag)),
    now,
  )
  await deleteTags(
    tx,
    id,
    stored.filter((tag) => !wanted.includes(tag)),
    now,
  )
  return null
}

export async function createTag(tx: Tx, world: World, { image_id: id, value }: { image_id: string; value: string }): Promise<string> {
  await readRow(tx, id)
  // A second one of the same text would say nothing.
  if (!(await readTags(tx, id)).includes(value)) await addTags(tx, id, [value], timestamp(world.clock.nowMs()))
  return value
}

export async function deleteTag(tx: Tx, world: World, { image_id: id, value }: { image_id: string; value: string }): Promise<null> {
  if ((await deleteTags(tx, id, [value], timestamp(world.clock.nowMs()))) === 0)
    throw new DataRefused('NotFound', `No tag ${value} found on image ${id}`)
  return null
}
