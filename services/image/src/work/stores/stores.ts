import type { SiteConfig } from '@murmuration/site'
import type { FileRange, FileWriter, World } from '@murmuration/world'
import { createFileStore } from './file-store.ts'
import { owned } from './owner.ts'
import { readCredentials } from './s3-credentials.ts'

/** A place for bytes. Their name in it is the id of their row in `image_data`, never anything that a caller said. */
export interface ByteStore {
  readonly id: string
  readonly type: 'file' | 's3'
  /** For `GET /v2/info/stores/detail`; nothing secret. */
  readonly properties: Readonly<Record<string, unknown>>
  /** Rejects with EEXIST where the id is taken. */
  create(dataId: string): Promise<FileWriter>
  /** With `reuse` a piece is the reader's only until it asks for the next one. */
  read(dataId: string, range: FileRange): AsyncIterable<Uint8Array>
  /** Undefined when there is nothing. */
  size(dataId: string): Promise<number | undefined>
  /** Fine when there is nothing. */
  remove(dataId: string): Promise<void>
  /** Every id that something lies under, in pages. */
  list(): AsyncIterable<readonly string[]>
  /** What was begun and neither committed nor discarded: being written, or left by a process that died. */
  unfinished(): AsyncIterable<string>
  /** What was begun under the id and not committed; nobody writes it any more. */
  removeUnfinished(dataId: string): Promise<void>
  url(dataId: string): string
  /** Where other sites may write as well. */
  readonly mark?: OwnerMark
  close?(): void
}

/** Says in a store whose it is. */
export interface OwnerMark {
  /** Undefined: nobody's yet. */
  read(): Promise<string | undefined>
  write(site: string): Promise<void>
}

export interface Stores {
  /** Whose they are. */
  readonly site: string
  readonly all: readonly ByteStore[]
  readonly ids: readonly string[]
  readonly several: boolean
  readonly default: ByteStore
  /** For bytes between stage and import; no store of `all`. */
  readonly staging: ByteStore
  find(id: string): ByteStore | undefined
  /** The staging store too: for what is written down about bytes. */
  any(id: string): ByteStore | undefined
  close(): void
}

/** The original calls its staging store so. */
export const stagingId = 'os_glance_staging_store'

/** Throws where a store has no keys. */
export async function createStores(world: World, config: Pick<SiteConfig, 'name' | 'image'>): Promise<Stores> {
  const { name: site, image } = config
  const all: ByteStore[] = []
  for (const store of image.stores) {
    if (store.type === 'file') {
      all.push(createFileStore(world, store.id, store.folder))
      continue
    }
    await readCredentials(world, image.s3CredentialsFile, store.id)
    // The SDK is loaded by those who use it only.
    const { createS3Store } = await import('./s3-store.ts')
    all.push(owned(createS3Store(world, store, image.s3CredentialsFile), site))
  }
  const staging = createFileStore(world, stagingId, image.stagingFolder)
  const byId = new Map(all.map((store) => [store.id, store]))
  return {
    site,
    all,
    ids: all.map(({ id }) => id),
    several: all.length > 1,
    default: all[0]!,
    staging,
    find: (id) => byId.get(id),
    any: (id) => (id === stagingId ? staging : byId.get(id)),
    close: () => all.forEach((store) => store.close?.()),
  }
}
