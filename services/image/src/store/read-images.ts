import type { Selectable } from 'kysely'
import { DataRefused } from '../rules/refusals.ts'
import { mayChange, mayRead } from '../rules/visibility.ts'
import { seesDeleted, type Caller } from './caller.ts'
import { imageRecord, locationRecord, propertyRecord, type ImageRecord, type LocationRecord, type PropertyRecord } from './records.ts'
import type { Db, ImageTable } from './schema.ts'

export type ImageRow = Selectable<ImageTable>

const maxIdLength = 36
export const notFound = (id: string): DataRefused => new DataRefused('ImageNotFound', `No image found with ID ${id}`)

export interface Shown {
  /** Children that were deleted, too. */
  readonly deleted?: boolean
  readonly tags?: boolean
}

/** Rows with their children: three more statements, however many rows. */
export async function withChildren(db: Db, caller: Caller, rows: readonly ImageRow[], shown: Shown = {}): Promise<ImageRecord[]> {
  const ids = rows.map(({ id }) => id)
  if (ids.length === 0) return []
  const live = shown.deleted === true ? [0 as const, 1 as const] : [0 as const]
  const [properties, locations, tags] = [
    await db.query
      .selectFrom('image_properties')
      .selectAll()
      .where('image_id', 'in', ids)
      .where('deleted', 'in', live)
      .orderBy('id')
      .execute(),
    await db.query
      .selectFrom('image_locations')
      .selectAll()
      .where('image_id', 'in', ids)
      .where('deleted', 'in', live)
      .orderBy('id')
      .execute(),
    shown.tags === true
      ? await db.query
          .selectFrom('image_tags')
          .select(['image_id', 'value'])
          .where('image_id', 'in', ids)
          .where('deleted', '=', 0)
          .orderBy('id')
          .execute()
      : undefined,
  ]
  const propertiesOf = grouped(properties.map((row) => [row.image_id, propertyRecord(row)] as const))
  const locationsOf = grouped(locations.map((row) => [row.image_id, locationRecord(row)] as const))
  const tagsOf = tags === undefined ? undefined : grouped(tags.map((row) => [row.image_id, row.value] as const))
  return rows.map((row) =>
    imageRecord(row, {
      properties: propertiesOf.get(row.id) ?? ([] as PropertyRecord[]),
      // A deactivated image has no place for those who may not touch its bytes.
      locations: row.status === 'deactivated' && !caller.isAdmin ? [] : (locationsOf.get(row.id) ?? ([] as LocationRecord[])),
      ...(tagsOf === undefined ? {} : { tags: tagsOf.get(row.id) ?? [] }),
    }),
  )
}

function grouped<T>(pairs: readonly (readonly [string, T])[]): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const [key, value] of pairs) {
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [value])
    else group.push(value)
  }
  return groups
}

/** Throws ImageNotFound; says nothing about who may see it. */
export async function readRow(db: Db, id: string, options: { deleted?: boolean } = {}): Promise<ImageRow> {
  const row = id.length > maxIdLength ? undefined : await db.query.selectFrom('images').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined || (row.deleted === 1 && options.deleted !== true)) throw notFound(id)
  return row
}

export async function isMember(db: Db, imageId: string, member: string | null, status?: string): Promise<boolean> {
  if (member === null) return false
  let query = db.query
    .selectFrom('image_members')
    .select('id')
    .where('image_id', '=', imageId)
    .where('member', '=', member)
    .where('deleted', '=', 0)
  if (status !== undefined && status !== 'all') query = query.where('status', '=', status)
  return (await query.executeTakeFirst()) !== undefined
}

export async function isVisible(db: Db, caller: Caller, row: Pick<ImageRow, 'id' | 'owner' | 'visibility'>, status?: string) {
  if (mayRead(caller, row, false)) return true
  return mayRead(caller, row, await isMember(db, row.id, caller.owner, status))
}

/** Throws ImageNotFound, or Forbidden when the caller may not read it. */
export async function readVisible(db: Db, caller: Caller, id: string, options: { deleted?: boolean } = {}): Promise<ImageRow> {
  const row = await readRow(db, id, { deleted: options.deleted === true || seesDeleted(caller) })
  if (!(await isVisible(db, caller, row))) throw new DataRefused('Forbidden', `Forbidding request, image ${id} not visible`)
  return row
}

/** Throws like readVisible, and ForbiddenPublicImage or Forbidden when the caller may only read it. */
export async function readMutable(db: Db, caller: Caller, id: string): Promise<ImageRow> {
  const row = await readVisible(db, caller, id)
  if (mayChange(caller, row)) return row
  if (row.visibility === 'public') throw new DataRefused('ForbiddenPublicImage', 'You are not authorized to complete this action.')
  throw new DataRefused('Forbidden', `Forbidding request, image ${id} is not owned by you`)
}

export async function getImage(
  db: Db,
  caller: Caller,
  { image_id, force_show_deleted = false }: { image_id: string; force_show_deleted?: boolean },
): Promise<ImageRecord> {
  const row = await readVisible(db, caller, image_id, { deleted: force_show_deleted })
  const [image] = await withChildren(db, caller, [row], { deleted: force_show_deleted || row.deleted === 1, tags: true })
  return image as ImageRecord
}
