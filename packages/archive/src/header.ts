import { createHash, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto'
import { ArchiveRefused, damaged } from './errors.ts'
import { deriveKeys, type ArchiveKey } from './key.ts'

/** `MURMARCH`, version, kind of key, salt (32), check of the key (16), checksum of all that (8). */
const magic = Buffer.from('MURMARCH', 'latin1')
const version = 1
const kinds = { passphrase: 1, key: 2 } as const
const at = { version: 8, kind: 9, salt: 10, check: 42, checksum: 58 } as const
export const headerBytes = 66

export interface OpenedHeader {
  /** Bound into every chunk. */
  readonly header: Uint8Array
  /** A key object: bytes would be made one for each chunk, which takes longer than sealing a small one. */
  readonly chunkKey: KeyObject
}

export async function makeHeader(key: ArchiveKey, salt: Uint8Array): Promise<OpenedHeader> {
  const keys = await deriveKeys(key, salt)
  const body = Buffer.concat([magic, Buffer.from([version, kinds[key.kind]]), salt, keys.check])
  return { header: Buffer.concat([body, checksum(body)]), chunkKey: createSecretKey(keys.chunks) }
}

/** Says plainly whether it is no archive, one of a later release, a damaged one, or one of another key. */
export async function openHeader(header: Uint8Array, key: ArchiveKey): Promise<OpenedHeader> {
  const bytes = Buffer.from(header)
  if (bytes.length === 0 || !bytes.subarray(0, 8).equals(magic.subarray(0, Math.min(8, bytes.length))))
    throw new ArchiveRefused('not-an-archive', 'The file is not an archive of murmur.')
  const whole = bytes.length === headerBytes && bytes.subarray(at.checksum).equals(checksum(bytes.subarray(0, at.checksum)))
  if (!whole) throw damaged('its head')
  if (bytes[at.version] !== version)
    throw new ArchiveRefused('newer-format', `The archive has format ${bytes[at.version]}; this release reads format ${version}.`)
  if (bytes[at.kind] !== kinds[key.kind]) {
    const [made, given] = key.kind === 'key' ? ['a passphrase', 'a key'] : ['a key', 'a passphrase']
    throw new ArchiveRefused('wrong-kind-of-key', `The archive was made with ${made}, and ${given} was given.`)
  }
  const keys = await deriveKeys(key, bytes.subarray(at.salt, at.check))
  if (!timingSafeEqual(keys.check, bytes.subarray(at.check, at.checksum)))
    throw new ArchiveRefused('wrong-key', `The ${key.kind} is not the one that the archive was made with.`)
  return { header: bytes, chunkKey: createSecretKey(keys.chunks) }
}

const checksum = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest().subarray(0, 8)
