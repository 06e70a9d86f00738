import { upsert } from '@murmuration/data'
import type { Db } from './schema.ts'

export type SettingName = 'issuer' | 'bootstrapped' | 'admin-password' | 'service-password'

export async function readSetting(db: Db, name: SettingName): Promise<string | undefined> {
  return (await db.query.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst())?.value
}

export async function writeSetting(tx: Db, name: SettingName, value: string): Promise<void> {
  await upsert(tx, 'settings', [{ name, value }], { conflict: ['name'], update: ['value'] })
}
