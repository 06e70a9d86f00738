/** Every limit of this service in one place. */
export interface IdentityLimits {
  readonly tokenLifetimeMs: number
  /** Wrong passwords until an account is locked; the count starts anew when the last failure is older than the window. */
  readonly lockoutFailures: number
  readonly lockoutWindowMs: number
  /** Password hashes computed at once in one process, and requests that may wait for one. */
  readonly hashConcurrency: number
  readonly hashQueue: number
  /** A new signing key is published this long before it signs: longer than validators take to poll. */
  readonly signingKeyLeadMs: number
  readonly signingKeyAgeMs: number
}

export const defaultLimits: IdentityLimits = {
  tokenLifetimeMs: 3_600_000,
  lockoutFailures: 6,
  lockoutWindowMs: 30 * 60_000,
  hashConcurrency: 2,
  hashQueue: 200,
  signingKeyLeadMs: 15_000,
  signingKeyAgeMs: 30 * 24 * 3_600_000,
}

export const limits = {
  maxListed: 10_000,
  maxNameLength: 255,
  maxPasswordLength: 1024,
  maxExtraBytes: 16_384,
  maxProjectDepth: 5,
  cachedTokens: 10_000,
  /** One answer of the trust document: about 3 MB, below what validators read. */
  maxRevocationsTold: 15_000,
  /** Beyond it a change for a whole group revokes by role, not user by user. */
  maxRevokedOneByOne: 100,
  housekeepingIntervalMs: 60_000,
} as const
