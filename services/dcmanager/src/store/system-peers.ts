import { timestamp, type Queryable } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { Selectable } from 'kysely'
import type { Schema, SystemPeerTable } from './schema.ts'
import { idOf } from './subclouds.ts'

export type SystemPeerRow = Selectable<SystemPeerTable>

/** What an operator says of a peer; the rest of the row is the monitor's. */
export type SystemPeerColumns = Pick<
  SystemPeerRow,
  | 'peer_uuid'
  | 'peer_name'
  | 'manager_endpoint'
  | 'manager_username'
  | 'manager_password'
  | 'peer_controller_gateway_ip'
  | 'administrative_state'
  | 'heartbeat_interval'
  | 'heartbeat_failure_threshold'
  | 'heartbeat_failure_policy'
  | 'heartbeat_maintenance_timeout'
  | 'rehome_sysadmin_password'
>

export type PeerSecret = 'password' | 'sysadmin_password'
/** What a peer's secrets are sealed for: a row's secret opens in no other peer's row. */
export const peerSecretContext = (peerUuid: string, secret: PeerSecret): string => `system-peer:${peerUuid}:${secret}`

/** All digits: an id; a system UUID; otherwise a name (reference dcmanager §1.1). */
export async function findSystemPeer(db: Queryable<Schema>, ref: string): Promise<SystemPeerRow | undefined> {
  if (/^[0-9]+$/.test(ref)) {
    const id = idOf(ref)
    return id === undefined ? undefined : readSystemPeer(db, id)
  }
  const uuid = ref.toLowerCase()
  const rows = await db.query
    .selectFrom('system_peer')
    .selectAll()
    .where((eb) => eb.or([eb('peer_uuid', '=', uuid), eb('peer_name', '=', ref)]))
    .execute()
  return rows.find((row) => row.peer_uuid === uuid) ?? rows[0]
}

export const readSystemPeer = (db: Queryable<Schema>, id: number): Promise<SystemPeerRow | undefined> =>
  db.query.selectFrom('system_peer').selectAll().where('id', '=', id).executeTakeFirst()

export const listSystemPeers = (db: Queryable<Schema>): Promise<SystemPeerRow[]> =>
  db.query.selectFrom('system_peer').selectAll().orderBy('id').execute()

/** The first heartbeat is due at once; it is sent when the peer has an association. */
export function insertSystemPeer(db: Queryable<Schema>, world: World, columns: SystemPeerColumns): Promise<SystemPeerRow> {
  const at = timestamp(world.clock.nowMs())
  return db.query
    .insertInto('system_peer')
    .values({
      ...columns,
      availability_state: 'created',
      authority_pem: null,
      heartbeat_failures: 0,
      next_heartbeat_at: at,
      lease_owner: null,
      lease_until: null,
      last_heard_at: null,
      unavailable_since: null,
      failure_reason: null,
      created_at: at,
      updated_at: null,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
}

/**
 * What an operator changes. The next heartbeat is due at once: it may be the address or the password that was wrong. Another system
 * or address has told us no certificate authority yet.
 */
export function updateSystemPeer(
  db: Queryable<Schema>,
  world: World,
  id: number,
  columns: Partial<SystemPeerColumns>,
): Promise<SystemPeerRow | undefined> {
  const at = timestamp(world.clock.nowMs())
  const elsewhere = columns.peer_uuid !== undefined || columns.manager_endpoint !== undefined
  return db.query
    .updateTable('system_peer')
    .set({ ...columns, ...(elsewhere ? { authority_pem: null } : {}), next_heartbeat_at: at, updated_at: at })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst()
}

/** False when it was gone already. */
export async function deleteSystemPeer(db: Queryable<Schema>, id: number): Promise<boolean> {
  const { numDeletedRows } = await db.query.deleteFrom('system_peer').where('id', '=', id).executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}

/** Whether the record of any peer names this account. */
export async function isPeerAccount(db: Queryable<Schema>, userName: string): Promise<boolean> {
  const row = await db.query.selectFrom('system_peer').select('id').where('manager_username', '=', userName).limit(1).executeTakeFirst()
  return row !== undefined
}

/** Those that no heartbeat asks, for they have no association, and whose authority is not known. */
export const listUnheardPeers = (db: Queryable<Schema>): Promise<SystemPeerRow[]> =>
  db.query
    .selectFrom('system_peer')
    .leftJoin('peer_group_association', 'peer_group_association.system_peer_id', 'system_peer.id')
    .selectAll('system_peer')
    .where('peer_group_association.id', 'is', null)
    .where('system_peer.authority_pem', 'is', null)
    .orderBy('system_peer.id')
    .execute()

/** What a peer of our kind tells of itself: what its subclouds show is verified with it. */
export async function writePeerAuthority(db: Queryable<Schema>, id: number, pem: string): Promise<void> {
  await db.query.updateTable('system_peer').set({ authority_pem: pem }).where('id', '=', id).execute()
}
