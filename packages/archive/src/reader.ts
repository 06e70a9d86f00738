import { createHash } from 'node:crypto'
import type { World } from '@murmuration/world'
import { createByteReader, type ByteReader } from './byte-reader.ts'
import { longestSealedBytes, open, shortestSealedBytes, unpack, type RecordKind } from './chunks.ts'
import { damaged, unsafe } from './errors.ts'
import { headerBytes, openHeader, type OpenedHeader } from './header.ts'
import type { ArchiveKey } from './key.ts'
import { limits } from './limits.ts'
import { readEnd, readEntry, readHead, readTotals, type ArchiveHead, type EntryHead, type EntrySummary, type Manifest } from './manifest.ts'
import { createNameSet } from './names.ts'

export interface ArchiveVisitor {
  /** Before anything else; throw to refuse the archive. */
  head?(head: ArchiveHead): Promise<void> | void
  /**
   * Each entry in its order; what it does not read of the content is read, and proven, all the same. What it has read is proven piece by
   * piece, but only the whole archive is worth acting upon.
   */
  entry?(entry: EntryHead, content: AsyncIterable<Uint8Array>): Promise<void>
  /** After an entry: compare what was seen with what its maker saw. */
  end?(summary: EntrySummary): Promise<void> | void
  progress?(bytesRead: number): void
}

/**
 * Reads an archive from beginning to end and proves every byte of it. Writes nothing; memory does not grow. Throws ArchiveRefused, or
 * what the visitor throws.
 */
export async function readArchive(world: World, path: string, key: ArchiveKey, visitor: ArchiveVisitor = {}): Promise<Manifest> {
  const bytes = createByteReader(world, path)
  try {
    const opened = await openHeader(await bytes.take(headerBytes), key)
    return await readRecords(bytes, records(bytes, opened), visitor)
  } finally {
    await bytes.close()
  }
}

interface ArchiveRecord {
  readonly kind: RecordKind
  readonly payload: Uint8Array
  readonly last: boolean
}

async function* records(bytes: ByteReader, opened: OpenedHeader): AsyncGenerator<ArchiveRecord> {
  for (let number = 0; ; number += 1) {
    const length = Buffer.from(await bytes.take(4))
    const sealedBytes = length.length === 4 ? length.readUInt32BE() : 0
    if (sealedBytes < shortestSealedBytes || sealedBytes > longestSealedBytes) throw damaged(`chunk ${number}`)
    const sealed = await bytes.take(sealedBytes)
    if (sealed.length < sealedBytes) throw damaged('it ends in the middle')
    const last = await bytes.atEnd()
    yield { ...(await unpack(open(opened, number, last, sealed))), last }
    if (last) return
  }
}

async function readRecords(bytes: ByteReader, source: AsyncGenerator<ArchiveRecord>, visitor: ArchiveVisitor): Promise<Manifest> {
  const next = async (): Promise<ArchiveRecord> => {
    const { value } = await source.next()
    if (value === undefined) throw damaged('it has no end')
    visitor.progress?.(bytes.position)
    return value
  }
  const first = await next()
  if (first.kind !== 'head') throw damaged('its first record')
  const head = readHead(first.payload)
  await visitor.head?.(head)

  const entries: EntrySummary[] = []
  const names = createNameSet()
  let contentBytes = 0
  for (;;) {
    const record = await next()
    if (record.kind === 'manifest') {
      const totals = readTotals(record.payload)
      if (!record.last || totals.entries !== entries.length || totals.contentBytes !== contentBytes) throw damaged('its last record')
      return { head, entries, contentBytes, archiveBytes: bytes.position, archiveSha256: bytes.digest() }
    }
    if (record.kind !== 'entry') throw damaged('a record out of order')
    const entry = readEntry(record.payload)
    if (entries.length >= limits.entries) throw unsafe(`it has more than ${limits.entries} files`)
    if (!names.add(entry.name)) throw unsafe(`it has ${entry.name} twice`)
    const read = createContent(next, limits.contentBytes - contentBytes)
    await visitor.entry?.(entry, read.content)
    for await (const _ of read.content);
    const end = readEnd((await read.end()).payload)
    if (end.bytes !== read.bytes() || end.sha256 !== read.digest()) throw damaged(`the content of ${entry.name}`)
    contentBytes += end.bytes
    const summary = { ...entry, ...end }
    entries.push(summary)
    await visitor.end?.(summary)
  }
}

/** The data of one entry, until the record that is its end. Going on with it after a break gives the rest. */
function createContent(next: () => Promise<ArchiveRecord>, bytesMost: number) {
  const hash = createHash('sha256')
  let bytes = 0
  let end: ArchiveRecord | undefined
  const step = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    if (end !== undefined) return { done: true, value: undefined }
    const record = await next()
    if (record.kind === 'end') {
      end = record
      return { done: true, value: undefined }
    }
    if (record.kind !== 'data') throw damaged('a record out of order')
    bytes += record.payload.length
    if (bytes > bytesMost) throw unsafe(`it holds more than ${limits.contentBytes} bytes`)
    hash.update(record.payload)
    return { done: false, value: record.payload }
  }
  return {
    content: { [Symbol.asyncIterator]: () => ({ next: step }) } as AsyncIterable<Uint8Array>,
    bytes: () => bytes,
    digest: () => hash.digest('hex'),
    async end(): Promise<ArchiveRecord> {
      if (end === undefined) throw damaged('an entry without an end')
      return end
    },
  }
}
