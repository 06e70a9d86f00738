import type { TlsIdentity, World } from '@murmuration/world'
import type { Secret } from '@murmuration/trust'

export interface Credentials {
  /** Ends in /v3. */
  readonly authUrl: string
  readonly userName: string
  readonly userDomainName: string
  readonly password: Secret
  readonly projectName: string
  readonly projectDomainName: string
  readonly tls?: TlsIdentity
}

/** The site refused the credentials (not: could not be reached). */
export class AuthenticationFailed extends Error {
  constructor(authUrl: string) {
    super(`the identity service at ${authUrl} refused the credentials`)
    this.name = 'AuthenticationFailed'
  }
}

/** Token and catalog of one account at one site: one authentication at a time, renewed 300–480 s before expiry. */
export interface KeystoneSession {
  token(deadlineMs: number): Promise<string>
  /** After a 401: the next `token()` authenticates anew. */
  invalidate(): void
  endpointUrl(
    serviceType: string,
    options: { interface: 'public' | 'internal' | 'admin'; region?: string },
    deadlineMs: number,
  ): Promise<string | undefined>
}

export declare function createKeystoneSession(world: World, credentials: Credentials): KeystoneSession
