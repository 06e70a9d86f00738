import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { newId, revokeNow } from '../room.ts'
import { closesCircle, withImplied } from '../rules/effective-roles.ts'
import { findDomain } from '../store/projects.ts'
import {
  addImpliedRole,
  allImpliedRoles,
  deleteRole,
  findRole,
  findRolesByIds,
  insertRole,
  listRoles,
  removeImpliedRole,
  updateRole,
} from '../store/roles.ts'
import type { ImpliedRoleRow, RoleRow } from '../store/schema.ts'
import { extra, extraOf, options, optionsOf } from '../wire/bags.ts'
import { wireInferences, wireRole } from '../wire/resources.ts'
import {
  Bag,
  baseUrl,
  duplicateIn,
  found,
  Id,
  list,
  Name,
  Nullable,
  pageQuery,
  refuseImmutable,
  refusingDuplicates,
  Text,
  type Api,
} from './kit.ts'

const members = { description: Nullable(Text), domain_id: Nullable(Id), options: Bag }
const known = ['name', ...Object.keys(members)]
const RoleCreate = Type.Object({ role: Type.Object({ name: Name, ...members }) })
const RoleUpdate = Type.Object({ role: Type.Object({ name: Type.Optional(Name), ...members }) })
const RoleList = Type.Object({ ...pageQuery, name: Type.Optional(Type.String()), domain_id: Type.Optional(Type.String()) })
const RolePath = Type.Object({ role_id: Id })
const ImpliedPath = Type.Object({ role_id: Id, implied_role_id: Id })

