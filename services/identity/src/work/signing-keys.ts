import { generateSigningKey, Secret, type Keyring, type SigningKey, type VerificationKey } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import type { IdentityLimits } from '../rules/limits.ts'
import type { Db, IdentityDatabase, Tx } from '../store/schema.ts'
import {
  allSigningKeys,
  currentSigningKey,
  endOlderKeys,
  insertSigningKey,
  pruneSigningKeys,
  resealSigningKey,
} from '../store/signing-keys.ts'

export interface SigningKeys {
  /** The key that signs now, read in the caller's transaction. */
  current(db: Db): Promise<SigningKey>
  /** Known ones from memory; `reload` asks the database. */
  verification(): readonly VerificationKey[]
  reload(): Promise<void>
  /** Makes a new key in the caller's transaction; older ones verify until their last token has expired. Nobody is logged out. */
  rotate(tx: Tx, how: { leadMs: number }): Promise<void>
  /** Seals with the newest key of the keyring what was sealed with an older one; drops keys whose tokens are gone. */
  tidy(tx: Tx): Promise<void>
}

const context = (id: string) => `identity:signing-key:${id}`

export function createSigningKeys(
  world: World,
  keyring: Keyring,
  db: IdentityDatabase,
  limits: Pick<IdentityLimits, 'tokenLifetimeMs'>,
): SigningKeys {
  let known: readonly VerificationKey[] = []
  let opened: SigningKey | undefined
  return {
    async current(reader) {
      const row = await currentSigningKey(reader, world.clock.nowMs())
      if (row === undefined) throw new Error('the identity service has no signing key: its bootstrap has not run')
      if (opened?.id !== row.id)
        opened = { id: row.id, publicKey: row.public_key, privateKey: keyring.open(row.private_key, context(row.id)).reveal() }
      return opened
    },
    verification: () => known,
    async reload() {
      const rows = await allSigningKeys(db)
      const nowMs = world.clock.nowMs()
      known = rows
        .filter((row) => row.verify_until_ms === null || row.verify_until_ms > nowMs)
        .map((row) => ({ id: row.id, publicKey: row.public_key }))
    },
    async rotate(tx, { leadMs }) {
      await tx.lock('signing-keys')
      const key = generateSigningKey(Buffer.from(world.random.bytes(9)).toString('base64url'))
      const signFromMs = world.clock.nowMs() + leadMs
      await insertSigningKey(tx, {
        id: key.id,
        public_key: key.publicKey,
        private_key: keyring.seal(new Secret(key.privateKey), context(key.id)),
        sign_from_ms: signFromMs,
        verify_until_ms: null,
      })
      await endOlderKeys(tx, key.id, signFromMs + limits.tokenLifetimeMs + 60_000)
    },
    async tidy(tx) {
      await pruneSigningKeys(tx, world.clock.nowMs())
      for (const row of await allSigningKeys(tx))
        if (keyring.isStale(row.private_key))
          await resealSigningKey(tx, row.id, keyring.seal(keyring.open(row.private_key, context(row.id)), context(row.id)))
    },
  }
}
