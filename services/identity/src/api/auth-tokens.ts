import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { Unauthenticated } from '@murmuration/http'
import type { TokenClaims } from '@murmuration/trust'
import { errors } from '../errors.ts'
import { revokeNow, type Room } from '../room.ts'
import { findApplicationCredential } from '../store/application-credentials.ts'
import { readCatalog } from '../store/catalog.ts'
import { authenticate } from '../work/authenticate.ts'
import { issueToken, type ScopeWish } from '../work/issue-token.ts'
import { wireToken } from '../wire/token.ts'
import { Id, Password, type Api } from './kit.ts'

const DomainReference = Type.Object({ id: Type.Optional(Id), name: Type.Optional(Id) })
const UserReference = { id: Type.Optional(Id), name: Type.Optional(Id), domain: Type.Optional(DomainReference) }

const AuthRequest = Type.Object({
  auth: Type.Object({
    identity: Type.Object({
      methods: Type.Array(Type.String({ maxLength: 64 }), { minItems: 1, maxItems: 8 }),
      password: Type.Optional(Type.Object({ user: Type.Object({ ...UserReference, password: Password }) })),
      token: Type.Optional(Type.Object({ id: Type.String({ minLength: 1, maxLength: 16_384 }) })),
      application_credential: Type.Optional(
        Type.Object({
          id: Type.Optional(Id),
          name: Type.Optional(Id),
          user: Type.Optional(Type.Object(UserReference)),
          secret: Password,
        }),
      ),
    }),
    scope: Type.Optional(
      Type.Union([
        Type.Literal('unscoped'),
        Type.Object({
          project: Type.Optional(Type.Object({ id: Type.Optional(Id), name: Type.Optional(Id), domain: Type.Optional(DomainReference) })),
          domain: Type.Optional(DomainReference),
          system: Type.Optional(Type.Object({ all: Type.Boolean() })),
          unscoped: Type.Optional(Type.Object({})),
        }),
      ]),
    ),
  }),
})

type ScopeBody = Exclude<Type.Static<typeof AuthRequest>['auth']['scope'], string | undefined>

function readScope(scope: ScopeBody | 'unscoped' | undefined): ScopeWish {
  if (scope === undefined) return { kind: 'default' }
  if (scope === 'unscoped') return { kind: 'unscoped' }
  const { project, domain, system, unscoped } = scope
  const named = [project, domain, system, unscoped].filter((part) => part !== undefined).length
  if (named !== 1) throw errors.invalid({ field: 'scope', reason: 'exactly one of project, domain, system and unscoped is expected.' })
  if (project !== undefined) return { kind: 'project', ...project }
  if (domain !== undefined) return { kind: 'domain', ...domain }
  if (unscoped !== undefined) return { kind: 'unscoped' }
  if (system?.all !== true) throw errors.invalid({ field: 'scope.system', reason: '{"all": true} is expected.' })
  return { kind: 'system' }
}

export function tokenRoutes({ app, room }: Api): void {
  app.post(
    '/v3/auth/tokens',
    { config: { policy: 'public' }, schema: { body: AuthRequest, querystring: NoCatalog } },
    async (request, reply) => {
      const { identity, scope } = request.body.auth
      const wish = readScope(scope)
      const { token, claims } = await issueToken(room, await authenticate(room, identity), wish)
      return reply
        .code(201)
        .header('x-subject-token', token)
        .header('vary', 'X-Auth-Token')
        .send(await describe(room, claims, request.query))
    },
  )

  app.get('/v3/auth/tokens', { config: { policy: 'in-handler' }, schema: { querystring: NoCatalog } }, async (request, reply) => {
    const { token, claims } = await subject(request, room, 'identity:validate_token')
    return reply
      .header('x-subject-token', token)
      .header('vary', 'X-Auth-Token')
      .send(await describe(room, claims, request.query))
  })

  app.delete('/v3/auth/tokens', { config: { policy: 'in-handler' } }, async (request, reply) => {
    const { claims } = await subject(request, room, 'identity:revoke_token')
    await room.db.transaction((tx) => revokeNow(room, tx, { auditId: claims.jti }))
    return reply.code(204).send()
  })
}

const NoCatalog = Type.Object({ nocatalog: Type.Optional(Type.String()) })

/** The token in X-Subject-Token. A caller without the right to ask gets 403 for good and bad ones alike, but for their own. */
async function subject(request: FastifyRequest, room: Room, rule: string): Promise<{ token: string; claims: TokenClaims }> {
  const token = request.headers['x-subject-token']
  const anybodys = room.policy.allows(rule, request.identity, {})
  if (anybodys) request.authorize(rule, {})
  let claims: TokenClaims | undefined
  if (typeof token === 'string') {
    try {
      claims = await room.tokens.claims(token)
    } catch (error) {
      if (!(error instanceof Unauthenticated)) throw error
    }
  }
  if (!anybodys) request.authorize(rule, { target: { user: { id: claims?.user.id } } })
  if (claims === undefined || typeof token !== 'string') throw errors.tokenNotFound()
  return { token, claims }
}

async function describe(room: Room, claims: TokenClaims, query: { nocatalog?: string }) {
  const credentialId = claims.applicationCredential?.id
  const credential = credentialId === undefined ? undefined : await findApplicationCredential(room.db, credentialId)
  const catalog = query.nocatalog !== undefined || claims.scope.kind === 'unscoped' ? undefined : await readCatalog(room.db)
  return wireToken(claims, { ...(catalog === undefined ? {} : { catalog }), ...(credential === undefined ? {} : { credential }) })
}
