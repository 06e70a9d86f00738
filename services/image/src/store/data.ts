import { timestamp } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { Selectable } from 'kysely'
import { DataRefused } from '../rules/refusals.ts'
import { mayFollow, needsFormats, type ImageStatus } from '../rules/status.ts'
import type { Caller } from './caller.ts'
import { addLocations, discard, dropLocations } from './children.ts'
import { readMutable, readRow, withChildren } from './read-images.ts'
import type { ImageRecord } from './records.ts'
import type { DataTable, Db, Tx } from './schema.ts'
import { reservedBytes } from './usage.ts'

export type DataRow = Selectable<DataTable>

/** Bytes are written under a lease that their writer renews; after its end the sweeper takes what is there for garbage. */
export const dataLeaseMs = 60_000

export interface Quotas {
  /** Of one project; 0: no limit. */
  readonly storageBytes: number
  readonly count: number
}

export interface Begin {
  readonly image_id: string
  readonly store: string
  /** What is announced; more is reserved as it comes. */
  readonly bytes: number
  /** The image must be in this status, and goes to that one. The same twice: bytes are added to an image that stays as it is. */
  readonly from: ImageStatus
  readonly to: ImageStatus
  /** What the bytes are judged by: the image must still have it. Needed where its status needs formats. */
  readonly formats?: Formats | null
}

export interface Formats {
  readonly disk_format: string | null
  readonly container_format: string | null
}

const formatsMissing = 'Properties disk_format, container_format must be set prior to saving data.'

/** Whoever asks for bytes of a project does it one after the other, so that the sum is exact. */
const lockQuota = async (tx: Tx, owner: string | null, quotas: Quotas): Promise<void> => {
  if (quotas.storageBytes > 0) await tx.lock(`image-quota:${owner ?? ''}`)
}

async function requireRoom(tx: Tx, owner: string | null, more: number, quotas: Quotas): Promise<void> {
  if (quotas.storageBytes === 0) return
  const taken = await reservedBytes(tx, owner)
  if (taken + more > quotas.storageBytes)
    throw new DataRefused(
      'StorageQuotaFull',
      `The size of the data ${more} will exceed the limit. ${Math.max(0, quotas.storageBytes - taken)} bytes remaining.`,
    )
}

/**
 * Claims an image for bytes: status, reservation and the row that says where they will lie are one transaction. Conflict when the image
 * is in another status; of any number of callers one wins.
 */
export async function beginData(tx: Tx, world: World, caller: Caller, quotas: Quotas, begin: Begin): Promise<DataRow> {
  const { image_id: imageId, store, bytes, from, to, formats } = begin
  const image = await readMutable(tx, caller, imageId)
  if (from !== to && !mayFollow(from, to)) throw new DataRefused('Invalid', `An image does not go from ${from} to ${to}.`)
  const { disk_format: disk, container_format: container } = formats ?? { disk_format: null, container_format: null }
  if (needsFormats(from, to) && (disk === null || container === null)) throw new DataRefused('Invalid', formatsMissing)
  await lockQuota(tx, image.owner, quotas)
  await moveImage(tx, imageId, from, to, { updated_at: timestamp(world.clock.nowMs()) }, formats ?? undefined)
  await requireRoom(tx, image.owner, bytes, quotas)
  const nowMs = world.clock.nowMs()
  const row: DataRow = {
    id: world.random.uuid(),
    image_id: imageId,
    owner: image.owner,
    store,
    state: 'writing',
    bytes,
    lease_until: timestamp(nowMs + dataLeaseMs),
    created_at: timestamp(nowMs),
    updated_at: timestamp(nowMs),
  }
  await tx.query.insertInto('image_data').values(row).execute()
  return row
}

async function moveImage(
  tx: Tx,
  id: string,
  from: ImageStatus,
  to: ImageStatus,
  columns: Record<string, unknown>,
  formats?: Formats,
): Promise<void> {
  let update = tx.query
    .updateTable('images')
    .set({ ...columns, status: to })
    .where('id', '=', id)
    .where('status', '=', from)
    .where('deleted', '=', 0)
  for (const column of ['disk_format', 'container_format'] as const)
    if (formats !== undefined) update = update.where(column, formats[column] === null ? 'is' : '=', formats[column])
  if ((await update.executeTakeFirst()).numUpdatedRows > 0n) return
  const row = await readRow(tx, id)
  if (row.status === from) throw new DataRefused('Conflict', `The formats of image ${id} were changed meanwhile: send its data again.`)
  throw new DataRefused('Conflict', `Image status transition from ${row.status} to ${to} is not allowed`)
}

