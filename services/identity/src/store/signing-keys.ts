import type { Sealed } from '@murmuration/trust'
import type { Db, SigningKeyRow } from './schema.ts'

/** Newest first. */
export const allSigningKeys = (db: Db): Promise<SigningKeyRow[]> =>
  db.query.selectFrom('signing_keys').selectAll().orderBy('sign_from_ms', 'desc').orderBy('id').execute()

/**
 * The one that signs now: the newest that has been published long enough. When the wall clock was set back, so that every key
 * starts in the future, the oldest one: all of them are known to validators, and nobody must be kept from signing in.
 */
export async function currentSigningKey(db: Db, nowMs: number): Promise<SigningKeyRow | undefined> {
  const keys = await allSigningKeys(db)
  return keys.find((key) => key.sign_from_ms <= nowMs) ?? keys.at(-1)
}

export async function insertSigningKey(tx: Db, row: SigningKeyRow): Promise<void> {
  await tx.query.insertInto('signing_keys').values(row).execute()
}

export async function endOlderKeys(tx: Db, newestId: string, verifyUntilMs: number): Promise<void> {
  await tx.query
    .updateTable('signing_keys')
    .set({ verify_until_ms: verifyUntilMs })
    .where('id', '!=', newestId)
    .where('verify_until_ms', 'is', null)
    .execute()
}

export async function resealSigningKey(tx: Db, id: string, privateKey: Sealed): Promise<void> {
  await tx.query.updateTable('signing_keys').set({ private_key: privateKey }).where('id', '=', id).execute()
}

export async function pruneSigningKeys(tx: Db, nowMs: number): Promise<void> {
  await tx.query.deleteFrom('signing_keys').where('verify_until_ms', 'is not', null).where('verify_until_ms', '<', nowMs).execute()
}
