import type { AssociationThere, PeerGroupThere } from '@murmuration/clients'

/** Of an association and its group here; rows of the store fit. */
export interface ObservedRecord {
  readonly association: {
    readonly id: number
    readonly association_type: 'primary' | 'non-primary'
    readonly synced_revision: number
    readonly sync_failure: string | null
    readonly remote_migration: 'migrating' | 'complete' | null
  }
  readonly group: {
    readonly peer_group_name: string
    readonly group_priority: number
    readonly system_leader_id: string
    readonly migration_status: 'migrating' | 'complete' | null
    readonly revision: number
    readonly push_until: string | null
  }
  readonly peer: { readonly peer_name: string; readonly peer_uuid: string }
  readonly running: unknown
}

export interface HeardFromPeer {
  readonly groups: readonly PeerGroupThere[]
  readonly associations: readonly AssociationThere[]
  readonly systemPeerId: number | undefined
}

/** When a heartbeat was made. */
export interface ObservedMoment {
  /** What the peer had confirmed when it began, by association. */
  readonly syncedBefore?: ReadonlyMap<number, number>
  /** Timestamp at its end. */
  readonly now?: string
}

export interface Observation<R extends ObservedRecord> {
  readonly record: R
  readonly columns: {
    readonly id: number
    readonly remote_migration: 'migrating' | 'complete' | null
    readonly synced_revision: number
    readonly sync_failure: string | null
  }
  readonly changed: boolean
  /** One of the two sites was restored from a copy: every member is sent again. */
  readonly forgetMembers: boolean
  /** The peer has one that this site does not remember to have made: its document goes on after that. */
  readonly raiseRevisionTo: number | undefined
  /** Another site leads the group now, as its owner says. */
  readonly leader: { readonly id: string; readonly name: string } | undefined
  /** A migration that had made this site give its members up has ended with this site still in charge. */
  readonly givenUp: boolean
}

/**
 * What a heartbeat shows of one association: whether the peer migrates the group, whether both sites still know of the same revision (one of
 * them may have been restored from a backup), and who leads a group that this site only keeps a copy of.
 */
export function observe<R extends ObservedRecord>(
  record: R,
  heard: HeardFromPeer,
  localId: string,
  { syncedBefore, now = '' }: ObservedMoment = {},
): Observation<R> {
  const { association, group, peer } = record
  const there = heard.groups.find((each) => each.name === group.peer_group_name)
  const copy = heard.associations.find((each) => each.peerGroupId === there?.id && each.systemPeerId === heard.systemPeerId)
  const migration = there?.migrationStatus ?? null
  const primary = association.association_type === 'primary'
  const { synced_revision: synced } = association
  // A job may be making it just now, and its end says more; so does a push that ended while the peer answered, or has not ended.
  const pushed = (syncedBefore?.get(association.id) ?? synced) !== synced || (group.push_until ?? '') > now
  const judged = primary && record.running === undefined && synced > 0 && !pushed
  const missing = judged && copy === undefined
  // The end of a migration tells the revision anew.
  const received = judged && migration === null ? copy?.receivedRevision : undefined
  const older = received !== undefined && received < synced
  const newer = received !== undefined && received > group.revision
  const givenUp =
    association.remote_migration === 'migrating' &&
    there !== undefined &&
    migration === null &&
    there.leaderId === localId &&
    group.system_leader_id === localId &&
    group.migration_status === null
  const columns = {
    id: association.id,
    // Until the members are back: what is given up must not be forgotten.
    remote_migration: givenUp ? association.remote_migration : migration,
    synced_revision: missing ? 0 : older ? received : synced,
    sync_failure: missing ? lostText(peer.peer_name, group.peer_group_name, heard.systemPeerId) : association.sync_failure,
  }
  return {
    record,
    columns,
    changed:
      columns.remote_migration !== association.remote_migration ||
      columns.synced_revision !== association.synced_revision ||
      columns.sync_failure !== association.sync_failure,
    forgetMembers: missing || older || newer,
    raiseRevisionTo: newer ? received + 1 : undefined,
    leader: leaderToAdopt(record, there, localId),
    givenUp,
  }
}

/**
 * A standby that does not lead follows what the owner of the group says, so that a third site learns of a takeover. One that leads
 * itself does not: the owner may have been away since, and draws its conclusions first.
 */
function leaderToAdopt(
  { association, group }: ObservedRecord,
  there: PeerGroupThere | undefined,
  localId: string,
): { id: string; name: string } | undefined {
  if (there === undefined || association.association_type === 'primary' || there.migrationStatus !== undefined) return undefined
  if (group.migration_status !== null || group.system_leader_id === localId || there.priority >= group.group_priority) return undefined
  return there.leaderId === group.system_leader_id || there.leaderId === localId
    ? undefined
    : { id: there.leaderId, name: there.leaderName }
}

const lostText = (peerName: string, groupName: string, systemPeerId: number | undefined): string =>
  systemPeerId === undefined
    ? `Peer site (${peerName}) has no system peer for this site any more. Add one there, then sync.`
    : `Peer site (${peerName}) does not have this association of ${groupName} any more. Sync it to make it again.`
