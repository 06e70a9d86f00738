import type { World } from '@murmuration/world'
import type { ImageStore } from './config/image-stores.ts'
import { environmentName, options, type Values } from './config/options.ts'
import { settle, type EffectiveValue, type Environment } from './config/settle.ts'

export type { EffectiveValue } from './config/settle.ts'

export type { ImageStore } from './config/image-stores.ts'

export type ServiceName = 'identity' | 'platform' | 'image' | 'dcmanager'
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
  /** Services are reached here, each on its port of DESIGN §1: what the catalog says. */
  readonly address: string
  /** Where this process listens; differs from `address` when several stand behind a balancer. */
  readonly listenAddress: string
  readonly ports: Readonly<
    Record<
      | 'identity'
      | 'identityTls'
      | 'platform'
      | 'platformTls'
      | 'dcagent'
      | 'dcagentTls'
      | 'image'
      | 'imageTls'
      | 'imageRegistry'
      | 'dcmanager'
      | 'dcmanagerTls'
      | 'iso',
      number
    >
  >
  readonly services: readonly ServiceName[]
  readonly roles: readonly RoleName[]
  /** Contains `{service}` when several services run. Default `sqlite:<var>/data/{service}.db`. */
  readonly dataUrl: string
  readonly busUrl: string
  readonly identity: {
    readonly mode: 'embedded' | 'external'
    /** `http://<address>:5000/v3` or the external Keystone's. */
    readonly url: string
    /** Of the services' own account (user `dcmanager` or `platform`, project `services`). The password file is 0600. */
    readonly serviceUser: string
    readonly servicePasswordFile: string
    /** 0600; what the first start gives the user `admin`. Absent: the identity service makes one up. */
    readonly adminPasswordFile: string | undefined
  }
  readonly networks: {
    readonly management: Network
    readonly oam: { readonly subnet: string; readonly gateway: string; readonly floating: string }
  }
  readonly systemMode: 'simplex' | 'duplex' | 'duplex-direct'
  readonly tls: {
    readonly caFile: string
    /** PEM, one or more: the agent's callers show a certificate under one of them. Default: caFile. */
    readonly clientCaFile: string
    readonly certFile: string
    readonly keyFile: string
  }
  /** Folder of playbooks; StarlingX's own directory has the same names. */
  readonly playbooksFolder: string
  /** How the manager's playbooks reach a subcloud's host. */
  readonly playbooks: {
    /** `local`: subclouds are set up on this machine (the lab); `ssh`: on the bootstrap address, as user sysadmin. */
    readonly connection: 'ssh' | 'local'
    /** What starts a site on the subcloud's host; absent: this program with connection `local`, `murmur` with `ssh`. */
    readonly murmurCommand: readonly string[] | undefined
    /** On the subcloud's host: a site lives in the folder named by its region in here. */
    readonly sitesFolder: string
    /** SSH key (0600) of user sysadmin; absent: the password of the request is used. */
    readonly sshKeyFile: string | undefined
    readonly sshUser: string
    readonly sshPort: number
    /** Playbooks at once in one manager. */
    readonly processes: number
  }
  /** Backups of subclouds (reference dcmanager §6). */
  readonly backup: {
    /** Under way at once in one manager; deletions of backups by themselves. */
    readonly concurrency: number
    readonly restoreConcurrency: number
    /** Of one subcloud and release. */
    readonly keep: number
    /** Of all archives at the system controller. */
    readonly quotaBytes: number
  }
  /** Seconds and counts of the audits (reference dcmanager §8.1). */
  readonly audit: {
    readonly intervalMs: number
    readonly failuresToOffline: number
    readonly requestDeadlineMs: number
    readonly concurrency: number
  }
  /** The image service (reference image §1.15, §2.1). */
  readonly image: {
    /** `direct`: this process opens the database; `registry`: every question goes to the registry of another one. */
    readonly dataApi: 'direct' | 'registry'
    /** `https://<address>:9191`, without a path. */
    readonly registryUrl: string
    /** The first one is the default. */
    readonly stores: readonly ImageStore[]
    /** Bytes of images on their way into stores: between stage and import. */
    readonly stagingFolder: string
    /** JSON file (0600) with `{"<store id>": {"accessKeyId", "secretAccessKey"}}`. */
    readonly s3CredentialsFile: string
    readonly importMethods: readonly ('glance-direct' | 'web-download' | 'copy-image')[]
    /** What web-download may reach: all public addresses, at these ports. */
    readonly importSchemes: readonly ('http' | 'https')[]
    /** Names, `*.domain` or addresses; empty: any. */
    readonly importHosts: readonly string[]
    readonly importPorts: readonly number[]
    /** Networks that are not public and may be reached nevertheless. */
    readonly importNetworks: readonly string[]
    readonly sizeCapBytes: number
    /** Of one project, all copies counted; 0: no limit. */
    readonly storageQuotaBytes: number
    /** Images of one project; 0: no limit. */
    readonly countQuota: number
    /** `shown`: images tell where their data is, and PATCH of `/locations` changes it, for clients that know no other way. */
    readonly locations: 'hidden' | 'shown'
  }
  /** May contain `{service}`, and must when several services run; see `policyFileOf`. */
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
  /** As far as they could be settled: a reader finds the mistake sooner beside what is in force. */
  readonly effective: readonly EffectiveValue[]
  constructor(problems: SiteConfigInvalid['problems'], effective: readonly EffectiveValue[] = []) {
    super(problems.map(({ path, line, message }) => `${path}${line === undefined ? '' : ` (line ${line})`}: ${message}`).join('\n'))
    this.name = 'SiteConfigInvalid'
    this.problems = problems
    this.effective = effective
  }
}

