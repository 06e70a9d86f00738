import type { World } from '@murmuration/world'

export interface IssuedCertificate {
  /** PEM: the certificate, then the chain up to but without the root. */
  readonly certificate: string
  readonly privateKey: string
  readonly notAfterMs: number
}

/** The controller's certificate authority; between sites TLS is mutual under it. */
export interface Authority {
  /** PEM of the root; the bootstrap playbook hands it out. */
  readonly certificate: string
  issue(subject: {
    commonName: string
    /** IP addresses and DNS names the holder may serve under. */
    addresses: readonly string[]
    usage: 'server' | 'client' | 'both'
    lifetimeMs: number
  }): Promise<IssuedCertificate>
}

/** Makes a new root (ECDSA P-256, 10 years) and writes `ca.pem` and `ca.key` (0600) into `folder`; opens it when it is there. */
export declare function createAuthority(world: World, folder: string, commonName: string): Promise<Authority>
export declare function openAuthority(world: World, folder: string): Promise<Authority | undefined>
