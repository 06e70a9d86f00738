import { Type } from 'typebox'
import { flag } from '@murmuration/data'
import { errors } from '../errors.ts'
import { lossOf, revokeNow } from '../room.ts'
import { withImplied } from '../rules/effective-roles.ts'
import { addAssignment, hasAssignment, listAssignments, removeAssignment } from '../store/assignments.ts'
import { findGroup, membersOf } from '../store/groups.ts'
import { findDomain, findProject } from '../store/projects.ts'
import type { RevocationWish } from '../store/revocations.ts'
import { allImpliedRoles, findRole, findRolesByIds } from '../store/roles.ts'
import type { AssignmentRow, Db, Tx } from '../store/schema.ts'
import { findUser } from '../store/users.ts'
import { wireRole } from '../wire/resources.ts'
import { baseUrl, envelope, found, Id, type Api } from './kit.ts'

type TargetType = AssignmentRow['target_type']
type ActorType = AssignmentRow['actor_type']

interface Place {
  readonly targetType: TargetType
  readonly actorType: ActorType
  readonly inherited: boolean
}

const Path = Type.Object({ target_id: Type.Optional(Id), actor_id: Id, role_id: Type.Optional(Id) })
type PathValues = Type.Static<typeof Path>

const rowOf = (place: Place, path: PathValues): AssignmentRow => ({
  actor_type: place.actorType,
  actor_id: path.actor_id,
  target_type: place.targetType,
  target_id: path.target_id ?? 'system',
  role_id: path.role_id ?? '',
  inherited: flag(place.inherited),
})

/** Every part must exist: an assignment to nothing would come alive with whoever gets that id. */
async function proveParts(db: Db, row: AssignmentRow): Promise<void> {
  if (row.actor_type === 'user') found('user', row.actor_id, await findUser(db, row.actor_id))
  else found('group', row.actor_id, await findGroup(db, row.actor_id))
  if (row.target_type === 'project') found('project', row.target_id, await findProject(db, row.target_id))
  if (row.target_type === 'domain') found('domain', row.target_id, await findDomain(db, row.target_id))
}

/** Whose tokens a removed assignment touches: those for the project where it was plain, else all of the user's. */
async function touched(tx: Tx, row: AssignmentRow): Promise<RevocationWish[]> {
  const users = row.actor_type === 'user' ? [row.actor_id] : (await membersOf(tx, [row.actor_id])).map((member) => member.user_id)
  const plain = row.target_type === 'project' && row.inherited === 0
  // A domain-specific role stands in no token; what it implies does.
  const roles = users.length > 1 ? [...withImplied([row.role_id], await allImpliedRoles(tx))] : []
  return lossOf(users, roles, plain ? row.target_id : undefined)
}

/** Assignments of roles: {users, groups} × {projects, domains, system}, and the inherited ones under OS-INHERIT. */
export function grantRoutes({ app, room }: Api): void {
  const actors = [
    ['users', 'user'],
    ['groups', 'group'],
  ] as const
  for (const [actors_, actorType] of actors) {
    add(`/v3/projects/:target_id/${actors_}/:actor_id/roles`, '', { targetType: 'project', actorType, inherited: false })
    add(`/v3/domains/:target_id/${actors_}/:actor_id/roles`, '', { targetType: 'domain', actorType, inherited: false })
    add(`/v3/system/${actors_}/:actor_id/roles`, '', { targetType: 'system', actorType, inherited: false })
    for (const [targets, targetType] of [
      ['projects', 'project'],
      ['domains', 'domain'],
    ] as const)
      add(`/v3/OS-INHERIT/${targets}/:target_id/${actors_}/:actor_id/roles`, '/inherited_to_projects', {
        targetType,
        actorType,
        inherited: true,
      })
  }

  function add(path: string, suffix: string, place: Place): void {
    app.get(`${path}${suffix}`, { config: { policy: 'identity:list_grants' }, schema: { params: Path } }, async (request) => {
      const row = rowOf(place, request.params)
      await proveParts(room.db, row)
      const rows = await listAssignments(room.db, {
        actorType: row.actor_type,
        actorIds: [row.actor_id],
        targetType: row.target_type,
        targetIds: [row.target_id],
        inherited: place.inherited,
      })
      const roles = await findRolesByIds(
        room.db,
        rows.map((one) => one.role_id),
      )
      return envelope(
        'roles',
        roles.map((role) => wireRole(role, baseUrl(request, room))),
        request,
        room,
      )
    })

    // HEAD is made from it; both answer without a body.
    app.get(
      `${path}/:role_id${suffix}`,
      { config: { policy: 'identity:check_grant' }, schema: { params: Path } },
      async (request, reply) => {
        const row = rowOf(place, request.params)
        await proveParts(room.db, row)
        found('role', row.role_id, await findRole(room.db, row.role_id))
        if (!(await hasAssignment(room.db, row))) throw missing(row)
        return reply.code(204).send()
      },
    )

    app.put(
      `${path}/:role_id${suffix}`,
      { config: { policy: 'identity:create_grant' }, schema: { params: Path } },
      async (request, reply) => {
        const row = rowOf(place, request.params)
        await room.db.transaction(async (tx) => {
          await proveParts(tx, row)
          found('role', row.role_id, await findRole(tx, row.role_id))
          await addAssignment(tx, row)
        })
        return reply.code(204).send()
      },
    )

    app.delete(
      `${path}/:role_id${suffix}`,
      { config: { policy: 'identity:revoke_grant' }, schema: { params: Path } },
      async (request, reply) => {
        const row = rowOf(place, request.params)
        await room.db.transaction(async (tx) => {
          await proveParts(tx, row)
          if (!(await removeAssignment(tx, row))) throw missing(row)
          await revokeNow(room, tx, ...(await touched(tx, row)))
        })
        return reply.code(204).send()
      },
    )
  }
}

const missing = (row: AssignmentRow) => errors.noSuchAssignment({ role: row.role_id, actor: row.actor_id, target: row.target_id })
