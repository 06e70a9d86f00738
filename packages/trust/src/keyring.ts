import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import type { World } from '@murmuration/world'
import { readPrivateFile } from './private-file.ts'
import { Secret } from './secret.ts'

/** Encrypted text, safe in a database column or a file: `sealed:v1:<key id>:<base64url of nonce, tag and cipher text>`. */
export type Sealed = string & { readonly __sealed: true }

/** Seals secrets at rest with AES-256-GCM under the newest key; older keys only open. */
export interface Keyring {
  /** `context` (for example `subcloud:<id>:bmc_password`) is bound in: a sealed text moved elsewhere does not open. */
  seal(secret: Secret, context: string): Sealed
  /** Throws SealBroken when the key is missing, the text was changed, or the context differs. */
  open(sealed: Sealed, context: string): Secret
  /** True when `sealed` was made with a key older than the newest one. */
  isStale(sealed: Sealed): boolean
  /** Adds a new key to the file; texts are re-sealed by their owners, after which `retire` drops the old keys. */
  rotate(): Promise<void>
  retire(): Promise<void>
  /** Reads the key file again: another process may have rotated. */
  reload(): Promise<void>
}

/** A sealed text did not open. Never says which byte, and holds neither text nor key. */
export class SealBroken extends Error {
  readonly reason: 'malformed' | 'unknown-key' | 'changed'
  constructor(reason: SealBroken['reason'], context: string) {
    const why = {
      malformed: 'it is not a sealed text',
      'unknown-key': 'its key is not in the key file; was the key retired before the text was sealed again?',
      changed: 'the text was changed, or sealed for something else',
    }[reason]
    super(`the sealed value for ${context} does not open: ${why}`)
    this.name = 'SealBroken'
    this.reason = reason
  }
}

interface Key {
  readonly id: string
  readonly bytes: Buffer
  readonly createdAtMs: number
}

const nonceBytes = 12
const tagBytes = 16
const keyBytes = 32
/** A file that grows beyond it was rotated without ever being retired. */
const maxKeys = 100
const sealedPattern = /^sealed:v1:([A-Za-z0-9_-]{1,32}):([A-Za-z0-9_-]+)$/

/** Opens the key file (0600; refused when others may read it) or makes one with a first key. */
export async function openKeyring(world: World, path: string): Promise<Keyring> {
  let keys = await readKeys(world, path)
  if (keys === undefined) {
    await writeKeys(world, path, [makeKey(world)])
    // What is on disk counts, not what this process meant to write: another one may have been faster.
    keys = await readKeys(world, path)
    if (keys === undefined) throw new Error(`the key file ${path} was removed while it was being made`)
  }
  let ring: readonly Key[] = keys
  const newest = () => ring.at(-1)!

  const reload = async () => {
    const onDisk = await readKeys(world, path)
    if (onDisk === undefined)
      throw new Error(`the key file ${path} is gone; restore it from a backup, secrets can not be opened without it`)
    ring = onDisk
  }
  return {
    seal: (secret, context) => seal(world, newest(), secret, context),
    open: (sealed, context) => open(ring, sealed, context),
    isStale: (sealed) => sealedPattern.exec(sealed)?.[1] !== newest().id,
    reload,
    async rotate() {
      await reload()
      if (ring.length >= maxKeys) throw new Error(`the key file ${path} holds ${maxKeys} keys; retire the old ones first`)
      await writeKeys(world, path, [...ring, makeKey(world)])
      await reload()
    },
    async retire() {
      await reload()
      await writeKeys(world, path, [newest()])
      await reload()
    },
  }
}

const keyObjects = new WeakMap<Key, KeyObject>()

/** Made once a key: from bytes it would be made for every secret, which takes longer than sealing it. */
function keyObjectOf(key: Key): KeyObject {
  const known = keyObjects.get(key)
  if (known !== undefined) return known
  const made = createSecretKey(key.bytes)
  keyObjects.set(key, made)
  return made
}

/** The context and the key's id are authenticated with the text, so neither can be swapped. */
const boundTo = (keyId: string, context: string) => Buffer.from(`sealed:v1:${keyId}:${context}`, 'utf8')

function seal(world: World, key: Key, secret: Secret, context: string): Sealed {
  const nonce = world.random.bytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', keyObjectOf(key), nonce, { authTagLength: tagBytes })
  cipher.setAAD(boundTo(key.id, context))
  const text = Buffer.concat([cipher.update(secret.reveal(), 'utf8'), cipher.final()])
  return `sealed:v1:${key.id}:${Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64url')}` as Sealed
}

function open(ring: readonly Key[], sealed: Sealed, context: string): Secret {
  const [, id, body] = sealedPattern.exec(sealed) ?? []
  if (id === undefined || body === undefined) throw new SealBroken('malformed', context)
  const bytes = Buffer.from(body, 'base64url')
  // Spare bits of the last character would let a changed text pass for the same one.
  if (bytes.length < nonceBytes + tagBytes || bytes.toString('base64url') !== body) throw new SealBroken('malformed', context)
  const key = ring.find((candidate) => candidate.id === id)
  if (key === undefined) throw new SealBroken('unknown-key', context)
  const decipher = createDecipheriv('aes-256-gcm', keyObjectOf(key), bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
  decipher.setAAD(boundTo(id, context))
  decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes))
  try {
    return new Secret(Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]).toString('utf8'))
  } catch {
    throw new SealBroken('changed', context)
  }
}

function makeKey(world: World): Key {
  return {
    id: Buffer.from(world.random.bytes(6)).toString('base64url'),
    bytes: Buffer.from(world.random.bytes(keyBytes)),
    createdAtMs: world.clock.nowMs(),
  }
}

async function writeKeys(world: World, path: string, keys: readonly Key[]): Promise<void> {
  const document = {
    version: 1,
    keys: keys.map((key) => ({ id: key.id, key: key.bytes.toString('base64url'), createdAtMs: key.createdAtMs })),
  }
  await world.files.write(path, `${JSON.stringify(document, undefined, 2)}\n`, { mode: 0o600 })
}

async function readKeys(world: World, path: string): Promise<Key[] | undefined> {
  const text = await readPrivateFile(world, path)
  if (text === undefined) return undefined
  const keys = parseKeys(text)
  if (keys === undefined) throw new Error(`the key file ${path} can not be read; restore it from a backup, it is not replaced by itself`)
  return keys
}

function parseKeys(text: string): Key[] | undefined {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return undefined
  }
  const { version, keys } = (document ?? {}) as { version?: unknown; keys?: unknown }
  if (version !== 1 || !Array.isArray(keys) || keys.length === 0) return undefined
  const read = keys.map((entry: { id?: unknown; key?: unknown; createdAtMs?: unknown } | null) => ({
    id: String(entry?.id),
    bytes: Buffer.from(String(entry?.key), 'base64url'),
    createdAtMs: Number(entry?.createdAtMs),
  }))
  return read.every((key) => /^[A-Za-z0-9_-]{1,32}$/.test(key.id) && key.bytes.length === keyBytes) ? read : undefined
}
