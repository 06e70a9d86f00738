import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto'
import { readClaims } from './claims.ts'

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
  /**
   * Number of the last revocation that the issuer knew when it read the roles (0: none). Only later ones revoke this token,
   * so no comparison of clocks decides who is logged out.
   */
  readonly sequence: number
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

/** What a header can carry: servers cut headers at 16 KiB in all, and packages/http takes a token of 8 KiB at most. */
export const maxTokenLength = 8_192

/** The claims would not fit a header; usually too many roles. */
export class TokenTooLarge extends Error {
  constructor(length: number) {
    super(`the token would take ${length} characters; a header takes ${maxTokenLength}`)
    this.name = 'TokenTooLarge'
  }
}

const part = /^[A-Za-z0-9_-]+$/
const keyId = /^[A-Za-z0-9_-]{1,64}$/
const signatureBytes = 64

export function generateSigningKey(id: string): SigningKey {
  if (!keyId.test(id)) throw new Error('a signing key id is 1 to 64 characters of A-Z a-z 0-9 _ -')
  const pair = generateKeyPairSync('ed25519')
  return {
    id,
    privateKey: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  }
}

/** Compact JWS (EdDSA). Only this algorithm exists here: `none` and others are malformed. Throws TokenTooLarge. */
export function signToken(claims: TokenClaims, key: SigningKey): string {
  const header = encode({ alg: 'EdDSA', typ: 'JWT', kid: key.id })
  const signed = `${header}.${encode(claims)}`
  const signature = sign(null, Buffer.from(signed, 'ascii'), privateKeys.get(key.privateKey))
  const token = `${signed}.${signature.toString('base64url')}`
  if (token.length > maxTokenLength) throw new TokenTooLarge(token.length)
  return token
}

/** Pure and synchronous, ~85 µs: callers keep a bounded cache. Tolerates `leewayMs` of clock difference for `iat` only. */
export function verifyToken(
  token: string,
  keys: readonly VerificationKey[],
  expectations: { issuer: string; nowMs: number; leewayMs?: number },
): TokenClaims {
  if (token.length > maxTokenLength) throw new TokenInvalid('malformed')
  const [header, payload, signature, more] = token.split('.', 4)
  if (header === undefined || payload === undefined || signature === undefined || more !== undefined) throw new TokenInvalid('malformed')
  const kid = readHeader(decode(header))
  const signatureRaw = decode(signature)
  if (signatureRaw.length !== signatureBytes) throw new TokenInvalid('malformed')

  const key = keys.find((candidate) => candidate.id === kid)
  if (key === undefined) throw new TokenInvalid('unknown-key')
  if (!verify(null, Buffer.from(`${header}.${payload}`, 'ascii'), publicKeys.get(key.publicKey), signatureRaw))
    throw new TokenInvalid('bad-signature')

  // Nothing of the payload is looked at before the signature holds.
  const claims = readClaims(parseJson(decode(payload)))
  if (claims === undefined) throw new TokenInvalid('malformed')
  if (claims.issuer !== expectations.issuer) throw new TokenInvalid('wrong-issuer')
  if (claims.iatMs > expectations.nowMs + (expectations.leewayMs ?? 0)) throw new TokenInvalid('not-yet-valid')
  if (claims.expMs <= expectations.nowMs) throw new TokenInvalid('expired')
  return claims
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value), 'utf8').toString('base64url')

/** One text for one value: spare bits, padding and foreign characters are refused, so a changed token never passes. */
function decode(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url')
  if (!part.test(text) || bytes.toString('base64url') !== text) throw new TokenInvalid('malformed')
  return bytes
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    throw new TokenInvalid('malformed')
  }
}

/** Exactly three members: an unknown one (`crit`, `jku`, `jwk` …) could ask for behaviour that is not here. */
function readHeader(bytes: Buffer): string {
  const header = parseJson(bytes)
  if (typeof header !== 'object' || header === null || Object.keys(header).length !== 3) throw new TokenInvalid('malformed')
  const { alg, typ, kid } = header as Record<string, unknown>
  if (alg !== 'EdDSA' || typ !== 'JWT' || typeof kid !== 'string' || !keyId.test(kid)) throw new TokenInvalid('malformed')
  return kid
}

/** Parsing PEM costs as much as verifying: the few keys in use stay parsed. */
function keyCache(parse: (pem: string) => KeyObject): { get(pem: string): KeyObject } {
  const parsed = new Map<string, KeyObject>()
  return {
    get(pem) {
      let key = parsed.get(pem)
      if (key === undefined) {
        if (parsed.size >= 64) parsed.clear()
        key = parse(pem)
        parsed.set(pem, key)
      }
      return key
    },
  }
}
const privateKeys = keyCache((pem) => createPrivateKey(pem))
const publicKeys = keyCache((pem) => createPublicKey(pem))
