import type { DeployStatus } from './lifecycle.ts'
import type { ManagementState } from './vocabulary.ts'

/** A member of a group here. */
export interface MemberHere {
  readonly id: number
  readonly regionName: string
  readonly deployStatus: DeployStatus
  readonly managementState: ManagementState
  readonly ownerEpoch: number
  /** The system that manages it, as the subcloud itself has said; null or absent while it has refused nobody here. */
  readonly fencedBy?: string | null
  /** An operation holds it now; its end writes statuses, so nobody else does meanwhile. */
  readonly busy: boolean
  /** The peer has confirmed a copy of it once. */
  readonly confirmed: boolean
  /** The peer has not confirmed what it is now. */
  readonly pending: boolean
}

/** The same subcloud at the peer. */
export interface MemberThere {
  readonly regionName: string
  readonly deployStatus: string
  readonly managementState: string
  readonly ownerEpoch: number | undefined
}

export interface Conclusions {
  /** Given up to the peer, which is about to rehome them: unmanaged and `rehome-pending`. */
  readonly pending: readonly number[]
  /** The peer manages them: standby copies here. */
  readonly standby: readonly number[]
  /** The peer tried and failed. */
  readonly failed: readonly number[]
  /** Gone there since it had them, so they leave with their standby copy. */
  readonly gone: readonly number[]
  /** To be concluded at the next look, for an operation holds them now. */
  readonly waiting: readonly number[]
}

const failedThere: ReadonlySet<string> = new Set(['rehome-failed', 'rehome-prep-failed'])
/** Copies of what another site manages. */
export const standbyHere: ReadonlySet<DeployStatus> = new Set(['secondary', 'secondary-failed'])
/** Already given up, or never managed here: "the peer migrates" changes nothing for them. */
const restsHere: ReadonlySet<DeployStatus> = new Set([...standbyHere, 'rehome-failed', 'rehome-prep-failed', 'rehome-pending'])

/** Statuses that a standby copy may have (reference dcmanager §7.7 step 8). */
export const standbyClass: ReadonlySet<string> = new Set([...standbyHere, ...failedThere])

const none: Conclusions = { pending: [], standby: [], failed: [], gone: [], waiting: [] }
const ids = (members: readonly MemberHere[]): number[] => members.map((member) => member.id)

/** The peer says `migrating`: everything that this site still holds is given up (reference dcmanager §7.10). */
export function whileMigrating(here: readonly MemberHere[]): Conclusions {
  const held = here.filter((member) => member.managementState === 'managed' || !restsHere.has(member.deployStatus))
  const [waiting, pending] = [held.filter((member) => member.busy), held.filter((member) => !member.busy)]
  return { ...none, pending: ids(pending), waiting: ids(waiting) }
}

/**
 * The peer says `complete` (reference dcmanager §7.10), for the whole group at once. Better than the original: a subcloud that this site
 * owns under a newer epoch stays here, and only what the peer once had can be "gone there": what it never had is not its to judge.
 */
export function afterMigration(here: readonly MemberHere[], there: readonly MemberThere[], peerId: string): Conclusions {
  const copies = new Map(there.map((member) => [member.regionName, member]))
  const verdicts = here.map((member) => ({ member, verdict: verdictOn(member, copies.get(member.regionName), peerId) }))
  const those = (verdict: Verdict): number[] =>
    ids(verdicts.filter((each) => each.verdict === verdict && !each.member.busy).map((each) => each.member))
  return {
    pending: [],
    standby: those('standby'),
    failed: those('failed'),
    gone: those('gone'),
    waiting: ids(verdicts.filter((each) => each.verdict !== 'stays' && each.member.busy).map((each) => each.member)),
  }
}

type Verdict = 'standby' | 'failed' | 'gone' | 'stays'

function verdictOn(here: MemberHere, there: MemberThere | undefined, peerId: string): Verdict {
  if (there === undefined) return here.confirmed ? 'gone' : 'stays'
  // What fails there is none of this site's while a third one manages it.
  const elsewhere = here.managementState === 'unmanaged' && (here.fencedBy ?? peerId) !== peerId
  if (failedThere.has(there.deployStatus))
    return elsewhere || (here.deployStatus === 'rehome-failed' && here.managementState === 'unmanaged') ? 'stays' : 'failed'
  if (there.managementState !== 'managed' || there.deployStatus === 'secondary' || standbyHere.has(here.deployStatus)) return 'stays'
  // Both say that they manage it: the subcloud obeys the newer epoch, whatever either believes.
  if (there.ownerEpoch !== undefined && here.managementState === 'managed' && here.ownerEpoch > there.ownerEpoch) return 'stays'
  return 'standby'
}

