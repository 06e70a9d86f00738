import { createHash } from 'node:crypto'
import { Unauthenticated, type Identity, type TokenValidator } from '@murmuration/http'
import { generateSigningKey, signToken, TokenInvalid, verifyToken, type TokenClaims } from '@murmuration/trust'
import type { World } from '@murmuration/world'

const issuer = 'https://identity.simulation'
const domain = { id: 'default', name: 'Default' }
const lifetimeMs = 365 * 24 * 3_600_000

/** Real signed tokens, without a password to be hashed and without a feed of revocations: identity is not what is simulated here. */
export interface Tokens {
  readonly admin: string
  readonly reader: string
  /** Of another account with the rights of an administrator; the same one every time. */
  admins(userName: string): string
  validator(world: World): TokenValidator
}

export function createTokens(startMs: number): Tokens {
  const key = generateSigningKey('simulation')
  const mint = (name: string, roles: readonly string[]): string => {
    const claims: TokenClaims = {
      jti: createHash('sha256').update(name).digest('base64url').slice(0, 22),
      iatMs: startMs - lifetimeMs,
      expMs: startMs + lifetimeMs,
      user: { id: `user-${name}`, name, domain },
      roles: roles.map((role) => ({ id: `role-${role}`, name: role })),
      scope: { kind: 'project', id: 'project-admin', name: 'admin', domain },
      methods: ['password'],
      auditIds: [name],
      issuer,
      sequence: 0,
    }
    return signToken(claims, key)
  }
  const minted = new Map<string, string>()
  const verified = new Map<string, Identity>()
  return {
    admin: mint('admin', ['admin', 'member', 'reader']),
    reader: mint('reader', ['reader']),
    admins(userName) {
      const known = minted.get(userName) ?? mint(userName, ['admin', 'member', 'reader'])
      minted.set(userName, known)
      return known
    },
    validator: (world) => ({
      async validate(token) {
        const known = verified.get(token)
        if (known !== undefined && known.expiresAtMs > world.clock.nowMs()) return known
        try {
          const identity = identityOf(verifyToken(token, [key], { issuer, nowMs: world.clock.nowMs(), leewayMs: 60_000 }))
          verified.set(token, identity)
          return identity
        } catch (error) {
          if (error instanceof TokenInvalid) throw new Unauthenticated()
          throw error
        }
      },
    }),
  }
}

const identityOf = (claims: TokenClaims): Identity => ({
  userId: claims.user.id,
  userName: claims.user.name,
  userDomainId: claims.user.domain.id,
  userDomainName: claims.user.domain.name,
  projectId: 'project-admin',
  projectName: 'admin',
  projectDomainId: domain.id,
  projectDomainName: domain.name,
  systemScope: false,
  roles: claims.roles.map((role) => role.name),
  auditId: claims.jti,
  expiresAtMs: claims.expMs,
})
