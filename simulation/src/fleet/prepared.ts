import { loadSiteConfig, type SiteConfig } from '@murmuration/site'
import { createAuthority, type Authority } from '@murmuration/trust'
import { createSimulation } from '@murmuration/world/simulated'
import {
  backupsKept,
  auditConcurrency,
  controllerAddress,
  controllerHost,
  failuresToOffline,
  networkCount,
  networkOf,
  playbooksFolder,
  ports,
  siteCount,
  softwareVersion,
  times,
  varFolder,
} from './places.ts'
import { sitePrivateKey } from './secrets.ts'
import { createTokens, type Tokens } from './tokens.ts'

/** What all seeds of one thread share: nothing of it depends on a seed, and none changes it. */
export interface Prepared {
  readonly config: SiteConfig
  readonly tokens: Tokens
  readonly authority: Authority
  readonly certificates: {
    readonly ca: string
    readonly controller: { readonly certificate: string; readonly privateKey: string }
    /** By number of the site. */
    readonly sites: readonly { readonly certificate: string; readonly privateKey: string }[]
  }
}

export const firstStartMs = Date.UTC(2026, 0, 1)
const lifetimeMs = 365 * 24 * 3_600_000

/** Keys are made once: they take time, and no simulated time passes while they are made. */
export async function prepare(): Promise<Prepared> {
  const simulation = createSimulation('preparation')
  const { world } = simulation.host(controllerHost).boot()
  // An hour earlier than hosts begin: clocks that are set back still find certificates valid.
  const early = { ...world, clock: { ...world.clock, nowMs: () => firstStartMs - 30 * 24 * 3_600_000 } }
  const authority = await simulation.complete(createAuthority(early, '/ca', 'simulation authority'))
  const issue = (commonName: string, addresses: readonly string[]) =>
    simulation.complete(authority.issue({ commonName, addresses, usage: 'both', lifetimeMs }))
  const controller = await issue(controllerHost, [controllerAddress])
  const sites = []
  for (let site = 0; site <= siteCount; site += 1)
    sites.push(
      await issue(
        `site-${site}`,
        Array.from({ length: networkCount }, (_, network) => networkOf(site, network).start),
      ),
    )
  await simulation.complete(
    world.files.write(
      '/etc/site.yaml',
      JSON.stringify(siteFileOf({ name: controllerHost, address: controllerAddress, prefix: '10.10.0', oamPrefix: '10.11.0' })),
    ),
  )
  const config = await simulation.complete(loadSiteConfig(world, '/etc/site.yaml', {}))
  return {
    config,
    tokens: createTokens(firstStartMs),
    certificates: { ca: authority.certificate, controller, sites },
    // What playbooks hand out is never looked at by a simulated site, so one certificate serves for all.
    authority: {
      certificate: authority.certificate,
      issue: async () => ({ certificate: controller.certificate, privateKey: sitePrivateKey, notAfterMs: controller.notAfterMs }),
    },
  }
}

export interface ControllerPlace {
  readonly name: string
  readonly address: string
  /** First three octets of its management network, and of its OAM network. */
  readonly prefix: string
  readonly oamPrefix: string
}

/** The site file of a system controller in a simulation. */
export const siteFileOf = ({ name, address, prefix, oamPrefix }: ControllerPlace) => ({
  name,
  role: 'system-controller',
  softwareVersion,
  varFolder,
  address,
  playbooksFolder,
  ports: { dcmanager: ports.dcmanager },
  services: ['dcmanager'],
  networks: {
    management: {
      subnet: `${prefix}.0/24`,
      start: address,
      end: `${prefix}.100`,
      gateway: `${prefix}.253`,
      floating: address,
    },
    oam: { subnet: `${oamPrefix}.0/24`, gateway: `${oamPrefix}.254`, floating: `${oamPrefix}.1` },
  },
  playbooks: { sshKeyFile: `${varFolder}/secrets/ssh-key` },
  backup: { keep: backupsKept },
  audit: {
    intervalMs: times.auditInterval,
    failuresToOffline,
    requestDeadlineMs: times.auditDeadline,
    concurrency: auditConcurrency,
  },
})
