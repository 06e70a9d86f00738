import type { TokenValidator } from '@murmuration/http'
import type { World } from '@murmuration/world'
import type { KeystoneSession } from './keystone-session.ts'

/**
 * Validates Murmuration's signed tokens in this process: signature and expiry locally (cached), revocations by polling the
 * identity service (`GET /v3/murmuration/trust`, as the service account) every 2 s. When the last good poll is older than 5 s
 * nothing is accepted on old knowledge: IdentityUnavailable.
 */
export declare function createLocalTokenValidator(
  world: World,
  options: { identityUrl: string; session: KeystoneSession; cacheEntries?: number },
): TokenValidator & { start(): void; stop(): void }

/** Asks a real Keystone (`GET /v3/auth/tokens`), with a bounded cache whose entries live at most 5 s. */
export declare function createKeystoneTokenValidator(
  world: World,
  options: { identityUrl: string; session: KeystoneSession; cacheEntries?: number },
): TokenValidator
