import { Secret, type TokenClaims } from '@murmuration/trust'
import { Unauthenticated } from '@murmuration/http'
import { errors } from '../errors.ts'
import type { Room } from '../room.ts'
import { isLocked } from '../rules/lockout.ts'
import { findApplicationCredential, findApplicationCredentialByName } from '../store/application-credentials.ts'
import { findDomain, findDomainByName } from '../store/projects.ts'
import type { ApplicationCredentialRow, Db, UserRow } from '../store/schema.ts'
import { countFailure, findUser, findUserByName, forgetFailures, replaceHash } from '../store/users.ts'
import { options } from '../wire/bags.ts'
import { given } from '../rules/given.ts'
import { isOver } from '../rules/expiry.ts'

export interface DomainReference {
  readonly id?: string
  readonly name?: string
}
export interface UserReference {
  readonly id?: string
  readonly name?: string
  readonly domain?: DomainReference
}
export interface IdentityProof {
  readonly methods: readonly string[]
  readonly password?: { readonly user: UserReference & { readonly password: string } }
  readonly token?: { readonly id: string }
  readonly application_credential?: {
    readonly id?: string
    readonly name?: string
    readonly user?: UserReference
    readonly secret: string
  }
}

/** Who it is, and by what; what they may do is read when the token is made. */
export interface Proven {
  readonly userId: string
  readonly methods: readonly string[]
  /** The token it was proven with: the new one ends no later and belongs to its chain. */
  readonly parent?: TokenClaims
  readonly applicationCredentialId?: string
}

/**
 * Proves an identity by one method. Every failure is the same 401 after the same work, so that nobody learns whether a user
 * exists, is locked or is disabled.
 */
export async function authenticate(room: Room, proof: IdentityProof): Promise<Proven> {
  const [method, ...others] = new Set(proof.methods)
  // Several methods at once would be a second factor; there is none here, and repeated ones only make work.
  if (method === undefined || others.length > 0) throw errors.invalid({ field: 'methods', reason: 'exactly one method is expected.' })
  switch (method) {
    case 'password':
      if (proof.password === undefined) throw errors.invalid({ field: 'password', reason: 'it is missing though methods names it.' })
      return byPassword(room, proof.password.user)
    case 'token':
      if (proof.token === undefined) throw errors.invalid({ field: 'token', reason: 'it is missing though methods names it.' })
      return byToken(room, proof.token.id)
    case 'application_credential':
      if (proof.application_credential === undefined)
        throw errors.invalid({ field: 'application_credential', reason: 'it is missing though methods names it.' })
      return byApplicationCredential(room, proof.application_credential)
    default:
      throw new Unauthenticated()
  }
}

/** The user and whether the password is theirs, with the lock-out's book-keeping. Undefined: refused. */
export async function provePassword(room: Room, find: () => Promise<UserRow | undefined>, password: Secret): Promise<UserRow | undefined> {
  const proven = await room.passwords.attempt(async () => {
    const user = await find()
    const nowMs = room.world.clock.nowMs()
    const locked = user !== undefined && isLocked(user, options(user), nowMs, room.limits)
    const hash = user === undefined || locked || user.enabled === 0 ? undefined : (user.password_hash ?? undefined)
    const good = await room.passwords.verify(password, hash)
    if (user === undefined || locked) return undefined
    if (!good) {
      await countFailure(room.db, user.id, nowMs, room.limits.lockoutWindowMs)
      return undefined
    }
    // Guesses that ran beside this one may have locked the account meanwhile.
    const fresh = await findUser(room.db, user.id)
    if (fresh === undefined || fresh.password_hash !== user.password_hash || isLocked(fresh, options(fresh), nowMs, room.limits))
      return undefined
    await forgetFailures(room.db, user.id)
    return fresh
  })
  if (proven !== undefined && given(proven.password_hash) && room.passwords.isOutdated(proven.password_hash))
    await replaceHash(room.db, proven.id, proven.password_hash, await room.passwords.hash(password))
  return proven
}

async function byPassword(room: Room, claim: UserReference & { password: string }): Promise<Proven> {
  const user = await provePassword(room, () => resolveUser(room.db, claim), new Secret(claim.password))
  if (user === undefined) throw new Unauthenticated()
  return { userId: user.id, methods: ['password'] }
}

async function byToken(room: Room, token: string): Promise<Proven> {
  const parent = await room.tokens.claims(token)
  return {
    userId: parent.user.id,
    methods: [...new Set(['token', ...parent.methods])],
    parent,
    ...(parent.applicationCredential === undefined ? {} : { applicationCredentialId: parent.applicationCredential.id }),
  }
}

async function byApplicationCredential(room: Room, claim: NonNullable<IdentityProof['application_credential']>): Promise<Proven> {
  const credential = await room.passwords.attempt(async () => {
    const found = await resolveCredential(room.db, claim)
    const good = await room.passwords.verify(new Secret(claim.secret), found?.secret_hash)
    return good ? found : undefined
  })
  if (credential === undefined || isOver(credential, room.world.clock.nowMs())) throw new Unauthenticated()
  return { userId: credential.user_id, methods: ['application_credential'], applicationCredentialId: credential.id }
}

async function resolveUser(db: Db, reference: UserReference): Promise<UserRow | undefined> {
  if (reference.id !== undefined) return findUser(db, reference.id)
  if (reference.name === undefined) return undefined
  const domain = await resolveDomain(db, reference.domain)
  return domain === undefined ? undefined : findUserByName(db, domain, reference.name)
}

export async function resolveDomain(db: Db, reference: DomainReference | undefined): Promise<string | undefined> {
  if (reference?.id !== undefined) return (await findDomain(db, reference.id))?.id
  if (reference?.name !== undefined) return (await findDomainByName(db, reference.name))?.id
  return undefined
}

async function resolveCredential(
  db: Db,
  claim: NonNullable<IdentityProof['application_credential']>,
): Promise<ApplicationCredentialRow | undefined> {
  if (claim.id !== undefined) return findApplicationCredential(db, claim.id)
  if (claim.name === undefined || claim.user === undefined) return undefined
  const user = await resolveUser(db, claim.user)
  return user === undefined ? undefined : findApplicationCredentialByName(db, user.id, claim.name)
}
