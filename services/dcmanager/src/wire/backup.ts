import type { Outcome } from '../store/backup-claims.ts'
import { subcloudToWire } from './subcloud.ts'

/** What became of each subcloud of a request; an addition to the reference, which drops some of them without a word. */
export const outcomesToWire = (outcomes: readonly Outcome[]): BackupOutcome[] =>
  outcomes.map((outcome) =>
    outcome.accepted
      ? { id: outcome.row.id, name: outcome.row.name, outcome: 'accepted', 'operation-id': outcome.jobId }
      : { id: outcome.row.id, name: outcome.row.name, outcome: 'skipped', reason: outcome.why.reason },
  )

export interface BackupOutcome {
  readonly id: number
  readonly name: string
  readonly outcome: 'accepted' | 'skipped'
  readonly 'operation-id'?: string
  readonly reason?: string
}

/** Reference §1.10 "Reply": a create tells of everybody who was named, a restore of those that it restores. */
export const backupAnswer = (outcomes: readonly Outcome[], whom: 'all' | 'accepted'): string =>
  JSON.stringify({
    subclouds: outcomes.filter((outcome) => whom === 'all' || outcome.accepted).map(({ row }) => subcloudToWire(row)),
    outcomes: outcomesToWire(outcomes),
  })
