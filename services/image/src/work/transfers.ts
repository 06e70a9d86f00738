import { createHash } from 'node:crypto'
import { ApiError } from '@murmuration/http'
import type { World } from '@murmuration/world'
import { apiErrorOf, errors } from '../errors.ts'
import { inspect, type Inspection } from '../rules/inspect/index.ts'
import { mostVirtualBytes } from '../rules/limits.ts'
import { refused } from '../rules/refusals.ts'
import type { ImageStatus } from '../rules/status.ts'
import { ourselves, type Caller } from '../store/caller.ts'
import { dataLeaseMs, type DataRow, type Facts } from '../store/data.ts'
import type { ImageData } from '../store/image-data.ts'
import type { Expected } from '../store/imports.ts'
import type { ImageRecord } from '../store/records.ts'
import type { ByteStore, Stores } from './stores/stores.ts'
import { StoreUnavailable } from './stores/unavailable.ts'

export interface Incoming {
  readonly caller: Caller
  readonly image: ImageRecord
  readonly store: ByteStore
  /** Bytes that the sender says will come. */
  readonly announced: number | undefined
  readonly pieces: AsyncIterable<Uint8Array>
  readonly expected?: Expected | undefined
}

export interface Place {
  readonly store: ByteStore
  readonly dataId: string
  readonly size: number
}

export interface Copying {
  readonly image: ImageRecord
  readonly source: Place
  readonly store: ByteStore
  readonly status: ImageStatus
  readonly signal: AbortSignal
}

export interface Transfers {
  /** Bytes from a caller into a store: the image is active afterwards, or as it was before. Throws ApiErrors. */
  upload(incoming: Incoming): Promise<ImageRecord>
  /** Bytes from a caller into the staging store: the image waits for its import afterwards. Nobody judges them yet. */
  stage(incoming: Incoming): Promise<ImageRecord>
  /** Bytes from elsewhere into the staging store, for an import that is under way. */
  stageFetched(incoming: Incoming): Promise<ImageRecord>
  /** Bytes from one store into another, while the image stays in `status`. */
  copy(copying: Copying): Promise<ImageRecord>
  /** Where the bytes of an image can be read now; undefined when no store has them. */
  find(image: ImageRecord): Promise<Place | undefined>
  /**
   * Bytes of an image, in order: from the first store that has them, of those in which it is; where one fails, the next one goes on. A piece
   * is the reader's only until it asks for the next one. Throws ApiErrors, when no store has gone on.
   */
  read(image: ImageRecord, preferred: readonly string[], range: { readonly start: number; readonly end: number }): AsyncIterable<Uint8Array>
  /** Removes what has become garbage of an image. What fails is left to the sweeper. */
  removeBytesOf(imageId: string): Promise<void>
}

export const hashAlgorithm = 'sha512'
/** Reserved at once where nobody knows how much will come. */
const reserveStepBytes = 64 * 1024 * 1024

interface Way {
  readonly from: ImageStatus
  /** While it is written. */
  readonly through: ImageStatus
  readonly to: ImageStatus
  /** Absent: the bytes are staged only. */
  readonly place?: (row: DataRow) => { readonly url: string; readonly metadata: Readonly<Record<string, unknown>> }
}

