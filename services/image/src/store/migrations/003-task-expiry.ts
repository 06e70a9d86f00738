import type { Kysely } from 'kysely'

/** Tasks that are over are found by when they go (../tasks.ts). */
// oxlint-disable-next-line typescript/no-explicit-any -- a migration writes the schema, so no type of it holds
export async function taskExpiry(db: Kysely<any>): Promise<void> {
  await db.schema.createIndex('tasks_expiry').on('tasks').column('expires_at').execute()
}
