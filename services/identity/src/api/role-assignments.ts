import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { expandAssignments, type EffectiveAssignment } from '../rules/expand-assignments.ts'
import { listAssignments, assignmentsOfUser } from '../store/assignments.ts'
import { findGroupsByIds, membersOf } from '../store/groups.ts'
import { descendantIds, findProjectOrDomain, findProjectsByIds } from '../store/projects.ts'
import { allImpliedRoles, findRolesByIds } from '../store/roles.ts'
import type { AssignmentRow, Db } from '../store/schema.ts'
import { findUsersByIds } from '../store/users.ts'
import { baseUrl, envelope, type Api } from './kit.ts'

const Text = Type.Optional(Type.String({ maxLength: 255 }))
const Query = Type.Object({
  'user.id': Text,
  'group.id': Text,
  'role.id': Text,
  'scope.project.id': Text,
  'scope.domain.id': Text,
  'scope.system': Text,
  'scope.OS-INHERIT:inherited_to': Text,
  effective: Text,
  include_names: Text,
  include_subtree: Text,
})
type Wish = Type.Static<typeof Query>

/** Present, whatever it says but 0 and false. */
const isSet = (text: string | undefined) => text !== undefined && !/^(0|false)$/i.test(text)

/** One line of the answer, before names. */
interface Entry {
  readonly actorType: 'user' | 'group'
  readonly actorId: string
  readonly targetType: AssignmentRow['target_type']
  readonly targetId: string
  readonly roleId: string
  readonly inherited: boolean
  readonly from: AssignmentRow
}

export function roleAssignmentRoutes({ app, room }: Api): void {
  app.get('/v3/role_assignments', { config: { policy: 'in-handler' }, schema: { querystring: Query } }, async (request) => {
    const { query } = request
    request.authorize('identity:list_role_assignments', { target: { user: { id: query['user.id'] } } })
    refuseContradictions(query)
    const entries = isSet(query.effective) ? await effective(room.db, query) : await direct(room.db, query)
    const named = isSet(query.include_names) ? await namesOf(room.db, entries) : undefined
    const base = baseUrl(request, room)
    return envelope(
      'role_assignments',
      entries.map((entry) => wire(entry, base, named)),
      request,
      room,
    )
  })
}

function refuseContradictions(query: Wish): void {
  if (query['user.id'] !== undefined && query['group.id'] !== undefined)
    throw errors.invalid({ field: 'group.id', reason: 'ask for a user or for a group, not for both.' })
  const scopes = [query['scope.project.id'], query['scope.domain.id'], query['scope.system']].filter((scope) => scope !== undefined)
  if (scopes.length > 1) throw errors.invalid({ field: 'scope', reason: 'ask for one of project, domain and system.' })
  if (isSet(query.effective) && query['group.id'] !== undefined)
    throw errors.invalid({ field: 'group.id', reason: 'effective assignments are those of users.' })
  if (isSet(query.include_subtree) && query['scope.project.id'] === undefined)
    throw errors.invalid({ field: 'include_subtree', reason: 'scope.project.id is needed.' })
}

/** The targets asked for, if any. */
async function targetsOf(db: Db, query: Wish): Promise<{ type: AssignmentRow['target_type']; ids: string[] } | undefined> {
  if (query['scope.system'] !== undefined) return { type: 'system', ids: ['system'] }
  if (query['scope.domain.id'] !== undefined) return { type: 'domain', ids: [query['scope.domain.id']] }
  const projectId = query['scope.project.id']
  if (projectId === undefined) return undefined
  const root = isSet(query.include_subtree) ? await findProjectOrDomain(db, projectId) : undefined
  return { type: 'project', ids: [projectId, ...(root === undefined ? [] : await descendantIds(db, root))] }
}

async function direct(db: Db, query: Wish): Promise<Entry[]> {
  const targets = await targetsOf(db, query)
  const actor = query['user.id'] ?? query['group.id']
  const rows = await listAssignments(db, {
    ...(actor === undefined ? {} : { actorIds: [actor], actorType: query['user.id'] === undefined ? 'group' : 'user' }),
    ...(targets === undefined ? {} : { targetType: targets.type, targetIds: targets.ids }),
    ...(query['role.id'] === undefined ? {} : { roleId: query['role.id'] }),
    ...(query['scope.OS-INHERIT:inherited_to'] === undefined ? {} : { inherited: true }),
  })
  return rows.map((from) => ({
    actorType: from.actor_type,
    actorId: from.actor_id,
    targetType: from.target_type,
    targetId: from.target_id,
    roleId: from.role_id,
    inherited: from.inherited === 1,
    from,
  }))
}

