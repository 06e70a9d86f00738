import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { flag } from '@murmuration/data'
import { Secret, type TokenClaims } from '@murmuration/trust'
import { errors } from '../errors.ts'
import { newId, revokeNow } from '../room.ts'
import {
  deleteApplicationCredential,
  findApplicationCredential,
  insertApplicationCredential,
  listApplicationCredentials,
  rolesOfCredentials,
} from '../store/application-credentials.ts'
import { findRolesByIds } from '../store/roles.ts'
import type { ApplicationCredentialRow } from '../store/schema.ts'
import { findUser } from '../store/users.ts'
import { readTime } from '../wire/times.ts'
import { wireApplicationCredential } from '../wire/resources.ts'
import {
  baseUrl,
  envelope,
  found,
  Id,
  listed,
  Name,
  Nullable,
  pageQuery,
  pageWish,
  Password,
  refusingDuplicates,
  Text,
  type Api,
} from './kit.ts'
import { given } from '../rules/given.ts'

const RoleReference = Type.Object({ id: Type.Optional(Id), name: Type.Optional(Id) })
const Create = Type.Object({
  application_credential: Type.Object({
    name: Name,
    description: Nullable(Text),
    secret: Nullable(Password),
    expires_at: Nullable(Type.String({ maxLength: 64 })),
    roles: Nullable(Type.Array(RoleReference, { maxItems: 100 })),
    unrestricted: Nullable(Type.Boolean()),
    access_rules: Nullable(Type.Array(Type.Unknown())),
  }),
})
const List = Type.Object({ ...pageQuery, name: Type.Optional(Type.String()) })
const UserPath = Type.Object({ user_id: Id })
const Path = Type.Object({ user_id: Id, id: Id })

/** Only roles that the asking token has: what is delegated is never more than what is held. */
function rolesFor(claims: TokenClaims, wished: readonly Type.Static<typeof RoleReference>[] | null | undefined): string[] {
  if (!given(wished)) return claims.roles.map((role) => role.id)
  if (wished.length === 0) throw errors.invalid({ field: 'roles', reason: 'at least one role is expected; leave it out for all.' })
  const ids = wished.map((wish) => {
    const held = claims.roles.find((role) => (wish.id === undefined ? role.name === wish.name : role.id === wish.id))
    if (held === undefined) throw errors.rolesNotHeld({ role: wish.id ?? wish.name ?? '' })
    return held.id
  })
  return [...new Set(ids)]
}

