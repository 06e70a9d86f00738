import { stringify } from 'yaml'
import { createDaemons, type World } from '@murmuration/world'
import { connect, Unreachable, type Connection } from '../api/connection.ts'
import type { SubcloudBody } from '../api/types.ts'
import { parseOpenrc } from '../api/openrc.ts'
import { listColumns, listRow } from '../commands/subcloud-view.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { renderList } from '../output/format.ts'
import { print, tell, useColor } from '../terminal.ts'
import { labDataUrl, moveSite } from './data-url.ts'
import { addWhenMissing, bringUp, untilAudited } from './deploy.ts'
import {
  controllerName,
  controllerSiteFile,
  labFolder,
  labNetworks,
  labPaths,
  numberOf,
  subcloudNames,
  type LabNetworks,
  type LabPaths,
} from './layout.ts'
import { discoverSites, refreshLab, startSite, stopSite } from './sites.ts'
import { readLab } from './state.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The lab in the foreground: a system controller and two subclouds, deployed through the API with real playbooks. Started again,
 * it goes on where it was. Ends, with everything that it started, when it is interrupted.
 */
export async function up(world: World, environment: Environment): Promise<void> {
  const paths = labPaths(labFolder(environment))
  const networks = labNetworks(environment)
  const startedMs = world.clock.monotonicMs()
  const say = (line: string): void => tell(`[${((world.clock.monotonicMs() - startedMs) / 1_000).toFixed(1).padStart(5)} s] ${line}`)
  await checkTools(world, environment)
  await takeOver(world, paths)

  const interrupted = interruption()
  try {
    await bringLabUp({ world, environment, paths, networks, say, signal: interrupted })
    await stay(world, paths, interrupted, say)
  } catch (error) {
    if (!interrupted.aborted)
      // Only where nobody answers any more: one that could not start has said why.
      throw error instanceof Unreachable && (await controllerGone(world, paths))
        ? new CommandFailed(exitCodes.refused, `${controllerName} has ended.`, 'npm start (it goes on where it was)', { cause: error })
        : error
  } finally {
    if ((await readLab(world, paths)).labPid === process.pid) {
      tell('Stopping the lab …')
      await endAll(world, paths)
    }
  }
  if (interrupted.aborted) tell('The lab has stopped. Its state is kept: npm start goes on with it.')
}

