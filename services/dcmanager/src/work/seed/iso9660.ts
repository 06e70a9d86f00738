import type { World } from '@murmuration/world'
import { readPieces, sizeOf, type Piece } from './pieces.ts'

/**
 * As much of ISO 9660 as a seed needs: files in the root of an image of their own, and files added to the root of an image that is there.
 * Names are in capitals, as the standard has it; whoever mounts such an image reads them in small letters.
 */
export interface IsoFile {
  /** Small letters, digits, `.`, `-` and `_`, at most 28. */
  readonly name: string
  readonly content: Piece
}

const sectorBytes = 2_048
const firstDescriptor = 16
/** So many descriptors are looked at: images have two to four. */
const descriptorsMost = 16
const rootRecordAt = 156
const rootRecordBytes = 34
/** A root that is larger is not one of an installation image, and is not read into memory. */
const rootBytesMost = 1024 * 1024

/** Not an image that files could be added to. */
export class NotIso extends Error {
  override readonly name = 'NotIso'
}

/** An image whose root holds these files, with a label by which it is found. */
export function isoImage(label: string, files: readonly IsoFile[]): readonly Piece[] {
  const [little, big, root, firstFile] = [18, 19, 20, 21]
  const placed = place(files, firstFile)
  const records = placed.files.map((file) => fileRecord(plainName(file.name), file))
  const directory = rootDirectory(root, records)
  if (directory.length > sectorBytes) throw new Error('too many files for a seed')
  const descriptor = Buffer.alloc(sectorBytes)
  descriptor.write('\u0001CD001\u0001', 0, 'latin1')
  text(descriptor, 8, 32, '')
  text(descriptor, 40, 32, label)
  both32(descriptor, 80, placed.end)
  both16(descriptor, 120, 1)
  both16(descriptor, 124, 1)
  both16(descriptor, 128, sectorBytes)
  both32(descriptor, 132, 10)
  descriptor.writeUInt32LE(little, 140)
  descriptor.writeUInt32BE(big, 148)
  selfRecord(root, directory.length, 0).copy(descriptor, rootRecordAt)
  for (const [at, length] of [
    [190, 128],
    [318, 128],
    [446, 128],
    [574, 128],
    [702, 37],
    [739, 37],
    [776, 37],
  ] as const)
    text(descriptor, at, length, '')
  for (const at of [813, 830, 847, 864]) descriptor.write('0000000000000000', at, 'latin1')
  descriptor[881] = 1
  const terminator = Buffer.alloc(sectorBytes)
  terminator.write('\u00ffCD001\u0001', 0, 'latin1')
  const table = (endian: 'LE' | 'BE'): Buffer => {
    const path = Buffer.alloc(sectorBytes)
    path[0] = 1
    if (endian === 'LE') {
      path.writeUInt32LE(root, 2)
      path.writeUInt16LE(1, 6)
    } else {
      path.writeUInt32BE(root, 2)
      path.writeUInt16BE(1, 6)
    }
    return path
  }
  const head = Buffer.concat([Buffer.alloc(firstDescriptor * sectorBytes), descriptor, terminator, table('LE'), table('BE'), directory])
  return [{ data: head }, ...placed.pieces, fill(placed.end)]
}

/**
 * An image that is there, and these files in its root as well. Its file is neither copied nor changed: what differs are its descriptors,
 * and what follows its end. What boots from it boots as before, since nothing of it has moved.
 */
