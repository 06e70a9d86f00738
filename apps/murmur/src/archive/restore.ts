import {
  isSafeName,
  readArchive,
  readDatabase,
  type ArchiveHead,
  type ArchiveKey,
  type EntryHead,
  type Manifest,
} from '@murmuration/archive'
import { DatabaseError, loadDatabase, openDatabase } from '@murmuration/data'
import { databaseUrlOf, type ServiceName } from '@murmuration/site/config'
import type { World } from '@murmuration/world'
import { serviceNamed, upkeepOf, type Upkeep } from '../commands/upkeep.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { beginExchange, endExchange, exchangeFolders, exists, settleInterrupted } from './exchange.ts'
import { createPool } from './pool.ts'
import { planRestore, refuseInUse, type RestorePlan } from './plan.ts'
import { verifySiteArchive } from './read.ts'
import { below, besides, databaseFileOf, entryNames } from './scope.ts'
import { seconds } from './write.ts'

export interface RestoreOptions {
  readonly input: string
  readonly siteFolder: string
  readonly varFolder?: string
  readonly dataUrl?: string
  /** Throws for an archive that is not meant. */
  readonly accept: (head: ArchiveHead) => void
  readonly progress: (line: string) => void
}

/**
 * Brings an archived site back. Nothing is changed before every byte of the archive is proven; then all of it is put beside the site
 * and takes its place at once. Interrupted anywhere, the old state or the new one is there, or the site does not start until the
 * restore was run again, which finishes it.
 */
export async function restoreSite(
  world: World,
  environment: Readonly<Record<string, string | undefined>>,
  key: ArchiveKey,
  options: RestoreOptions,
): Promise<{ manifest: Manifest; plan: RestorePlan; notes: readonly string[] }> {
  const { input, siteFolder } = options
  const archive = await verifySiteArchive(world, input, key, options.accept)
  options.progress(`archive: ${archive.manifest.archiveBytes} bytes, all of them proven`)
  const plan = await planRestore(world, environment, archive, options)
  await refuseInUse(world, environment, plan)
  await settleInterrupted(world, siteFolder)

  const { exchange } = plan
  const staging = besides.staging(exchange.folder)
  await world.files.remove(staging)
  if (exchange.external) await beginExchange(world, siteFolder, exchange)
  const elsewhere: Elsewhere[] = []
  try {
    const again = await unpack(world, key, plan, options, elsewhere)
    if (again.archiveSha256 !== archive.manifest.archiveSha256)
      throw new CommandFailed(exitCodes.conflict, 'The archive was exchanged while it was read.', 'Run the restore again.')
    if (!exchange.external) await beginExchange(world, siteFolder, exchange)
    // It may have been started while we were busy; from the journal on it can't.
    await refuseInUse(world, environment, plan)
  } catch (error) {
    await world.files.remove(staging)
    if (!exchange.external) await endExchange(world, siteFolder)
    throw error
  }
  await exchangeFolders(world, exchange)
  const notes = await putElsewhere(world, plan, elsewhere)
  await endExchange(world, siteFolder)
  return { manifest: archive.manifest, plan, notes }
}

/** A file that is not in the folder that is exchanged: small, and put where it belongs at the end. */
interface Elsewhere {
  readonly path: string
  readonly mode: number
  readonly data: Uint8Array
}
const longestElsewhereBytes = 1024 * 1024

/** Of a state that is there. One that can't be read (that may be why it is replaced) has nothing to say. */
async function readPresent(
  world: World,
  plan: RestorePlan,
  service: ServiceName,
  keep: NonNullable<Upkeep['keep']>,
  progress: RestoreOptions['progress'],
): Promise<unknown> {
  const url = databaseUrlOf(plan.config, service)
  const file = databaseFileOf(url)
  if (file !== undefined && (await world.files.size(file)) === undefined) return undefined
  try {
    const present = await openDatabase(url, { world, name: service, maxConnections: 1 })
    try {
      const migrated = (await present.migrationStatus({})).length > 0
      return migrated ? await keep(present) : undefined
    } finally {
      await present.close()
    }
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error
    progress(`${service}: the present database can not be read, and is replaced (${error.message})`)
    return undefined
  }
}

/** Small files are written so many at once: each waits for the disk, and a disk serves many in the time of one. */
const filesAtOnce = 32
const smallFileBytes = 256 * 1024

