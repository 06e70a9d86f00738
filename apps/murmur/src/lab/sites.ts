import { loadSiteConfig } from '@murmuration/site/config'
import { createDaemons, type World } from '@murmuration/world'
import { CommandFailed, exitCodes } from '../exit.ts'
import { end, program, siteEnvironment } from '../serve/command.ts'
import { pidFileOf, runningProcess } from '../serve/pid-file.ts'
import { controllerName, labFolder, type LabPaths } from './layout.ts'
import { refuseWhileMoved } from './moving-alone.ts'
import { readLab, writeLab, type LabSite } from './state.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The sites of a lab as they are now: the controller's and those that bootstraps have laid out below `sites/`. Derived each
 * time from the site files and the running processes, so that nothing recorded can be wrong.
 */
export async function discoverSites(world: World, paths: LabPaths): Promise<LabSite[]> {
  const found: LabSite[] = []
  for (const folder of await world.files.list(paths.sites)) {
    const site = `${paths.sites}/${folder}/site.yaml`
    if ((await world.files.size(site)) === undefined) continue
    const config = await loadSiteConfig(world, site, {}).catch(() => undefined)
    // A bootstrap that died half-way may leave a broken file; the job that goes on writes it anew.
    if (config === undefined) continue
    const running = await runningProcess(world, pidFileOf(config.varFolder))
    found.push({
      name: config.name,
      role: config.role,
      address: config.address,
      pid: running?.pid ?? null,
      openrc: paths.siteOpenrc(config.name),
      site,
      varFolder: config.varFolder,
      region: config.region,
    })
  }
  return withoutNamesakes(found).toSorted((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name))
}

/** Controllers first, and of these the one that every lab has. */
const rank = (site: LabSite): number => (site.name === controllerName ? 0 : site.role === 'system-controller' ? 1 : 2)

/** A subcloud that was deleted and added again has left its old folder: the one that runs counts, else any. */
function withoutNamesakes(sites: readonly LabSite[]): readonly LabSite[] {
  const best = new Map<string, LabSite>()
  for (const site of sites) if ((best.get(site.name)?.pid ?? null) === null) best.set(site.name, site)
  return [...best.values()]
}

/** Writes `lab.json` and the openrc files beside it when they differ from what is true; returns the sites. */
export async function refreshLab(world: World, paths: LabPaths, labPid?: number | null): Promise<readonly LabSite[]> {
  const before = await readLab(world, paths)
  const sites = await discoverSites(world, paths)
  for (const site of sites) {
    const source = await world.files.read(`${site.varFolder}/openrc`)
    const copy = await world.files.read(site.openrc)
    if (source !== undefined && (copy === undefined || !Buffer.from(copy).equals(source))) await world.files.write(site.openrc, source)
  }
  const after = { labPid: labPid === undefined ? before.labPid : labPid, sites }
  if (JSON.stringify(after) !== JSON.stringify(before)) await writeLab(world, paths, after)
  return sites
}

export async function siteNamed(world: World, paths: LabPaths, name: string): Promise<LabSite> {
  const sites = await discoverSites(world, paths)
  const site = sites.find((one) => one.name === name)
  if (site === undefined) {
    throw new CommandFailed(
      exitCodes.notFound,
      `The lab has no site ${name}.`,
      `Sites: ${sites.map((one) => one.name).join(', ') || 'none yet; start the lab with npm start'}.`,
    )
  }
  return site
}

/** Starts a site's process and returns when it is ready; not while another command moves the lab. Its own words are shown when it fails. */
export async function startSite(world: World, environment: Environment, site: string, signal?: AbortSignal): Promise<void> {
  await refuseWhileMoved(world, labFolder(environment))
  let said = ''
  const starter = await world.processes.start({
    command: process.execPath,
    args: [program, 'serve', '--site', site, '--detach'],
    env: siteEnvironment(environment),
    onLine: (_stream, line) => (said = `${said}\n${line}`.trim()),
    deadlineMs: 90_000,
    ...(signal === undefined ? {} : { signal }),
  })
  const { code } = await starter.done
  if (code !== 0) throw new CommandFailed(exitCodes.refused, said.replace(/^error: /, '') || `${site} did not start.`)
}

export async function stopSite(world: World, site: LabSite): Promise<boolean> {
  if (site.pid === null) return false
  const running = await createDaemons().identify(site.pid)
  if (running === undefined) return false
  await end(world, running)
  await world.files.remove(pidFileOf(site.varFolder))
  return true
}
