import { timestamp, upsert, type Queryable, type Transaction } from '@murmuration/data'
import type { Keyring } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import type { Selectable } from 'kysely'
import type { DeployStatus } from '../rules/lifecycle.ts'
import type { MemberHere } from '../rules/migration-conclusions.ts'
import { auditNames } from '../rules/audit-plan.ts'
import { noError } from '../rules/error-description.ts'
import { resetAlarms } from './alarms.ts'
import { requestAudits } from './audits.ts'
import { openDocument, type DocumentKind } from './documents.ts'
import { busySubclouds } from './operations.ts'
import type { PeerGroupMemberSyncTable, Schema } from './schema.ts'
import type { SubcloudRow } from './subclouds.ts'
import { updateSubclouds } from './subclouds.ts'
import { statusColumns } from './statuses.ts'

/** Members of a group here, by id, with what is known of their copies at the peer: three statements, however many there are. */
export async function readMembersHere(db: Queryable<Schema>, peerGroupId: number, associationId: number): Promise<MemberHere[]> {
  const rows = await db.query
    .selectFrom('subclouds')
    .select(['id', 'region_name', 'deploy_status', 'management_state', 'owner_epoch', 'fenced_by', 'document_revision'])
    .where('peer_group_id', '=', peerGroupId)
    .orderBy('id')
    .execute()
  const synced = await readSynced(db, associationId)
  const busy = await busySubclouds(
    db,
    rows.map((row) => row.id),
  )
  return rows.map((row) => ({
    id: row.id,
    regionName: row.region_name,
    deployStatus: row.deploy_status,
    managementState: row.management_state,
    ownerEpoch: row.owner_epoch,
    fencedBy: row.fenced_by,
    busy: busy.has(row.id),
    confirmed: (synced.get(row.region_name)?.synced_revision ?? 0) > 0,
    pending: confirmedRevision(synced.get(row.region_name)) < row.document_revision,
  }))
}

type Synced = Selectable<PeerGroupMemberSyncTable>

async function readSynced(db: Queryable<Schema>, associationId: number): Promise<ReadonlyMap<string, Synced>> {
  const rows = await db.query.selectFrom('peer_group_member_sync').selectAll().where('association_id', '=', associationId).execute()
  return new Map(rows.map((row) => [row.region_name, row]))
}

/** What a peer has for certain; a failure leaves it open what became of the last that was sent. */
const confirmedRevision = (row: Synced | undefined): number => (row === undefined || row.failure !== null ? 0 : row.synced_revision)

/**
 * Takes subclouds out of this site's hands, with all that follows (reference dcmanager §4.6, §7.10): unmanaged, endpoints unknown, alarm
 * counts no longer collected, and offline where another site manages them. That one is recorded as if the subclouds had named it, which
 * some of them may have done before. A number of statements that does not grow with them.
 */
export async function giveUpMembers(
  tx: Transaction<Schema>,
  world: World,
  ids: readonly number[],
  to: Extract<DeployStatus, 'rehome-pending' | 'rehome-failed'> | { readonly managedBy: string },
): Promise<void> {
  if (ids.length === 0) return
  // One write, one change: with it the statuses of the endpoints, of which nothing is known any more.
  await updateSubclouds(
    tx,
    world,
    ids,
    {
      management_state: 'unmanaged',
      ...(typeof to === 'string'
        ? { deploy_status: to }
        : { deploy_status: 'secondary', availability_status: 'offline', error_description: noError, fenced_by: to.managedBy }),
    },
    {},
    statusColumns(new Map(), new Map()),
  )
  await tx.query
    .updateTable('subcloud_status')
    .set({ sync_status: 'unknown', updated_at: timestamp(world.clock.nowMs()) })
    .where('subcloud_id', 'in', ids)
    .where('sync_status', '<>', 'unknown')
    .execute()
  await resetAlarms(tx, world, ids)
}

/**
 * Standby copies of what the peer says it manages: that is known now, and no error. It stays recorded, whoever said so first: what another
 * standby failed to take is not failed here.
 */
