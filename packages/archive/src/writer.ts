import { createHash } from 'node:crypto'
import type { World } from '@murmuration/world'
import { pack, seal, type RecordKind } from './chunks.ts'
import { ArchiveRefused, unsafe } from './errors.ts'
import { makeHeader } from './header.ts'
import type { ArchiveKey } from './key.ts'
import { limits } from './limits.ts'
import type { ArchiveHead, EntryHead, EntrySummary, Facts, Manifest } from './manifest.ts'
import { createNameSet, isSafeName } from './names.ts'

/** Chunks that are being compressed, or wait for those before them: what keeps a second core busy. */
const chunksAtOnce = 4

export interface ArchiveWriter {
  /** Adds one entry; `result` is asked after the last byte. One at a time. */
  add(entry: EntryHead, content: AsyncIterable<Uint8Array>, result?: () => Facts): Promise<EntrySummary>
}

/**
 * Writes an archive atomically: the file is there whole, or not at all. Memory does not grow with what is put in. Throws what `fill`
 * throws, after removing every trace.
 */
export async function createArchive(
  world: World,
  path: string,
  key: ArchiveKey,
  head: ArchiveHead,
  fill: (archive: ArchiveWriter) => Promise<void>,
): Promise<Manifest> {
  const opened = await makeHeader(key, world.random.bytes(32))
  const file = await world.files.create(path, { mode: 0o600 })
  const hash = createHash('sha256')
  let archiveBytes = 0
  let held: Uint8Array[] = []
  let heldBytes = 0
  const flush = async (): Promise<void> => {
    const bytes = Buffer.concat(held)
    held = []
    heldBytes = 0
    await file.write(bytes)
  }
  // Thousands of small files make tens of thousands of small chunks: they go to the disk together.
  const write = async (bytes: Uint8Array): Promise<void> => {
    hash.update(bytes)
    archiveBytes += bytes.length
    held.push(bytes)
    heldBytes += bytes.length
    if (heldBytes >= limits.chunkBytes) await flush()
  }
  let number = 0
  const line = inLine(chunksAtOnce)
  const record = (kind: RecordKind, payload: Uint8Array, last = false): Promise<void> => {
    const packing = pack(kind, payload)
    const own = number++
    return line(async () => write(seal(opened, own, last, await packing)))
  }
  const told = (kind: RecordKind, value: object, last = false): Promise<void> => {
    const payload = Buffer.from(JSON.stringify(value))
    if (payload.length > limits.chunkBytes) throw unsafe('what it says of one entry is too long')
    return record(kind, payload, last)
  }

  const entries: EntrySummary[] = []
  const names = createNameSet()
  let contentBytes = 0
  const archive: ArchiveWriter = {
    async add(entry, content, result = () => ({})) {
      if (!isSafeName(entry.name) || !names.add(entry.name)) throw unsafe(`the name ${JSON.stringify(entry.name)} can not be kept`)
      if (entries.length >= limits.entries) throw unsafe(`it would have more than ${limits.entries} files`)
      await told('entry', entry)
      const own = createHash('sha256')
      let bytes = 0
      for await (const piece of chunked(content)) {
        own.update(piece)
        bytes += piece.length
        await record('data', piece)
      }
      contentBytes += bytes
      if (contentBytes > limits.contentBytes) throw unsafe(`it would hold more than ${limits.contentBytes} bytes`)
      const end = { bytes, sha256: own.digest('hex'), result: result() }
      await told('end', end)
      entries.push({ ...entry, ...end })
      return { ...entry, ...end }
    },
  }
  try {
    await write(opened.header)
    await told('head', head)
    await fill(archive)
    await told('manifest', { entries: entries.length, contentBytes }, true)
    await line.done()
    await flush()
    await file.commit()
  } catch (error) {
    await line.done().catch(() => undefined)
    await file.discard()
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOSPC') throw new ArchiveRefused('missing', `There is no room for the archive ${path}.`, { cause: error })
    throw error
  }
  return { head, entries, contentBytes, archiveBytes, archiveSha256: hash.digest('hex') }
}

/** Runs one after the other what was begun together; asking waits while too many are under way. Fails for all once one has failed. */
function inLine(most: number): ((work: () => Promise<void>) => Promise<void>) & { done(): Promise<void> } {
  let tail: Promise<void> = Promise.resolve()
  const waiting: Promise<void>[] = []
  const line = async (work: () => Promise<void>): Promise<void> => {
    tail = tail.then(work)
    // It is told to whoever asks next, or at the end.
    tail.catch(() => undefined)
    waiting.push(tail)
    if (waiting.length >= most) await waiting.shift()
  }
  return Object.assign(line, { done: () => tail })
}

/** Pieces of any length as chunks of the longest. */
async function* chunked(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = []
  let heldBytes = 0
  for await (const piece of content) {
    for (let from = 0; from < piece.length;) {
      const part = piece.subarray(from, from + limits.chunkBytes - heldBytes)
      held.push(part)
      heldBytes += part.length
      from += part.length
      if (heldBytes === limits.chunkBytes) {
        yield Buffer.concat(held)
        held = []
        heldBytes = 0
      }
    }
  }
  if (heldBytes > 0) yield Buffer.concat(held)
}
