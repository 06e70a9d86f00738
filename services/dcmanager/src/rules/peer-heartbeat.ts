import type { PeerAvailability } from './vocabulary.ts'

/** Of the row of a system peer, as it was when its heartbeat began. */
export interface HeartbeatSubject {
  readonly availability: PeerAvailability
  /** Failures in a row so far. */
  readonly failures: number
  readonly threshold: number
  readonly unavailableSinceMs: number | undefined
}

export type HeartbeatOutcome = { readonly heard: true } | { readonly heard: false; readonly reason: string }

export interface HeartbeatVerdict {
  readonly availability: PeerAvailability
  readonly failures: number
  readonly unavailableSinceMs: number | undefined
  readonly reason: string | null
  /** It was away and is back: what differs is told anew, old failures are void. */
  readonly returned: boolean
  readonly lost: boolean
}

/**
 * A dedicated, short deadline for all requests of one heartbeat (reference dcmanager §7.3 has none): a peer is found unreachable after
 * threshold × interval plus one of these, whatever happens to its packets.
 */
export const heartbeatDeadlineMs = (intervalSeconds: number): number => Math.min(5_000, intervalSeconds * 500)

const mostFailures = 9_999

/** What one heartbeat makes of a peer (reference dcmanager §7.3): as many failures in a row as its threshold make it unavailable. */
export function verdictOf(peer: HeartbeatSubject, outcome: HeartbeatOutcome, nowMs: number): HeartbeatVerdict {
  if (outcome.heard)
    return {
      availability: 'available',
      failures: 0,
      unavailableSinceMs: undefined,
      reason: null,
      returned: peer.availability === 'unavailable',
      lost: false,
    }
  const failures = Math.min(peer.failures + 1, mostFailures)
  const unavailable = peer.availability === 'unavailable' || failures >= peer.threshold
  return {
    availability: unavailable ? 'unavailable' : peer.availability,
    failures,
    unavailableSinceMs: unavailable ? (peer.unavailableSinceMs ?? nowMs) : undefined,
    reason: outcome.reason,
    returned: false,
    lost: unavailable && peer.availability !== 'unavailable',
  }
}
