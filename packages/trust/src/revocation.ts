import type { TokenClaims } from './token.ts'

/**
 * "Tokens that match all given members and were made before this are void."
 * At least one of the matching members is present; an entry without any matches nothing.
 */
export interface Revocation {
  /** Rises by commit order: see `TokenClaims.sequence`. */
  readonly sequence: number
  readonly atMs: number
  /** After this every token that it could match has expired by itself: the entry may be forgotten. */
  readonly expiresAtMs: number
  /** One token. */
  readonly auditId?: string
  /** A token and all that were made from it. */
  readonly auditChainId?: string
  readonly userId?: string
  readonly projectId?: string
  /** The user's own domain, the scope's, or the domain of the scope's project. */
  readonly domainId?: string
  readonly roleId?: string
  readonly applicationCredentialId?: string
}

/** Clocks of one site's processes stay closer together than this. */
const clockDifferenceMs = 60_000

/** The one rule by which identity and every validator refuse a token that is otherwise good. Pure. */
export function isRevoked(claims: TokenClaims, revocations: Iterable<Revocation>): boolean {
  for (const revocation of revocations) if (isLater(revocation, claims) && matches(revocation, claims)) return true
  return false
}

/**
 * Sequence numbers decide, so that a login right after a password change is not caught by clocks that differ. Time decides
 * only where it is beyond doubt: a database restored from a backup counts on from an older number.
 */
const isLater = (revocation: Revocation, claims: TokenClaims): boolean =>
  revocation.sequence > claims.sequence || revocation.atMs > claims.iatMs + clockDifferenceMs

function matches(revocation: Revocation, claims: TokenClaims): boolean {
  let given = 0
  for (const name of Object.keys(matchers) as (keyof typeof matchers)[]) {
    const wanted = revocation[name]
    if (wanted === undefined) continue
    if (!matchers[name](claims, wanted)) return false
    given += 1
  }
  return given > 0
}

const matchers = {
  auditId: (claims, id) => claims.jti === id,
  auditChainId: (claims, id) => claims.auditIds.at(-1) === id,
  userId: (claims, id) => claims.user.id === id,
  projectId: (claims, id) => claims.scope.kind === 'project' && claims.scope.id === id,
  domainId: (claims, id) =>
    claims.user.domain.id === id ||
    (claims.scope.kind === 'domain' && claims.scope.id === id) ||
    (claims.scope.kind === 'project' && claims.scope.domain.id === id),
  roleId: (claims, id) => claims.roles.some((role) => role.id === id),
  applicationCredentialId: (claims, id) => claims.applicationCredential?.id === id,
} as const satisfies Partial<Record<keyof Revocation, (claims: TokenClaims, id: string) => boolean>>
