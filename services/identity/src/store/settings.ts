import { upsert } from '@murmuration/data'
import type { Db } from './schema.ts'

/**
 * `issuer`: this service's name in its tokens; there once the bootstrap is done. `openrc-password`: sealed, until openrc is
 * written. `service-password`: sealed, what was last taken from or written to the service password file.
 */
export type SettingName = 'issuer' | 'openrc-password' | 'service-password'

export async function readSetting(db: Db, name: SettingName): Promise<string | undefined> {
  return (await db.query.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst())?.value
}

export async function writeSetting(tx: Db, name: SettingName, value: string): Promise<void> {
  await upsert(tx, 'settings', [{ name, value }], { conflict: ['name'], update: ['value'] })
}

export async function deleteSetting(tx: Db, name: SettingName): Promise<void> {
  await tx.query.deleteFrom('settings').where('name', '=', name).execute()
}
