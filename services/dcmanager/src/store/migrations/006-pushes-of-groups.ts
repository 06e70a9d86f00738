import type { Columns } from '@murmuration/data'
import type { Kysely } from 'kysely'

/** Until when peers may have a change of a group that is not made here yet (../schema.ts). */
// oxlint-disable-next-line typescript/no-explicit-any -- a migration writes the schema, so no type of it holds
export async function pushesOfGroups(db: Kysely<any>, c: Columns): Promise<void> {
  await db.schema.alterTable('subcloud_peer_group').addColumn('push_until', c.timestamp).execute()
}
