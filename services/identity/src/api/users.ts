import { Type } from 'typebox'
import { flag } from '@murmuration/data'
import { Secret } from '@murmuration/trust'
import { errors } from '../errors.ts'
import { newId, revokeNow } from '../room.ts'
import { findDomain } from '../store/projects.ts'
import type { UserRow } from '../store/schema.ts'
import { deleteUser, findUser, groupsOfUser, insertUser, listUsers, updateUser } from '../store/users.ts'
import { provePassword } from '../work/authenticate.ts'
import { reachableProjects } from '../work/reachable.ts'
import { extra, extraOf, options, optionsOf } from '../wire/bags.ts'
import { wireGroup, wireProject, wireUser } from '../wire/resources.ts'
import {
  authorizeList,
  Bag,
  baseUrl,
  callersDomain,
  duplicateIn,
  envelope,
  found,
  Id,
  list,
  Name,
  Nullable,
  pageQuery,
  Password,
  readFlag,
  refusingDuplicates,
  type Api,
} from './kit.ts'
import { given } from '../rules/given.ts'

const members = {
  default_project_id: Nullable(Id),
  password: Nullable(Password),
  enabled: Type.Optional(Type.Boolean()),
  domain_id: Type.Optional(Id),
  options: Bag,
}
const known = ['name', ...Object.keys(members)]
const UserCreate = Type.Object({ user: Type.Object({ name: Name, ...members }) })
const UserUpdate = Type.Object({ user: Type.Object({ name: Type.Optional(Name), ...members }) })
const UserList = Type.Object({
  ...pageQuery,
  name: Type.Optional(Type.String()),
  domain_id: Type.Optional(Type.String()),
  enabled: Type.Optional(Type.String()),
})
const UserPath = Type.Object({ user_id: Id })
const PasswordChange = Type.Object({ user: Type.Object({ original_password: Password, password: Password }) })

