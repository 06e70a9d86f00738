import { loadSiteConfig, type SiteConfig } from '@murmuration/site'
import { createAuthority, type Authority } from '@murmuration/trust'
import { createSimulation } from '@murmuration/world/simulated'
import { networkOf } from '../fleet/places.ts'
import { firstStartMs, siteFileOf } from '../fleet/prepared.ts'
import { sitePrivateKey } from '../fleet/secrets.ts'
import { createTokens, type Tokens } from '../fleet/tokens.ts'
import { controllerNames, geoSiteCount, placeOf, type ControllerName } from './places.ts'

export interface Certified {
  readonly certificate: string
  readonly privateKey: string
}

/** One controller, as all seeds of a thread share it. */
export interface PreparedController {
  readonly config: SiteConfig
  readonly tokens: Tokens
  /** What the product is given: issues the same certificate for everybody, since a simulated site looks at none that it is handed. */
  readonly authority: Authority
  readonly own: Certified
  /** By number of the site: what a site shows when this controller has set it up. */
  readonly sites: readonly Certified[]
}

export type GeoPrepared = Readonly<Record<ControllerName, PreparedController>>

const lifetimeMs = 365 * 24 * 3_600_000

/** Keys are made once: they take time, and no simulated time passes while they are made. Each controller has an authority of its own. */
export async function prepareGeo(): Promise<GeoPrepared> {
  const all: Partial<Record<ControllerName, PreparedController>> = {}
  for (const name of controllerNames) all[name] = await prepareOne(name)
  return all as GeoPrepared
}

async function prepareOne(name: ControllerName): Promise<PreparedController> {
  const place = placeOf(name)
  const simulation = createSimulation(`preparation of ${name}`)
  const { world } = simulation.host(name).boot()
  // Earlier than hosts begin: clocks that are set back still find certificates valid.
  const early = { ...world, clock: { ...world.clock, nowMs: () => firstStartMs - 30 * 24 * 3_600_000 } }
  const authority = await simulation.complete(createAuthority(early, '/ca', `authority of ${name}`))
  const issue = (commonName: string, addresses: readonly string[]) =>
    simulation.complete(authority.issue({ commonName, addresses, usage: 'both', lifetimeMs }))
  const own = await issue(name, [place.address])
  const sites: Certified[] = []
  for (let site = 0; site <= geoSiteCount; site += 1) sites.push(await issue(`site-${site}`, [networkOf(site, 0).start]))
  await simulation.complete(world.files.write('/etc/site.yaml', JSON.stringify(siteFileOf(place))))
  return {
    config: await simulation.complete(loadSiteConfig(world, '/etc/site.yaml', {})),
    tokens: createTokens(firstStartMs),
    authority: {
      certificate: authority.certificate,
      issue: async () => ({ certificate: own.certificate, privateKey: sitePrivateKey, notAfterMs: own.notAfterMs }),
    },
    own,
    sites,
  }
}
