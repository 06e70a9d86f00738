import { stringify } from 'yaml'
import { createDaemons, type World } from '@murmuration/world'
import { connect, type Connection } from '../api/connection.ts'
import { Unreachable } from '../api/unreachable.ts'
import type { SubcloudBody } from '../api/types.ts'
import { parseOpenrc } from '../api/openrc.ts'
import { listColumns, listRow } from '../commands/subcloud-view.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { renderList } from '../output/format.ts'
import { print, tell, useColor } from '../terminal.ts'
import { countOf } from '../commands/context.ts'
import { addWhenMissing, bringUp, untilAudited } from './deploy.ts'
import { givenDataUrl, settleDataUrl } from './move.ts'
import { pairUp } from './peer.ts'
import {
  controllerName,
  controllerSiteFile,
  labFolder,
  labNetworks,
  labPaths,
  numberOf,
  peerName,
  type ControllerNetworks,
  type LabControllerName,
  type LabNetworks,
  type LabPaths,
} from './layout.ts'
import { discoverSites, refreshLab, startSite, stopSite } from './sites.ts'
import { readLab } from './state.ts'

type Environment = Readonly<Record<string, string | undefined>>

export interface UpOptions {
  /** With a second system controller that can take the subclouds over. */
  readonly peer?: boolean
  /** How many subclouds are brought up, as it was typed. */
  readonly subclouds?: string
}

/**
 * The lab in the foreground: a system controller and its subclouds, deployed through the API with real playbooks. Started again,
 * it goes on where it was. Ends, with everything that it started, when it is interrupted.
 */
export async function up(world: World, environment: Environment, options: UpOptions = {}): Promise<void> {
  const paths = labPaths(labFolder(environment))
  const networks = labNetworks(environment)
  const names = subcloudNames(options)
  const startedMs = world.clock.monotonicMs()
  const say = (line: string): void => tell(`[${((world.clock.monotonicMs() - startedMs) / 1_000).toFixed(1).padStart(5)} s] ${line}`)
  await checkTools(world, environment)
  await settleDataUrl(world, environment, paths)
  await takeOver(world, paths)

  const interrupted = interruption()
  try {
    await bringLabUp({ world, environment, paths, networks, say, signal: interrupted, names }, options.peer === true)
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
  /** Its subclouds. */
  readonly names: readonly string[]
}

function subcloudNames({ subclouds = '2' }: UpOptions): readonly string[] {
  const count = countOf('--subclouds', subclouds)
  if (count < 1 || count > 199) throw new CommandFailed(exitCodes.usage, `--subclouds ${subclouds}: a lab has 1 to 199.`)
  return Array.from({ length: count }, (_, n) => `subcloud${n + 1}`)
}

async function bringLabUp(starting: Lab, peer: boolean): Promise<void> {
  const { world, environment, paths, networks, say, signal } = starting
  // A lab that had a peer once keeps it: its subclouds may be with the peer.
  const withPeer = peer || (await world.files.size(paths.siteFileOf(peerName))) !== undefined
  await writeControllerSite(starting, controllerName, networks.controller)
  if (withPeer) await writeControllerSite(starting, peerName, networks.peer)
  const api = await startController(starting, controllerName)
  const peerApi = withPeer ? await startController(starting, peerName) : undefined
  await startDeployed(starting, peerApi === undefined ? [api] : [api, peerApi])

  const lab = { world, api, paths, networks, say, signal }
  await withRefresh(world, paths, async () => {
    const away = peerApi === undefined ? [] : await managedBy(peerApi)
    const here = starting.names.filter((name) => !away.includes(name))
    for (const name of here) await addWhenMissing(lab, name, numberOf(name)!)
    await Promise.all(here.map((name) => bringUp(lab, name, numberOf(name)!)))
    await Promise.all(here.map((name) => untilAudited(lab, name)))
    for (const name of away) say(`${name}: with ${peerName}`)
    if (peerApi !== undefined) await pairUp({ ...lab, environment, peerApi, members: here })
  })
  await refreshLab(world, paths)
  await welcome(api, paths, withPeer)
}

async function startController({ world, environment, paths, say, signal }: Lab, name: LabControllerName): Promise<Connection> {
  say(`starting ${name}`)
  await startSite(world, environment, paths.siteFileOf(name), signal)
  await refreshLab(world, paths, process.pid)
  return controllerApi(world, environment, paths, name)
}

async function managedBy(api: Connection): Promise<readonly string[]> {
  const { subclouds } = await api.request<{ subclouds: SubcloudBody[] }>('GET', '/subclouds')
  return subclouds.filter((subcloud) => subcloud['management-state'] === 'managed').map((subcloud) => subcloud.name)
}

/** Sites that an earlier start has deployed come back; what a deleted subcloud left behind stays where it is. */
async function startDeployed({ world, environment, paths, say, signal }: Lab, apis: readonly Connection[]): Promise<void> {
  const lists = await Promise.all(apis.map((api) => api.request<{ subclouds: SubcloudBody[] }>('GET', '/subclouds')))
  const regions = new Set(lists.flatMap(({ subclouds }) => subclouds.map((subcloud) => subcloud['region-name'])))
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

export async function controllerApi(
  world: World,
  environment: Environment,
  paths: LabPaths,
  name: LabControllerName = controllerName,
): Promise<Connection> {
  const openrc = await world.files.read(paths.siteOpenrc(name))
  if (openrc === undefined)
    throw new CommandFailed(exitCodes.notFound, `There is no lab below ${paths.folder}.`, 'Start it with: npm start')
  return connect(world, { ...environment, ...parseOpenrc(Buffer.from(openrc).toString('utf8')) })
}

async function controllerGone(world: World, paths: LabPaths): Promise<boolean> {
  return (await discoverSites(world, paths)).some((site) => site.name === controllerName && site.pid === null)
}

async function writeControllerSite(
  { world, environment, paths }: Lab,
  name: LabControllerName,
  networks: ControllerNetworks,
): Promise<void> {
  const file = paths.siteFileOf(name)
  if ((await world.files.size(file)) !== undefined) return
  const what = name === peerName ? "The lab's second system controller" : "The lab's system controller"
  const text = `# ${what}. Every option: murmur config check --site ${file}\n${stringify(controllerSiteFile(name, paths, networks, givenDataUrl(environment, name)))}`
  await world.files.write(file, text)
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

async function welcome(api: Connection, paths: LabPaths, withPeer: boolean): Promise<void> {
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
      ...(withPeer
        ? [
            '  npm run -s murmur -- peer-group status lab',
            `  ( . ${shown}/openrc-${peerName} && npm run -s murmur -- subcloud list --all )`,
          ]
        : []),
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
