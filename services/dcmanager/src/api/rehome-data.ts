import type { Queryable } from '@murmuration/data'
import { isStandby } from '../rules/peer-groups.ts'
import { rehomeDataForPeer, shownRehomeData } from '../rules/rehome-data.ts'
import { readRehomeData } from '../store/rehome-data.ts'
import type { Schema } from '../store/schema.ts'
import type { SubcloudRow } from '../store/subclouds.ts'
import type { ApiContext } from './context.ts'

/**
 * `rehome_data` of a reply: of members of a peer group and of standby copies, for only there it is anybody's business. Whole for a
 * request with a peer's privileges, else without secrets (reference dcmanager §13.1).
 */
export async function shownRehomeDataOf(
  { desk }: Pick<ApiContext, 'desk'>,
  row: SubcloudRow,
  whole: boolean,
  db: Queryable<Schema> = desk.database,
): Promise<string | null> {
  if (row.peer_group_id === null && !isStandby(row)) return null
  const payload = (await readRehomeData(db, desk.keyring, [row.id])).get(row.id)
  if (payload === undefined) return null
  return whole ? rehomeDataForPeer(payload) : shownRehomeData(payload)
}
