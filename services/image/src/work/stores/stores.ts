import type { SiteConfig } from '@murmuration/site'
import type { FileWriter, World } from '@murmuration/world'
import { createFileStore } from './file-store.ts'

/** A place for bytes. Their name in it is the id of their row in `image_data`, never anything that a caller said. */
export interface ByteStore {
  readonly id: string
  readonly type: 'file' | 's3'
  /** For `GET /v2/info/stores/detail`; nothing secret. */
  readonly properties: Readonly<Record<string, unknown>>
  /** Rejects with EEXIST where the id is taken. */
  create(dataId: string): Promise<FileWriter>
  read(dataId: string, range: { readonly start: number; readonly end: number }): AsyncIterable<Uint8Array>
  /** Undefined when there is nothing. */
  size(dataId: string): Promise<number | undefined>
  /** Fine when there is nothing. */
  remove(dataId: string): Promise<void>
  /** Every id that something lies under, in pages. */
  list(): AsyncIterable<readonly string[]>
  /** What was begun and neither committed nor discarded: being written, or left by a process that died. */
  unfinished(): AsyncIterable<string>
  url(dataId: string): string
}

export interface Stores {
  readonly all: readonly ByteStore[]
  readonly ids: readonly string[]
  readonly several: boolean
  readonly default: ByteStore
  /** For bytes between stage and import; no store of `all`. */
  readonly staging: ByteStore
  find(id: string): ByteStore | undefined
  /** The staging store too: for what is written down about bytes. */
  any(id: string): ByteStore | undefined
}

/** The original calls its staging store so. */
export const stagingId = 'os_glance_staging_store'

export function createStores(world: World, config: Pick<SiteConfig, 'image'>): Stores {
  const { image } = config
  const all = image.stores.map((store): ByteStore => {
    if (store.type === 'file') return createFileStore(world, store.id, store.folder)
    throw new Error(`the store ${store.id} has type ${store.type}, which this version does not know`)
  })
  const staging = createFileStore(world, stagingId, image.stagingFolder)
  const byId = new Map(all.map((store) => [store.id, store]))
  return {
    all,
    ids: all.map(({ id }) => id),
    several: all.length > 1,
    default: all[0]!,
    staging,
    find: (id) => byId.get(id),
    any: (id) => (id === stagingId ? staging : byId.get(id)),
  }
}
