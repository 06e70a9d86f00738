import type { AssociationStatus, PeerAvailability } from './vocabulary.ts'

/** What is known of an association on the site that owns its group; nothing else decides its status. */
export interface AssociationFacts {
  /** A sync of it waits or runs. */
  readonly syncing: boolean
  /** Why the last sync failed, until something newer makes it void: a next sync, a change, a peer that was away. */
  readonly syncFailure: string | null
  /** Of the group's replicated document, here. */
  readonly revision: number
  /** The one that the peer has confirmed in whole; 0 before the first. */
  readonly syncedRevision: number
  readonly peer: { readonly name: string; readonly availability: PeerAvailability }
  /** The peer migrates the group to itself: what this site has recorded is no longer what is. */
  readonly remoteMigration: 'migrating' | 'complete' | null
}

export interface DerivedStatus {
  readonly status: AssociationStatus
  readonly message: string | null
}

/**
 * The status of a primary association, computed from revisions and reachability (reference dcmanager §3.7, §7.4, §7.5). The table of
 * §7.4 follows from it: a peer that goes away makes in-sync `unknown` and everything that still has to be told `failed`; when it is
 * back, what differs is `out-of-sync` and what agrees is `in-sync`.
 */
export function associationStatus(facts: AssociationFacts): DerivedStatus {
  if (facts.syncing) return { status: 'syncing', message: null }
  const agrees = facts.syncFailure === null && facts.syncedRevision >= facts.revision && facts.remoteMigration === null
  if (facts.peer.availability === 'unavailable')
    return { status: agrees ? 'unknown' : 'failed', message: `Peer site (${facts.peer.name}) is unreachable.` }
  if (facts.syncFailure !== null) return { status: 'failed', message: facts.syncFailure }
  return { status: agrees ? 'in-sync' : 'out-of-sync', message: null }
}
