import type { AvailabilityStatus } from './vocabulary.ts'

export interface Availability {
  readonly status: AvailabilityStatus
  /** Failed audits in a row. */
  readonly failCount: number
}

export type AuditVerdict = 'success' | 'failure'

/** The counter says "for long" from here on; it does not grow for ever. */
export const failCountMax = 9999

/**
 * What one audit makes of a subcloud's availability (reference dcmanager §8.4): online survives fewer than
 * `failuresToOffline` failures in a row, one success brings it back. A site that answers but says that it is offline
 * (inactive service groups) counts as a failure.
 */
export function nextAvailability(current: Availability, verdict: AuditVerdict, failuresToOffline: number): Availability {
  if (verdict === 'success') return { status: 'online', failCount: 0 }
  const failCount = Math.min(current.failCount + 1, failCountMax)
  return { status: current.status === 'online' && failCount < failuresToOffline ? 'online' : 'offline', failCount }
}
