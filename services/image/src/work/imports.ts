import { defineJob, TerminalError, type JobContext, type JobKind, type JobRow } from '@murmuration/jobs'
import { json } from '@murmuration/data'
import { ApiError } from '@murmuration/http'
import type { World } from '@murmuration/world'
import { errors } from '../errors.ts'
import type { SourceRules } from '../rules/import-source.ts'
import { endImport, importKind, importWays, type ImportInput } from '../store/imports.ts'
import { ourselves } from '../store/caller.ts'
import type { ImageData } from '../store/image-data.ts'
import type { ImageRecord } from '../store/records.ts'
import type { Tx } from '../store/schema.ts'
import { storesOf } from '../wire/image.ts'
import { openSource, SourceFailed } from './download.ts'
import type { Stores } from './stores/stores.ts'
import type { Transfers } from './transfers.ts'

export interface ImportResult {
  /** Stores that do not have the bytes, although they should. */
  readonly failed: readonly string[]
}

const importsAtOnce = 4
const attempts = 3

/**
 * Brings bytes into the stores that an import names, one after the other. A store that has them already is passed over, so a run after a
 * crash goes on where the last one was; what the last one was writing is taken for garbage by the sweeper.
 */
export function importJob(parts: {
  readonly data: ImageData
  readonly stores: Stores
  readonly transfers: Transfers
  readonly world: World
  readonly sources: SourceRules
  readonly sizeCapBytes: number
}): JobKind<ImportInput, ImportResult> {
  const { data, stores, transfers, world, sources } = parts

  const stagedOf = async ({ imageId }: ImportInput) =>
    (await data.data_of_image(ourselves, { image_id: imageId })).find(({ state }) => state === 'staged')

  /** Into the staging store first: every store then gets the same bytes, and a source is read once. */
  async function download(input: ImportInput, uri: string, signal: AbortSignal): Promise<null> {
    if ((await stagedOf(input)) !== undefined) return null
    const image = await data.image_get(ourselves, { image_id: input.imageId })
    if (image.deleted) throw new TerminalError('The image was deleted while it was imported.')
    try {
      const source = await openSource(world, sources, uri, signal)
      try {
        if (source.stated !== undefined && source.stated > parts.sizeCapBytes) throw errors.tooLarge({ limit: parts.sizeCapBytes })
        await transfers.stageFetched({
          caller: ourselves,
          image,
          store: stores.staging,
          announced: undefined,
          pieces: source.pieces,
          expected: input.expected,
        })
      } finally {
        source.discard()
      }
      return null
    } catch (error) {
      if (error instanceof ApiError && error.status < 500) throw new TerminalError(error.message)
      if (error instanceof SourceFailed && error.final) throw new TerminalError(errors.sourceRefused({ why: error.message }).message)
      throw error
    }
  }

  async function bring({ input, signal, attempt }: JobContext<ImportInput>, storeId: string): Promise<string | null> {
    const image = await data.image_get(ourselves, { image_id: input.imageId })
    if (image.deleted) throw new TerminalError('The image was deleted while it was imported.')
    if (storesOf(image.locations).includes(storeId)) return null
    const store = stores.find(storeId)
    if (store === undefined) return `there is no store ${storeId} any more`
    const source = await sourceOf(input, image)
    if (source === undefined) throw new TerminalError('The data to be imported is not there any more.')
    const { through } = importWays[input.method]
    try {
      await transfers.copy({ image, source, store, status: through, signal })
      return null
    } catch (error) {
      // Whatever the bytes are guilty of, another attempt would find again; and a store that is still down must not keep the others from theirs.
      if (error instanceof ApiError && (error.status < 500 || attempt >= attempts)) return error.message
      throw error
    }
  }

  async function sourceOf(input: ImportInput, image: ImageRecord) {
    if (input.method === 'copy-image') return transfers.find(image)
    const staged = await stagedOf(input)
    return staged === undefined ? undefined : { store: stores.staging, dataId: staged.id, size: staged.bytes }
  }

  return defineJob<ImportInput, ImportResult>({
    name: importKind,
    concurrency: importsAtOnce,
    retry: { attempts, baseMs: 1_000, capMs: 10_000 },
    async run(context) {
      const { input, signal } = context
      const failed: string[] = []
      const reasons: string[] = []
      const { uri } = input
      if (uri !== undefined) {
        context.progress('the data is fetched')
        await context.step('download', () => download(input, uri, signal))
      }
      for (const store of input.stores) {
        context.progress(`${store}: the data comes`)
        const reason = await context.step(`store ${store}`, () => bring(context, store))
        if (reason === null) continue
        failed.push(store)
        reasons.push(`${store}: ${reason}`)
        if (input.allMustSucceed) break
      }
      if (failed.length > 0 && (input.allMustSucceed || failed.length === input.stores.length)) throw new TerminalError(reasons.join('; '))
      return { failed }
    },
    async settle(tx: Tx, job: JobRow, outcome, world) {
      const input = json.read(job.input) as ImportInput
      if (outcome.state === 'done') return endImport(tx, world, { input, failed: outcome.output?.failed ?? [], message: null })
      const message = outcome.error instanceof Error ? outcome.error.message : `the import was ${outcome.state}`
      return endImport(tx, world, { input, failed: input.stores, message })
    },
  })
}
