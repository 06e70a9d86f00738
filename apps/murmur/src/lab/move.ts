import { loadSiteConfig } from '@murmuration/site/config'
import { createDaemons, type World } from '@murmuration/world'
import { copyService, stillHolds, type Copied } from '../commands/db-copy.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { pidFileOf, runningProcess } from '../serve/pid-file.ts'
import { tell } from '../terminal.ts'
import { asMover, begunMove, endMove, keepMove } from './begun-move.ts'
import { ownFiles, siteDataUrl, writeDataUrl } from './data-url.ts'
import { labFolder, labPaths, type LabPaths } from './layout.ts'
import { movingAlone } from './moving-alone.ts'
import { discoverSites, refreshLab, startSite, stopSite } from './sites.ts'
import type { LabSite } from './state.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Moves the data of every site of the lab, also while it runs: one site after the other is stopped, copied, told its new place and started
 * again, each away for seconds. Interrupted or failed, it is run again: a site is either where it was or in its new place, what was copied
 * already is copied anew, and a site that was stopped for it is started. Two at once would do that to each other: the second is refused.
 */
export async function moveLab(world: World, environment: Environment, options: { to: string; replace?: boolean }): Promise<Copied[]> {
  const paths = labPaths(labFolder(environment))
  if ((await discoverSites(world, paths)).length === 0)
    throw new CommandFailed(exitCodes.notFound, `There is no lab below ${paths.folder}.`, 'Start it with: npm start')
  return movingAlone(world, paths.folder, async () => {
    const moved: Copied[] = []
    for (const site of await discoverSites(world, paths)) moved.push(...(await moveSite(world, environment, site, options)))
    await refreshLab(world, paths)
    return moved
  })
}

async function moveSite(
  world: World,
  environment: Environment,
  site: LabSite,
  options: { to: string; replace?: boolean },
): Promise<Copied[]> {
  const { dataUrl: from, services } = await loadSiteConfig(world, site.site, {})
  const wanted = siteDataUrl(options.to, site.name, '--to')
  const to = wanted ?? ownFiles(site.varFolder)
  const before = await begunMove(world, site)
  if (from === to && before === undefined) {
    tell(`${site.name}: is there already`)
    return []
  }
  const mover = await createDaemons().identify(process.pid)
  const move = { mover, to, ran: site.pid !== null || before?.ran === true, copied: before?.to === to ? [...before.copied] : [] }
  await keepMove(world, site, move)
  // From here on nobody starts it; somebody may have since the sites were looked up.
  const running = await runningProcess(world, pidFileOf(site.varFolder))
  if (running !== undefined) await keepMove(world, site, Object.assign(move, { ran: true }))
  await stopSite(world, { ...site, pid: running?.pid ?? null })
  const plan = { site: site.name, from, region: site.region, services }
  try {
    for (const service of from === to ? [] : services) {
      const earlier = move.copied.filter((table) => table.service === service)
      const ours = await stillHolds(world, to, site.region, earlier)
      const copied = await copyService(world, service, plan, to, ours || options.replace === true)
      move.copied = [...move.copied.filter((table) => table.service !== service), ...copied]
      await keepMove(world, site, move)
    }
    await writeDataUrl(world, site.site, wanted)
  } finally {
    if (move.ran) await startSite(world, { ...environment, ...asMover }, site.site)
    // Whoever stops it from now on means it.
    await keepMove(world, site, { to, ran: false, copied: move.copied })
  }
  await endMove(world, site)
  tell(`${site.name}: ${move.ran ? 'runs' : 'is'} there now`)
  return move.copied
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
