import { timestamp, updateFrom, type Queryable, type Transaction } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { HeartbeatVerdict } from '../rules/peer-heartbeat.ts'
import { msOf } from './audits.ts'
import type { AssociationStatus } from '../rules/vocabulary.ts'
import type { Schema } from './schema.ts'
import type { SystemPeerRow } from './system-peers.ts'

export interface HeartbeatClaim {
  /** Names this claim and no other, so that a late result of an earlier one is recognised. */
  readonly lease: string
  readonly nowMs: number
  readonly leaseMs: number
  readonly limit: number
}

/** Seconds up to the longest interval (reference dcmanager §1.14): a peer's next heartbeat is compared with the first that is not below its own. */
const intervals = [10, 60, 600] as const

/**
 * Takes the peers whose heartbeat is due, for this manager: any number of managers share them (as store/audits.ts). Peers without an
 * association have none (reference dcmanager §7.3). Two statements, however many there are.
 */
export async function claimDuePeers(db: Queryable<Schema>, claim: HeartbeatClaim): Promise<SystemPeerRow[]> {
  const now = timestamp(claim.nowMs)
  const leaseUntil = timestamp(claim.nowMs + claim.leaseMs)
  // Nobody plans or leases that far ahead: the clock was set back since.
  const tooLate = timestamp(claim.nowMs + 2 * claim.leaseMs)
  const unplanned = intervals.map((seconds) => [seconds, timestamp(claim.nowMs + 2 * (claim.leaseMs + seconds * 1_000))] as const)
  const due = db.query
    .selectFrom('system_peer as p')
    .select('p.id')
    .where((eb) =>
      eb.or([
        eb('p.next_heartbeat_at', '<=', now),
        ...unplanned.map(([seconds, after]) => eb.and([eb('p.heartbeat_interval', '<=', seconds), eb('p.next_heartbeat_at', '>', after)])),
      ]),
    )
    .where((eb) => eb.or([eb('p.lease_until', 'is', null), eb('p.lease_until', '<=', now), eb('p.lease_until', '>', tooLate)]))
    .where('p.id', 'in', (eb) => eb.selectFrom('peer_group_association as a').select('a.system_peer_id'))
    .orderBy('p.next_heartbeat_at')
    .limit(claim.limit)
    .$if(db.engine === 'postgres', (query) => query.forUpdate('p').skipLocked())
  const { numUpdatedRows } = await db.query
    .with(
      (cte) => cte('due').materialized(),
      () => due,
    )
    .updateTable('system_peer')
    // Due again when the lease ends; whoever asks for a heartbeat meanwhile leaves another time there, and is noticed by it.
    .set({ lease_owner: claim.lease, lease_until: leaseUntil, next_heartbeat_at: leaseUntil })
    .where('id', 'in', (eb) => eb.selectFrom('due').select('due.id'))
    .executeTakeFirstOrThrow()
  if (numUpdatedRows === 0n) return []
  return await db.query.selectFrom('system_peer').selectAll().where('lease_owner', '=', claim.lease).orderBy('id').execute()
}

/**
 * When the first of those that nobody asks now is due; undefined when there is none. Of the others it is the end of a heartbeat that
 * says: an operator may have made the next one due at once while one is under way, and it is not to be waited for in a hurry.
 */
export async function nextHeartbeatMs(db: Queryable<Schema>, nowMs: number): Promise<number | undefined> {
  const row = await db.query
    .selectFrom('system_peer')
    .select('next_heartbeat_at')
    .where('id', 'in', (eb) => eb.selectFrom('peer_group_association').select('system_peer_id'))
    .where((eb) => eb.or([eb('lease_until', 'is', null), eb('lease_until', '<=', timestamp(nowMs))]))
    .orderBy('next_heartbeat_at')
    .limit(1)
    .executeTakeFirst()
  return row === undefined ? undefined : msOf(row.next_heartbeat_at)
}

