import type { Keyring, Sealed } from '@murmuration/trust'
import type { Db } from '../store/schema.ts'
import { readSetting, writeSetting } from '../store/settings.ts'

export const openrcContext = 'identity:openrc-password'
export const serviceContext = 'identity:service-password'

const sealedSettings = [
  ['openrc-password', openrcContext],
  ['service-password', serviceContext],
] as const

/** Seals with the newest key of the keyring what was sealed with an older one, so that the older one can be retired. */
export async function resealSettings(db: Db, keyring: Keyring): Promise<void> {
  for (const [name, context] of sealedSettings) {
    const sealed = (await readSetting(db, name)) as Sealed | undefined
    if (sealed !== undefined && keyring.isStale(sealed)) await writeSetting(db, name, keyring.seal(keyring.open(sealed, context), context))
  }
}
