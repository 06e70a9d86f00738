import {
  createArchive,
  databaseContent,
  isSafeName,
  type ArchiveKey,
  type ArchiveKind,
  type ArchiveWriter,
  type EntryHead,
  type Manifest,
} from '@murmuration/archive'
import { openDatabase, withSnapshot } from '@murmuration/data'
import { databaseUrlOf, type ServiceName, type SiteConfig } from '@murmuration/site/config'
import type { FoundFile, World } from '@murmuration/world'
import { CommandFailed, exitCodes } from '../exit.ts'
import { createFilter, databaseFileOf, entryNames, keyringPath, scopeOf, type Scope } from './scope.ts'

export interface WriteOptions {
  readonly siteFile: string
  readonly kind: ArchiveKind
  readonly output: string
  readonly exclude: readonly string[]
  readonly progress: (line: string) => void
}

/**
 * Archives a site, also while it runs. Each database is as it was at one moment; they follow each other against the order in which
 * services lean on each other (what refers is read before what it refers to), files come after the databases that tell of them, and the
 * sealing keys last: they open whatever was sealed before. Nothing of the site is written to.
 */
export async function writeSiteArchive(world: World, config: SiteConfig, key: ArchiveKey, options: WriteOptions): Promise<Manifest> {
  const scope = scopeOf(config, options.siteFile, options.exclude)
  const keysBefore = await keyIds(world, scope)
  const head = {
    format: 1,
    kind: options.kind,
    site: { name: config.name, role: config.role, region: config.region },
    release: config.softwareVersion,
    createdAt: new Date(world.clock.nowMs()).toISOString(),
    facts: {
      siteFile: scope.siteFile.slice(scope.siteFolder.length + 1),
      siteFolder: scope.siteFolder,
      varFolder: scope.varFolder,
      leftOut: scope.leftOut,
    },
  } as const
  return await createArchive(world, options.output, key, head, async (archive) => {
    await addFile(world, archive, entryNames.siteFile, scope.siteFile)
    for (const service of config.services.toReversed()) await addDatabase(world, config, archive, service, options.progress)
    const { count, bytes } = await addVarFolder(world, config, scope, archive)
    let own = 0
    for (const { option, path } of scope.own) if (await addFile(world, archive, `${entryNames.own}${option}`, path)) own += 1
    options.progress(`files: ${count + own}, ${bytes} bytes`)
    await addFile(world, archive, `${entryNames.varFolder}${keyringPath}`, `${scope.varFolder}/${keyringPath}`)
    refuseRetired(keysBefore, await keyIds(world, scope))
  })
}

async function addDatabase(
  world: World,
  config: SiteConfig,
  archive: ArchiveWriter,
  service: ServiceName,
  progress: (line: string) => void,
): Promise<void> {
  const url = databaseUrlOf(config, service)
  if (url === 'sqlite::memory:')
    throw new CommandFailed(
      exitCodes.usage,
      'The databases of this site are in the memory of its process: there is nothing to keep.',
      'Give it a dataUrl.',
    )
  const file = databaseFileOf(url)
  // Opening it would make it.
  if (file !== undefined && (await world.files.size(file)) === undefined) return progress(`${service}: has no database yet`)
  const startedMs = world.clock.monotonicMs()
  const database = await openDatabase(url, { world, name: service, maxConnections: 1 })
  try {
    await withSnapshot(database, async (source) => {
      const { content, facts } = databaseContent(source)
      const entry = { name: `${entryNames.database}${service}`, kind: 'database', mode: 0o600, facts: { service } } as const
      await archive.add(entry, content, facts)
      const rows = facts().tables.reduce((sum, table) => sum + table.rows, 0)
      progress(`${service}: ${rows} rows in ${facts().tables.length} tables, ${seconds(world.clock.monotonicMs() - startedMs)}`)
    })
  } finally {
    await database.close()
  }
}

/** Files that are opened before it is their turn: reading many small ones is waiting, most of the time. */
const filesAhead = 16

async function addVarFolder(
  world: World,
  config: SiteConfig,
  scope: Scope,
  archive: ArchiveWriter,
): Promise<{ count: number; bytes: number }> {
  const isLeftOut = createFilter(scope, config)
  let [count, bytes] = [0, 0]
  const ahead: { readonly file: FoundFile; readonly opened: Promise<OpenedFile | undefined> }[] = []
  const addNext = async (): Promise<void> => {
    const { file, opened } = ahead.shift()!
    const content = await opened
    if (content === undefined) return
    await archive.add(fileEntry(`${entryNames.varFolder}${file.path}`, file.mode), content)
    count += 1
    bytes += file.sizeBytes
  }
  try {
    for await (const file of world.files.walk(scope.varFolder)) {
      if (isLeftOut(file.path)) continue
      refuseOddName(scope, file.path)
      const opened = openFile(world, `${scope.varFolder}/${file.path}`)
      opened.catch(() => undefined)
      ahead.push({ file, opened })
      if (ahead.length > filesAhead) await addNext()
    }
    while (ahead.length > 0) await addNext()
  } finally {
    for (const { opened } of ahead) await opened.then((content) => content?.close()).catch(() => undefined)
  }
  return { count, bytes }
}

function refuseOddName(scope: Scope, path: string): void {
  if (isSafeName(`${entryNames.varFolder}${path}`)) return
  throw new CommandFailed(
    exitCodes.refused,
    `The name of ${JSON.stringify(`${scope.varFolder}/${path}`)} can not be kept in an archive.`,
    'Rename the file, or leave it out with --exclude.',
  )
}

/** Nobody but the owner writes to a restored file, whatever it was before. */
const fileEntry = (name: string, mode: number): EntryHead => ({ name, kind: 'file', mode: mode & 0o755, facts: {} })

async function addFile(world: World, archive: ArchiveWriter, name: string, path: string): Promise<boolean> {
  const content = await openFile(world, path)
  if (content === undefined) return false
  await archive.add(fileEntry(name, (await world.files.mode?.(path)) ?? 0o600), content)
  return true
}

type OpenedFile = AsyncIterable<Uint8Array> & { close(): Promise<void> }

/** With its first piece read. Undefined when it is not there (any more): what a running site has just removed is no part of it. */
async function openFile(world: World, path: string): Promise<OpenedFile | undefined> {
  const pieces = world.files.stream(path)[Symbol.asyncIterator]()
  let first: IteratorResult<Uint8Array> | undefined
  try {
    first = await pieces.next()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const close = async (): Promise<void> => void (await pieces.return?.())
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      for (let piece = first!; piece.done !== true; piece = await pieces.next()) {
        first = undefined
        yield piece.value
      }
    } finally {
      await close()
    }
  }
  return Object.assign(all(), { close })
}

/** Which keys the key file holds. */
async function keyIds(world: World, scope: Scope): Promise<readonly string[]> {
  const bytes = await world.files.read(`${scope.varFolder}/${keyringPath}`)
  if (bytes === undefined) return []
  const { keys } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { keys: readonly { id: string }[] }
  return keys.map((key) => key.id)
}

/** Rows may be sealed with any key that was there when the first was read. */
function refuseRetired(before: readonly string[], after: readonly string[]): void {
  if (before.every((id) => after.includes(id))) return
  throw new CommandFailed(
    exitCodes.conflict,
    'The sealing keys were rotated while the archive was made.',
    'Make it again when murmur secrets rotate has ended.',
  )
}

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
