import type { Db } from './schema.ts'

/**
 * What an owner's images take: size times live locations, of images that are not gone (reference image §3.3). `imageId` is left out.
 */
export async function storageUsage(db: Db, owner: string, imageId?: string): Promise<number> {
  let query = db.query
    .selectFrom('images')
    .innerJoin('image_locations', 'image_locations.image_id', 'images.id')
    .select((eb) => eb.fn.sum<number | string | null>('images.size').as('bytes'))
    .where('images.owner', '=', owner)
    .where('images.size', '>', 0)
    .where('images.status', 'not in', ['killed', 'deleted'])
    .where('image_locations.status', '!=', 'deleted')
  if (imageId !== undefined) query = query.where('images.id', '!=', imageId)
  return Number((await query.executeTakeFirst())?.bytes ?? 0)
}

/** What a project has reserved and stored, until the last byte is removed: what quotas are measured by. */
export async function reservedBytes(db: Db, owner: string | null): Promise<number> {
  const query = db.query.selectFrom('image_data').select((eb) => eb.fn.sum<number | string | null>('bytes').as('bytes'))
  const row = await (owner === null ? query.where('owner', 'is', null) : query.where('owner', '=', owner)).executeTakeFirst()
  return Number(row?.bytes ?? 0)
}

export async function countImages(db: Db, owner: string, uploadingOnly = false): Promise<number> {
  let query = db.query
    .selectFrom('images')
    .select((eb) => eb.fn.countAll<number | string>().as('count'))
    .where('owner', '=', owner)
    .where('deleted', '=', 0)
  if (uploadingOnly) query = query.where('status', 'in', ['saving', 'uploading', 'importing'])
  return Number((await query.executeTakeFirstOrThrow()).count)
}
