import type { SeededRandom } from '@murmuration/world/simulated'
import type { AssociationRow, SubcloudRow } from '../check/reader.ts'
import { siteAt } from '../fleet/places.ts'
import type { Answer, Call, OperatorClient } from '../operator/client.ts'
import { backup, describe, manage, remove } from '../operator/requests.ts'
import type { Machine } from './controller.ts'
import { oneOf } from './draw.ts'
import { geoSiteCount } from './places.ts'
import * as requests from './requests.ts'
import type { GeoWorld } from './world.ts'

export interface GeoOperator {
  readonly world: GeoWorld
  readonly clients: ReadonlyMap<Machine, OperatorClient>
  readonly random: SeededRandom
  readonly name: string
  readonly isCalm: () => boolean
}

const longestPauseMs = 9_000

/** Somebody at work at any of the controllers: what the state suggests, what it does not, and often at two of them at once. */
export async function operate(operator: GeoOperator): Promise<void> {
  const { world, random, isCalm } = operator
  const { timers } = world.operator.world
  for (let turn = 1; !isCalm(); turn += 1) {
    await timers.sleep(random.between(200, longestPauseMs))
    if (isCalm()) return
    await Promise.all(choose(operator, turn).map(([machine, call]) => ask(operator, machine, call)))
  }
}

type Order = readonly [Machine, Call]

const ask = (operator: GeoOperator, machine: Machine, call: Call): Promise<Answer | undefined> =>
  operator.clients.get(machine)!.call(`${operator.name} at ${machine.name}`, call, operator.random.chance(0.5))

function choose(operator: GeoOperator, turn: number): Order[] {
  const { world, random } = operator
  const machine = oneOf(random, world.machines)
  const { reader } = machine.checks
  const groups = reader.peerGroups()
  const draw = random.float()
  if (groups.length > 0 && draw < 0.3) return migrations(operator, machine)
  const rows = reader.subclouds()
  const row = rows[random.int(Math.max(1, rows.length))]
  if (draw < 0.6 && row !== undefined) return [[machine, ofMember(operator, machine, row, `${operator.name}-${turn}`)]]
  if (draw < 0.78) return [[machine, ofAssociation(operator, machine)]]
  if (draw < 0.88) return [[machine, ofGroup(operator, machine, turn)]]
  if (draw < 0.93) return [[machine, ofPeer(operator, machine)]]
  if (draw < 0.96) switchSite(operator)
  return [[machine, random.pick([requests.associations(), requests.peers()])]]
}

function migrations({ world, random }: GeoOperator, machine: Machine): Order[] {
  const { peer_group_name: name } = oneOf(random, machine.checks.reader.peerGroups())
  if (random.chance(0.15)) return [[machine, requests.migrate(name, true)]]
  // Both sites want the same group at once.
  const knows = (each: Machine): boolean => each.checks.reader.peerGroups().some((group) => group.peer_group_name === name)
  const takers = random.chance(0.25) ? world.machines.filter(knows) : [machine]
  return takers.map((each) => [each, requests.migrate(name)] as const)
}

function ofMember({ random }: GeoOperator, machine: Machine, row: SubcloudRow, marker: string): Call {
  const { reader } = machine.checks
  const groups = reader.peerGroups()
  const group = groups[random.int(Math.max(1, groups.length))]
  const site = siteAt(row.management_start_ip)
  const draw = random.float()
  const guarded = (call: Call, allowed?: 'nowhere'): Call => requests.ofMember(call, row.id, machine.name, allowed)
  if (draw < 0.29) return guarded(describe(row.id, marker))
  if (draw < 0.32) return backup(row.id)
  if (draw < 0.35) return requests.restoreLocally(row.id, site)
  if (draw < 0.5) return requests.rehomeData(row.id, site, machine.name)
  if (draw < 0.65 || group === undefined) return guarded(manage(row.id, random.pick(['managed', 'unmanaged']), false), 'nowhere')
  if (draw < 0.8) return requests.join(row.id, group.peer_group_name)
  if (draw < 0.88) return guarded(requests.join(row.id, 'none'))
  if (draw < 0.92) return remove(row.id)
  const taken = new Set(reader.subclouds().map((each) => siteAt(each.management_start_ip)))
  const free = Array.from({ length: geoSiteCount }, (_, index) => index + 1).filter((each) => !taken.has(each))
  return free.length === 0 ? describe(row.id, marker) : requests.addSite(free[random.int(free.length)]!, machine.name)
}

function ofAssociation({ random }: GeoOperator, machine: Machine): Call {
  const { reader } = machine.checks
  const associations = reader.associations()
  const association: AssociationRow | undefined = associations[random.int(Math.max(1, associations.length))]
  if (association === undefined || random.chance(0.15)) return associateAnew(random, machine)
  const draw = random.float()
  if (draw < 0.75) return requests.synchronise(association.id)
  return draw < 0.85 ? requests.dissociate(association.id) : requests.association(association.id)
}

function associateAnew(random: SeededRandom, machine: Machine): Call {
  const groups = machine.checks.reader.peerGroups()
  const peers = machine.checks.reader.systemPeers()
  const [group, peer] = [groups[random.int(Math.max(1, groups.length))], peers[random.int(Math.max(1, peers.length))]]
  if (group === undefined || peer === undefined) return requests.associations()
  return requests.associate(group.id, peer.id, group.group_priority === 0 || random.chance(0.1) ? random.between(1, 3) : undefined)
}

function ofGroup({ random }: GeoOperator, machine: Machine, turn: number): Call {
  const groups = machine.checks.reader.peerGroups()
  const group = groups[random.int(Math.max(1, groups.length))]
  const draw = random.float()
  if (group === undefined || draw < 0.15) return requests.addPeerGroup(`spg-${machine.name}-${turn % 2}`)
  if (draw < 0.7) return requests.changePeerGroup(group.peer_group_name, { 'max-subcloud-rehoming': random.between(1, 5) })
  if (draw < 0.8) return requests.removePeerGroup(group.peer_group_name)
  return requests.groupStatus(group.peer_group_name)
}

function ofPeer({ world, random }: GeoOperator, machine: Machine): Call {
  const other = oneOf(
    random,
    world.machines.filter((each) => each !== machine),
  )
  const draw = random.float()
  if (draw < 0.4) return requests.tellPassword(other.name, other.passwordGeneration)
  if (draw < 0.6)
    return requests.changePeer(other.name, { peer_controller_gateway_address: `${other.place.prefix}.${random.pick([253, 254])}` })
  if (draw < 0.7) return requests.takesOver(other.name)
  return draw < 0.85 ? requests.addPeer(other.name) : requests.removePeer(other.name)
}

function switchSite({ world, random }: GeoOperator): void {
  const site = oneOf(random, world.sites)
  site.off = !site.off
  world.simulation.note(`${site.name} is switched ${site.off ? 'off' : 'on'}`)
  if (site.off) site.crash()
  else site.start()
}
