import { Unauthenticated } from '@murmuration/http'
import { signToken, TokenTooLarge, type SigningKey, type TokenClaims } from '@murmuration/trust'
import { errors } from '../errors.ts'
import type { Room } from '../room.ts'
import { effectiveRoleIds, type Target } from '../rules/effective-roles.ts'
import { findApplicationCredential, rolesOfCredentials } from '../store/application-credentials.ts'
import { assignmentsOfUser } from '../store/assignments.ts'
import { ancestors, findDomain, findDomainByName, findProject, findProjectByName } from '../store/projects.ts'
import { headSequence } from '../store/revocations.ts'
import { allImpliedRoles, findRolesByIds } from '../store/roles.ts'
import type { ApplicationCredentialRow, Db, ProjectRow, UserRow } from '../store/schema.ts'
import { findUser } from '../store/users.ts'
import { resolveDomain, type DomainReference, type Proven } from './authenticate.ts'
import { isOver } from '../rules/expiry.ts'

export type ScopeWish =
  | { readonly kind: 'default' | 'unscoped' | 'system' }
  | { readonly kind: 'project'; readonly id?: string; readonly name?: string; readonly domain?: DomainReference }
  | { readonly kind: 'domain'; readonly id?: string; readonly name?: string }

export interface IssuedToken {
  readonly token: string
  readonly claims: TokenClaims
}

type Scope = TokenClaims['scope']
type Role = TokenClaims['roles'][number]

interface Scoped {
  readonly scope: Scope
  readonly roles: readonly Role[]
}

/**
 * Makes a token of what is true now: the user, the scope and the roles are read in one transaction, whatever an older token
 * said. A scope without roles, a disabled user, project or domain: the same 401.
 */
export async function issueToken(room: Room, proven: Proven, wish: ScopeWish): Promise<IssuedToken> {
  return room.db.transaction(async (tx) => {
    const sequence = await headSequence(tx)
    const user = await findUser(tx, proven.userId)
    const userDomain = user === undefined ? undefined : await findDomain(tx, user.domain_id)
    if (user === undefined || user.enabled === 0 || userDomain === undefined || userDomain.enabled === 0) throw new Unauthenticated()

    const credential = await credentialOf(room, tx, proven, wish)
    const { scope, roles } =
      credential === undefined ? await resolveScope(tx, user, wish) : await resolveCredentialScope(tx, user, credential)

    const nowMs = room.world.clock.nowMs()
    const jti = Buffer.from(room.world.random.bytes(16)).toString('base64url')
    const claims: TokenClaims = {
      jti,
      iatMs: nowMs,
      expMs: Math.min(
        nowMs + room.limits.tokenLifetimeMs,
        proven.parent?.expMs ?? Number.POSITIVE_INFINITY,
        credential?.expires_at_ms ?? Number.POSITIVE_INFINITY,
      ),
      user: { id: user.id, name: user.name, domain: { id: userDomain.id, name: userDomain.name } },
      roles,
      scope,
      methods: proven.methods,
      auditIds: proven.parent === undefined ? [jti] : [jti, proven.parent.auditIds.at(-1)!],
      ...(credential === undefined ? {} : { applicationCredential: { id: credential.id, restricted: credential.unrestricted === 0 } }),
      issuer: room.issuer,
      sequence,
    }
    if (claims.expMs <= nowMs) throw new Unauthenticated()
    return { token: sign(claims, await room.keys.current(tx)), claims }
  })
}

function sign(claims: TokenClaims, key: SigningKey): string {
  try {
    return signToken(claims, key)
  } catch (error) {
    if (error instanceof TokenTooLarge) throw errors.tokenTooLarge({ count: claims.roles.length })
    throw error
  }
}

