/**
 * What must be kept and what can be proven: secrets, sealing at rest, signed tokens, the site's certificate authority.
 */
export { Secret } from './secret.ts'
export { openKeyring, SealBroken, type Keyring, type Sealed } from './keyring.ts'
export { readPrivateFile, PrivateFileExposed } from './private-file.ts'
export { createAuthority, openAuthority, type Authority, type IssuedCertificate } from './authority.ts'
export {
  signToken,
  verifyToken,
  TokenInvalid,
  TokenTooLarge,
  maxTokenLength,
  generateSigningKey,
  type TokenClaims,
  type SigningKey,
  type VerificationKey,
} from './token.ts'
export { isRevoked, type Revocation } from './revocation.ts'
