import { withImplied, type AssignmentRow, type ImpliedRoleRow } from './effective-roles.ts'

/** An assignment that is in force, and where it comes from. */
export interface EffectiveAssignment {
  readonly userId: string
  readonly targetType: AssignmentRow['target_type']
  readonly targetId: string
  readonly roleId: string
  /** The assignment that it follows from. */
  readonly from: AssignmentRow
}

export interface Surroundings {
  readonly membersByGroup: ReadonlyMap<string, readonly string[]>
  /** Projects below a domain or project that has inherited assignments. */
  readonly projectsBelow: ReadonlyMap<string, readonly string[]>
  readonly implied: readonly ImpliedRoleRow[]
}

/** What assignments come to: groups become their members, inherited ones the projects below, roles all that they imply. */
export function expandAssignments(rows: readonly AssignmentRow[], around: Surroundings): EffectiveAssignment[] {
  const found = new Map<string, EffectiveAssignment>()
  for (const from of rows) {
    const users = from.actor_type === 'user' ? [from.actor_id] : (around.membersByGroup.get(from.actor_id) ?? [])
    const targets =
      from.inherited === 0
        ? [{ targetType: from.target_type, targetId: from.target_id }]
        : (around.projectsBelow.get(from.target_id) ?? []).map((targetId) => ({ targetType: 'project' as const, targetId }))
    const roles = withImplied([from.role_id], around.implied)
    for (const userId of users)
      for (const target of targets)
        for (const roleId of roles) {
          const key = JSON.stringify([userId, target.targetType, target.targetId, roleId])
          // The direct way to a role is the better explanation of it.
          if (!found.has(key) || from.role_id === roleId) found.set(key, { userId, ...target, roleId, from })
        }
  }
  return [...found.values()]
}
