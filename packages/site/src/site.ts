import type { Database } from '@murmuration/data'
import type { TokenValidator } from '@murmuration/http'
import type { Bus } from '@murmuration/rpc'
import type { Authority, Keyring } from '@murmuration/trust'
import type { Endpoint, ListenAddress, World } from '@murmuration/world'
import type { KeystoneSession } from '@murmuration/clients'
import type { SiteConfig } from './config.ts'

/** What a service is given; nothing else reaches it. */
export interface Site {
  readonly world: World
  readonly config: SiteConfig
  readonly keyring: Keyring
  /** Only on a system controller. */
  readonly authority: Authority | undefined
  readonly bus: Bus
  readonly tokens: TokenValidator
  /** As the site's own service account, towards the site's own identity. */
  readonly session: KeystoneSession
  /** The service's own database (`{service}` of dataUrl), not migrated yet. */
  openDatabase<DB>(service: string): Promise<Database<DB>>
  /** Unique per process start; owner of leases. */
  readonly processId: string
  /** Ends polling and closes the bus. Services are stopped before; each closes its own database. */
  close(): Promise<void>
}

export interface ServiceApp {
  readonly name: string
  readonly endpoint: Endpoint
  readonly listen: readonly ListenAddress[]
}

/** What `createService(site)` gives: apps to listen, loops to run. */
export interface Service {
  readonly name: string
  readonly apps: readonly ServiceApp[]
  /** Starts workers and loops of the configured roles. Called after the apps listen. */
  start(): Promise<void>
  /** Stops loops, gives leases back, closes the database. */
  stop(): Promise<void>
}
