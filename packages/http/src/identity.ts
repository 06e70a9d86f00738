/** Who is asking, as proven by a token; the only source of roles. Headers that claim an identity are stripped. */
export interface Identity {
  readonly userId: string
  readonly userName: string
  readonly userDomainId: string
  readonly userDomainName: string
  readonly projectId?: string
  readonly projectName?: string
  readonly projectDomainId?: string
  readonly projectDomainName?: string
  readonly domainId?: string
  readonly domainName?: string
  readonly systemScope: boolean
  /** Names, implied ones included. */
  readonly roles: readonly string[]
  /** Audit id of the token: safe to log. */
  readonly auditId: string
  readonly expiresAtMs: number
}

/** Answers from a bounded cache of verified tokens; a revoked token is refused everywhere within 5 s. */
export interface TokenValidator {
  /** Rejects with Unauthenticated (401) or IdentityUnavailable (503). */
  validate(token: string): Promise<Identity>
  /** What `validate` would answer without asking anybody, for callers who need not wait then; undefined when it has to look closer. */
  known?(token: string): Identity | undefined
}

export class Unauthenticated extends Error {
  constructor(message = 'The request you have made requires authentication.') {
    super(message)
    this.name = 'Unauthenticated'
  }
}
export class IdentityUnavailable extends Error {
  constructor(options?: { cause?: unknown }) {
    super('The identity service can not be reached to check the token.', options)
    this.name = 'IdentityUnavailable'
  }
}