/** The settled configuration. Throws SiteConfigInvalid with every problem at once. Deeply frozen. */
export async function loadSiteConfig(world: World, file: string, environment: Environment): Promise<SiteConfig> {
  const { values, problems, effective } = await settle(world, file, environment)
  if (values === undefined) throw new SiteConfigInvalid(problems, effective)
  return assemble(values)
}

/**
 * The effective values, each with where it came from: `default`, the file's name, or the environment variable. Passwords
 * inside URLs are shown as ***. Throws SiteConfigInvalid (with `effective` as far as it goes) when anything is wrong.
 */
export async function checkSiteConfig(world: World, file: string, environment: Environment): Promise<EffectiveValue[]> {
  const { problems, effective } = await settle(world, file, environment)
  if (problems.length > 0) throw new SiteConfigInvalid(problems, effective)
  return [...effective]
}

/** The file of one service's policy rules. */
export const policyFileOf = (config: SiteConfig, service: ServiceName): string | undefined =>
  config.policyFile?.replaceAll('{service}', service)

/** Where a service keeps its data: `{service}` and `{region}` of `dataUrl` filled in. */
export const databaseUrlOf = (config: Pick<SiteConfig, 'dataUrl' | 'region'>, service: string): string =>
  config.dataUrl
    .replaceAll('{service}', service)
    .replaceAll('{region}', config.dataUrl.startsWith('postgres') ? schemaNameOf(config.region) : config.region)

/** A schema takes lower-case letters, digits and underscores. */
const schemaNameOf = (region: string): string => region.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_')

/** The reference of every option, for the documentation and `murmur config check --help`. */
export const siteOptions = (): { path: string; environment: string; description: string }[] =>
  Object.entries(options).map(([path, { description }]) => ({ path, environment: environmentName(path), description }))

/** Turns `a.b.c` paths into nested objects: the table of options has one entry for each leaf of SiteConfig. */
function assemble(values: Values): SiteConfig {
  const config: Record<string, unknown> = {}
  for (const [path, value] of Object.entries(values)) {
    const parts = path.split('.')
    const leaf = parts.pop() ?? path
    let section = config
    for (const part of parts) section = (section[part] ??= {}) as Record<string, unknown>
    section[leaf] = value
  }
  return deepFreeze(config) as unknown as SiteConfig
}

function deepFreeze<T extends object>(value: T): T {
  for (const member of Object.values(value)) if (typeof member === 'object' && member !== null) deepFreeze(member)
  return Object.freeze(value)
}
