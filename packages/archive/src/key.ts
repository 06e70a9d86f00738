import { argon2, hkdfSync } from 'node:crypto'
import { promisify } from 'node:util'
import { Secret } from '@murmuration/trust'
import { ArchiveRefused } from './errors.ts'

/** What opens archives. Made of a secret, and as private as it. */
export interface ArchiveKey {
  readonly kind: 'passphrase' | 'key'
  /** 32 bytes that the keys of one archive are derived from. */
  master(salt: Uint8Array): Promise<Uint8Array>
}

/** Argon2id, above OWASP's choices for sign-ins: an archive is attacked offline. About 0.2 s, beside the main thread. Fixed for format 1. */
const stretch = { memory: 64 * 1024, passes: 3, parallelism: 1, tagLength: 32 } as const
const shortestPassphrase = 12
const argon2Async = promisify(argon2)

/** Throws ArchiveRefused `bad-key` for a passphrase that a machine guesses in no time. */
export function keyFromPassphrase(passphrase: Secret): ArchiveKey {
  const text = passphrase.reveal().normalize('NFC')
  if (text.length < shortestPassphrase)
    throw new ArchiveRefused('bad-key', `The passphrase is too short: give at least ${shortestPassphrase} characters.`)
  const secret = new Secret(text)
  return {
    kind: 'passphrase',
    master: (salt) => argon2Async('argon2id', { message: secret.reveal(), nonce: salt, ...stretch }),
  }
}

/** 32 bytes in base64, as `openssl rand -base64 32` prints them. */
export function keyFromText(base64: Secret): ArchiveKey {
  const text = base64.reveal().trim()
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length !== 32 || bytes.toString('base64').replace(/=+$/, '') !== text.replace(/=+$/, ''))
    throw new ArchiveRefused('bad-key', 'The key is not one: give 32 bytes in base64 (openssl rand -base64 32).')
  return { kind: 'key', master: async () => bytes }
}

export interface DerivedKeys {
  readonly chunks: Uint8Array
  /** Stands in the header: tells a wrong key from a damaged archive. Says nothing about the key. */
  readonly check: Uint8Array
}

/** Every archive has a salt of its own, so no two share a key, and chunk numbers can be nonces. */
export async function deriveKeys(key: ArchiveKey, salt: Uint8Array): Promise<DerivedKeys> {
  const master = await key.master(salt)
  const derive = (purpose: string, bytes: number): Uint8Array =>
    new Uint8Array(hkdfSync('sha256', master, salt, `murmuration archive 1 ${purpose}`, bytes))
  return { chunks: derive('chunks', 32), check: derive('check', 16) }
}