export function applicationCredentialRoutes({ app, room }: Api): void {
  const owner = (id: string) => ({ target: { user: { id } } })
  /** A restricted credential is for using the cloud, not for making or removing keys to it. */
  const refuseRestricted = (request: FastifyRequest): TokenClaims => {
    const claims = room.tokens.claimsOf(request.identity)
    if (claims.applicationCredential?.restricted === true) throw errors.restrictedCredential()
    return claims
  }

  app.post(
    '/v3/users/:user_id/application_credentials',
    { config: { policy: 'in-handler' }, schema: { params: UserPath, body: Create } },
    async (request, reply) => {
      const { user_id: userId } = request.params
      const { application_credential: wish } = request.body
      request.authorize('identity:create_application_credential', owner(userId))
      const claims = refuseRestricted(request)
      if (claims.scope.kind !== 'project') throw errors.projectScopeNeeded()
      const { id: projectId } = claims.scope
      if (given(wish.access_rules) && wish.access_rules.length > 0)
        throw errors.unsupported({
          field: 'access_rules',
          reason: 'access rules are not enforced here, so they are not accepted; use fewer roles.',
        })
      const expiresAtMs = given(wish.expires_at) ? readTime(wish.expires_at) : null
      if (expiresAtMs === undefined || (expiresAtMs !== null && expiresAtMs <= room.world.clock.nowMs()))
        throw errors.invalid({ field: 'expires_at', reason: 'a time in the future is expected, as 2030-01-31T12:00:00.' })
      const roleIds = rolesFor(claims, wish.roles)
      const secret = wish.secret ?? Buffer.from(room.world.random.bytes(48)).toString('base64url')
      const row: ApplicationCredentialRow = {
        id: newId(room),
        name: wish.name,
        user_id: userId,
        project_id: projectId,
        description: wish.description ?? null,
        secret_hash: await room.passwords.hash(new Secret(secret)),
        unrestricted: flag(wish.unrestricted ?? false),
        // A credential made with a credential that ends must not outlive it.
        expires_at_ms: await earliest(expiresAtMs, claims),
        created_at_ms: room.world.clock.nowMs(),
      }
      await refusingDuplicates(
        () => errors.duplicate({ what: 'application_credential', name: row.name, where: '' }),
        () =>
          room.db.transaction(async (tx) => {
            found('user', userId, await findUser(tx, userId))
            await insertApplicationCredential(tx, row, roleIds)
          }),
      )
      const roles = await findRolesByIds(room.db, roleIds)
      return reply.code(201).send({ application_credential: wireApplicationCredential(row, roles, baseUrl(request, room), secret) })
    },
  )

  async function earliest(wishedMs: number | null, claims: TokenClaims): Promise<number | null> {
    if (claims.applicationCredential === undefined) return wishedMs
    const parent = await findApplicationCredential(room.db, claims.applicationCredential.id)
    const parentMs = parent?.expires_at_ms ?? null
    return parentMs === null ? wishedMs : Math.min(wishedMs ?? parentMs, parentMs)
  }

  app.get(
    '/v3/users/:user_id/application_credentials',
    { config: { policy: 'in-handler' }, schema: { params: UserPath, querystring: List } },
    async (request) => {
      const { user_id: userId } = request.params
      const { query } = request
      request.authorize('identity:list_application_credentials', owner(userId))
      const filter = { userId, name: query.name }
      const page = await listed(() => listApplicationCredentials(room.db, filter, pageWish(query)))
      const roleIds = await rolesOfCredentials(
        room.db,
        page.rows.map((row) => row.id),
      )
      const roles = await findRolesByIds(room.db, [...new Set([...roleIds.values()].flat())])
      const items = page.rows.map((row) =>
        wireApplicationCredential(
          row,
          roles.filter((role) => roleIds.get(row.id)?.includes(role.id)),
          baseUrl(request, room),
        ),
      )
      return envelope('application_credentials', items, request, room, page.next)
    },
  )

  app.get(
    '/v3/users/:user_id/application_credentials/:id',
    { config: { policy: 'in-handler' }, schema: { params: Path } },
    async (request) => {
      const { user_id: userId, id } = request.params
      request.authorize('identity:get_application_credential', owner(userId))
      const row = await findApplicationCredential(room.db, id)
      // Another user's credential is not found: the owner rule was asked for the user in the path.
      if (row === undefined || row.user_id !== userId) throw errors.notFound({ what: 'application credential', id })
      const roles = await findRolesByIds(room.db, (await rolesOfCredentials(room.db, [id])).get(id) ?? [])
      return { application_credential: wireApplicationCredential(row, roles, baseUrl(request, room)) }
    },
  )

  app.delete(
    '/v3/users/:user_id/application_credentials/:id',
    { config: { policy: 'in-handler' }, schema: { params: Path } },
    async (request, reply) => {
      const { user_id: userId, id } = request.params
      request.authorize('identity:delete_application_credential', owner(userId))
      refuseRestricted(request)
      await room.db.transaction(async (tx) => {
        const row = await findApplicationCredential(tx, id)
        if (row === undefined || row.user_id !== userId) throw errors.notFound({ what: 'application credential', id })
        await deleteApplicationCredential(tx, id)
        await revokeNow(room, tx, { applicationCredentialId: id })
      })
      return reply.code(204).send()
    },
  )
}
