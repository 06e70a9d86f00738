/** What a token says. Small on purpose: names, roles and the catalog are not in it where an id does. */
export interface TokenClaims {
  /** Unique id of this token (its audit id), base64url. */
  readonly jti: string
  readonly iatMs: number
  readonly expMs: number
  readonly user: { readonly id: string; readonly name: string; readonly domain: { readonly id: string; readonly name: string } }
  readonly roles: readonly { readonly id: string; readonly name: string }[]
  readonly scope:
    | {
        readonly kind: 'project'
        readonly id: string
        readonly name: string
        readonly domain: { readonly id: string; readonly name: string }
      }
    | { readonly kind: 'domain'; readonly id: string; readonly name: string }
    | { readonly kind: 'system' }
    | { readonly kind: 'unscoped' }
  readonly methods: readonly string[]
  /** Audit ids: own, then the parent's when the token was made from another token. */
  readonly auditIds: readonly string[]
  readonly applicationCredential?: { readonly id: string; readonly restricted: boolean }
  /** Which site's identity service signed it: a token of another realm is refused. */
  readonly issuer: string
}

export interface SigningKey {
  readonly id: string
  /** PEM, PKCS#8, Ed25519. */
  readonly privateKey: string
  readonly publicKey: string
}
export interface VerificationKey {
  readonly id: string
  readonly publicKey: string
}

/** Refused tokens: every reason looks the same outside (401); the reason is for the log. */
export class TokenInvalid extends Error {
  readonly reason: 'malformed' | 'unknown-key' | 'bad-signature' | 'expired' | 'not-yet-valid' | 'wrong-issuer'
  constructor(reason: TokenInvalid['reason']) {
    super(`token ${reason}`)
    this.name = 'TokenInvalid'
    this.reason = reason
  }
}

export declare function generateSigningKey(id: string): SigningKey
/** Compact JWS (EdDSA). Only this algorithm exists here: `none` and others are malformed. */
export declare function signToken(claims: TokenClaims, key: SigningKey): string
/** Pure and synchronous, ~85 µs: callers keep a bounded cache. Tolerates `leewayMs` of clock difference for `iat` only. */
export declare function verifyToken(
  token: string,
  keys: readonly VerificationKey[],
  expectations: { issuer: string; nowMs: number; leewayMs?: number },
): TokenClaims
