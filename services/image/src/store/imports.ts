import { json, timestamp } from '@murmuration/data'
import { enqueue, type JobKind } from '@murmuration/jobs'
import type { World } from '@murmuration/world'
import { DataRefused } from '../rules/refusals.ts'
import { shownSource } from '../rules/import-source.ts'
import { needsFormats, type ImageStatus } from '../rules/status.ts'
import type { Caller } from './caller.ts'
import { deleteProperties, dropLocations, writeProperties } from './children.ts'
import { readMutable, readRow } from './read-images.ts'
import type { TaskRecord } from './records.ts'
import type { Tx } from './schema.ts'
import { createTask } from './tasks.ts'

export const importMethods = ['glance-direct', 'web-download', 'copy-image'] as const
export type ImportMethod = (typeof importMethods)[number]
/** The last one is a location that a caller has set: its bytes are brought like those of a web-download. */
export type ImportWay = ImportMethod | 'location'

export const taskTypes = ['import', 'api_image_import', 'location_import'] as const

/** What the bytes must be, as somebody who knows them has said. */
export interface Expected {
  readonly os_hash_algo: string
  readonly os_hash_value: string
}

export interface ImportInput {
  readonly imageId: string
  readonly taskId: string
  readonly method: ImportWay
  /** Ids of the stores that are to hold the bytes, in order. */
  readonly stores: readonly string[]
  readonly allMustSucceed: boolean
  /** Where web-download fetches from. */
  readonly uri?: string
  readonly expected?: Expected
}

/** What the job that does it is called; what it does stands in work/imports.ts. */
export const importKind = 'image.import'
const taskLifeMs = 48 * 3_600_000
const internal = ['os_glance_import_task', 'os_glance_importing_to_stores']

/** The status that each method needs, and the one that the image has while it runs. */
export const importWays = {
  'glance-direct': { from: 'uploading', through: 'importing' },
  'web-download': { from: 'queued', through: 'importing' },
  'copy-image': { from: 'active', through: 'active' },
  location: { from: 'queued', through: 'importing' },
} as const satisfies Record<ImportWay, { from: ImageStatus; through: ImageStatus }>

export interface ImportBegin {
  readonly image_id: string
  readonly method: ImportWay
  readonly stores: readonly string[]
  readonly all_must_succeed: boolean
  readonly uri?: string | null
  readonly expected?: Expected | null
  /** What the task is called where it is not an import of the API of images. */
  readonly task_type?: (typeof taskTypes)[number] | null
}

/** The claim: status, task and job are one transaction. Conflict when the image is in another status or is being imported already. */
export async function beginImport(tx: Tx, world: World, caller: Caller, begin: ImportBegin): Promise<TaskRecord> {
  const { image_id: imageId, method, stores, all_must_succeed: allMustSucceed } = begin
  const [uri, expected] = [begin.uri ?? undefined, begin.expected ?? undefined]
  const image = await readMutable(tx, caller, imageId)
  const { from, through } = importWays[method]
  if (needsFormats(from, through) && (image.disk_format === null || image.container_format === null))
    throw new DataRefused('Conflict', "'disk_format' and 'container_format' need to be set before import")
  if (method === 'glance-direct' && image.status === from) await requireStaged(tx, imageId)
  const now = timestamp(world.clock.nowMs())
  const { numUpdatedRows } = await tx.query
    .updateTable('images')
    .set({ status: through, updated_at: now })
    .where('id', '=', imageId)
    .where('status', '=', from)
    .where('deleted', '=', 0)
    .executeTakeFirst()
  if (numUpdatedRows === 0n)
    throw new DataRefused('Conflict', `Image needs to be in '${from}' state to use '${method}' method; it is '${image.status}'.`)
  const described = { name: method, ...(uri === undefined ? {} : { uri: shownSource(uri) }) }
  const input = { image_id: imageId, import_req: { method: described, stores, all_stores_must_succeed: allMustSucceed } }
  const task = await createTask(tx, world, {
    values: {
      type: begin.task_type ?? 'api_image_import',
      owner: image.owner ?? caller.owner ?? '',
      image_id: imageId,
      request_id: caller.requestId ?? null,
      user_id: caller.userId,
      input,
    },
  })
  await enqueue<ImportInput>(tx, world, { name: importKind } as JobKind<ImportInput, unknown>, {
    subject: `image:${imageId}`,
    input: {
      imageId,
      taskId: task.id,
      method,
      stores,
      allMustSucceed,
      ...(uri === undefined ? {} : { uri }),
      ...(expected === undefined ? {} : { expected }),
    },
    ...(caller.requestId === undefined ? {} : { requestId: caller.requestId }),
  })
  await deleteProperties(tx, imageId, ['os_glance_failed_import'], now)
  await writeProperties(tx, imageId, { os_glance_import_task: task.id, os_glance_importing_to_stores: stores.join(',') }, now)
  return task
}

/** An image is `uploading` from the first byte on; what is imported is there to its last. */
async function requireStaged(tx: Tx, imageId: string): Promise<void> {
  const staged = await tx.query
    .selectFrom('image_data')
    .select('id')
    .where('image_id', '=', imageId)
    .where('state', '=', 'staged')
    .executeTakeFirst()
  if (staged === undefined)
    throw new DataRefused('Conflict', `The data of image ${imageId} is still being staged: import it when that has ended.`)
}

export interface ImportEnd {
  readonly input: ImportInput
  readonly failed: readonly string[]
  readonly message: string | null
}

/** The end of an import: the image's last status, its task and what was staged become true together. */
export async function endImport(tx: Tx, world: World, { input, failed, message }: ImportEnd): Promise<void> {
  const { imageId, taskId, method } = input
  const nowMs = world.clock.nowMs()
  const now = timestamp(nowMs)
  const image = await readRow(tx, imageId, { deleted: true })
  await tx.query
    .updateTable('tasks')
    .set({
      status: message === null ? 'success' : 'failure',
      message,
      result: message === null ? json.write({ image_id: imageId }) : null,
      expires_at: timestamp(nowMs + taskLifeMs),
      updated_at: now,
    })
    .where('id', '=', taskId)
    .execute()
  if (image.deleted === 1) return
  await deleteProperties(tx, imageId, internal, now)
  if (failed.length > 0) await writeProperties(tx, imageId, { os_glance_failed_import: failed.join(',') }, now)
  if (method === 'copy-image') return
  const move = (to: 'active' | 'queued') =>
    tx.query
      .updateTable('images')
      .set({ status: to, updated_at: now, ...(to === 'queued' ? emptied : {}) })
      .where('id', '=', imageId)
      .where('status', '=', 'importing')
      .execute()
  if (message === null) {
    await move('active')
    // What was staged is in its stores now.
    await tx.query
      .updateTable('image_data')
      .set({ state: 'garbage', lease_until: null, updated_at: now })
      .where('image_id', '=', imageId)
      .where('state', '=', 'staged')
      .execute()
    return
  }
  await dropLocations(tx, { imageId }, now)
  await move('queued')
}

const emptied = { size: null, virtual_size: null, checksum: null, os_hash_algo: null, os_hash_value: null }
