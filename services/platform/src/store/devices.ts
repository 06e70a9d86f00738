import { upsert, type Database } from '@murmuration/data'
import { errors } from '../errors.ts'
import type { Db, DeviceImageRow, DeviceImageStateRow, DeviceRow, Schema } from './schema.ts'

export const listImages = (db: Db): Promise<DeviceImageRow[]> =>
  db.query.selectFrom('device_images').selectAll().orderBy('created_at').orderBy('uuid').execute()

export const findImage = (db: Db, uuid: string): Promise<DeviceImageRow | undefined> =>
  db.query.selectFrom('device_images').selectAll().where('uuid', '=', uuid).executeTakeFirst()

export const addImage = (db: Db, image: DeviceImageRow): Promise<DeviceImageRow> =>
  db.query.insertInto('device_images').values(image).returningAll().executeTakeFirstOrThrow()

export const changeImage = (
  db: Db,
  uuid: string,
  changes: Pick<DeviceImageRow, 'applied' | 'applied_labels'>,
  now: string,
): Promise<DeviceImageRow | undefined> =>
  db.query
    .updateTable('device_images')
    .set({ ...changes, updated_at: now })
    .where('uuid', '=', uuid)
    .returningAll()
    .executeTakeFirst()

export const removeImage = (database: Database<Schema>, uuid: string): Promise<void> =>
  database.transaction(async (tx) => {
    const image = await findImage(tx, uuid)
    if (image === undefined) throw errors.notFound({ what: 'Device image', ref: uuid })
    if (image.applied === 1) throw errors.imageApplied({ ref: uuid })
    await tx.query.deleteFrom('device_images').where('uuid', '=', uuid).execute()
  })

export const listDevices = (db: Db): Promise<DeviceRow[]> =>
  db.query.selectFrom('devices').selectAll().orderBy('name').orderBy('uuid').execute()

export const addDevice = (db: Db, device: DeviceRow): Promise<DeviceRow> =>
  db.query.insertInto('devices').values(device).returningAll().executeTakeFirstOrThrow()

export const changeDevice = (
  db: Db,
  uuid: string,
  changes: Partial<Pick<DeviceRow, 'enabled' | 'labels'>>,
): Promise<DeviceRow | undefined> => db.query.updateTable('devices').set(changes).where('uuid', '=', uuid).returningAll().executeTakeFirst()

export const removeDevice = async (db: Db, uuid: string): Promise<boolean> =>
  (await db.query.deleteFrom('devices').where('uuid', '=', uuid).executeTakeFirst()).numDeletedRows > 0n

export const listImageStates = (db: Db): Promise<DeviceImageStateRow[]> =>
  db.query.selectFrom('device_image_states').selectAll().orderBy('device_uuid').orderBy('image_uuid').execute()

export const reportImageState = (db: Db, state: DeviceImageStateRow): Promise<void> =>
  upsert(db, 'device_image_states', [{ ...state }], { conflict: ['device_uuid', 'image_uuid'], update: ['status', 'updated_at'] })
