import type { IdentityTables } from '../store/schema.ts'
import type { IdentitySite } from '../site.ts'
import { defaultLimits } from '../rules/limits.ts'
import { resealSettings } from './sealed-settings.ts'
import { createSigningKeys, type SigningKeys } from './signing-keys.ts'
import type { IdentityDatabase } from '../store/schema.ts'

async function withKeys<T>(site: IdentitySite, work: (db: IdentityDatabase, keys: SigningKeys) => Promise<T>): Promise<T> {
  const db = await site.openDatabase<IdentityTables>('identity')
  try {
    return await work(db, createSigningKeys(site.world, site.keyring, db, defaultLimits))
  } finally {
    await db.close()
  }
}

/** A new signing key at once, for a running site too: nobody is logged out. Processes take it up within seconds. */
export const rotateSigningKey = (site: IdentitySite): Promise<void> =>
  withKeys(site, (db, keys) => db.transaction((tx) => keys.rotate(tx, { leadMs: defaultLimits.signingKeyLeadMs })))

/** After `keyring.rotate()`: seals everything in this service's database with the newest key; then `keyring.retire()` is safe. */
export const resealSecrets = (site: IdentitySite): Promise<void> =>
  withKeys(site, (db, keys) =>
    db.transaction(async (tx) => {
      await keys.tidy(tx)
      await resealSettings(tx, site.keyring)
    }),
  )
