import { loadSiteConfig } from '@murmuration/site'
import type { World } from '@murmuration/world'
import { copyServices, type Copied } from '../commands/db-copy.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { tell } from '../terminal.ts'
import { ownFiles, siteDataUrl, writeDataUrl } from './data-url.ts'
import { labFolder, labPaths, type LabPaths } from './layout.ts'
import { discoverSites, refreshLab, startSite, stopSite } from './sites.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Moves the data of every site of the lab, also while it runs: one site after the other is stopped, copied, told its new place and started
 * again, each away for seconds. Interrupted or failed, it is run again: a site is either where it was or in its new place.
 */
export async function moveLab(world: World, environment: Environment, options: { to: string; replace?: boolean }): Promise<Copied[]> {
  const paths = labPaths(labFolder(environment))
  const sites = await discoverSites(world, paths)
  if (sites.length === 0) throw new CommandFailed(exitCodes.notFound, `There is no lab below ${paths.folder}.`, 'Start it with: npm start')
  const moved: Copied[] = []
  for (const site of sites) {
    const { dataUrl: from, services } = await loadSiteConfig(world, site.site, {})
    const wanted = siteDataUrl(options.to, site.name, '--to')
    const to = wanted ?? ownFiles(site.varFolder)
    if (from === to) {
      tell(`${site.name}: is there already`)
      continue
    }
    const ran = await stopSite(world, site)
    try {
      const plan = { site: site.name, from, region: site.region, services }
      moved.push(...(await copyServices(world, plan, to, options.replace === true)))
      await writeDataUrl(world, site.site, wanted)
    } finally {
      if (ran) await startSite(world, environment, site.site)
    }
    tell(`${site.name}: ${ran ? 'runs' : 'is'} there now`)
  }
  await refreshLab(world, paths)
  return moved
}

/** What a new site of the lab has as `dataUrl`: where `DATA_URL` says. */
export const givenDataUrl = (environment: Environment, site: string): string | undefined =>
  siteDataUrl(environment['DATA_URL'] || 'sqlite:', site, 'DATA_URL')

/**
 * Tells the sites that there are where `DATA_URL` says that the lab's data lie. One that has data elsewhere would begin anew with nothing, so
 * that is refused.
 */
export async function settleDataUrl(world: World, environment: Environment, paths: LabPaths): Promise<void> {
  const place = environment['DATA_URL'] ?? ''
  if (place === '') return
  for (const site of await discoverSites(world, paths)) {
    const wanted = givenDataUrl(environment, site.name)
    const { dataUrl } = await loadSiteConfig(world, site.site, {})
    if (dataUrl === (wanted ?? ownFiles(site.varFolder))) continue
    if ((await world.files.size(`${site.varFolder}/openrc`)) !== undefined)
      throw new CommandFailed(
        exitCodes.conflict,
        `${site.name} has its data in ${dataUrl}, and not where DATA_URL says.`,
        `murmur db copy --lab --to '${place}' moves the lab; without DATA_URL it starts where it is.`,
      )
    await writeDataUrl(world, site.site, wanted)
  }
}