async function unpack(
  world: World,
  key: ArchiveKey,
  plan: RestorePlan,
  options: RestoreOptions,
  elsewhere: Elsewhere[],
): Promise<Manifest> {
  const pool = createPool(filesAtOnce)
  try {
    return await readArchive(world, options.input, key, {
      async entry(entry, content) {
        if (entry.kind === 'database') return loadInto(world, plan, serviceOf(entry), content, options.progress)
        const path = pathOf(plan, entry)
        const own = entry.name === entryNames.siteFile ? asContent(plan.siteFileText) : content
        const staged = plan.staged(path)
        if (staged === path) elsewhere.push({ path, mode: entry.mode, data: await smallContent(entry, own) })
        else await writeFile(world, pool, staged, entry.mode, own)
      },
    })
  } finally {
    await pool.drain()
  }
}

function serviceOf(entry: EntryHead): ServiceName {
  const name = entry.name.startsWith(entryNames.database) ? entry.name.slice(entryNames.database.length) : ''
  return serviceNamed(name)
}

/** The one place where names of an archive become paths: only below `varFolder`, or a path that the site file names. */
function pathOf({ scope }: RestorePlan, { name }: EntryHead): string {
  if (name === entryNames.siteFile) return scope.siteFile
  const inVar = name.startsWith(entryNames.varFolder) ? name.slice(entryNames.varFolder.length) : undefined
  const path =
    inVar === undefined ? scope.own.find((own) => name === `${entryNames.own}${own.option}`)?.path : `${scope.varFolder}/${inVar}`
  const safe = path !== undefined && (inVar === undefined || (isSafeName(inVar) && (below(scope.varFolder, path) ?? '') !== ''))
  if (!safe) throw new CommandFailed(exitCodes.refused, `The archive holds ${JSON.stringify(name)}, which is no part of a site.`)
  return path
}

async function loadInto(
  world: World,
  plan: RestorePlan,
  service: ServiceName,
  content: AsyncIterable<Uint8Array>,
  progress: RestoreOptions['progress'],
): Promise<void> {
  const startedMs = world.clock.monotonicMs()
  const { url, external } = plan.database(service)
  const { migrations, ahead, keep, afterRestore } = await upkeepOf[service]()
  const kept = keep === undefined ? undefined : await readPresent(world, plan, service, keep, progress)
  const database = await openDatabase(url, { world, name: service, maxConnections: 2 })
  try {
    const source = await readDatabase(content)
    const tables = await loadDatabase(database, migrations, source, { replace: external, ...(ahead === undefined ? {} : { ahead }) })
    await source.finish()
    await database.migrate(migrations)
    await afterRestore?.(world, database, kept)
    const rows = tables.reduce((sum, table) => sum + table.rows, 0)
    progress(`${service}: ${rows} rows in ${tables.length} tables, ${seconds(world.clock.monotonicMs() - startedMs)}`)
  } finally {
    await database.close()
  }
}

async function writeFile(
  world: World,
  pool: ReturnType<typeof createPool>,
  path: string,
  mode: number,
  content: AsyncIterable<Uint8Array>,
): Promise<void> {
  const pieces = content[Symbol.asyncIterator]()
  let bytes = 0
  const held: Uint8Array[] = []
  for (let piece = await pieces.next(); piece.done !== true; piece = await pieces.next()) {
    held.push(piece.value)
    bytes += piece.value.length
    if (bytes > smallFileBytes) return writeLargeFile(world, path, mode, held, pieces)
  }
  await pool.run(() => world.files.write(path, Buffer.concat(held), { mode }))
}

async function writeLargeFile(
  world: World,
  path: string,
  mode: number,
  held: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array>,
): Promise<void> {
  const file = await world.files.create(path, { mode })
  try {
    for (const piece of held) await file.write(piece)
    for (let piece = await rest.next(); piece.done !== true; piece = await rest.next()) await file.write(piece.value)
    await file.commit()
  } catch (error) {
    await file.discard()
    throw error
  }
}

async function* asContent(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

async function smallContent({ name }: EntryHead, content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of content) {
    bytes += piece.length
    if (bytes > longestElsewhereBytes) throw new CommandFailed(exitCodes.refused, `${name} of the archive is too long for what it is.`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

/** Files of the site folder are replaced; elsewhere a file that is there may be somebody else's, and stays. */
async function putElsewhere(world: World, { scope }: RestorePlan, files: readonly Elsewhere[]): Promise<string[]> {
  const notes: string[] = []
  for (const { path, mode, data } of files) {
    if (below(scope.siteFolder, path) === undefined && (await exists(world, path))) {
      const same = Buffer.from(data).equals(Buffer.from((await world.files.read(path)) ?? []))
      if (!same) notes.push(`${path} is another one than in the archive, and was left as it is`)
    } else await world.files.write(path, data, { mode })
  }
  return notes
}