export function createTransfers(parts: {
  readonly world: World
  readonly data: ImageData
  readonly stores: Stores
  readonly sizeCapBytes: number
}): Transfers {
  const { world, data, stores, sizeCapBytes } = parts

  const placeIn = (store: ByteStore) => (row: DataRow) => ({ url: store.url(row.id), metadata: { store: store.id } })

  /** Claim, write, commit; or give everything back and say why. */
  async function receive(incoming: Incoming, way: Way, inspection: Inspection | undefined): Promise<ImageRecord> {
    const { caller, image, store, announced } = incoming
    if (announced !== undefined && announced > sizeCapBytes) throw errors.tooLarge({ limit: sizeCapBytes })
    const { from, through, to, place } = way
    const begin = { image_id: image.id, store: store.id, bytes: announced ?? 0, from, to: through, formats: formatsOf(image) }
    const row = await said(data.data_begin(caller, begin))
    try {
      const facts = await write(row, incoming, inspection)
      const location = place?.(row)
      return await data.data_commit(ourselves, {
        data_id: row.id,
        facts,
        from: through,
        to,
        ...(location === undefined ? {} : { location }),
      })
    } catch (error) {
      // Its answer got lost, and nothing else.
      if (await committedAfterAll(row, store, through, from)) return await data.image_get(ourselves, { image_id: image.id })
      throw await reasonOf(error, image.id, store.id)
    }
  }

  function upload(incoming: Incoming): Promise<ImageRecord> {
    const { image, store } = incoming
    if (image.disk_format === null || image.container_format === null) throw errors.formatsMissing()
    return receive(incoming, { from: 'queued', through: 'saving', to: 'active', place: placeIn(store) }, inspectionOf(image))
  }

  const stage = (incoming: Incoming): Promise<ImageRecord> =>
    receive(incoming, { from: 'queued', through: 'uploading', to: 'uploading' }, undefined)

  const stageFetched = (incoming: Incoming): Promise<ImageRecord> =>
    receive(incoming, { from: 'importing', through: 'importing', to: 'importing' }, undefined)

  function copy({ image, source, store, status, signal }: Copying): Promise<ImageRecord> {
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for await (const piece of source.store.read(source.dataId, { start: 0, end: source.size - 1 })) {
        signal.throwIfAborted()
        yield piece
      }
    }
    const incoming = { caller: ourselves, image, store, announced: source.size, pieces: pieces() }
    return receive(incoming, { from: status, through: status, to: status, place: placeIn(store) }, inspectionOf(image))
  }

  /** Streams into the store under the claim; what is there afterwards is durable and whole. */
  async function write(row: DataRow, incoming: Incoming, inspection: Inspection | undefined): Promise<Facts> {
    const { store, announced, pieces, expected } = incoming
    const sink = await store.create(row.id)
    const claim = keepClaim(row)
    const [md5, hash] = [createHash('md5'), createHash(hashAlgorithm)]
    let size = 0
    try {
      for await (const piece of pieces) {
        size += piece.length
        if (size > sizeCapBytes) throw errors.tooLarge({ limit: sizeCapBytes })
        if (announced !== undefined && size > announced) throw wrongLength(announced, size)
        await claim.cover(size)
        // The disk writes while we reckon.
        const writing = sink.write(piece)
        md5.update(piece)
        hash.update(piece)
        inspection?.push(piece)
        await writing
        if (inspection?.hopeless !== undefined) throw errors.contentMismatch({ why: inspection.hopeless })
      }
      if (announced !== undefined && size !== announced) throw wrongLength(announced, size)
      const hashValue = hash.digest('hex')
      if (expected !== undefined && expected.os_hash_value !== hashValue) throw errors.hashMismatch({ algorithm: hashAlgorithm })
      const virtualSize = inspection === undefined ? null : virtualSizeOf(inspection)
      await sink.commit()
      return {
        size,
        virtual_size: virtualSize,
        checksum: md5.digest('hex'),
        os_hash_algo: hashAlgorithm,
        os_hash_value: hashValue,
      }
    } catch (error) {
      await sink
        .discard()
        .catch((failure: unknown) => world.log.warn('bytes could not be removed now; the sweeper will', { error: failure }))
      throw error
    } finally {
      claim.end()
    }
  }

  /** Renews the lease while bytes come, and reserves before they are written. */
  function keepClaim(row: DataRow): { cover(size: number): Promise<void>; end(): void } {
    let reserved = row.bytes
    let lost: unknown
    let busy: Promise<unknown> = Promise.resolve()
    const extend = (bytes: number): Promise<unknown> => (busy = busy.then(() => data.data_extend(ourselves, { data_id: row.id, bytes })))
    let timer = watch()
    function watch() {
      return world.timers.after(dataLeaseMs / 3, () => {
        extend(reserved)
          .catch((error: unknown) => {
            // Unreachable for a moment is no loss; a refusal is one.
            if (refused(error)) lost = error
            else busy = Promise.resolve()
          })
          .finally(() => (timer = watch()))
      })
    }
    return {
      async cover(size) {
        if (lost !== undefined) throw lost
        if (size <= reserved) return
        try {
          await extend(size + reserveStepBytes)
          reserved = size + reserveStepBytes
        } catch (error) {
          if (!refused(error, 'StorageQuotaFull')) throw error
          // Not a whole step is free any more: the exact number may be.
          busy = Promise.resolve()
          await extend(size)
          reserved = size
        }
      },
      end: () => timer.cancel(),
    }
  }

  /**
   * Gives up, unless the bytes turn out to be written down: then they stay. The claim is given back first, so that another may try; the
   * bytes are paid for until they are gone.
   */
  async function committedAfterAll(row: DataRow, store: ByteStore, from: ImageStatus, to: ImageStatus): Promise<boolean> {
    try {
      await data.data_fail(ourselves, { data_id: row.id, from, to })
      const rows = await data.data_of_image(ourselves, { image_id: row.image_id })
      if (rows.some(({ id, state }) => id === row.id && state !== 'garbage')) return true
      await store.remove(row.id)
      await data.data_free(ourselves, { data_id: row.id })
    } catch (error) {
      world.log.warn('an upload that failed could not be cleaned up now; the sweeper will', { dataId: row.id, store: store.id, error })
    }
    return false
  }

  async function reasonOf(thrown: unknown, imageId: string, storeId: string): Promise<unknown> {
    // Whatever failed: when the image is gone, that is the reason, and no fault.
    if (!(thrown instanceof ApiError)) {
      const image = await data.image_get(ourselves, { image_id: imageId, force_show_deleted: true }).catch(nothing)
      if (image === undefined || image.deleted) return errors.goneMeanwhile({ id: imageId })
    }
    if (refused(thrown)) return refused(thrown, 'NotFound') ? errors.conflict({ why: thrown.message }) : apiErrorOf(thrown)
    if (thrown instanceof StoreUnavailable) return storeDown(thrown)
    const code = (thrown as { code?: unknown } | null)?.code
    return code === 'ENOSPC' || code === 'EDQUOT' ? errors.storeFull({ store: storeId }, { cause: thrown }) : thrown
  }

  /** Preferred ones first, then in the order of the configuration. */
  function placesOf(image: ImageRecord, preferred: readonly string[]): { readonly store: ByteStore; readonly dataId: string }[] {
    const rank = (id: string): number => {
      const first = preferred.indexOf(id)
      return first >= 0 ? first : preferred.length + Math.max(0, stores.ids.indexOf(id))
    }
    return image.locations
      .flatMap(({ data_id: dataId, metadata }) => {
        const store = typeof metadata['store'] === 'string' ? stores.find(metadata['store']) : undefined
        return dataId === null || store === undefined ? [] : [{ store, dataId }]
      })
      .toSorted((a, b) => rank(a.store.id) - rank(b.store.id))
  }

  return {
    upload,
    stage,
    stageFetched,
    copy,
    async find(image) {
      let down: StoreUnavailable | undefined
      for (const place of placesOf(image, [])) {
        try {
          if (await holds(image, place)) return { ...place, size: image.size as number }
        } catch (error) {
          if (!(error instanceof StoreUnavailable)) throw error
          world.log.warn('a store can not be asked for bytes', { store: error.store, error })
          down = error
        }
      }
      if (down !== undefined) throw storeDown(down)
      return undefined
    },
    async *read(image, preferred, { start, end }) {
      let at = start
      let failed: { readonly error: unknown } | undefined
      for (const place of placesOf(image, preferred)) {
        try {
          if (!(await holds(image, place))) continue
          for await (const piece of place.store.read(place.dataId, { start: at, end, reuse: true })) {
            at += piece.length
            yield piece
          }
          if (at > end) return
          throw new StoreUnavailable(place.store.id, 'be read', { why: 'it ends before the end of the data' })
        } catch (error) {
          world.log.warn('the bytes of an image can not be read from a store', { imageId: image.id, store: place.store.id, error })
          failed = { error }
        }
      }
      const there = await data.image_get(ourselves, { image_id: image.id, force_show_deleted: true }).catch(() => image)
      if (there.deleted) throw errors.imageNotFound({ id: image.id })
      if (failed === undefined) throw errors.noData({ id: image.id })
      throw failed.error instanceof StoreUnavailable ? storeDown(failed.error) : failed.error
    },
    async removeBytesOf(imageId) {
      try {
        for (const row of await data.data_of_image(ourselves, { image_id: imageId })) {
          if (row.state !== 'garbage') continue
          await stores.any(row.store)?.remove(row.id)
          await data.data_free(ourselves, { data_id: row.id })
        }
      } catch (error) {
        world.log.warn('the bytes of a deleted image could not be removed now; the sweeper will', { imageId, error })
      }
    },
  }
}

