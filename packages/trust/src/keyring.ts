import type { World } from '@murmuration/world'
import type { Secret } from './secret.ts'

/** Encrypted text, safe in a database column or a file: `sealed:v1:<key id>:<base64url of nonce, tag and cipher text>`. */
export type Sealed = string & { readonly __sealed: true }

/** Seals secrets at rest with AES-256-GCM under the newest key; older keys only open. */
export interface Keyring {
  /** `context` (for example `subcloud:<id>:bmc_password`) is bound in: a sealed text moved elsewhere does not open. */
  seal(secret: Secret, context: string): Sealed
  /** Throws when the key is missing, the text was changed, or the context differs. */
  open(sealed: Sealed, context: string): Secret
  /** True when `sealed` was made with a key older than the newest one. */
  isStale(sealed: Sealed): boolean
  /** Adds a new key to the file; texts are re-sealed by their owners, after which `retire` drops the old keys. */
  rotate(): Promise<void>
  retire(): Promise<void>
}

/** Opens the key file (0600; refused when others may read it) or makes one with a first key. */
export declare function openKeyring(world: World, path: string): Promise<Keyring>
