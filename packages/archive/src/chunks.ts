import { createCipheriv, createDecipheriv } from 'node:crypto'
import { promisify } from 'node:util'
import { deflateRaw, inflateRaw, type InputType, type ZlibOptions } from 'node:zlib'
import { damaged } from './errors.ts'
import type { OpenedHeader } from './header.ts'
import { limits } from './limits.ts'

/**
 * Chunks follow each other as length (4 bytes) and cipher text. Each is sealed with AES-256-GCM under its number and whether it is
 * the last, with the header bound in: a chunk that is changed, moved, repeated, left out or taken from another archive does not
 * open, nor does the end of an archive that was cut.
 */
const tagBytes = 16
/** What a chunk holds (`recordKinds`), and whether it is compressed. */
const prefixBytes = 2
export const longestSealedBytes = limits.chunkBytes + prefixBytes + tagBytes

export const recordKinds = { head: 1, entry: 2, data: 3, end: 4, manifest: 5 } as const
export type RecordKind = keyof typeof recordKinds
const kindNames = Object.fromEntries(Object.entries(recordKinds).map(([name, code]) => [code, name])) as Record<number, RecordKind>

const deflate = promisify<InputType, ZlibOptions, Buffer>(deflateRaw)
const inflate = promisify<InputType, ZlibOptions, Buffer>(inflateRaw)
/** Below it compressing costs more than it saves: what is small is mostly sealed, and each compressor is made anew. */
const worthCompressing = 4_096

/** Beside the main thread. */
export async function pack(kind: RecordKind, payload: Uint8Array): Promise<Uint8Array> {
  const packed = payload.length < worthCompressing ? undefined : await deflate(payload, { level: 1 })
  const smaller = packed !== undefined && packed.length < payload.length
  return Buffer.concat([Buffer.from([recordKinds[kind], smaller ? 1 : 0]), smaller ? packed : payload])
}

export async function unpack(plain: Uint8Array): Promise<{ kind: RecordKind; payload: Uint8Array }> {
  const kind = kindNames[plain[0] ?? 0]
  const payload = plain.subarray(prefixBytes)
  if (kind === undefined || plain.length < prefixBytes || (plain[1] ?? 2) > 1) throw damaged('a record of no known kind')
  if (plain[1] === 0) return { kind, payload }
  try {
    return { kind, payload: await inflate(payload, { maxOutputLength: limits.chunkBytes }) }
  } catch {
    throw damaged('a chunk that does not unpack')
  }
}

export function seal({ header, chunkKey }: OpenedHeader, number: number, last: boolean, plain: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', chunkKey, nonceOf(number, last), { authTagLength: tagBytes })
  cipher.setAAD(header)
  const sealed = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(sealed.length)
  return Buffer.concat([length, sealed])
}

export function open({ header, chunkKey }: OpenedHeader, number: number, last: boolean, sealed: Uint8Array): Uint8Array {
  const decipher = createDecipheriv('aes-256-gcm', chunkKey, nonceOf(number, last), { authTagLength: tagBytes })
  decipher.setAAD(header)
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - tagBytes)), decipher.final()])
  } catch {
    throw damaged(`chunk ${number}`)
  }
}

/** Never used twice: the key is this archive's own. */
function nonceOf(number: number, last: boolean): Uint8Array {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(number, 4, 6)
  nonce[11] = last ? 1 : 0
  return nonce
}

export const shortestSealedBytes = prefixBytes + tagBytes
