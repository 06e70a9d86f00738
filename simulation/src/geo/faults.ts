import type { SeededRandom } from '@murmuration/world/simulated'
import type { Machine } from './controller.ts'
import { oneOf } from './draw.ts'
import type { GeoWorld } from './world.ts'

/** How long a seed's time of faults lasts (virtual milliseconds), and how many faults it has at most. */
export const faultsForMs = 90_000
const mostFaults = 9
const minuteMs = 60_000
const hourMs = 60 * minuteMs

/** What the harness has to undo when the time of faults is over. */
export interface FaultsPlan {
  readonly forMs: number
}

/** Draws what is wrong all the time, and what goes wrong at which moment. All of it ends with the time of faults. */
export function planFaults(world: GeoWorld, random: SeededRandom): FaultsPlan {
  const { simulation, machines } = world
  simulation.network.setDefault({
    loss: random.pick([0, 0, 0.01, 0.05]),
    duplicate: random.pick([0, 0.02, 0.1]),
    delayMs: random.pick<readonly [number, number]>([
      [1, 5],
      [1, 40],
      [5, 400],
    ]),
  })
  for (const machine of machines) {
    machine.bus.model = {
      loss: random.pick([0, 0.05, 0.3]),
      wakeUpLoss: random.pick([0, 0.05, 1]),
      duplicate: random.pick([0, 0.1]),
      longestDelayMs: random.pick([2, 50]),
    }
    const slow = random.pick([0, 0, 0.05])
    for (const process of machine.processes) process.model = { slow, longestMs: random.pick([3, 20, 200]) }
    machine.playbooks.model = {
      failure: random.pick([0, 0, 0.2]),
      hang: random.pick([0, 0, 0.1]),
      stubborn: random.pick([0, 0.2]),
      longestTaskMs: random.pick([500, 4_000, 9_000]),
    }
  }
  // Now and then a controller stands still for ten minutes, while the others go on.
  const long = random.chance(longPauseShare)
  const forMs = long ? longPauseMs + faultsForMs : faultsForMs
  if (long) {
    const machine = oneOf(random, machines)
    simulation.at(simulation.nowMs + random.between(5_000, faultsForMs / 2), 'fault', () => {
      simulation.note(`${machine.name} stands still for ten minutes`)
      for (const process of machine.processes) process.pauseFor(longPauseMs)
    })
  }
  // Without any fault the same invariants hold.
  const count = random.chance(0.1) ? 0 : random.between(1, mostFaults)
  for (let fault = 0; fault < count; fault += 1) {
    const atMs = simulation.nowMs + random.between(0, faultsForMs * 0.85)
    simulation.at(atMs, 'fault', drawFault(world, random))
  }
  return { forMs }
}

const longPauseShare = 0.04
const longPauseMs = 10 * minuteMs

