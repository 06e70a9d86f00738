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
  /** Kind of the operation that works on it, or waits for its turn. */
  readonly busyWith?: string | undefined
}

/** An operation that a migration can not run beside. */
export interface Obstacle {
  readonly on: 'peer-group' | 'association'
  readonly id: number
  readonly operation: string
}

export interface PlanEntry {
  readonly subcloudId: number
  readonly name: string
  readonly deployStatus: DeployStatus
  readonly migrate: boolean
  /** Why not, for people; absent when it would migrate. */
  readonly reason?: string
}

/** Why a request is refused as a whole. */
export type PlanRefusal =
  | ({ readonly why: 'busy' } & Obstacle)
  /** Some should migrate and can not; each with its reason. */
  | { readonly why: 'impossible'; readonly problems: string }
  | { readonly why: 'empty' }

export interface MigrationPlan {
  readonly entries: readonly PlanEntry[]
  /** Nobody migrates then. */
  readonly refusal?: PlanRefusal
}

/** What a migration would do now, and why not (reference §1.12, §7.9). Pure: the dry run and the claim are one rule. */
export function planMigration(members: readonly PlannedMember[], obstacle?: Obstacle): MigrationPlan {
  const verdicts = members.map((member) => ({ member, ...verdictOn(member) }))
  const problems = verdicts.filter((verdict) => verdict.problem === true)
  const refusal: PlanRefusal | undefined =
    obstacle !== undefined
      ? { why: 'busy', ...obstacle }
      : problems.length > 0
        ? { why: 'impossible', problems: problems.map(({ member, reason }) => `${member.name}: ${reason}`).join('; ') }
        : verdicts.every(({ reason }) => reason !== undefined)
          ? { why: 'empty' }
          : undefined
  const refused =
    obstacle !== undefined
      ? `${obstacle.operation} is in progress for the ${obstacle.on === 'association' ? 'association' : 'group'}`
      : problems.length > 0
        ? `none migrates while others can not: ${namesOf(problems.map(({ member }) => member.name))}`
        : undefined
  const entries = verdicts.map(({ member: { id, name, deployStatus }, reason = refused }) => ({
    subcloudId: id,
    name,
    deployStatus,
    migrate: reason === undefined,
    ...(reason === undefined ? {} : { reason }),
  }))
  return { entries, ...(refusal === undefined ? {} : { refusal }) }
}

const namesOf = (names: readonly string[]): string =>
  names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ')

/** Without a reason it migrates; with a problem nobody does, for it should and could not. */
function verdictOn({ deployStatus, rehomeData, busyWith }: PlannedMember): { readonly reason?: string; readonly problem?: true } {
  if (deployStatus === 'pre-rehome' || deployStatus === 'rehoming') return { problem: true, reason: 'it is being rehomed already' }
  if (!migratable.includes(deployStatus)) return { reason: reasonOf(deployStatus) }
  if (!rehomeData) return { problem: true, reason: 'it has no rehome data: update it with bootstrap_values and bootstrap_address' }
  return busyWith === undefined ? {} : { reason: `an operation works on it (${busyWith})` }
}

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
