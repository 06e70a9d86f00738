import type { World } from '@murmuration/world'

export type ServiceName = 'identity' | 'platform' | 'dcmanager'
export type RoleName = 'api' | 'manager' | 'audit' | 'state'

/** One YAML file (`site.yaml`) plus environment (`MURMUR_<PATH>`); `murmur config check` prints the effective values. */
export interface SiteConfig {
  readonly name: string
  readonly role: 'system-controller' | 'subcloud'
  /** Of its own services. A system controller's dcmanager is registered in `SystemController` besides. */
  readonly region: string
  readonly softwareVersion: string
  /** State of this site: databases, vault, logs. */
  readonly varFolder: string
  /** Services listen here, each on its port of DESIGN §1. */
  readonly address: string
  readonly ports: Readonly<Record<'identity' | 'identityTls' | 'platform' | 'platformTls' | 'dcagent' | 'dcagentTls' | 'dcmanager', number>>
  readonly services: readonly ServiceName[]
  readonly roles: readonly RoleName[]
  /** May contain `{service}`. Default `sqlite:<var>/data/{service}.db`. */
  readonly dataUrl: string
  readonly busUrl: string
  readonly identity: {
    readonly mode: 'embedded' | 'external'
    /** `http://<address>:5000/v3` or the external Keystone's. */
    readonly url: string
    /** Of the services' own account (user `dcmanager` or `platform`, project `services`). The password file is 0600. */
    readonly serviceUser: string
    readonly servicePasswordFile: string
  }
  readonly networks: {
    readonly management: Network
    readonly oam: { readonly subnet: string; readonly gateway: string; readonly floating: string }
  }
  readonly systemMode: 'simplex' | 'duplex' | 'duplex-direct'
  readonly tls: {
    readonly caFile: string
    readonly certFile: string
    readonly keyFile: string
  }
  /** Folder of playbooks; StarlingX's own directory has the same names. */
  readonly playbooksFolder: string
  /** Seconds and counts of the audits (reference dcmanager §8.1). */
  readonly audit: {
    readonly intervalMs: number
    readonly failuresToOffline: number
    readonly requestDeadlineMs: number
    readonly concurrency: number
  }
  readonly policyFile: string | undefined
}

export interface Network {
  readonly subnet: string
  readonly start: string
  readonly end: string
  readonly gateway: string
  readonly floating: string
}

/** What is wrong, each with its path in the file, its line and the remedy. */
export class SiteConfigInvalid extends Error {
  readonly problems: readonly { readonly path: string; readonly line?: number; readonly message: string }[]
  constructor(problems: SiteConfigInvalid['problems']) {
    super(problems.map((problem) => `${problem.path}: ${problem.message}`).join('\n'))
    this.name = 'SiteConfigInvalid'
    this.problems = problems
  }
}

export declare function loadSiteConfig(
  world: World,
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<SiteConfig>
/** The effective values, each with where it came from (default, file, environment), secrets as paths only. */
export declare function checkSiteConfig(
  world: World,
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<{ path: string; value: string; source: string }[]>