export async function graftIso(
  files: Pick<World['files'], 'size' | 'stream'>,
  path: string,
  added: readonly IsoFile[],
): Promise<readonly Piece[]> {
  const size = await files.size(path)
  if (size === undefined) throw new NotIso('it is not a plain file')
  const read = async (sector: number, bytes: number): Promise<Buffer> => {
    const start = sector * sectorBytes
    if (start + bytes > size) throw new NotIso('it ends before its own description does')
    const parts: Uint8Array[] = []
    for await (const part of readPieces(files, [{ path, start: 0, sizeBytes: size }], { start, end: start + bytes - 1 })) parts.push(part)
    return Buffer.concat(parts)
  }
  const padding = (sectorBytes - (size % sectorBytes)) % sectorBytes
  let end = (size + padding) / sectorBytes
  const placed = place(added, end)
  end = placed.end

  const descriptors: { readonly sector: number; readonly bytes: Buffer }[] = []
  const directories: Buffer[] = []
  for (let sector = firstDescriptor; ; sector += 1) {
    const bytes = await read(sector, sectorBytes)
    if (bytes.toString('latin1', 1, 6) !== 'CD001' || sector >= firstDescriptor + descriptorsMost)
      throw new NotIso('it is no ISO 9660 image')
    if (bytes[0] === 255) break
    const named = namesOf(bytes)
    if (named === undefined) continue
    const rootBytes = bytes.readUInt32LE(rootRecordAt + 10)
    if (rootBytes < sectorBytes || rootBytes > rootBytesMost) throw new NotIso('its root is not one of an installation image')
    const old = recordsOf(await read(bytes.readUInt32LE(rootRecordAt + 2), rootBytes))
    const mine = placed.files.map((file) => fileRecord(named(file.name), file, hasRockRidge(old)))
    const directory = rootDirectory(end, mine, old)
    selfRecord(end, directory.length, 0).copy(bytes, rootRecordAt)
    descriptors.push({ sector, bytes })
    directories.push(directory)
    end += directory.length / sectorBytes
  }
  if (descriptors.length === 0) throw new NotIso('it has no primary descriptor')
  for (const { bytes } of descriptors) both32(bytes, 80, end)

  const pieces: Piece[] = []
  let from = 0
  for (const { sector, bytes } of descriptors) {
    pieces.push({ path, start: from, sizeBytes: sector * sectorBytes - from }, { data: bytes })
    from = (sector + 1) * sectorBytes
  }
  pieces.push({ path, start: from, sizeBytes: size - from }, { data: Buffer.alloc(padding) }, ...placed.pieces)
  pieces.push(...directories.map((data) => ({ data })), fill(end))
  return pieces
}

/** Drives and programs read ahead, in blocks of 64 KiB: what follows the last file, as other makers of images have it. */
const [paddingSectors, blockSectors] = [150, 32]
function fill(sectors: number): Piece {
  const padded = sectors + paddingSectors
  return { data: Buffer.alloc((paddingSectors + ((blockSectors - (padded % blockSectors)) % blockSectors)) * sectorBytes) }
}

/** How names are written below a descriptor; undefined for one that has no files. Joliet (UCS-2) is what the escape sequence says. */
function namesOf(descriptor: Buffer): ((name: string) => Buffer) | undefined {
  if (descriptor[0] === 1) return plainName
  const joliet = descriptor[0] === 2 && /^%\/[@CE]/.test(descriptor.toString('latin1', 88, 91))
  return joliet ? (name) => Buffer.from(name, 'utf16le').swap16() : undefined
}

const plainName = (name: string): Buffer => Buffer.from(`${name.toUpperCase()};1`, 'latin1')

interface Placed {
  readonly files: readonly { readonly name: string; readonly sector: number; readonly sizeBytes: number }[]
  readonly pieces: readonly Piece[]
  readonly end: number
}

/** Contents one after the other, each from the beginning of a sector. */
function place(files: readonly IsoFile[], first: number): Placed {
  let sector = first
  const pieces: Piece[] = []
  const placed = files.map(({ name, content }) => {
    if (!/^[a-z0-9._-]{1,28}$/.test(name)) throw new Error(`${name} is no name for a file of a seed`)
    const sizeBytes = sizeOf(content)
    if (sizeBytes > 0xffff_f7ff) throw new NotIso(`${name} is too large for it: 4 GiB is the most`)
    const at = { name, sector, sizeBytes }
    const sectors = Math.ceil(sizeBytes / sectorBytes)
    pieces.push(content, { data: Buffer.alloc(sectors * sectorBytes - sizeBytes) })
    sector += sectors
    return at
  })
  return { files: placed, pieces, end: sector }
}

/** Extent and size of a directory, or of a file, in the form that stands in directories. */
function record(name: Buffer, sector: number, sizeBytes: number, flags: number): Buffer {
  const length = 33 + name.length + (name.length % 2 === 0 ? 1 : 0)
  const bytes = Buffer.alloc(length)
  bytes[0] = length
  both32(bytes, 2, sector)
  both32(bytes, 10, sizeBytes)
  // 1980-01-01: an image that is put together twice is the same twice.
  Buffer.from([80, 1, 1, 0, 0, 0, 0]).copy(bytes, 18)
  bytes[25] = flags
  both16(bytes, 28, 1)
  bytes[32] = name.length
  name.copy(bytes, 33)
  return bytes
}

