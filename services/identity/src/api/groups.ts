import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { lossOf, newId, revokeNow } from '../room.ts'
import { withImplied } from '../rules/effective-roles.ts'
import { listAssignments } from '../store/assignments.ts'
import {
  addMember,
  deleteGroup,
  findGroup,
  insertGroup,
  isMember,
  listGroups,
  membersOf,
  removeMember,
  updateGroup,
} from '../store/groups.ts'
import { findDomain } from '../store/projects.ts'
import { allImpliedRoles } from '../store/roles.ts'
import type { GroupRow } from '../store/schema.ts'
import { findUser, listUsersOfGroup } from '../store/users.ts'
import { extra, extraOf } from '../wire/bags.ts'
import { wireGroup, wireUser } from '../wire/resources.ts'
import {
  authorizeList,
  baseUrl,
  callersDomain,
  duplicateIn,
  found,
  Id,
  list,
  Name,
  pageQuery,
  refusingDuplicates,
  Text,
  type Api,
} from './kit.ts'

const members = { description: Type.Optional(Text), domain_id: Type.Optional(Id) }
const known = ['name', ...Object.keys(members)]
const GroupCreate = Type.Object({ group: Type.Object({ name: Name, ...members }) })
const GroupUpdate = Type.Object({ group: Type.Object({ name: Type.Optional(Name), ...members }) })
const GroupList = Type.Object({ ...pageQuery, name: Type.Optional(Type.String()), domain_id: Type.Optional(Type.String()) })
const GroupPath = Type.Object({ group_id: Id })
const MemberPath = Type.Object({ group_id: Id, user_id: Id })

export function groupRoutes({ app, room }: Api): void {
  const target = (row: GroupRow | undefined) => (row === undefined ? {} : { target: { domain_id: row.domain_id } })

  app.post('/v3/groups', { config: { policy: 'identity:create_group' }, schema: { body: GroupCreate } }, async (request, reply) => {
    const { group } = request.body
    const row: GroupRow = {
      id: newId(room),
      name: group.name,
      domain_id: group.domain_id ?? callersDomain(request),
      description: group.description ?? '',
      extra: extraOf(group, known),
    }
    await refusingDuplicates(duplicateIn('group', row.name, row.domain_id), () =>
      room.db.transaction(async (tx) => {
        found('domain', row.domain_id, await findDomain(tx, row.domain_id))
        await insertGroup(tx, row)
      }),
    )
    return reply.code(201).send({ group: wireGroup(row, baseUrl(request, room)) })
  })

  app.get('/v3/groups', { config: { policy: 'in-handler' }, schema: { querystring: GroupList } }, async (request) => {
    const { query } = request
    const domainId = authorizeList(request, room, 'identity:list_groups', query.domain_id)
    const filter = { name: query.name, domainId }
    return await list(request, room, 'groups', wireGroup, (page) => listGroups(room.db, filter, page))
  })

  app.get('/v3/groups/:group_id', { config: { policy: 'in-handler' }, schema: { params: GroupPath } }, async (request) => {
    const { group_id: id } = request.params
    const row = await findGroup(room.db, id)
    request.authorize('identity:get_group', target(row))
    return { group: wireGroup(found('group', id, row), baseUrl(request, room)) }
  })

  app.patch(
    '/v3/groups/:group_id',
    { config: { policy: 'identity:update_group' }, schema: { params: GroupPath, body: GroupUpdate } },
    async (request) => {
      const { group_id: id } = request.params
      const { group } = request.body
      const row = await refusingDuplicates(duplicateIn('group', group.name ?? '', ''), () =>
        room.db.transaction(async (tx) => {
          const before = found('group', id, await findGroup(tx, id))
          if (group.domain_id !== undefined && group.domain_id !== before.domain_id)
            throw errors.invalid({ field: 'domain_id', reason: 'a group stays in its domain.' })
          const after: GroupRow = {
            ...before,
            name: group.name ?? before.name,
            description: group.description ?? before.description,
            extra: extraOf(group, known, extra(before)),
          }
          await updateGroup(tx, id, after)
          return after
        }),
      )
      return { group: wireGroup(row, baseUrl(request, room)) }
    },
  )

  app.delete(
    '/v3/groups/:group_id',
    { config: { policy: 'identity:delete_group' }, schema: { params: GroupPath } },
    async (request, reply) => {
      const { group_id: id } = request.params
      await room.db.transaction(async (tx) => {
        found('group', id, await findGroup(tx, id))
        const members = await membersOf(tx, [id])
        const assigned = await listAssignments(tx, { actorType: 'group', actorIds: [id] })
        const roles = withImplied(
          assigned.map((row) => row.role_id),
          await allImpliedRoles(tx),
        )
        await deleteGroup(tx, id)
        await revokeNow(
          room,
          tx,
          ...lossOf(
            members.map((member) => member.user_id),
            [...roles],
          ),
        )
      })
      return reply.code(204).send()
    },
  )

  app.get(
    '/v3/groups/:group_id/users',
    { config: { policy: 'in-handler' }, schema: { params: GroupPath, querystring: GroupList } },
    async (request) => {
      const { group_id: id } = request.params
      const { query } = request
      const row = await findGroup(room.db, id)
      request.authorize('identity:list_users_in_group', target(row))
      const filter = { name: query.name, domainId: query.domain_id }
      return await list(request, room, 'users', wireUser, (page) => listUsersOfGroup(room.db, found('group', id, row).id, filter, page))
    },
  )

  // HEAD is made from it; both answer without a body.
  app.get(
    '/v3/groups/:group_id/users/:user_id',
    { config: { policy: 'in-handler' }, schema: { params: MemberPath } },
    async (request, reply) => {
      const { group_id: groupId, user_id: userId } = request.params
      const group = await findGroup(room.db, groupId)
      request.authorize('identity:check_user_in_group', { target: { user: { id: userId }, domain_id: group?.domain_id } })
      if (!(await isMember(room.db, groupId, userId))) throw errors.notMember({ user: userId, group: groupId })
      return reply.code(204).send()
    },
  )

  app.put(
    '/v3/groups/:group_id/users/:user_id',
    { config: { policy: 'identity:add_user_to_group' }, schema: { params: MemberPath } },
    async (request, reply) => {
      const { group_id: groupId, user_id: userId } = request.params
      await room.db.transaction(async (tx) => {
        found('group', groupId, await findGroup(tx, groupId))
        found('user', userId, await findUser(tx, userId))
        await addMember(tx, groupId, userId)
      })
      return reply.code(204).send()
    },
  )

  app.delete(
    '/v3/groups/:group_id/users/:user_id',
    { config: { policy: 'identity:remove_user_from_group' }, schema: { params: MemberPath } },
    async (request, reply) => {
      const { group_id: groupId, user_id: userId } = request.params
      await room.db.transaction(async (tx) => {
        if (!(await isMember(tx, groupId, userId))) throw errors.notMember({ user: userId, group: groupId })
        await removeMember(tx, groupId, userId)
        await revokeNow(room, tx, { userId })
      })
      return reply.code(204).send()
    },
  )
}
