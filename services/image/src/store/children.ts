import { bulkInsert, json, type Timestamp } from '@murmuration/data'
import { DataRefused } from '../rules/refusals.ts'
import { beyondBmp } from '../rules/text.ts'
import type { Db } from './schema.ts'
import { mostNameChars, type LocationValues } from './values.ts'

const gone = (status: string): boolean => status === 'deleted' || status === 'pending_delete'
const kept = (now: Timestamp) => ({ created_at: now, updated_at: now, deleted_at: null, deleted: 0 as const })

/** Writes these properties; one that was deleted before comes back in its old row. */
export async function writeProperties(db: Db, imageId: string, properties: Readonly<Record<string, string | null>>, now: Timestamp) {
  const rows = Object.entries(properties).map(([name, value]) => ({ image_id: imageId, name, value, ...kept(now) }))
  if (rows.length === 0) return
  await db.query
    .insertInto('image_properties')
    .values(rows)
    .onConflict((conflict) =>
      conflict.columns(['image_id', 'name']).doUpdateSet((eb) => ({
        value: eb.ref('excluded.value'),
        updated_at: now,
        deleted_at: null,
        deleted: 0,
      })),
    )
    .execute()
}

/** Deletes properties of an image by name. Returns how many. */
export async function deleteProperties(db: Db, imageId: string, names: readonly string[], now: Timestamp): Promise<number> {
  const result = await db.query
    .updateTable('image_properties')
    .set({ deleted: 1, deleted_at: now, updated_at: now })
    .where('image_id', '=', imageId)
    .where('deleted', '=', 0)
    .where('name', 'in', names)
    .executeTakeFirst()
  return Number(result.numUpdatedRows)
}

export async function addLocations(db: Db, imageId: string, locations: readonly LocationValues[], now: Timestamp): Promise<void> {
  await bulkInsert(
    db,
    'image_locations',
    locations.map(({ url, metadata, status, data_id }) => ({
      image_id: imageId,
      url,
      meta_data: json.write(metadata),
      status,
      data_id,
      ...kept(now),
      ...(gone(status) ? { deleted: 1, deleted_at: now } : {}),
    })),
  )
}

export async function updateLocation(db: Db, imageId: string, location: LocationValues, now: Timestamp): Promise<void> {
  const { id, url, metadata, status } = location
  if (id === undefined) throw new DataRefused('Invalid', 'The location data has an invalid ID: None')
  const updated = await db.query
    .updateTable('image_locations')
    .set({
      url,
      meta_data: json.write(metadata),
      status,
      updated_at: now,
      ...(gone(status) ? { deleted: 1, deleted_at: now } : { deleted: 0, deleted_at: null }),
    })
    .where('id', '=', id)
    .where('image_id', '=', imageId)
    .executeTakeFirst()
  if (updated.numUpdatedRows === 0n) throw new DataRefused('NotFound', `No location found with ID ${id} from image ${imageId}`)
}

/** Marks a location of an image as gone; its bytes of ours become garbage. */
export async function deleteLocation(db: Db, imageId: string, locationId: number, status: string, at: Timestamp): Promise<void> {
  if (!gone(status)) throw new DataRefused('Invalid', 'The status of deleted image location can only be set to pending_delete or deleted')
  const row = await db.query
    .selectFrom('image_locations')
    .select(['id', 'data_id'])
    .where('id', '=', locationId)
    .where('image_id', '=', imageId)
    .where('deleted', '=', 0)
    .executeTakeFirst()
  if (row === undefined) throw new DataRefused('NotFound', `No location found with ID ${locationId} from image ${imageId}`)
  await db.query
    .updateTable('image_locations')
    .set({ status, deleted: 1, deleted_at: at, updated_at: at })
    .where('id', '=', locationId)
    .execute()
  if (row.data_id !== null && status === 'deleted') await discard(db, { ids: [row.data_id] }, at)
}

/** Which bytes: these, or all of an image. */
type Bytes = { readonly ids: readonly string[] } | { readonly imageId: string }

/** Where these bytes lie is no location any more; they become garbage. */
export async function dropLocations(db: Db, which: Bytes, now: Timestamp): Promise<void> {
  const update = db.query
    .updateTable('image_locations')
    .set({ status: 'deleted', deleted: 1, deleted_at: now, updated_at: now })
    .where('deleted', '=', 0)
  await ('ids' in which ? update.where('data_id', 'in', which.ids) : update.where('image_id', '=', which.imageId)).execute()
  await discard(db, which, now)
}

/** Bytes that nobody wants any more: whoever sweeps removes them, and only then nobody pays for them. */
export async function discard(db: Db, which: Bytes, now: Timestamp): Promise<void> {
  const update = db.query.updateTable('image_data').set({ state: 'garbage', lease_until: null, updated_at: now })
  await ('ids' in which ? update.where('id', 'in', which.ids) : update.where('image_id', '=', which.imageId)).execute()
}

export async function readTags(db: Db, imageId: string): Promise<string[]> {
  const rows = await db.query
    .selectFrom('image_tags')
    .select('value')
    .where('image_id', '=', imageId)
    .where('deleted', '=', 0)
    .orderBy('id')
    .execute()
  return rows.map(({ value }) => value)
}

export async function addTags(db: Db, imageId: string, tags: readonly string[], now: Timestamp): Promise<void> {
  if (tags.some((tag) => tag.length > mostNameChars))
    throw new DataRefused('Invalid', `Invalid tag: it has at most ${mostNameChars} characters.`)
  if (tags.some(beyondBmp)) throw new DataRefused('Invalid', 'Invalid tag: characters beyond the BMP are not supported.')
  await bulkInsert(
    db,
    'image_tags',
    tags.map((value) => ({ image_id: imageId, value, ...kept(now) })),
  )
}

/** Returns how many. */
export async function deleteTags(db: Db, imageId: string, tags: readonly string[], now: Timestamp): Promise<number> {
  if (tags.length === 0) return 0
  const result = await db.query
    .updateTable('image_tags')
    .set({ deleted: 1, deleted_at: now, updated_at: now })
    .where('image_id', '=', imageId)
    .where('value', 'in', tags)
    .where('deleted', '=', 0)
    .executeTakeFirst()
  return Number(result.numUpdatedRows)
}
