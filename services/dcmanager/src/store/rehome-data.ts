import type { Queryable } from '@murmuration/data'
import type { Keyring } from '@murmuration/trust'
import { asMap } from '../rules/problems.ts'
import { savedPayload, type SavedPayload } from '../rules/rehome-data.ts'
import { openDocument } from './documents.ts'
import type { Schema } from './schema.ts'

/**
 * Rehome data of these subclouds, by id; those that have none (no bootstrap values, or no address) are absent. One statement. Hold the
 * result for as short as possible: it is in clear.
 */
export async function readRehomeData(
  db: Queryable<Schema>,
  keyring: Keyring,
  subcloudIds: readonly number[],
): Promise<ReadonlyMap<number, SavedPayload>> {
  if (subcloudIds.length === 0) return new Map()
  const rows = await db.query
    .selectFrom('subclouds')
    .innerJoin('subcloud_documents', 'subcloud_documents.subcloud_id', 'subclouds.id')
    .select(['subclouds.id', 'subclouds.bootstrap_address', 'subcloud_documents.sealed'])
    .where('subclouds.id', 'in', subcloudIds)
    .where('subcloud_documents.kind', '=', 'bootstrap_values')
    .execute()
  const found = new Map<number, SavedPayload>()
  for (const row of rows) {
    const values = asMap(openDocument(keyring, row.id, 'bootstrap_values', row.sealed))
    const payload = values === undefined ? undefined : savedPayload(values, row.bootstrap_address)
    if (payload !== undefined) found.set(row.id, payload)
  }
  return found
}