export function userRoutes({ app, room }: Api): void {
  const target = (row: UserRow) => ({ target: { user: { id: row.id }, domain_id: row.domain_id } })

  app.post('/v3/users', { config: { policy: 'identity:create_user' }, schema: { body: UserCreate } }, async (request, reply) => {
    const { user } = request.body
    const nowMs = room.world.clock.nowMs()
    const hash = given(user.password) ? await room.passwords.hash(new Secret(user.password)) : null
    const row: UserRow = {
      id: newId(room),
      name: user.name,
      domain_id: user.domain_id ?? callersDomain(request),
      enabled: flag(user.enabled ?? true),
      default_project_id: user.default_project_id ?? null,
      password_hash: hash,
      password_changed_at_ms: hash === null ? null : nowMs,
      failed_count: 0,
      failed_at_ms: 0,
      created_at_ms: nowMs,
      options: optionsOf('user', user.options),
      extra: extraOf(user, known),
    }
    await refusingDuplicates(duplicateIn('user', row.name, row.domain_id), () =>
      room.db.transaction(async (tx) => {
        found('domain', row.domain_id, await findDomain(tx, row.domain_id))
        await insertUser(tx, row)
      }),
    )
    return reply.code(201).send({ user: wireUser(row, baseUrl(request, room)) })
  })

  app.get('/v3/users', { config: { policy: 'in-handler' }, schema: { querystring: UserList } }, async (request) => {
    const { query } = request
    const domainId = authorizeList(request, room, 'identity:list_users', query.domain_id)
    const enabled = readFlag(query.enabled)
    return await list(request, room, 'users', wireUser, (page) => listUsers(room.db, { name: query.name, domainId, enabled }, page))
  })

  app.get('/v3/users/:user_id', { config: { policy: 'in-handler' }, schema: { params: UserPath } }, async (request) => {
    const { user_id: id } = request.params
    const row = await findUser(room.db, id)
    // Who may not see the user gets the same answer whether it exists or not.
    request.authorize('identity:get_user', row === undefined ? {} : target(row))
    return { user: wireUser(found('user', id, row), baseUrl(request, room)) }
  })

  app.patch(
    '/v3/users/:user_id',
    { config: { policy: 'identity:update_user' }, schema: { params: UserPath, body: UserUpdate } },
    async (request) => {
      const { user_id: id } = request.params
      const { user } = request.body
      const hash = given(user.password) ? await room.passwords.hash(new Secret(user.password)) : user.password
      const row = await refusingDuplicates(duplicateIn('user', user.name ?? '', user.domain_id ?? ''), () =>
        room.db.transaction(async (tx) => {
          const before = found('user', id, await findUser(tx, id))
          if (user.domain_id !== undefined && user.domain_id !== before.domain_id)
            throw errors.invalid({ field: 'domain_id', reason: 'a user stays in its domain.' })
          const after: UserRow = {
            ...before,
            name: user.name ?? before.name,
            enabled: user.enabled === undefined ? before.enabled : flag(user.enabled),
            default_project_id: user.default_project_id === undefined ? before.default_project_id : user.default_project_id,
            options: optionsOf('user', user.options, options(before)),
            extra: extraOf(user, known, extra(before)),
            ...(hash === undefined
              ? {}
              : { password_hash: hash, password_changed_at_ms: room.world.clock.nowMs(), failed_count: 0, failed_at_ms: 0 }),
          }
          await updateUser(tx, id, after)
          if (hash !== undefined || (before.enabled === 1 && after.enabled === 0)) await revokeNow(room, tx, { userId: id })
          return after
        }),
      )
      return { user: wireUser(row, baseUrl(request, room)) }
    },
  )

  app.delete('/v3/users/:user_id', { config: { policy: 'identity:delete_user' }, schema: { params: UserPath } }, async (request, reply) => {
    const { user_id: id } = request.params
    await room.db.transaction(async (tx) => {
      found('user', id, await findUser(tx, id))
      await deleteUser(tx, id)
      await revokeNow(room, tx, { userId: id })
    })
    return reply.code(204).send()
  })

  app.post(
    '/v3/users/:user_id/password',
    { config: { policy: 'in-handler' }, schema: { params: UserPath, body: PasswordChange } },
    async (request, reply) => {
      const { user_id: id } = request.params
      request.authorize('identity:change_password', { target: { user: { id } } })
      const { original_password: original, password } = request.body.user
      // A guess at the original password counts like one at sign-in: a stolen token must not become a password.
      const proven = await provePassword(room, () => findUser(room.db, id), new Secret(original))
      if (proven === undefined) throw errors.wrongOriginalPassword()
      if (options(proven)['lock_password'] === true) throw errors.passwordLocked()
      const hash = await room.passwords.hash(new Secret(password))
      await room.db.transaction(async (tx) => {
        const before = found('user', id, await findUser(tx, id))
        // Somebody changed it in between: then what was proven is no longer the password.
        if (before.enabled === 0 || before.password_changed_at_ms !== proven.password_changed_at_ms) throw errors.wrongOriginalPassword()
        await updateUser(tx, id, { password_hash: hash, password_changed_at_ms: room.world.clock.nowMs() })
        await revokeNow(room, tx, { userId: id })
      })
      return reply.code(204).send()
    },
  )

  app.get('/v3/users/:user_id/groups', { config: { policy: 'in-handler' }, schema: { params: UserPath } }, async (request) => {
    const { user_id: id } = request.params
    const row = await findUser(room.db, id)
    request.authorize('identity:list_groups_for_user', row === undefined ? {} : target(row))
    const groups = await groupsOfUser(room.db, found('user', id, row).id)
    return envelope(
      'groups',
      groups.map((group) => wireGroup(group, baseUrl(request, room))),
      request,
      room,
    )
  })

  app.get('/v3/users/:user_id/projects', { config: { policy: 'in-handler' }, schema: { params: UserPath } }, async (request) => {
    const { user_id: id } = request.params
    const row = await findUser(room.db, id)
    request.authorize('identity:list_user_projects', row === undefined ? {} : target(row))
    const projects = await reachableProjects(room.db, found('user', id, row).id)
    return envelope(
      'projects',
      projects.map((project) => wireProject(project, baseUrl(request, room))),
      request,
      room,
    )
  })
}
