import { timestamp } from '@murmuration/data'
import type { World } from '@murmuration/world'
import { readMoment } from '../rules/moments.ts'
import { DataRefused } from '../rules/refusals.ts'
import { isVisibility, mayChange, mayRead, type Owned } from '../rules/visibility.ts'
import { addLocations, deleteLocation, deleteProperties, readTags, updateLocation, writeProperties } from './children.ts'
import { beginData, commitData, extendData, failData, freeData, removeData, type Quotas } from './data.ts'
import type { ImageData } from './image-data.ts'
import { beginImport } from './imports.ts'
import { listImages } from './list-images.ts'
import { countMembers, createMember, deleteMember, findMembers, updateMember } from './members.ts'
import { createMetadefData } from './metadefs/commands.ts'
import { getImage, isMember, readRow } from './read-images.ts'
import { propertyRecord, type PropertyRecord } from './records.ts'
import type { Db, ImageDatabase, Tx } from './schema.ts'
import { createTask, deleteTask, getTask, listTasks, updateTask } from './tasks.ts'
import { countImages, storageUsage } from './usage.ts'
import { locationOf, propertiesOf, type Values } from './values.ts'
import { createImage, createTag, deleteTag, destroyImage, setTags, updateImage } from './write-images.ts'

/** The commands on the service's own database; each is one transaction. */
export function createDirectData(database: ImageDatabase, world: World, quotas: Quotas): ImageData {
  const write = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => database.transaction(work)
  // They take a lock first, or change one row by a condition: what waits for them sees what they did, and loses no race by seeing it.
  const claim = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => database.transaction(work, { isolation: 'read committed' })
  const now = (): string => timestamp(world.clock.nowMs())

  return {
    ...createMetadefData(database, world),
    image_create: (caller, { values }) =>
      write(async (tx) => {
        await requireCount(tx, values, quotas)
        return createImage(tx, world, caller, { values })
      }),
    image_update: (caller, update) => write((tx) => updateImage(tx, world, caller, update)),
    image_destroy: (caller, image) => write((tx) => destroyImage(tx, world, caller, image)),
    image_get: (caller, image) => getImage(database, caller, image),
    image_get_all: (caller, wanted) => listImages(database, caller, wanted),
    is_image_mutable: async (caller, { image }) => mayChange(caller, owned(image)),
    is_image_visible: async (caller, { image, status }) =>
      mayRead(caller, owned(image), false) ||
      mayRead(caller, owned(image), await isMember(database, String(image['id']), caller.owner, status ?? undefined)),
    image_location_add: (_, { image_id: id, location }) =>
      write(async (tx) => {
        await readRow(tx, id)
        await addLocations(tx, id, [locationOf(location)], now())
        return null
      }),
    image_location_update: (_, { image_id: id, location }) =>
      write(async (tx) => {
        await updateLocation(tx, id, locationOf(location), now())
        return null
      }),
    image_location_delete: (_, { image_id: id, location_id: locationId, status, delete_time: at }) =>
      write(async (tx) => {
        await deleteLocation(tx, id, locationId, status, (typeof at === 'string' ? readMoment(at) : undefined) ?? now())
        return null
      }),
    image_property_create: (_, { values }) =>
      write(async (tx) => {
        const imageId = String(values['image_id'])
        await readRow(tx, imageId)
        const name = String(values['name'])
        await writeProperties(tx, imageId, propertiesOf({ [name]: values['value'] }), now())
        return property(tx, imageId, name)
      }),
    image_property_delete: (_, { prop_ref: name, image_ref: imageId }) =>
      write(async (tx) => {
        if ((await deleteProperties(tx, imageId, [name], now())) === 0)
          throw new DataRefused('NotFound', `No property ${name} found on image ${imageId}`)
        return property(tx, imageId, name)
      }),
    image_member_create: (_, member) => write((tx) => createMember(tx, world, member)),
    image_member_update: (_, member) => write((tx) => updateMember(tx, world, member)),
    image_member_delete: (_, member) => write((tx) => deleteMember(tx, world, member)),
    image_member_find: (caller, filter) => findMembers(database, caller, filter),
    image_member_count: (_, image) => countMembers(database, image),
    image_tag_set_all: (_, tags) => write((tx) => setTags(tx, world, tags)),
    image_tag_create: (_, tag) => write((tx) => createTag(tx, world, tag)),
    image_tag_delete: (_, tag) => write((tx) => deleteTag(tx, world, tag)),
    image_tag_get_all: (_, { image_id: id }) => readTags(database, id),
    user_get_storage_usage: (_, { owner_id: owner, image_id: imageId }) => storageUsage(database, owner, imageId ?? undefined),
    task_create: (_, task) => write((tx) => createTask(tx, world, task)),
    task_update: (caller, task) => write((tx) => updateTask(tx, world, caller, task)),
    task_get: (caller, task) => getTask(database, caller, task),
    task_delete: (caller, task) => write((tx) => deleteTask(tx, world, caller, task)),
    task_get_all: (caller, filter) => listTasks(database, caller, filter),
    data_begin: (caller, begin) => claim((tx) => beginData(tx, world, caller, quotas, begin)),
    data_extend: (_, extend) => claim((tx) => extendData(tx, world, quotas, extend)),
    data_commit: (_, commit) => claim((tx) => commitData(tx, world, commit)),
    data_fail: (_, failed) => claim((tx) => failData(tx, world, failed)),
    data_free: (_, data) => freeData(database, data),
    import_begin: (caller, begin) => write((tx) => beginImport(tx, world, caller, begin)),
    data_of_image: (_, { image_id: id }) =>
      database.query.selectFrom('image_data').selectAll().where('image_id', '=', id).orderBy('created_at').execute(),
    data_remove: (caller, location) => write((tx) => removeData(tx, world, caller, location)),
    usage_get: async (_, { owner_id: owner }) => {
      const rows = await database.query
        .selectFrom('image_data')
        .select((eb) => ['state', eb.fn.sum<number | string | null>('bytes').as('bytes')])
        .where('owner', '=', owner)
        .groupBy('state')
        .execute()
      const sum = (...states: string[]): number =>
        rows.filter(({ state }) => states.includes(state)).reduce((total, { bytes }) => total + Number(bytes ?? 0), 0)
      return {
        limits: quotas,
        bytes: sum('writing', 'stored', 'staged', 'garbage'),
        staged_bytes: sum('staged'),
        count: await countImages(database, owner),
        uploading: await countImages(database, owner, true),
      }
    },
  }
}

async function requireCount(tx: Tx, values: Values, quotas: Quotas): Promise<void> {
  const { owner } = values
  if (quotas.count === 0 || typeof owner !== 'string') return
  await tx.lock(`image-count:${owner}`)
  const count = await countImages(tx, owner)
  if (count >= quotas.count)
    throw new DataRefused('LimitExceeded', `Project ${owner} is over its limit of ${quotas.count} images: ${count} exist.`)
}

const owned = (image: Values): Owned => ({
  owner: typeof image['owner'] === 'string' ? image['owner'] : null,
  visibility: isVisibility(image['visibility']) ? image['visibility'] : image['is_public'] === true ? 'public' : 'shared',
})

async function property(db: Db, imageId: string, name: string): Promise<PropertyRecord> {
  const row = await db.query
    .selectFrom('image_properties')
    .selectAll()
    .where('image_id', '=', imageId)
    .where('name', '=', name)
    .executeTakeFirstOrThrow()
  return propertyRecord(row)
}
