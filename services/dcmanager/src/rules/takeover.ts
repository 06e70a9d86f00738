import type { HeartbeatFailurePolicy, PeerAvailability } from './vocabulary.ts'

/** A group that is associated with the peer, as far as a takeover by itself asks. */
export interface TakeoverGroup {
  readonly id: number
  readonly name: string
  readonly enabled: boolean
  /** The peer manages its members now, as this site knows. */
  readonly ledByPeer: boolean
  /** What is here of it is what the other site had last: its association was in-sync when the peer was last heard. */
  readonly copyAgrees: boolean
  /** A migration of it runs here, whoever began it. */
  readonly migrating: boolean
  /** Members here that a migration would take. */
  readonly candidates: number
  /** When a takeover of it was last begun by itself. */
  readonly lastBegunMs: number | undefined
}

export interface TakeoverFacts {
  readonly policy: HeartbeatFailurePolicy
  readonly peerName: string
  readonly availability: PeerAvailability
  readonly unavailableSinceMs: number | undefined
  readonly maintenanceTimeoutMs: number
  /** The sysadmin password of the subclouds is stored for it. */
  readonly password: boolean
  readonly groups: readonly TakeoverGroup[]
}

export interface Takeover {
  /** `off`: the policy does not ask for it. `armed`: it begins by itself when the time has come. `blocked`: it would not. */
  readonly state: 'off' | 'armed' | 'blocked' | 'begun'
  readonly reason: string
  /** Groups to begin with now. */
  readonly due: readonly TakeoverGroup[]
}

/**
 * Whether this site takes over from a peer by itself, and why not (policy `rehome`; users 33). It begins when the peer was unavailable
 * for longer than its `heartbeat_maintenance_timeout`, and again after as long, because members that still heard their controller
 * were left to it. Each subcloud is asked first: only those that can't reach the other site either are taken.
 */
export function takeoverOf(facts: TakeoverFacts, nowMs: number): Takeover {
  const { peerName } = facts
  const off = (reason: string): Takeover => ({ state: 'off', reason, due: [] })
  const blocked = (reason: string): Takeover => ({ state: 'blocked', reason, due: [] })
  if (facts.policy === 'alarm') return off('heartbeat-failure-policy is alarm: an operator migrates the groups')
  if (facts.policy === 'delegate') return off('heartbeat-failure-policy delegate behaves as alarm: an operator migrates the groups')
  if (!facts.password)
    return blocked('no sysadmin password of the subclouds is stored: update the system peer with rehome_sysadmin_password')
  const led = facts.groups.filter((group) => group.ledByPeer)
  if (led.length === 0) return blocked(`${peerName} manages no peer group that has a standby copy here`)

  const obstacles = new Map(led.map((group) => [group, obstacleOf(group)]))
  const ready = led.filter((group) => obstacles.get(group) === undefined)
  const hindered = led.flatMap((group) => obstacles.get(group) ?? []).join('; ')
  if (ready.length === 0) return blocked(hindered)
  const names = ready.map((group) => group.name).join(', ')
  const but = hindered === '' ? '' : `; not all: ${hindered}`
  const timeoutSeconds = Math.round(facts.maintenanceTimeoutMs / 1_000)

  if (facts.availability !== 'unavailable' || facts.unavailableSinceMs === undefined)
    return { state: 'armed', reason: `takes over ${names} when ${peerName} was unavailable for ${timeoutSeconds} s${but}`, due: [] }
  const leftMs = facts.unavailableSinceMs + facts.maintenanceTimeoutMs - nowMs
  if (leftMs > 0)
    return { state: 'armed', reason: `${peerName} is unavailable: takes over ${names} in ${Math.ceil(leftMs / 1_000)} s${but}`, due: [] }
  const due = ready.filter(
    (group) => !group.migrating && (group.lastBegunMs === undefined || nowMs - group.lastBegunMs >= facts.maintenanceTimeoutMs),
  )
  return { state: 'begun', reason: `${peerName} is unavailable: takeover of ${names} has begun; see the status of the groups${but}`, due }
}

function obstacleOf(group: TakeoverGroup): string | undefined {
  if (!group.enabled) return `group-state of ${group.name} is disabled`
  if (group.migrating) return undefined
  if (group.candidates === 0) return `${group.name} has no members to take`
  if (!group.copyAgrees) return `the copy of ${group.name} here was not in-sync when the peer was last heard`
  return undefined
}