export async function recordManager(tx: Transaction<Schema>, world: World, ids: readonly number[], managedBy: string): Promise<void> {
  if (ids.length === 0) return
  const telling = await tx.query
    .selectFrom('subclouds')
    .select('id')
    .where('id', 'in', ids)
    .where((eb) => eb.or([eb('error_description', '!=', noError), eb('fenced_by', 'is', null)]))
    .execute()
  await updateSubclouds(
    tx,
    world,
    telling.map((row) => row.id),
    { fenced_by: managedBy, error_description: noError },
    { deployStatus: 'secondary' },
  )
}

/** Takes back what was given up for a migration that did not happen: managed again, and asked anew. */
export async function restoreMembers(tx: Transaction<Schema>, world: World, ids: readonly number[]): Promise<void> {
  const columns = { deploy_status: 'complete', management_state: 'managed' } as const
  await updateSubclouds(tx, world, ids, columns, { deployStatus: 'rehome-pending' })
  await requestAudits(tx, world, { audits: auditNames, subcloudIds: ids })
}

// --- what a peer has of the members -------------------------------------------------------------------------------------

export interface MemberToSync {
  readonly row: SubcloudRow
  /** What the peer has confirmed; 0 when it never did. */
  readonly syncedRevision: number
}

/** All members, standby copies of another site's too, with what the peer has of each. Two statements. */
export async function readMembersToSync(db: Queryable<Schema>, peerGroupId: number, associationId: number): Promise<MemberToSync[]> {
  const rows = await db.query.selectFrom('subclouds').selectAll().where('peer_group_id', '=', peerGroupId).orderBy('id').execute()
  const synced = await readSynced(db, associationId)
  return rows.map((row) => ({ row, syncedRevision: confirmedRevision(synced.get(row.region_name)) }))
}

export interface SentMember {
  readonly regionName: string
  /** `document_revision` that was sent; what the peer had before when it failed. */
  readonly revision: number
  readonly failure: string | null
}

/** One statement (a chunk), however many there are. */
export async function recordSent(tx: Transaction<Schema>, world: World, associationId: number, sent: readonly SentMember[]): Promise<void> {
  if (sent.length === 0) return
  const updated_at = timestamp(world.clock.nowMs())
  await upsert(
    tx,
    'peer_group_member_sync',
    sent.map(({ regionName, revision, failure }) => ({
      association_id: associationId,
      region_name: regionName,
      synced_revision: revision,
      failure,
      updated_at,
    })),
    { conflict: ['association_id', 'region_name'], update: ['synced_revision', 'failure', 'updated_at'] },
  )
}

/** Rows of members that are none any more. */
export async function forgetSent(tx: Transaction<Schema>, associationId: number, regionNames: readonly string[]): Promise<void> {
  if (regionNames.length === 0) return
  await tx.query
    .deleteFrom('peer_group_member_sync')
    .where('association_id', '=', associationId)
    .where('region_name', 'in', [...regionNames])
    .execute()
}

/** Documents of many subclouds in one statement. Hold the result for as short as possible: it is in clear. */
export async function readDocumentsOfMany(
  db: Queryable<Schema>,
  keyring: Keyring,
  ids: readonly number[],
  kinds: readonly DocumentKind[],
): Promise<ReadonlyMap<number, Partial<Record<DocumentKind, unknown>>>> {
  if (ids.length === 0) return new Map()
  const rows = await db.query
    .selectFrom('subcloud_documents')
    .select(['subcloud_id', 'kind', 'sealed'])
    .where('subcloud_id', 'in', ids)
    .where('kind', 'in', [...kinds])
    .execute()
  const result = new Map<number, Partial<Record<DocumentKind, unknown>>>()
  for (const row of rows) {
    const documents = result.get(row.subcloud_id) ?? {}
    documents[row.kind] = openDocument(keyring, row.subcloud_id, row.kind, row.sealed)
    result.set(row.subcloud_id, documents)
  }
  return result
}
