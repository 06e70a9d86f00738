import { effectiveRoleIds } from '../rules/effective-roles.ts'
import { assignmentsOfUser } from '../store/assignments.ts'
import { descendantIds, findProjectOrDomain, findProjectsByIds } from '../store/projects.ts'
import type { Db, ImpliedRoleRow, ProjectRow } from '../store/schema.ts'

const byName = (a: ProjectRow, b: ProjectRow) => (a.name < b.name ? -1 : 1)

/** Enabled projects in which the user has a role: direct, by a group, or inherited. */
export async function reachableProjects(db: Db, userId: string): Promise<ProjectRow[]> {
  const ids = new Set<string>()
  for (const assignment of await assignmentsOfUser(db, userId)) {
    if (assignment.target_type === 'system') continue
    if (assignment.inherited === 0) {
      if (assignment.target_type === 'project') ids.add(assignment.target_id)
      continue
    }
    const root = await findProjectOrDomain(db, assignment.target_id)
    if (root !== undefined) for (const id of await descendantIds(db, root)) ids.add(id)
  }
  const rows = await findProjectsByIds(db, [...ids])
  return rows.filter((row) => row.enabled === 1 && row.is_domain === 0).sort(byName)
}

/** Enabled domains on which the user has a role. */
export async function reachableDomains(db: Db, userId: string): Promise<ProjectRow[]> {
  const assignments = await assignmentsOfUser(db, userId)
  const ids = assignments.filter((row) => row.target_type === 'domain' && row.inherited === 0).map((row) => row.target_id)
  const rows = await findProjectsByIds(db, [...new Set(ids)])
  return rows.filter((row) => row.enabled === 1 && row.is_domain === 1).sort(byName)
}

export const hasSystemRole = async (db: Db, userId: string, implied: readonly ImpliedRoleRow[]): Promise<boolean> =>
  effectiveRoleIds(await assignmentsOfUser(db, userId), { kind: 'system' }, implied).size > 0
