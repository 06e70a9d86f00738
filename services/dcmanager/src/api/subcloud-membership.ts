import type { Transaction } from '@murmuration/data'
import { errors } from '../errors.ts'
import { isStandby, requireMayJoin, requireMayLeave, requireMayUpdateMember, type Here, type MemberUpdate } from '../rules/peer-groups.ts'
import { readAssociationFacts, reportOutOfSync } from '../store/associations.ts'
import type { Desk } from '../store/claims.ts'
import { announceMove, findPeerGroup, readPeerGroup, touchMember, type PeerGroupRow } from '../store/peer-groups.ts'
import type { Schema } from '../store/schema.ts'
import type { SubcloudRow } from '../store/subclouds.ts'
import { isOwnerAway } from './local-system.ts'
import { syncAdvice } from './sync-advice.ts'

export interface MembershipRequest {
  /** `none`, or id or name of a group. */
  readonly peerGroup: string | undefined
  /** Anything beside `peer_group`; undefined when there is nothing. */
  readonly update: MemberUpdate | undefined
  /** System UUID of this controller; undefined when no group was in sight when it could be asked. */
  readonly systemId: string | undefined
  readonly byPeer: boolean
}

export interface Membership {
  readonly from: PeerGroupRow | undefined
  /** Undefined: stays as it is; null: in no group. */
  readonly to: PeerGroupRow | null | undefined
  /** A standby's rehome data is corrected while its owner is away: the associations here say so. */
  readonly corrects: boolean
}

/** The membership rules of reference dcmanager §1.7, asked in the transaction that writes. Peers pass them for standby copies. */
export async function decideMembership(tx: Transaction<Schema>, row: SubcloudRow, wanted: MembershipRequest): Promise<Membership> {
  const from = row.peer_group_id === null ? undefined : await readPeerGroup(tx, row.peer_group_id)
  const exempt = wanted.byPeer && isStandby(row)
  const here = async (): Promise<Here> => {
    // It joined a group after we looked.
    if (wanted.systemId === undefined) throw errors.conflictingChange()
    return { systemId: wanted.systemId, ownerAway: from !== undefined && (await isOwnerAway(tx, from.id)) }
  }
  // A peer that takes a subcloud over makes this site give it up.
  const surrenders = wanted.byPeer && wanted.update?.managementState === true
  const asked = from !== undefined && wanted.update !== undefined && !exempt && !surrenders
  const corrects = asked && requireMayUpdateMember(from, row, await here(), wanted.update)
  if (wanted.peerGroup === undefined) return { from, to: undefined, corrects }

  if (wanted.peerGroup.toLowerCase() === 'none') {
    if (from !== undefined && !exempt) requireMayLeave(from, await here())
    return { from, to: row.peer_group_id === null ? undefined : null, corrects }
  }
  const to = await findPeerGroup(tx, wanted.peerGroup)
  if (to === undefined) throw errors.peerGroupUnknown({ group: wanted.peerGroup.slice(0, 64) }, { field: 'peer_group' })
  if (to.id === row.peer_group_id) return { from, to: undefined, corrects }
  if (!exempt) requireMayJoin(from, to, row, await here())
  return { from, to, corrects }
}

/** Tells associations of what has been written, and the caller of what to run for them: the lines of `info_message`. */
export async function announceMembership(
  desk: Desk,
  tx: Transaction<Schema>,
  row: SubcloudRow,
  { from, to, corrects }: Membership,
  documentChanged: boolean,
): Promise<readonly string[]> {
  const { world } = desk
  if (documentChanged) await touchMember(tx, world, [row.id])
  if (to !== undefined) await announceMove(tx, world, { regionName: row.region_name, from: from?.id ?? null, to: to?.id ?? null })
  if (corrects && documentChanged && from !== undefined) await reportOutOfSync(tx, world, from.id)
  const groups = [from, to].flatMap((group) => (group === undefined || group === null ? [] : [group.id]))
  if (groups.length === 0 || (to === undefined && !documentChanged)) return []
  const associations = await readAssociationFacts(tx, { peerGroupIds: groups, type: 'primary' })
  return syncAdvice(
    'subcloud',
    associations.map(({ association }) => association.id),
  )
}
