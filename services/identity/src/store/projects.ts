import { flag, type Page } from '@murmuration/data'
import type { Db, ProjectRow, Tx } from './schema.ts'
import { pageOf, type PageWish } from './listing.ts'

export interface ProjectFilter {
  readonly ids?: readonly string[]
  readonly name?: string
  readonly domainId?: string
  readonly parentId?: string
  readonly enabled?: boolean
  readonly isDomain: boolean
}

export const findProjectOrDomain = (db: Db, id: string): Promise<ProjectRow | undefined> =>
  db.query.selectFrom('projects').selectAll().where('id', '=', id).executeTakeFirst()

export const findProject = (db: Db, id: string): Promise<ProjectRow | undefined> =>
  db.query.selectFrom('projects').selectAll().where('id', '=', id).where('is_domain', '=', 0).executeTakeFirst()

export const findDomain = (db: Db, id: string): Promise<ProjectRow | undefined> =>
  db.query.selectFrom('projects').selectAll().where('id', '=', id).where('is_domain', '=', 1).executeTakeFirst()

export const findDomainByName = (db: Db, name: string): Promise<ProjectRow | undefined> =>
  db.query.selectFrom('projects').selectAll().where('name', '=', name).where('is_domain', '=', 1).executeTakeFirst()

export const findProjectByName = (db: Db, domainId: string, name: string): Promise<ProjectRow | undefined> =>
  db.query
    .selectFrom('projects')
    .selectAll()
    .where('domain_id', '=', domainId)
    .where('name', '=', name)
    .where('is_domain', '=', 0)
    .executeTakeFirst()

export async function findProjectsByIds(db: Db, ids: readonly string[]): Promise<ProjectRow[]> {
  return ids.length === 0 ? [] : db.query.selectFrom('projects').selectAll().where('id', 'in', ids).execute()
}

export function listProjects(db: Db, filter: ProjectFilter, page: PageWish): Promise<Page<ProjectRow>> {
  let query = db.query.selectFrom('projects').selectAll().where('is_domain', '=', flag(filter.isDomain))
  if (filter.ids !== undefined) query = query.where('id', 'in', filter.ids.length === 0 ? [''] : filter.ids)
  if (filter.name !== undefined) query = query.where('name', '=', filter.name)
  if (filter.domainId !== undefined) query = query.where('domain_id', '=', filter.domainId)
  if (filter.parentId !== undefined) query = query.where('parent_id', '=', filter.parentId)
  if (filter.enabled !== undefined) query = query.where('enabled', '=', flag(filter.enabled))
  return pageOf(query, page, { sort: 'name', unique: 'id' })
}

/** From the project's parent up to the top, without the domain. */
export async function ancestors(db: Db, project: ProjectRow): Promise<ProjectRow[]> {
  const found: ProjectRow[] = []
  const seen = new Set([project.id])
  let parentId = project.parent_id
  while (parentId !== '' && parentId !== project.domain_id && !seen.has(parentId)) {
    seen.add(parentId)
    const parent = await findProject(db, parentId)
    if (parent === undefined) break
    found.push(parent)
    parentId = parent.parent_id
  }
  return found
}

/** All below a project, level by level; for a domain: all its projects. */
export async function descendantIds(db: Db, target: ProjectRow): Promise<string[]> {
  if (target.is_domain === 1) {
    const rows = await db.query.selectFrom('projects').select('id').where('domain_id', '=', target.id).where('is_domain', '=', 0).execute()
    return rows.map((row) => row.id)
  }
  const found: string[] = []
  let level = [target.id]
  while (level.length > 0) {
    const rows = await db.query.selectFrom('projects').select('id').where('parent_id', 'in', level).execute()
    level = rows.map((row) => row.id).filter((id) => !found.includes(id))
    found.push(...level)
  }
  return found
}

export async function hasChildren(db: Db, id: string, how: { enabledOnly: boolean }): Promise<boolean> {
  let query = db.query.selectFrom('projects').select('id').where('parent_id', '=', id).limit(1)
  if (how.enabledOnly) query = query.where('enabled', '=', 1)
  return (await query.executeTakeFirst()) !== undefined
}

export async function insertProject(tx: Db, row: ProjectRow): Promise<void> {
  await tx.query.insertInto('projects').values(row).execute()
}

export async function updateProject(tx: Db, id: string, changes: Partial<ProjectRow>): Promise<void> {
  if (Object.keys(changes).length > 0) await tx.query.updateTable('projects').set(changes).where('id', '=', id).execute()
}

/** The project and all that hangs on it. */
export async function deleteProject(tx: Tx, id: string): Promise<void> {
  const credentials = tx.query.selectFrom('application_credentials').select('id').where('project_id', '=', id)
  await tx.query.deleteFrom('application_credential_roles').where('credential_id', 'in', credentials).execute()
  await tx.query.deleteFrom('application_credentials').where('project_id', '=', id).execute()
  await tx.query.deleteFrom('assignments').where('target_type', '=', 'project').where('target_id', '=', id).execute()
  await tx.query.updateTable('users').set({ default_project_id: null }).where('default_project_id', '=', id).execute()
  await tx.query.deleteFrom('projects').where('id', '=', id).execute()
}

/** The domain with its users, groups, projects and roles, each kind by one statement. */
export async function deleteDomain(tx: Tx, id: string): Promise<void> {
  const users = tx.query.selectFrom('users').select('id').where('domain_id', '=', id)
  const groups = tx.query.selectFrom('groups').select('id').where('domain_id', '=', id)
  const projects = tx.query.selectFrom('projects').select('id').where('domain_id', '=', id)
  const roles = tx.query.selectFrom('roles').select('id').where('domain_id', '=', id)
  const credentials = tx.query
    .selectFrom('application_credentials')
    .select('id')
    .where((where) => where.or([where('user_id', 'in', users), where('project_id', 'in', projects)]))
  await tx.query.deleteFrom('application_credential_roles').where('credential_id', 'in', credentials).execute()
  await tx.query
    .deleteFrom('application_credentials')
    .where((where) => where.or([where('user_id', 'in', users), where('project_id', 'in', projects)]))
    .execute()
  await tx.query
    .deleteFrom('assignments')
    .where((where) =>
      where.or([
        where('actor_id', 'in', users),
        where('actor_id', 'in', groups),
        where('target_id', 'in', projects),
        where('target_id', '=', id),
        where('role_id', 'in', roles),
      ]),
    )
    .execute()
  await tx.query
    .deleteFrom('user_groups')
    .where((where) => where.or([where('user_id', 'in', users), where('group_id', 'in', groups)]))
    .execute()
  await tx.query
    .deleteFrom('implied_roles')
    .where((where) => where.or([where('prior_role_id', 'in', roles), where('implied_role_id', 'in', roles)]))
    .execute()
  await tx.query.deleteFrom('roles').where('domain_id', '=', id).execute()
  await tx.query.deleteFrom('groups').where('domain_id', '=', id).execute()
  await tx.query.deleteFrom('users').where('domain_id', '=', id).execute()
  await tx.query
    .deleteFrom('projects')
    .where((where) => where.or([where('id', '=', id), where('domain_id', '=', id)]))
    .execute()
}
