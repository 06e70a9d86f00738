import { openDatabase } from '@murmuration/data'
import { dcmanagerMigrations } from '@murmuration/dcmanager'
import { firstStartMs } from '../fleet/prepared.ts'
import { copyDatabaseFile, createDatabase, filesOf } from '../fleet/template.ts'
import type { Ground } from '../ground.ts'
import { OperatorClient, type Call } from '../operator/client.ts'
import { manage } from '../operator/requests.ts'
import type { Machine } from './controller.ts'
import type { Layout } from './layout.ts'
import type { ControllerName } from './places.ts'
import type { GeoPrepared } from './prepared.ts'
import * as requests from './requests.ts'
import type { Owner } from '@murmuration/platform'
import { GeoWorld } from './world.ts'

/** A world as it was left by operators who met no fault: where every seed of its layout begins. */
export interface GeoTemplate {
  readonly layout: Layout
  readonly controllers: ReadonlyMap<ControllerName, { readonly path: string; readonly files: ReadonlyMap<string, Uint8Array> }>
  readonly sites: ReadonlyMap<number, { readonly by: ControllerName; readonly owner: Owner | undefined }>
  /** When it was left. */
  readonly endMs: number
}

const longestMs = 900_000

/** Built by the product itself, through its API, once for each thread: the same for all seeds and on every machine. */
export async function buildGeoTemplate(ground: Ground, prepared: GeoPrepared, layout: Layout): Promise<GeoTemplate> {
  const databases = new Map(layout.controllers.map((name) => [name, `${ground.folder}/${layout.name}-${name}.db`]))
  for (const path of databases.values()) {
    createDatabase(path)
    const database = await openDatabase(`sqlite:${path}`, { world: ground.real, name: 'dcmanager' })
    await database.migrate(dcmanagerMigrations)
    await database.close()
  }
  const world = new GeoWorld({
    seed: `template ${layout.name}`,
    startMs: firstStartMs,
    prepared,
    databases,
    shapeOf: () => [['api', 'manager', 'audit', 'state']],
  })
  const { simulation } = world
  const until = async (what: string, condition: () => boolean): Promise<void> => {
    try {
      await simulation.run({ until: () => world.look() || condition(), untilMs: simulation.nowMs + longestMs })
    } catch (error) {
      throw new Error(`the template ${layout.name} does not get to this: ${what}\n${simulation.trace.lines.slice(-80).join('\n')}`, {
        cause: error,
      })
    }
    if (world.violation !== undefined) throw world.violation
  }
  const clients = new Map(world.machines.map((machine) => [machine.name, new OperatorClient(machine.counter, machine.checks.requests)]))
  const ask = async (at: ControllerName, call: Call): Promise<unknown> => {
    const answer = await simulation.complete(clients.get(at)!.call(`template at ${at}`, call, false))
    if (answer?.status !== 200)
      throw new Error(`${call.method} ${call.path} at ${at} was answered ${answer?.status}: ${JSON.stringify(answer?.json)}`)
    return answer.json
  }
  for (const machine of world.machines) {
    await simulation.complete(machine.install(new Map()))
    machine.start()
  }
  await until('the processes are ready', () => world.machines.every((machine) => machine.ready))
  const owned = layout.groups.flatMap(({ owner, members }) => members.map((site) => ({ owner, site })))
  for (const { owner, site } of owned) await ask(owner, requests.addSite(site, owner))
  const rowsOf = (machine: Machine) => machine.checks.reader.subclouds()
  await until('all subclouds are deployed and online', () => {
    const rows = world.machines.flatMap(rowsOf)
    return rows.length === owned.length && rows.every((row) => row.deploy_status === 'complete' && row.availability_status === 'online')
  })
  for (const machine of world.machines)
    for (const peer of layout.controllers) if (peer !== machine.name) await ask(machine.name, requests.addPeer(peer))
  for (const { name, owner, standby, others = [] } of layout.groups) {
    const machine = world.machine(owner)
    await ask(owner, requests.addPeerGroup(name))
    const { members } = layout.groups.find((group) => group.name === name)!
    for (const row of rowsOf(machine).filter((each) => members.some((site) => each.name === `edge-${site}`))) {
      const site = Number(row.name.slice('edge-'.length))
      await ask(owner, manage(row.id, 'managed', false))
      await ask(owner, requests.rehomeData(row.id, site, owner))
      await ask(owner, requests.join(row.id, name))
    }
    const group = machine.checks.reader.peerGroups().find((each) => each.peer_group_name === name)!
    for (const [index, each] of [standby, ...others].entries()) {
      const peer = machine.checks.reader.systemPeers().find(({ peer_name: peerName }) => peerName === each)!
      await ask(owner, requests.associate(group.id, peer.id, index + 1))
    }
  }
  await until('all associations are in-sync on both sides', () =>
    world.machines.every((machine) =>
      machine.checks.reader
        .associations()
        .every((row) =>
          row.association_type === 'primary' ? row.synced_revision > 0 && row.sync_failure === null : row.reported_status === 'in-sync',
        ),
    ),
  )
  await until('nothing works any more', () => world.machines.every((machine) => machine.checks.reader.liveJobs().length === 0))
  const controllers = new Map<ControllerName, { path: string; files: Map<string, Uint8Array> }>()
  for (const machine of world.machines) {
    machine.supervised = false
    for (const process of machine.processes) await simulation.complete(process.stop())
    controllers.set(machine.name, { path: databases.get(machine.name)!, files: await simulation.complete(filesOf(machine.hand.world)) })
  }
  const sites = new Map(owned.map(({ site, owner }) => [site, { by: owner, owner: world.site(site).owner }]))
  world.end()
  return { layout, controllers, sites, endMs: firstStartMs + simulation.nowMs }
}

/** Databases of a seed's own. */
export function copyTemplate(template: GeoTemplate, folder: string, seed: string): Map<ControllerName, string> {
  return new Map(
    [...template.controllers].map(([name, { path }]) => {
      const own = `${folder}/${template.layout.name}-${seed}-${name}.db`
      copyDatabaseFile(path, own)
      return [name, own]
    }),
  )
}