function fileRecord(name: Buffer, file: Placed['files'][number], rockRidge = false): Buffer {
  const plain = record(name, file.sector, file.sizeBytes, 0)
  if (!rockRidge) return plain
  const bytes = Buffer.concat([plain, posixEntries(file.name)])
  bytes[0] = bytes.length
  return bytes
}

/** Rock Ridge is in use when the root's own record begins with it; names without an entry of it would be read in capitals. */
const hasRockRidge = ([self]: readonly Buffer[]): boolean => self?.toString('latin1', 34, 36) === 'SP'

/** Rock Ridge: the name as it is, and a file of root's that only root reads. Of an even length, as records are. */
function posixEntries(name: string): Buffer {
  const mode = Buffer.alloc(36)
  mode.write('PX\u0024\u0001', 0, 'latin1')
  both32(mode, 4, 0o100400)
  both32(mode, 12, 1)
  const head = Buffer.from([0x4e, 0x4d, 5 + name.length, 1, 0])
  return Buffer.concat([mode, head, Buffer.from(name, 'latin1'), Buffer.alloc((head.length + name.length) % 2)])
}

/** `.` is named 0 and `..` is named 1. */
const selfRecord = (sector: number, sizeBytes: number, name: 0 | 1): Buffer => record(Buffer.from([name]), sector, sizeBytes, 2)

const identifierOf = (bytes: Buffer): string => bytes.toString('latin1', 33, 33 + bytes[32]!)

/** What a record is called: by Rock Ridge, where it says so, else by its identifier. */
function nameOf(bytes: Buffer): string {
  const length = bytes[32]!
  for (let at = 33 + length + ((length + 1) % 2); at + 5 <= bytes.length && bytes[at + 2]! >= 4; at += bytes[at + 2]!)
    if (bytes.toString('latin1', at, at + 2) === 'NM') return bytes.toString('latin1', at + 5, at + bytes[at + 2]!)
  return identifierOf(bytes)
}

/** The root with these records, and with those of a former root that no new one replaces. What its own records say further stays. */
function rootDirectory(sector: number, added: readonly Buffer[], former: readonly Buffer[] = []): Buffer {
  const taken = new Set(added.map(nameOf))
  const [self, parent, ...rest] = former
  const files = [...rest.filter((each) => !taken.has(nameOf(each))), ...added].toSorted((one, other) =>
    identifierOf(one) < identifierOf(other) ? -1 : 1,
  )
  const packed = (sizeBytes: number): Buffer =>
    packRecords([moved(self ?? selfRecord(0, 0, 0), sector, sizeBytes), moved(parent ?? selfRecord(0, 0, 1), sector, sizeBytes), ...files])
  return packed(packed(0).length)
}

function moved(old: Buffer, sector: number, sizeBytes: number): Buffer {
  const bytes = Buffer.from(old)
  both32(bytes, 2, sector)
  both32(bytes, 10, sizeBytes)
  return bytes
}

/** No record crosses the border of a sector. */
function packRecords(records: readonly Buffer[]): Buffer {
  const sectors: Buffer[] = []
  let current = Buffer.alloc(sectorBytes)
  let used = 0
  for (const bytes of records) {
    if (used + bytes.length > sectorBytes) {
      sectors.push(current)
      current = Buffer.alloc(sectorBytes)
      used = 0
    }
    bytes.copy(current, used)
    used += bytes.length
  }
  return Buffer.concat([...sectors, current])
}

function recordsOf(directory: Buffer): Buffer[] {
  const records: Buffer[] = []
  for (let at = 0; at < directory.length;) {
    const length = directory[at]!
    if (length === 0) at = (Math.floor(at / sectorBytes) + 1) * sectorBytes
    else {
      if (length < rootRecordBytes || at + length > directory.length) throw new NotIso('its root can not be read')
      records.push(directory.subarray(at, at + length))
      at += length
    }
  }
  return records
}

function both32(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt32LE(value, at)
  bytes.writeUInt32BE(value, at + 4)
}

function both16(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt16LE(value, at)
  bytes.writeUInt16BE(value, at + 2)
}

const text = (bytes: Buffer, at: number, length: number, value: string): void => {
  bytes.write(value.padEnd(length, ' '), at, length, 'latin1')
}