/** A credential's token stays what it is: it goes to no other scope, and a restricted one makes no tokens at all. */
async function credentialOf(room: Room, db: Db, proven: Proven, wish: ScopeWish): Promise<ApplicationCredentialRow | undefined> {
  if (proven.applicationCredentialId === undefined) return undefined
  const credential = await findApplicationCredential(db, proven.applicationCredentialId)
  if (credential === undefined || credential.user_id !== proven.userId || isOver(credential, room.world.clock.nowMs()))
    throw new Unauthenticated()
  if (proven.parent !== undefined && credential.unrestricted === 0) throw errors.forbidden({ action: 'rescope a restricted token' })
  const elsewhere = wish.kind !== 'default' && !(wish.kind === 'project' && wish.id === credential.project_id)
  if (elsewhere)
    throw proven.parent === undefined ? new Unauthenticated() : errors.forbidden({ action: 'rescope an application credential' })
  return credential
}

/** What the credential has and the user still has. */
async function resolveCredentialScope(db: Db, user: UserRow, credential: ApplicationCredentialRow) {
  const found = await scopeToProject(db, user, await findProject(db, credential.project_id))
  const allowed = new Set((await rolesOfCredentials(db, [credential.id])).get(credential.id))
  const roles = found.roles.filter((role) => allowed.has(role.id))
  if (roles.length === 0) throw new Unauthenticated()
  return { scope: found.scope, roles }
}

async function resolveScope(db: Db, user: UserRow, wish: ScopeWish): Promise<Scoped> {
  if (wish.kind === 'project') return scopeToProject(db, user, await resolveProject(db, wish))
  if (wish.kind === 'domain') return scopeToDomain(db, user, wish)
  if (wish.kind === 'system') return { scope: { kind: 'system' }, roles: await rolesOn(db, user, { kind: 'system' }) }
  return wish.kind === 'unscoped' ? unscoped : defaultScope(db, user)
}

const unscoped: Scoped = { scope: { kind: 'unscoped' }, roles: [] }

async function scopeToDomain(db: Db, user: UserRow, wish: Extract<ScopeWish, { kind: 'domain' }>): Promise<Scoped> {
  const domain = wish.id === undefined ? await findDomainByName(db, wish.name ?? '') : await findDomain(db, wish.id)
  if (domain === undefined || domain.enabled === 0) throw new Unauthenticated()
  return { scope: { kind: 'domain', id: domain.id, name: domain.name }, roles: await rolesOn(db, user, { kind: 'domain', id: domain.id }) }
}

async function resolveProject(db: Db, wish: Extract<ScopeWish, { kind: 'project' }>): Promise<ProjectRow | undefined> {
  if (wish.id !== undefined) return findProject(db, wish.id)
  const domainId = await resolveDomain(db, wish.domain)
  return domainId === undefined || wish.name === undefined ? undefined : findProjectByName(db, domainId, wish.name)
}

/** The user's default project when they can use it, else no scope: a default that went away must not lock anybody out. */
async function defaultScope(db: Db, user: UserRow): Promise<Scoped> {
  if (user.default_project_id === null) return unscoped
  try {
    return await scopeToProject(db, user, await findProject(db, user.default_project_id))
  } catch (error) {
    if (error instanceof Unauthenticated) return unscoped
    throw error
  }
}

async function scopeToProject(db: Db, user: UserRow, project: ProjectRow | undefined): Promise<Scoped> {
  if (project === undefined || project.enabled === 0) throw new Unauthenticated()
  const domain = await findDomain(db, project.domain_id)
  const above = await ancestors(db, project)
  if (domain === undefined || domain.enabled === 0 || above.some((ancestor) => ancestor.enabled === 0)) throw new Unauthenticated()
  const target: Target = { kind: 'project', id: project.id, ancestorIds: above.map((ancestor) => ancestor.id), domainId: domain.id }
  return {
    scope: { kind: 'project', id: project.id, name: project.name, domain: { id: domain.id, name: domain.name } },
    roles: await rolesOn(db, user, target),
  }
}

async function rolesOn(db: Db, user: UserRow, target: Target): Promise<Role[]> {
  const ids = effectiveRoleIds(await assignmentsOfUser(db, user.id), target, await allImpliedRoles(db))
  const rows = await findRolesByIds(db, [...ids])
  // Domain-specific roles only imply others; they are no roles of a token.
  const roles = rows.filter((row) => row.domain_id === '').map((row) => ({ id: row.id, name: row.name }))
  if (roles.length === 0) throw new Unauthenticated()
  return roles.sort((a, b) => (a.name < b.name ? -1 : 1))
}