/** What a peer has confirmed, by association: one statement. */
export async function readSyncedRevisions(db: Queryable<Schema>, systemPeerId: number): Promise<ReadonlyMap<number, number>> {
  const rows = await db.query
    .selectFrom('peer_group_association')
    .select(['id', 'synced_revision'])
    .where('system_peer_id', '=', systemPeerId)
    .execute()
  return new Map(rows.map((row) => [row.id, row.synced_revision]))
}

/** Gives leases back without a verdict (shutdown). */
export async function giveBackPeers(db: Queryable<Schema>, world: World, leases: readonly string[]): Promise<void> {
  if (leases.length === 0) return
  await db.query
    .updateTable('system_peer')
    .set({ lease_owner: null, lease_until: null, next_heartbeat_at: timestamp(world.clock.nowMs()) })
    .where('lease_owner', 'in', leases)
    .execute()
}

/** Ends a heartbeat. Undefined, and nothing is written, when its lease was lost or the peer is gone. */
export async function finishHeartbeat(
  tx: Transaction<Schema>,
  world: World,
  peer: Pick<SystemPeerRow, 'id' | 'heartbeat_interval' | 'last_heard_at'>,
  lease: string,
  startedAtMs: number,
  verdict: HeartbeatVerdict,
): Promise<SystemPeerRow | undefined> {
  const nowMs = world.clock.nowMs()
  const dueAt = timestamp(startedAtMs + peer.heartbeat_interval * 1_000)
  return await tx.query
    .updateTable('system_peer')
    .set((eb) => ({
      // From its beginning, so that a peer that does not answer is asked as often as one that does.
      next_heartbeat_at: eb
        .case()
        .when('next_heartbeat_at', '=', eb.ref('lease_until'))
        .then(dueAt)
        .else(eb.ref('next_heartbeat_at'))
        .end(),
      lease_owner: null,
      lease_until: null,
      heartbeat_failures: verdict.failures,
      availability_state: verdict.availability,
      unavailable_since: verdict.unavailableSinceMs === undefined ? null : timestamp(verdict.unavailableSinceMs),
      failure_reason: verdict.reason,
      last_heard_at: verdict.reason === null ? timestamp(nowMs) : peer.last_heard_at,
    }))
    .where('id', '=', peer.id)
    .where('lease_owner', '=', lease)
    .returningAll()
    .executeTakeFirst()
}

/** A peer is back: what could not be told to it then is just different now (reference dcmanager §7.4). */
export async function voidSyncFailures(tx: Transaction<Schema>, world: World, systemPeerId: number): Promise<void> {
  await tx.query
    .updateTable('peer_group_association')
    .set({ sync_failure: null, updated_at: timestamp(world.clock.nowMs()) })
    .where('system_peer_id', '=', systemPeerId)
    .where('association_type', '=', 'primary')
    .where('sync_failure', 'is not', null)
    .execute()
}

export interface ObservedAssociation {
  readonly id: number
  readonly remote_migration: 'migrating' | 'complete' | null
  readonly synced_revision: number
  readonly sync_failure: string | null
}

/** Writes what a heartbeat has shown of associations that differ: one statement. */
export async function writeObserved(tx: Transaction<Schema>, world: World, rows: readonly ObservedAssociation[]): Promise<void> {
  if (rows.length === 0) return
  const updated_at = timestamp(world.clock.nowMs())
  await updateFrom(
    tx,
    'peer_group_association',
    ['id'],
    rows.map((row) => ({ ...row, updated_at })),
  )
}

/** What the peer's copies say now; one statement. Not a change of the associations, so their time of update stays. */
export async function writeReported(
  db: Queryable<Schema>,
  rows: readonly { readonly id: number; readonly reported_status: AssociationStatus }[],
): Promise<void> {
  if (rows.length > 0) await updateFrom(db, 'peer_group_association', ['id'], rows)
}

/** The peer has less than it had: each of its members is sent again. */
export async function forgetSyncedMembers(tx: Transaction<Schema>, associationIds: readonly number[]): Promise<void> {
  if (associationIds.length === 0) return
  await tx.query.deleteFrom('peer_group_member_sync').where('association_id', 'in', associationIds).execute()
}