/** The work of one moment, drawn now and done then. */
function drawFault(world: GeoWorld, random: SeededRandom): () => void {
  const { simulation, machines, sites } = world
  const { network } = simulation
  const machine = oneOf(random, machines)
  const other = oneOf(
    random,
    machines.filter((each) => each !== machine),
  )
  const process = machine.processes[random.int(machine.processes.length)]!
  const site = sites[random.int(sites.length)]!
  const forMs = random.between(2_000, random.chance(0.5) ? 15_000 : 80_000)
  const later = (what: string, then: () => void): void => simulation.at(simulation.nowMs + forMs, what, then)
  const cut = (one: string, two: string, oneWay: boolean): void => {
    network.partition(one, two, { oneWay })
    later(`${one} and ${two} are joined again`, () => network.heal(one, two))
  }
  const [oneWay, turned] = [random.chance(0.45), random.chance(0.5)]
  const draw = random.float()
  if (draw < 0.2) return () => cut(turned ? other.name : machine.name, turned ? machine.name : other.name, oneWay)
  if (draw < 0.34) return () => cut(turned ? site.name : machine.name, turned ? machine.name : site.name, oneWay)
  if (draw < 0.4)
    return () => {
      // Its side of the world is cut off: the other controllers, and half of the sites.
      for (const each of machines) if (each !== machine) cut(machine.name, each.name, false)
      for (const each of sites) if (each.site % 2 === 0) cut(machine.name, each.name, false)
    }
  if (draw < 0.48) return () => process.crash()
  if (draw < 0.62) {
    const statements = random.between(1, random.chance(0.6) ? 15 : 150)
    return () => {
      simulation.note(`${machine.name}/${process.name} will die after ${statements} statements`)
      process.lightFuse(statements)
    }
  }
  if (draw < 0.7) {
    const [statements, frozenMs] = [random.between(1, 60), random.between(14_000, 40_000)]
    return () => {
      simulation.note(`${machine.name}/${process.name} will stand still after ${statements} statements`)
      process.lightFuse(statements, frozenMs)
    }
  }
  if (draw < 0.78)
    return () => {
      machine.shutDown()
      later(`${machine.name} is started again`, () => machine.start())
    }
  if (draw < 0.84)
    return () => {
      site.crash()
      later(`${site.name} starts again`, () => site.start())
    }
  if (draw < 0.88) {
    const slowdown = random.pick([50, 400, 2_000])
    return () => {
      network.setLink(machine.name, other.name, { slowdown })
      later(`${machine.name} → ${other.name} is fast again`, () => network.setLink(machine.name, other.name, { slowdown: 1 }))
    }
  }
  if (draw < 0.91) return () => changePassword(world, machine)
  if (draw < 0.94) return () => restoreLater(world, machine, forMs)
  if (draw < 0.96) {
    const failing = random.pick([0.02, 0.2, 1])
    return () => {
      machine.unreliableDisk = true
      simulation.note(`the disk of ${machine.name} fails ${failing * 100} % of what its database writes`)
      for (const each of machine.processes) each.model = { ...each.model, failing }
      later(`the disk of ${machine.name} works again`, () => {
        for (const each of machine.processes) each.model = { ...each.model, failing: 0 }
      })
    }
  }
  const byMs = random.pick([-24 * hourMs, -hourMs, -20_000, 20_000, 50 * minuteMs, 24 * hourMs])
  return () => {
    machine.host.stepClock(byMs)
    machine.disturbed = true
    machine.clockSteppedMs = simulation.nowMs
  }
}

/** The account that peers use there gets another password; they are told when somebody remembers to. */
export function changePassword(world: GeoWorld, machine: Machine): void {
  machine.passwordGeneration += 1
  world.simulation.note(`the password of peers at ${machine.name} is changed`)
}

/** Its database is kept now, and put back later: what happened between is forgotten there, and nowhere else. */
function restoreLater(world: GeoWorld, machine: Machine, afterMs: number): void {
  const { simulation } = world
  // Peers of the original tell no revision: that one of them forgot something is seen by nobody.
  if (world.oldPeers) return
  const kept = machine.keepDatabase()
  simulation.note(`the database of ${machine.name} is copied`)
  simulation.at(simulation.nowMs + afterMs, `${machine.name} is restored from the copy`, () => {
    if (machine.calm) return
    machine.restoreDatabase(kept)
  })
}

/** From here on nothing goes wrong any more: links are good, and everything that should run does. */
export function endFaults(world: GeoWorld, random: SeededRandom): void {
  const { simulation, machines, sites } = world
  simulation.note('the time of faults is over')
  simulation.network.healAll()
  simulation.network.setDefault({ loss: 0, duplicate: 0, delayMs: [1, 5] })
  for (const one of machines)
    for (const other of machines) if (one !== other) simulation.network.setLink(one.name, other.name, { slowdown: 1 })
  for (const machine of machines) {
    machine.calm = true
    machine.bus.model = { loss: 0, wakeUpLoss: random.pick([0, 1]), duplicate: 0, longestDelayMs: 2 }
    machine.playbooks.model = { failure: 0, hang: 0, stubborn: 0, longestTaskMs: 1_000 }
    for (const process of machine.processes) {
      process.model = { slow: 0, longestMs: 0 }
      process.snuffFuse()
      process.process?.resume()
    }
    machine.start()
    for (const run of machine.playbooks.live()) run.hangs = run.hangs && machine.checks.mustBeEnded(run)
  }
  for (const site of sites) {
    site.off = false
    site.start()
  }
}