async function effective(db: Db, query: Wish): Promise<Entry[]> {
  const userId = query['user.id']
  const rows = userId === undefined ? await listAssignments(db, {}) : await assignmentsOfUser(db, userId)
  const membersByGroup = new Map<string, string[]>()
  const groups = new Set(rows.filter((row) => row.actor_type === 'group').map((row) => row.actor_id))
  for (const member of await membersOf(db, [...groups]))
    membersByGroup.set(member.group_id, [...(membersByGroup.get(member.group_id) ?? []), member.user_id])
  const projectsBelow = new Map<string, string[]>()
  for (const id of new Set(rows.filter((row) => row.inherited === 1).map((row) => row.target_id))) {
    const root = await findProjectOrDomain(db, id)
    projectsBelow.set(id, root === undefined ? [] : await descendantIds(db, root))
  }
  const targets = await targetsOf(db, query)
  const wanted = (one: EffectiveAssignment) =>
    (userId === undefined || one.userId === userId) &&
    (targets === undefined || (targets.type === one.targetType && targets.ids.includes(one.targetId))) &&
    (query['role.id'] === undefined || one.roleId === query['role.id']) &&
    (query['scope.OS-INHERIT:inherited_to'] === undefined || one.from.inherited === 1)
  return expandAssignments(rows, { membersByGroup, projectsBelow, implied: await allImpliedRoles(db) })
    .filter(wanted)
    .map((one) => ({
      actorType: 'user',
      actorId: one.userId,
      targetType: one.targetType,
      targetId: one.targetId,
      roleId: one.roleId,
      inherited: false,
      from: one.from,
    }))
}

interface Named {
  readonly name: string
  readonly domainId?: string
}
interface Names {
  of(kind: 'user' | 'group' | 'role' | 'project' | 'domain', id: string): object
}

const unique = (ids: readonly string[]) => [...new Set(ids)]

async function namesOf(db: Db, entries: readonly Entry[]): Promise<Names> {
  const users = await findUsersByIds(db, unique(entries.filter((entry) => entry.actorType === 'user').map((entry) => entry.actorId)))
  const groups = await findGroupsByIds(db, unique(entries.filter((entry) => entry.actorType === 'group').map((entry) => entry.actorId)))
  const roles = await findRolesByIds(db, unique(entries.map((entry) => entry.roleId)))
  const targets = await findProjectsByIds(
    db,
    unique(entries.filter((entry) => entry.targetType !== 'system').map((entry) => entry.targetId)),
  )
  const domainIds = unique([...users, ...groups, ...targets, ...roles].map((row) => row.domain_id).filter((id) => id !== ''))
  const domains = new Map((await findProjectsByIds(db, domainIds)).map((row) => [row.id, row.name]))

  const table = new Map<string, Named>()
  const put = (kind: string, rows: readonly { id: string; name: string; domain_id: string }[]) => {
    for (const row of rows) table.set(`${kind}:${row.id}`, { name: row.name, ...(row.domain_id === '' ? {} : { domainId: row.domain_id }) })
  }
  put('user', users)
  put('group', groups)
  put('role', roles)
  put(
    'project',
    targets.filter((row) => row.is_domain === 0),
  )
  put(
    'domain',
    targets.filter((row) => row.is_domain === 1),
  )
  return {
    of(kind, id) {
      const known = table.get(`${kind}:${id}`)
      if (known === undefined) return {}
      const { name, domainId } = known
      return { name, ...(domainId === undefined ? {} : { domain: { id: domainId, name: domains.get(domainId) ?? '' } }) }
    },
  }
}

function wire(entry: Entry, base: string, names: Names | undefined) {
  const reference = (kind: 'user' | 'group' | 'role' | 'project' | 'domain', id: string) => ({ id, ...names?.of(kind, id) })
  const scope =
    entry.targetType === 'system' ? { system: { all: true } } : { [entry.targetType]: reference(entry.targetType, entry.targetId) }
  return {
    role: reference('role', entry.roleId),
    [entry.actorType]: reference(entry.actorType, entry.actorId),
    scope: { ...scope, ...(entry.inherited ? { 'OS-INHERIT:inherited_to': 'projects' } : {}) },
    links: linksOf(entry, base),
  }
}

/** The assignment itself, and for effective ones what it came by. */
function linksOf({ from, roleId, actorId }: Entry, base: string) {
  const inherited = from.inherited === 1
  const target = from.target_type === 'system' ? 'system' : `${from.target_type}s/${from.target_id}`
  const path = `${inherited ? 'OS-INHERIT/' : ''}${target}/${from.actor_type}s/${from.actor_id}/roles/${from.role_id}`
  return {
    assignment: `${base}/${path}${inherited ? '/inherited_to_projects' : ''}`,
    ...(from.actor_type === 'group' && from.actor_id !== actorId ? { membership: `${base}/groups/${from.actor_id}/users/${actorId}` } : {}),
    ...(from.role_id === roleId ? {} : { prior_role: `${base}/roles/${from.role_id}` }),
  }
}