interface Lab {
  readonly world: World
  readonly environment: Environment
  readonly paths: LabPaths
  readonly networks: LabNetworks
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

async function bringLabUp(starting: Lab): Promise<void> {
  const { world, environment, paths, networks, say, signal } = starting
  await writeControllerSite(world, paths, networks)
  await moveData(world, environment, paths)
  say(`starting ${controllerName}`)
  await startSite(world, environment, paths.controllerSite, signal)
  await refreshLab(world, paths, process.pid)
  const api = await controllerApi(world, environment, paths)
  await startDeployed(starting, api)

  const lab = { world, api, paths, networks, say, signal }
  await withRefresh(world, paths, async () => {
    for (const name of subcloudNames) await addWhenMissing(lab, name, numberOf(name)!)
    await Promise.all(subcloudNames.map((name) => bringUp(lab, name, numberOf(name)!)))
    await Promise.all(subcloudNames.map((name) => untilAudited(lab, name)))
  })
  await refreshLab(world, paths)
  await welcome(api, paths)
}

/** Sites that an earlier start has deployed come back; what a deleted subcloud left behind stays where it is. */
async function startDeployed({ world, environment, paths, say, signal }: Lab, api: Connection): Promise<void> {
  const { subclouds } = await api.request<{ subclouds: SubcloudBody[] }>('GET', '/subclouds')
  const regions = new Set(subclouds.map((subcloud) => subcloud['region-name']))
  for (const site of await discoverSites(world, paths)) {
    if (site.pid !== null || !regions.has(site.region)) continue
    say(`starting ${site.name}`)
    try {
      await startSite(world, environment, site.site, signal)
    } catch (error) {
      // A bootstrap that was cut off left it unfinished; the controller goes on with that job and starts it.
      if (!(error instanceof CommandFailed)) throw error
      say(`${site.name} does not start by itself: ${error.message}`)
    }
  }
  await refreshLab(world, paths)
}

export async function controllerApi(world: World, environment: Environment, paths: LabPaths): Promise<Connection> {
  const openrc = await world.files.read(paths.openrc)
  if (openrc === undefined)
    throw new CommandFailed(exitCodes.notFound, `There is no lab below ${paths.folder}.`, 'Start it with: npm start')
  return connect(world, { ...environment, ...parseOpenrc(Buffer.from(openrc).toString('utf8')) })
}

async function controllerGone(world: World, paths: LabPaths): Promise<boolean> {
  return (await discoverSites(world, paths)).some((site) => site.name === controllerName && site.pid === null)
}

/** With `DATA_URL` all sites that don't run keep their data there from now on; what they have elsewhere is for `murmur db copy`. */
async function moveData(world: World, environment: Environment, paths: LabPaths): Promise<void> {
  const dataUrl = labDataUrl(environment)
  if (dataUrl === undefined) return
  for (const site of await discoverSites(world, paths)) if (site.pid === null) await moveSite(world, site.site, dataUrl)
}

async function writeControllerSite(world: World, paths: LabPaths, networks: LabNetworks): Promise<void> {
  if ((await world.files.size(paths.controllerSite)) !== undefined) return
  const text = `# The lab's system controller. Every option: murmur config check --site ${paths.controllerSite}\n${stringify(controllerSiteFile(paths, networks))}`
  await world.files.write(paths.controllerSite, text)
}

/** While something long goes on, `lab.json` stays true for whoever watches it. */
async function withRefresh(world: World, paths: LabPaths, work: () => Promise<void>): Promise<void> {
  const done = new AbortController()
  const loop = (async () => {
    while (!done.signal.aborted) {
      await refreshLab(world, paths)
      await world.timers.sleep(1_000, done.signal).catch(() => {})
    }
  })()
  try {
    await work()
  } finally {
    done.abort()
    await loop
  }
}

async function welcome(api: Connection, paths: LabPaths): Promise<void> {
  const { subclouds } = await api.request<{ subclouds: SubcloudBody[] }>('GET', '/subclouds')
  print(renderList(listColumns, subclouds.map(listRow), {}, useColor()))
  const shown = paths.folder.startsWith(`${process.cwd()}/`) ? paths.folder.slice(process.cwd().length + 1) : paths.folder
  tell(
    [
      '',
      'The lab is up. In another terminal try:',
      '  npm run -s murmur -- subcloud show subcloud1',
      '  npm run -s murmur -- lab add subcloud4',
      `  . ${shown}/openrc && openstack catalog list`,
      '',
      'Ctrl-C ends everything that was started here.',
    ].join('\n'),
  )
}

/** Until interrupted or taken over; tells when a site comes or goes. */
async function stay(world: World, paths: LabPaths, signal: AbortSignal, say: (line: string) => void): Promise<void> {
  let known = new Map((await refreshLab(world, paths)).map((site) => [site.name, site.pid]))
  for (;;) {
    await world.timers.sleep(1_000, signal)
    if ((await readLab(world, paths)).labPid !== process.pid) return tell('Another npm start has taken the lab over.')
    const now = new Map((await refreshLab(world, paths)).map((site) => [site.name, site.pid]))
    for (const [name, pid] of now) {
      if (pid === null && typeof known.get(name) === 'number')
        say(`${name} has ended; start it again: npm run -s murmur -- lab start ${name}`)
      if (pid !== null && known.get(name) !== pid) say(`${name} runs (pid ${pid})`)
    }
    known = now
  }
}

async function endAll(world: World, paths: LabPaths): Promise<void> {
  // The controller first: it would see its subclouds go and say so, and a playbook of its may be starting one right now.
  for (const site of await discoverSites(world, paths)) if (site.role === 'system-controller') await stopSite(world, site)
  for (const site of await discoverSites(world, paths)) await stopSite(world, site)
  await refreshLab(world, paths, null)
}

async function checkTools(world: World, environment: Environment): Promise<void> {
  try {
    const probe = await world.processes.start({
      command: 'ansible-playbook',
      args: ['--version'],
      env: { PATH: environment['PATH'] ?? '', HOME: environment['HOME'] ?? '/' },
    })
    await probe.done
  } catch {
    throw new CommandFailed(exitCodes.refused, 'ansible-playbook is not installed.', 'Install it: apt-get install ansible-core')
  }
}

/** One lab a folder: a second `npm start` takes it over, so that a stuck terminal never blocks the next try. */
async function takeOver(world: World, paths: LabPaths): Promise<void> {
  const { labPid } = await readLab(world, paths)
  const other = labPid === null || labPid === process.pid ? undefined : await createDaemons().identify(labPid)
  if (other !== undefined) tell(`Taking the lab over from process ${labPid}.`)
  await refreshLab(world, paths, process.pid)
}

/** Aborted when the lab is asked to end. Until then the signals have no other effect. */
function interruption(): AbortSignal {
  const asked = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => asked.abort())
  return asked.signal
}