/** Copies here of what the peer manages, and the subclouds themselves have said so, or nothing yet. */
export function copiesOfPeer(peerId: string, here: readonly MemberHere[], there: readonly MemberThere[]): readonly number[] {
  const managed = new Set(there.filter((member) => member.managementState === 'managed').map((member) => member.regionName))
  const copies = here.filter((member) => member.deployStatus === 'secondary' && (member.fencedBy ?? peerId) === peerId)
  return ids(copies.filter((member) => managed.has(member.regionName)))
}

/** Of a group, what a peer's copy has to have as well. */
export interface SharedGroupColumns {
  readonly state: string
  readonly maxSubcloudRehoming: number
}

/**
 * Whether the peer's copy of the group is all that this site's is, after these members have gone: the same members, each confirmed as it is
 * now. That a takeover is over says nothing of changes which the peer never had.
 */
export function copyIsWhole(
  here: { readonly group: SharedGroupColumns; readonly members: readonly MemberHere[] },
  there: { readonly group: SharedGroupColumns; readonly members: readonly MemberThere[] },
): boolean {
  const regions = new Set(here.members.map((member) => member.regionName))
  const copies = new Set(there.members.map((member) => member.regionName))
  return (
    here.group.state === there.group.state &&
    here.group.maxSubcloudRehoming === there.group.maxSubcloudRehoming &&
    here.members.every((member) => !member.pending && copies.has(member.regionName)) &&
    there.members.every((member) => regions.has(member.regionName))
  )
}

type Managed = Pick<MemberThere, 'regionName' | 'managementState' | 'ownerEpoch'>

/** How many members each site manages; one that both believe to manage belongs to the newer epoch, and to both where none is known. */
export function managedCounts(here: readonly Managed[], there: readonly Managed[]): Pick<LeadershipFacts, 'managedHere' | 'managedThere'> {
  const copies = new Map(there.filter((member) => member.managementState === 'managed').map((member) => [member.regionName, member]))
  let [managedHere, managedThere] = [0, copies.size]
  for (const member of here.filter((each) => each.managementState === 'managed')) {
    const epochThere = copies.get(member.regionName)?.ownerEpoch
    const newer = member.ownerEpoch === undefined || epochThere === undefined ? 0 : member.ownerEpoch - epochThere
    if (newer >= 0) managedHere += 1
    if (newer > 0) managedThere -= 1
  }
  return { managedHere, managedThere }
}

export interface LeadershipFacts {
  readonly localId: string
  readonly peerId: string
  readonly leaderHere: string
  readonly leaderThere: string
  readonly priorityHere: number
  readonly priorityThere: number
  /** Members that each site manages, after the conclusions. */
  readonly managedHere: number
  readonly managedThere: number
}

/** A standby of a group that says that it leads it. */
export interface Claimant {
  readonly priority: number
  readonly members: readonly Managed[]
}

/**
 * Two standbys each took members over while they did not hear the owner of the group, through whom alone they know of each other: it decides,
 * as two sites do between themselves. True: `one` leads.
 */
export const leadsBefore = (one: Claimant, other: Claimant): boolean =>
  stronger({
    ...managedCounts(one.members, other.members),
    priorityHere: one.priority,
    priorityThere: other.priority,
  }) === 'local'

/** The site that manages more members, and the one with the lower priority number when they manage as many: both sites find the same. */
const stronger = ({
  managedHere,
  managedThere,
  priorityHere,
  priorityThere,
}: Pick<LeadershipFacts, 'managedHere' | 'managedThere' | 'priorityHere' | 'priorityThere'>): 'local' | 'peer' =>
  (managedHere === managedThere ? priorityThere < priorityHere : managedThere > managedHere) ? 'peer' : 'local'

/**
 * Who leads the group after the peer has completed a migration. Where both sites completed one at the same time each believes in
 * itself; then the stronger one leads.
 */
export function leaderAfter(facts: LeadershipFacts): 'peer' | 'unchanged' {
  if (facts.leaderThere !== facts.peerId) return 'unchanged'
  if (facts.leaderHere !== facts.localId || facts.managedHere === 0) return 'peer'
  return stronger(facts) === 'peer' ? 'peer' : 'unchanged'
}

/**
 * Nobody migrates, and the two copies name different leaders: one of the sites was restored from a copy of before a takeover. True when
 * this site has to follow what the other one says. Of the two sites the stronger one leads; of a third one the owner of the group knows more.
 */
export function followsLeaderThere(facts: LeadershipFacts): boolean {
  const { localId, peerId, leaderHere, leaderThere } = facts
  if (leaderHere === leaderThere) return false
  if ([leaderHere, leaderThere].every((id) => id === localId || id === peerId))
    return leaderThere === (stronger(facts) === 'peer' ? peerId : localId)
  return facts.priorityThere < facts.priorityHere && (leaderHere !== localId || facts.managedHere === 0)
}