const formatsOf = ({ disk_format, container_format }: ImageRecord) => ({ disk_format, container_format })

/** Bytes are judged in a plain container only: what is inside of others, its reader unpacks. */
const inspectionOf = (image: ImageRecord): Inspection | undefined =>
  image.container_format === 'bare' && image.disk_format !== null ? inspect(image.disk_format) : undefined

/** Throws when the bytes must not be used under the name that they came with. */
function virtualSizeOf(inspection: Inspection): number | null {
  const { problem, mismatch, virtualSize } = inspection.end()
  if (problem !== undefined) throw mismatch === true ? errors.contentMismatch({ why: problem }) : errors.contentUnsafe({ why: problem })
  if (virtualSize !== undefined && virtualSize > mostVirtualBytes)
    throw errors.virtualTooLarge({ size: virtualSize, limit: mostVirtualBytes })
  return virtualSize ?? null
}

/** What is damaged counts as not there. */
const holds = async ({ size }: ImageRecord, { store, dataId }: Omit<Place, 'size'>): Promise<boolean> => (await store.size(dataId)) === size

const storeDown = (cause: StoreUnavailable) => errors.storeDown({ store: cause.store, why: cause.why }, { cause })

const nothing = (): undefined => undefined

const wrongLength = (announced: number, size: number) =>
  errors.badRequest({ why: `The size of the data (at least ${size} bytes) is not the ${announced} bytes that were announced.` })

async function said<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw refused(error) ? apiErrorOf(error) : error
  }
}
