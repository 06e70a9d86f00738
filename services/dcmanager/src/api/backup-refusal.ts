import { errors } from '../errors.ts'
import type { BackupVerb } from '../rules/backup-request.ts'
import type { Outcome } from '../store/backup-claims.ts'

/** How many members of a group are named with their reason. */
const reasonsTold = 5

/** 400: nobody of the request may have the operation. */
export function refuseAll(verb: BackupVerb, group: string | undefined, outcomes: readonly Outcome[]): never {
  if (group === undefined) {
    const [outcome] = outcomes
    // Deleted since it was looked up.
    if (outcome === undefined || outcome.accepted) throw errors.subcloudNotFound()
    throw errors.backupIneligible({ name: outcome.row.name, verb, ...outcome.why })
  }
  if (outcomes.length === 0) throw errors.backupGroupEmpty({ group }, { field: 'group' })
  const told = outcomes.slice(0, reasonsTold).map((outcome) => `${outcome.row.name}: ${outcome.accepted ? '' : outcome.why.reason}`)
  if (outcomes.length > told.length) told.push(`and ${outcomes.length - told.length} more`)
  throw errors.backupNoneEligible({ group, verb, reasons: told.join('; ') })
}
