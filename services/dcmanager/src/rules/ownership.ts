import type { AuditRefused, AuditReport } from './audit-report.ts'
import { isTransient, type DeployStatus } from './lifecycle.ts'

/** The first epoch under which a controller claims a site that nobody has had before. */
export const firstEpoch = 1

/** Under which a playbook claims the site of this row, or proves that it is still this controller's. */
export const epochOf = (row: { readonly owner_epoch: number }): number => Math.max(row.owner_epoch, firstEpoch)

/** A site that another controller has claimed after us: whatever this row says, it is not ours. */
export const isFenced = (report: AuditReport, current: { readonly ownerEpoch: number }): report is AuditReport & { result: AuditRefused } =>
  'ownedBy' in report.result && !report.result.ours && report.result.ownedBy.epoch >= Math.max(current.ownerEpoch, firstEpoch)

/** What a fenced controller makes of its row. */
export interface Fencing {
  /** Absent while an operation works on it: the operation is cancelled, and the next audit sees what it left. */
  readonly deployStatus?: 'secondary'
  /** It was given up before, as it should be: nothing to alarm anybody about. */
  readonly expected: boolean
}

export const fencingOf = (deployStatus: DeployStatus): Fencing =>
  isTransient(deployStatus) ? { expected: false } : { deployStatus: 'secondary', expected: deployStatus === 'rehome-pending' }

/** For the row, in words that say what to do. */
export const fencedText = ({ owner, ownerName, epoch }: AuditRefused['ownedBy']): string =>
  `The subcloud is managed by ${ownerName} (${owner}) since epoch ${epoch}; this controller keeps a standby copy. To have it back, migrate it here.`

/** What a site said of its owner, before anything was done to it. */
export interface SeenOwner {
  readonly owner: string | null
  readonly ownerName: string | null
  readonly epoch: number
  /** Null: nobody listens there who could say. */
  readonly silentMs: number | null
}

/** So many audit intervals of silence make a witness: one audit may be lost, and the next one be late. */
export const witnessIntervals = 3

/**
 * Whether a takeover that nobody asked for may take this site. The site is the witness: one that has heard its controller lately is
 * managed, however it looks from here, and one that can't say is left alone.
 */
export function witnessRefusal(seen: SeenOwner, here: { readonly system: string; readonly auditIntervalMs: number }): string | undefined {
  if (seen.owner === null || seen.owner === here.system) return undefined
  const owner = `${seen.ownerName ?? 'its controller'} (${seen.owner})`
  if (seen.silentMs === null) return `The subcloud can not say whether it still hears ${owner}: nothing of it answers.`
  return seen.silentMs < witnessIntervals * here.auditIntervalMs
    ? `The subcloud still hears ${owner}: last ${Math.round(seen.silentMs / 1_000)} s ago.`
    : undefined
}