export function roleRoutes({ app, room }: Api): void {
  app.post('/v3/roles', { config: { policy: 'identity:create_role' }, schema: { body: RoleCreate } }, async (request, reply) => {
    const { role } = request.body
    const row: RoleRow = {
      id: newId(room),
      name: role.name,
      domain_id: role.domain_id ?? '',
      description: role.description ?? null,
      options: optionsOf('resource', role.options),
      extra: extraOf(role, known),
    }
    await refusingDuplicates(duplicateIn('role', row.name, row.domain_id), () =>
      room.db.transaction(async (tx) => {
        if (row.domain_id !== '') found('domain', row.domain_id, await findDomain(tx, row.domain_id))
        await insertRole(tx, row)
      }),
    )
    return reply.code(201).send({ role: wireRole(row, baseUrl(request, room)) })
  })

  app.get('/v3/roles', { config: { policy: 'in-handler' }, schema: { querystring: RoleList } }, async (request) => {
    const { query } = request
    request.authorize('identity:list_roles', { domain_id: query.domain_id })
    const filter = { domainId: query.domain_id ?? '', name: query.name }
    return await list(request, room, 'roles', wireRole, (page) => listRoles(room.db, filter, page))
  })

  app.get('/v3/roles/:role_id', { config: { policy: 'identity:get_role' }, schema: { params: RolePath } }, async (request) => {
    const { role_id: id } = request.params
    return { role: wireRole(found('role', id, await findRole(room.db, id)), baseUrl(request, room)) }
  })

  app.patch(
    '/v3/roles/:role_id',
    { config: { policy: 'identity:update_role' }, schema: { params: RolePath, body: RoleUpdate } },
    async (request) => {
      const { role_id: id } = request.params
      const { role } = request.body
      const row = await refusingDuplicates(duplicateIn('role', role.name ?? '', ''), () =>
        room.db.transaction(async (tx) => {
          const before = found('role', id, await findRole(tx, id))
          refuseImmutable('role', id, options(before), role)
          if (role.domain_id !== undefined && (role.domain_id ?? '') !== before.domain_id)
            throw errors.invalid({ field: 'domain_id', reason: 'a role stays in its domain.' })
          const after: RoleRow = {
            ...before,
            name: role.name ?? before.name,
            description: role.description ?? before.description,
            options: optionsOf('resource', role.options, options(before)),
            extra: extraOf(role, known, extra(before)),
          }
          await updateRole(tx, id, after)
          // Tokens carry names: one that says an old name must not meet a rule that means another role by it.
          if (after.name !== before.name) await revokeNow(room, tx, { roleId: id })
          return after
        }),
      )
      return { role: wireRole(row, baseUrl(request, room)) }
    },
  )

  /** Tokens name every role that they have; a domain-specific one is not among them, but what it implies is. */
  const carriers = (role: RoleRow, implied: readonly ImpliedRoleRow[]) =>
    [...(role.domain_id === '' ? [role.id] : withImplied([role.id], implied))].map((roleId) => ({ roleId }))

  app.delete('/v3/roles/:role_id', { config: { policy: 'identity:delete_role' }, schema: { params: RolePath } }, async (request, reply) => {
    const { role_id: id } = request.params
    await room.db.transaction(async (tx) => {
      const row = found('role', id, await findRole(tx, id))
      refuseImmutable('role', id, options(row))
      const touched = carriers(row, await allImpliedRoles(tx))
      await deleteRole(tx, id)
      await revokeNow(room, tx, ...touched)
    })
    return reply.code(204).send()
  })

  const inference = (prior: RoleRow, implied: RoleRow, base: string) => {
    const [rule] = wireInferences([{ prior_role_id: prior.id, implied_role_id: implied.id }], [prior, implied], base)
    return {
      role_inference: { prior_role: rule!.prior_role, implies: rule!.implies[0] },
      links: { self: `${base}/roles/${prior.id}/implies/${implied.id}` },
    }
  }

  app.get(
    '/v3/roles/:role_id/implies',
    { config: { policy: 'identity:list_implied_roles' }, schema: { params: RolePath } },
    async (request) => {
      const { role_id: id } = request.params
      const base = baseUrl(request, room)
      const prior = found('role', id, await findRole(room.db, id))
      const rules = (await allImpliedRoles(room.db)).filter((rule) => rule.prior_role_id === id)
      const roles = await findRolesByIds(
        room.db,
        rules.map((rule) => rule.implied_role_id),
      )
      const [rule] = wireInferences(rules, [prior, ...roles], base)
      return {
        role_inference: rule ?? { prior_role: { id, name: prior.name, links: { self: `${base}/roles/${id}` } }, implies: [] },
        links: { self: `${base}/roles/${id}/implies` },
      }
    },
  )

  app.put(
    '/v3/roles/:role_id/implies/:implied_role_id',
    { config: { policy: 'identity:create_implied_role' }, schema: { params: ImpliedPath } },
    async (request, reply) => {
      const { role_id: priorId, implied_role_id: impliedId } = request.params
      const { prior, implied } = await room.db.transaction(async (tx) => {
        const prior = found('role', priorId, await findRole(tx, priorId))
        const implied = found('role', impliedId, await findRole(tx, impliedId))
        if (implied.domain_id !== '' && implied.domain_id !== prior.domain_id)
          throw errors.invalid({ field: 'implied_role_id', reason: 'a role of another domain can not be implied.' })
        if (closesCircle(priorId, impliedId, await allImpliedRoles(tx))) throw errors.impliedCycle({ prior: priorId, implied: impliedId })
        await addImpliedRole(tx, { prior_role_id: priorId, implied_role_id: impliedId })
        return { prior, implied }
      })
      return reply.code(201).send(inference(prior, implied, baseUrl(request, room)))
    },
  )

  app.get(
    '/v3/roles/:role_id/implies/:implied_role_id',
    { config: { policy: 'identity:get_implied_role' }, schema: { params: ImpliedPath } },
    async (request) => {
      const { role_id: priorId, implied_role_id: impliedId } = request.params
      const prior = found('role', priorId, await findRole(room.db, priorId))
      const implied = found('role', impliedId, await findRole(room.db, impliedId))
      const rules = await allImpliedRoles(room.db)
      if (!rules.some((rule) => rule.prior_role_id === priorId && rule.implied_role_id === impliedId))
        throw errors.noSuchImpliedRole({ prior: priorId, implied: impliedId })
      return inference(prior, implied, baseUrl(request, room))
    },
  )

  app.delete(
    '/v3/roles/:role_id/implies/:implied_role_id',
    { config: { policy: 'identity:delete_implied_role' }, schema: { params: ImpliedPath } },
    async (request, reply) => {
      const { role_id: priorId, implied_role_id: impliedId } = request.params
      await room.db.transaction(async (tx) => {
        const prior = found('role', priorId, await findRole(tx, priorId))
        const touched = carriers(prior, await allImpliedRoles(tx))
        if (!(await removeImpliedRole(tx, { prior_role_id: priorId, implied_role_id: impliedId })))
          throw errors.noSuchImpliedRole({ prior: priorId, implied: impliedId })
        await revokeNow(room, tx, ...touched)
      })
      return reply.code(204).send()
    },
  )

  app.get('/v3/role_inferences', { config: { policy: 'identity:list_role_inference_rules' } }, async (request) => {
    const rules = await allImpliedRoles(room.db)
    const ids = [...new Set(rules.flatMap((rule) => [rule.prior_role_id, rule.implied_role_id]))]
    const base = baseUrl(request, room)
    return { role_inferences: wireInferences(rules, await findRolesByIds(room.db, ids), base), links: { self: `${base}/role_inferences` } }
  })
}