/** The row while its writer is still believed to live; NotFound when it was taken from it: the image is gone, or its lease was over. */
async function written(tx: Tx, id: string): Promise<DataRow> {
  const row = await tx.query.selectFrom('image_data').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined || row.state !== 'writing') throw new DataRefused('NotFound', `The claim on data ${id} is over.`)
  return row
}

/** Renews the lease, and reserves up to `bytes` in all. Throws NotFound, StorageQuotaFull. */
export async function extendData(
  tx: Tx,
  world: World,
  quotas: Quotas,
  { data_id: id, bytes }: { data_id: string; bytes: number },
): Promise<null> {
  const before = await written(tx, id)
  await lockQuota(tx, before.owner, quotas)
  if (bytes > before.bytes) await requireRoom(tx, before.owner, bytes - before.bytes, quotas)
  const nowMs = world.clock.nowMs()
  const { numUpdatedRows } = await tx.query
    .updateTable('image_data')
    .set({ bytes: Math.max(bytes, before.bytes), lease_until: timestamp(nowMs + dataLeaseMs), updated_at: timestamp(nowMs) })
    .where('id', '=', id)
    .where('state', '=', 'writing')
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw new DataRefused('NotFound', `The claim on data ${id} is over.`)
  return null
}

/** What was computed while the bytes went by. */
export interface Facts {
  readonly size: number
  readonly virtual_size: number | null
  readonly checksum: string
  readonly os_hash_algo: string
  readonly os_hash_value: string
}

export interface Commit {
  readonly data_id: string
  readonly facts: Facts
  readonly from: ImageStatus
  readonly to: ImageStatus
  /** Where the bytes are to be found from now on; absent: they are staged. */
  readonly location?: { readonly url: string; readonly metadata: Readonly<Record<string, unknown>> }
}

/** The bytes are whole and durable: they and the image's new status become true together. Throws NotFound, Conflict. */
export async function commitData(tx: Tx, world: World, commit: Commit): Promise<ImageRecord> {
  const { data_id: id, facts, from, to, location } = commit
  const row = await written(tx, id)
  const now = timestamp(world.clock.nowMs())
  await moveImage(tx, row.image_id, from, to, { ...(location === undefined ? {} : facts), updated_at: now })
  const { numUpdatedRows } = await tx.query
    .updateTable('image_data')
    .set({ state: location === undefined ? 'staged' : 'stored', bytes: facts.size, lease_until: null, updated_at: now })
    .where('id', '=', id)
    .where('state', '=', 'writing')
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw new DataRefused('NotFound', `The claim on data ${id} is over.`)
  if (location !== undefined) await addLocations(tx, row.image_id, [{ ...location, status: 'active', data_id: id }], now)
  const [image] = await withChildren(tx, { isAdmin: true, owner: null, userId: null }, [await readRow(tx, row.image_id)], { tags: true })
  return image as ImageRecord
}

/** The writer gives up: the bytes are garbage, and the image is as it was before. Fine when all that has happened already. */
export async function failData(
  tx: Tx,
  world: World,
  { data_id: id, from, to }: { data_id: string; from: ImageStatus; to: ImageStatus },
): Promise<null> {
  const row = await tx.query.selectFrom('image_data').selectAll().where('id', '=', id).where('state', '=', 'writing').executeTakeFirst()
  if (row === undefined) return null
  const now = timestamp(world.clock.nowMs())
  await discard(tx, { ids: [id] }, now)
  if (from !== to)
    await tx.query
      .updateTable('images')
      .set({ status: to, size: null, virtual_size: null, updated_at: now })
      .where('id', '=', row.image_id)
      .where('status', '=', from)
      .where('deleted', '=', 0)
      .execute()
  return null
}

/** The last byte is gone: from now on nobody pays for it. */
export async function freeData(db: Db, { data_id: id }: { data_id: string }): Promise<null> {
  await db.query.deleteFrom('image_data').where('id', '=', id).where('state', '=', 'garbage').execute()
  return null
}

/** A page at a time: what can not be removed now must not stand before the rest for ever. */
export const garbage = (db: Db, after: string, most: number): Promise<DataRow[]> =>
  db.query.selectFrom('image_data').selectAll().where('state', '=', 'garbage').where('id', '>', after).orderBy('id').limit(most).execute()

