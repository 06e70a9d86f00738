import { identityOf } from '@murmuration/clients'
import { Unauthenticated, type Identity, type TokenValidator } from '@murmuration/http'
import { isRevoked, TokenInvalid, verifyToken, type Revocation, type TokenClaims } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import { limits } from '../rules/limits.ts'
import { revocationsAfter } from '../store/revocations.ts'
import type { IdentityDatabase } from '../store/schema.ts'
import type { SigningKeys } from './signing-keys.ts'

/** Identity's own validator: its database is next door, so a revocation counts from the moment it is committed. */
export interface TokenDesk extends TokenValidator {
  /** What a good token says. Rejects with Unauthenticated. */
  claims(token: string): Promise<TokenClaims>
  /** What the token of an identity said, for rules that roles alone don't answer. */
  claimsOf(identity: Identity): TokenClaims
}

interface Known {
  readonly claims: TokenClaims
  readonly identity: Identity
  /** Revocations up to this number don't touch it. */
  checkedTo: number
}

/** Clocks of a site's processes differ by less. */
const leewayMs = 5_000

export function createTokenDesk(world: World, db: IdentityDatabase, keys: SigningKeys, issuer: string): TokenDesk {
  const cache = new Map<string, Known>()
  const claimsByIdentity = new WeakMap<Identity, TokenClaims>()
  let revocations: Revocation[] = []
  let seen = 0

  /** One small statement: what was committed since the last look. */
  const refresh = async (): Promise<void> => {
    for (;;) {
      const fresh = (await revocationsAfter(db, seen)).filter((entry) => entry.sequence > seen)
      if (fresh.length === 0) return
      const nowMs = world.clock.nowMs()
      revocations = [...revocations.filter((entry) => entry.expiresAtMs > nowMs), ...fresh]
      seen = fresh.at(-1)!.sequence
    }
  }

  const verify = (token: string): TokenClaims => verifyToken(token, keys.verification(), { issuer, nowMs: world.clock.nowMs(), leewayMs })

  const verifyWithFreshKeys = async (token: string): Promise<TokenClaims> => {
    try {
      return verify(token)
    } catch (error) {
      if (!(error instanceof TokenInvalid) || error.reason !== 'unknown-key') throw error
    }
    await keys.reload()
    return verify(token)
  }

  const know = async (token: string): Promise<Known> => {
    const before = cache.get(token)
    if (before !== undefined) return before
    const claims = await verifyWithFreshKeys(token)
    const known: Known = { claims, identity: identityOf(claims), checkedTo: 0 }
    claimsByIdentity.set(known.identity, claims)
    if (cache.size >= limits.cachedTokens) cache.delete(cache.keys().next().value!)
    cache.set(token, known)
    return known
  }

  const check = async (token: string): Promise<Known> => {
    let known: Known
    try {
      known = await know(token)
    } catch (error) {
      if (!(error instanceof TokenInvalid)) throw error
      world.log.debug('a token was refused', { reason: error.reason })
      throw new Unauthenticated()
    }
    await refresh()
    const unseen = known.checkedTo === 0 ? revocations : revocations.filter((entry) => entry.sequence > known.checkedTo)
    if (known.claims.expMs <= world.clock.nowMs() || isRevoked(known.claims, unseen)) {
      cache.delete(token)
      throw new Unauthenticated()
    }
    known.checkedTo = seen
    return known
  }

  return {
    validate: async (token) => (await check(token)).identity,
    claims: async (token) => (await check(token)).claims,
    claimsOf(identity) {
      const claims = claimsByIdentity.get(identity)
      if (claims === undefined) throw new Unauthenticated()
      return claims
    },
  }
}
