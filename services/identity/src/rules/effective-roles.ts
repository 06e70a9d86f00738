/** A row of the table: who has which role where. */
export interface AssignmentRow {
  actor_type: 'user' | 'group'
  actor_id: string
  target_type: 'project' | 'domain' | 'system'
  /** `system` for the system. */
  target_id: string
  role_id: string
  /** 1: not on the target itself but on all projects below it (OS-INHERIT). */
  inherited: 0 | 1
}

/** Whoever has the prior role has the implied one too. */
export interface ImpliedRoleRow {
  prior_role_id: string
  implied_role_id: string
}

/** All roles that follow from the given ones, they included. Cycles end by themselves. */
export function withImplied(direct: Iterable<string>, implied: readonly ImpliedRoleRow[]): Set<string> {
  const found = new Set(direct)
  // A set may grow while it is walked: each role is visited once.
  for (const role of found) for (const rule of implied) if (rule.prior_role_id === role) found.add(rule.implied_role_id)
  return found
}

/** Would `prior → implied` close a circle? */
export const closesCircle = (prior: string, implied: string, rules: readonly ImpliedRoleRow[]): boolean =>
  withImplied([implied], rules).has(prior)

export type Target =
  | { readonly kind: 'project'; readonly id: string; readonly ancestorIds: readonly string[]; readonly domainId: string }
  | { readonly kind: 'domain'; readonly id: string }
  | { readonly kind: 'system' }

/**
 * Whether an assignment is in force on a target. One on the target itself counts when it is not inherited; an inherited one
 * counts on every project below its domain or project, never on the place where it stands.
 */
export function isInForce(assignment: Pick<AssignmentRow, 'target_type' | 'target_id' | 'inherited'>, target: Target): boolean {
  if (assignment.inherited === 1) {
    if (target.kind !== 'project') return false
    return assignment.target_type === 'domain'
      ? assignment.target_id === target.domainId
      : assignment.target_type === 'project' && target.ancestorIds.includes(assignment.target_id)
  }
  if (assignment.target_type !== target.kind) return false
  return target.kind === 'system' || assignment.target_id === target.id
}

/** Role ids in force on a target, implied ones included. */
export function effectiveRoleIds(assignments: readonly AssignmentRow[], target: Target, implied: readonly ImpliedRoleRow[]): Set<string> {
  return withImplied(
    assignments.filter((assignment) => isInForce(assignment, target)).map((assignment) => assignment.role_id),
    implied,
  )
}