/** What a dead writer left: its lease is over. */
export const abandoned = (db: Db, now: string, most: number): Promise<DataRow[]> =>
  db.query
    .selectFrom('image_data')
    .selectAll()
    .where('state', '=', 'writing')
    .where('lease_until', '<', now)
    .orderBy('lease_until')
    .limit(most)
    .execute()

/** What is written down of these ids; whatever else lies in a store is an orphan. */
export async function knownData(db: Db, store: string, ids: readonly string[]): Promise<Map<string, DataRow['state']>> {
  if (ids.length === 0) return new Map()
  const rows = await db.query.selectFrom('image_data').select(['id', 'state']).where('store', '=', store).where('id', 'in', ids).execute()
  return new Map(rows.map(({ id, state }) => [id, state]))
}

/** Bytes that count as stored, a page at a time. */
export const storedData = (db: Db, after: string, most: number): Promise<DataRow[]> =>
  db.query.selectFrom('image_data').selectAll().where('state', '=', 'stored').where('id', '>', after).orderBy('id').limit(most).execute()

/**
 * The bytes of a location are not there any more: it is none, and an image without any is taken out of use. Returns the image's status
 * afterwards; undefined when somebody else has changed it meanwhile.
 */
export async function loseData(tx: Tx, world: World, id: string): Promise<ImageStatus | undefined> {
  const row = await tx.query.selectFrom('image_data').selectAll().where('id', '=', id).where('state', '=', 'stored').executeTakeFirst()
  if (row === undefined) return undefined
  const now = timestamp(world.clock.nowMs())
  await dropLocations(tx, { ids: [id] }, now)
  const left = await tx.query
    .selectFrom('image_locations')
    .select('id')
    .where('image_id', '=', row.image_id)
    .where('deleted', '=', 0)
    .executeTakeFirst()
  if (left === undefined)
    await tx.query
      .updateTable('images')
      .set({ status: 'deactivated', updated_at: now })
      .where('id', '=', row.image_id)
      .where('status', '=', 'active')
      .execute()
  return (await readRow(tx, row.image_id, { deleted: true })).status
}

/** An image leaves one store and stays in the others. NotFound: it is not there; Forbidden: it is nowhere else; Conflict: it is not active. */
export async function removeData(
  tx: Tx,
  world: World,
  caller: Caller,
  { image_id: imageId, store }: { image_id: string; store: string },
): Promise<null> {
  const image = await readMutable(tx, caller, imageId)
  if (image.status !== 'active')
    throw new DataRefused('Conflict', `Image ${imageId} is ${image.status}: it leaves a store only while it is active.`)
  const now = timestamp(world.clock.nowMs())
  // Whoever does the same for another store waits for this row.
  await tx.query.updateTable('images').set({ updated_at: now }).where('id', '=', imageId).execute()
  const rows = await tx.query.selectFrom('image_data').selectAll().where('image_id', '=', imageId).where('state', '=', 'stored').execute()
  const [there, elsewhere] = [rows.filter((row) => row.store === store), rows.filter((row) => row.store !== store)]
  if (there.length === 0) throw new DataRefused('NotFound', `Image ${imageId} is not in the store '${store}'.`)
  if (elsewhere.length === 0)
    throw new DataRefused('Forbidden', `'${store}' is the last store of image ${imageId}: delete the image instead.`)
  await dropLocations(tx, { ids: there.map((row) => row.id) }, now)
  return null
}

/** Images that wait for bytes that nobody writes any more: what wrote them died before its row, or after it was taken for garbage. */
export async function stuckImages(db: Db, before: string, most: number): Promise<string[]> {
  const rows = await db.query
    .selectFrom('images')
    .select('images.id')
    .where('images.status', '=', 'saving')
    .where('images.updated_at', '<', before)
    .where('images.id', 'not in', (eb) =>
      eb.selectFrom('image_data').select('image_data.image_id').where('image_data.state', '=', 'writing'),
    )
    .limit(most)
    .execute()
  return rows.map(({ id }) => id)
}

export async function unstick(tx: Tx, world: World, imageId: string): Promise<void> {
  const writing = await tx.query
    .selectFrom('image_data')
    .select('id')
    .where('image_id', '=', imageId)
    .where('state', '=', 'writing')
    .executeTakeFirst()
  if (writing !== undefined) return
  await tx.query
    .updateTable('images')
    .set({ status: 'queued', size: null, virtual_size: null, updated_at: timestamp(world.clock.nowMs()) })
    .where('id', '=', imageId)
    .where('status', '=', 'saving')
    .execute()
}
