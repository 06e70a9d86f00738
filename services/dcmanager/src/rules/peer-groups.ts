import { errors } from '../errors.ts'
import type { DeployStatus } from './lifecycle.ts'

/** What a rule about a group asks of it. */
export interface GroupFacts {
  readonly peer_group_name: string
  readonly group_priority: number
  readonly system_leader_id: string
  readonly system_leader_name: string
}

export interface MemberFacts {
  readonly name: string
  readonly deploy_status: DeployStatus
  readonly management_state: 'managed' | 'unmanaged'
  readonly availability_status: 'online' | 'offline'
}

/** Where the request is handled. */
export interface Here {
  /** System UUID of this controller. */
  readonly systemId: string
  /** Whether the site that owns the group can't be reached: all peers through which this site is a standby of it are unavailable. */
  readonly ownerAway: boolean
}

/** Standby copies and what failed to become a real one: what a peer may change and take away (reference dcmanager §7.7, §7.9). */
const standbyStatuses: ReadonlySet<DeployStatus> = new Set(['secondary', 'secondary-failed', 'rehome-failed', 'rehome-prep-failed'])
export const isStandby = (subcloud: Pick<MemberFacts, 'deploy_status'>): boolean => standbyStatuses.has(subcloud.deploy_status)

const leads = (group: GroupFacts, here: Here): boolean => group.system_leader_id === here.systemId

/** `peer_group=none` (reference §1.7, table of the membership rules). */
export function requireMayLeave(group: GroupFacts, here: Here): void {
  if (!leads(group, here)) throw errors.memberLedElsewhere({ group: group.peer_group_name, leader: group.system_leader_name })
  if (group.group_priority > 0 && !here.ownerAway) throw errors.memberOwnerReachable({ group: group.peer_group_name })
}

/** `peer_group=<group>`: out of which, into which, and of what. */
export function requireMayJoin(from: GroupFacts | undefined, to: GroupFacts, subcloud: MemberFacts, here: Here): void {
  if (from !== undefined && from.group_priority > 0) throw errors.memberNotPrimary({ group: from.peer_group_name })
  if (to.group_priority > 0) throw errors.memberNotPrimary({ group: to.peer_group_name })
  if (!leads(to, here)) throw errors.memberLedElsewhere({ group: to.peer_group_name, leader: to.system_leader_name })
  if (subcloud.deploy_status !== 'complete' || subcloud.management_state !== 'managed' || subcloud.availability_status !== 'online')
    throw errors.memberNotReady({
      status: subcloud.deploy_status,
      management: subcloud.management_state,
      availability: subcloud.availability_status,
    })
}

export interface MemberUpdate {
  readonly managementState: boolean
  /** Nothing but bootstrap values and bootstrap address. */
  readonly onlyRehomeData: boolean
}

/**
 * Anything else of a member: where it is owned and managed. On the standby only one thing, what a failed takeover needs while the owner
 * is away; returns true for that (the association is out-of-sync then, for this site has what its owner does not).
 */
export function requireMayUpdateMember(group: GroupFacts, subcloud: MemberFacts, here: Here, update: MemberUpdate): boolean {
  if (update.managementState) throw errors.memberManagementState({ group: group.peer_group_name })
  if (group.group_priority === 0 && leads(group, here)) return false
  if (group.group_priority > 0 && update.onlyRehomeData && subcloud.deploy_status === 'rehome-failed' && here.ownerAway) return true
  if (group.group_priority > 0) throw errors.memberNotPrimary({ group: group.peer_group_name })
  throw errors.memberLedElsewhere({ group: group.peer_group_name, leader: group.system_leader_name })
}

/** PATCH `migrate`: gives the subcloud up for another controller. False when it is given up already. */
export function requireMayMigrate(subcloud: MemberFacts, update: { readonly willBeUnmanaged: boolean; readonly byPeer: boolean }): boolean {
  if (subcloud.deploy_status === 'rehome-pending') return false
  if (subcloud.deploy_status !== 'complete' && !update.byPeer) throw errors.migrateState({ status: subcloud.deploy_status })
  if (subcloud.management_state === 'managed' && !update.willBeUnmanaged) throw errors.migrateManaged()
  return true
}

export interface PeerGroupCounts {
  readonly total_subclouds: number
  readonly complete: number
  readonly waiting_for_migrate: number
  readonly rehoming: number
  readonly rehome_failed: number
  readonly managed: number
  readonly unmanaged: number
}

/** The counters of GET status (reference §1.12). */
export function countMembersByState(
  members: readonly { readonly deployStatus: DeployStatus; readonly managementState: 'managed' | 'unmanaged'; readonly count: number }[],
): PeerGroupCounts {
  const sum = (matches: (member: (typeof members)[number]) => boolean): number =>
    members.reduce((total, member) => total + (matches(member) ? member.count : 0), 0)
  const inStatus = (...statuses: readonly DeployStatus[]): number => sum((member) => statuses.includes(member.deployStatus))
  return {
    total_subclouds: sum(() => true),
    complete: inStatus('complete'),
    waiting_for_migrate: inStatus('secondary'),
    rehoming: inStatus('pre-rehome', 'rehoming'),
    rehome_failed: inStatus('rehome-failed', 'rehome-prep-failed'),
    managed: sum((member) => member.managementState === 'managed'),
    unmanaged: sum((member) => member.managementState === 'unmanaged'),
  }
}
