import { isTransient, type DeployStatus } from './lifecycle.ts'

/**
 * One member on its way through a migration. `rehomed`: taken over, not managed yet. `refused`: it was left to whoever manages it, as
 * it was; `failed`: its playbook did not come to a good end.
 */
export type MigrationState = 'waiting' | 'rehoming' | 'rehomed' | 'done' | 'failed' | 'refused'

/** Standby copies, and those that an earlier migration has left behind (reference dcmanager §7.9 step 1). */
export const migratable: readonly DeployStatus[] = ['secondary', 'rehome-failed', 'rehome-prep-failed']

/** What the plan asks of a member. */
export interface PlannedMember {
  readonly id: number
  readonly name: string
  readonly deployStatus: DeployStatus
  /** Bootstrap values and the address of the host are there. */
  readonly rehomeData: boolean
}

export interface PlanEntry {
  readonly subcloudId: number
  readonly name: string
  readonly deployStatus: DeployStatus
  readonly migrate: boolean
  /** Why not, for people; absent when it would migrate. */
  readonly reason?: string
  /** The request is refused because of it: it should migrate and could not. */
  readonly problem?: true
}

/** What a migration would do with each member now, and why not (reference §1.12, §7.9). Pure: the dry run and the claim are one rule. */
export const planMigration = (members: readonly PlannedMember[]): PlanEntry[] =>
  members.map((member) => {
    const entry = { subcloudId: member.id, name: member.name, deployStatus: member.deployStatus }
    if (migratable.includes(member.deployStatus))
      return member.rehomeData
        ? { ...entry, migrate: true }
        : {
            ...entry,
            migrate: false,
            problem: true,
            reason: 'it has no rehome data: update it with bootstrap_values and bootstrap_address',
          }
    if (member.deployStatus === 'pre-rehome' || member.deployStatus === 'rehoming')
      return { ...entry, migrate: false, problem: true, reason: 'it is being rehomed already' }
    return { ...entry, migrate: false, reason: reasonOf(member.deployStatus) }
  })

function reasonOf(status: DeployStatus): string {
  if (status === 'complete') return 'it is managed here'
  if (status === 'rehome-pending') return 'this site has given it up, and it waits for its new controller'
  if (status === 'secondary-failed') return 'its standby copy was not made: sync the association on the other site'
  return isTransient(status) ? `an operation works on it (${status})` : `its deploy status is ${status}`
}

export interface MigrationCounts {
  readonly rehomed: number
  readonly failed: number
  readonly refused: number
}

/**
 * What the end of a migration says of the group (reference §7.9 step 5). This site leads it when it has taken over, or tried to take
 * over, any member; when all were left to their controller, nothing has changed and nobody is told otherwise.
 */
export const endOfMigration = ({ rehomed, failed }: MigrationCounts): { readonly leads: boolean; readonly status: 'complete' | null } =>
  rehomed + failed > 0 ? { leads: true, status: 'complete' } : { leads: false, status: null }
