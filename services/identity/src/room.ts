import type { Policy } from '@murmuration/http'
import type { SiteConfig } from '@murmuration/site'
import type { Keyring } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import { limits, type IdentityLimits } from './rules/limits.ts'
import type { IdentityDatabase, Tx } from './store/schema.ts'
import { revoke, type RevocationWish } from './store/revocations.ts'
import type { Passwords } from './work/passwords.ts'
import type { SigningKeys } from './work/signing-keys.ts'
import type { TokenDesk } from './work/token-desk.ts'

/** What the parts of this service share. */
export interface Room {
  readonly world: World
  readonly config: SiteConfig
  readonly db: IdentityDatabase
  readonly keyring: Keyring
  readonly policy: Policy
  readonly limits: IdentityLimits
  readonly passwords: Passwords
  readonly keys: SigningKeys
  readonly tokens: TokenDesk
  /** This identity service's own name in its tokens. */
  readonly issuer: string
}

/** 32 hexadecimal characters, as Keystone's ids. */
export const newId = (room: Pick<Room, 'world'>): string => room.world.random.uuid().replaceAll('-', '')

/** Revokes in the transaction of the change, for as long as a token can live. */
export function revokeNow(room: Pick<Room, 'world' | 'limits'>, tx: Tx, ...wishes: RevocationWish[]): Promise<void> {
  const atMs = room.world.clock.nowMs()
  return revoke(tx, wishes, { atMs, expiresAtMs: atMs + room.limits.tokenLifetimeMs + 60_000 })
}

/**
 * What to revoke when users lose roles by one change. A large group is revoked by its roles: few entries, and holders of the
 * role by another way only get a new token.
 */
export function lossOf(userIds: readonly string[], roleIds: readonly string[], projectId?: string): RevocationWish[] {
  const place = projectId === undefined ? {} : { projectId }
  return userIds.length <= limits.maxRevokedOneByOne
    ? userIds.map((userId) => ({ userId, ...place }))
    : roleIds.map((roleId) => ({ roleId, ...place }))
}
