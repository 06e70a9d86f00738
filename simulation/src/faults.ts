import { DatabaseSync } from 'node:sqlite'
import type { SeededRandom } from '@murmuration/world/simulated'
import type { ControllerProcess } from './fleet/controller.ts'
import type { Fleet } from './fleet/fleet.ts'
import { controllerHost, operatorHost, siteHost } from './fleet/places.ts'
import type { PlaybookRun } from './fleet/playbooks.ts'

/** How long a seed's time of faults lasts (virtual milliseconds), and how many faults it has at most. */
export const faultsForMs = 60_000
const mostFaults = 12

const hourMs = 3_600_000

/** Draws what is wrong all the time, and what goes wrong at which moment. All of it ends with the time of faults. */
export function planFaults(fleet: Fleet, random: SeededRandom): void {
  const { simulation } = fleet
  const loss = random.pick([0, 0, 0.01, 0.05, 0.15])
  simulation.network.setDefault({
    loss,
    duplicate: random.pick([0, 0.02, 0.1]),
    delayMs: random.pick<readonly [number, number]>([
      [1, 5],
      [1, 40],
      [5, 400],
    ]),
  })
  fleet.bus.model = {
    loss: random.pick([0, 0.05, 0.5]),
    wakeUpLoss: random.pick([0, 0.05, 0.5, 1]),
    duplicate: random.pick([0, 0.1]),
    longestDelayMs: random.pick([2, 50, 1_500]),
  }
  const slow = random.pick([0, 0.02, 0.1])
  for (const process of fleet.processes) process.model = { slow, longestMs: random.pick([3, 20, 300]) }
  fleet.playbooks.model = {
    failure: random.pick([0, 0.1, 0.3]),
    hang: random.pick([0, 0.1, 0.3]),
    stubborn: random.pick([0, 0.2]),
    longestTaskMs: random.pick([500, 4_000, 9_000]),
  }
  const confused = random.pick([0, 0, 0.05])
  for (const agent of fleet.agents()) agent.confused = confused

  // Without any fault the same invariants hold, and more of them.
  const count = random.chance(0.1) ? 0 : random.between(2, mostFaults)
  for (let fault = 0; fault < count; fault += 1) {
    const atMs = simulation.nowMs + random.between(0, faultsForMs * 0.8)
    const act = drawFault(fleet, random)
    simulation.at(atMs, 'fault', act)
  }
}

/** The work of one moment, drawn now and done then. */
function drawFault(fleet: Fleet, random: SeededRandom): () => void {
  const { simulation, controller } = fleet
  // Half of what hits the controller hits those who do the long work.
  const managers = fleet.processes.filter((each) => each.roles.includes('manager'))
  const among = random.chance(0.4) ? managers : fleet.processes
  const process = among[random.int(among.length)]!
  const agent = fleet.agents()[random.int(fleet.agents().length)]!
  const forMs = random.between(200, random.chance(0.5) ? 4_000 : 30_000)
  const later = (what: string, then: () => void): void => simulation.at(simulation.nowMs + forMs, what, then)
  const draw = random.float()
  if (draw < 0.15) return () => process.crash()
  if (draw < 0.3) {
    const statements = random.between(1, random.chance(0.6) ? 12 : 120)
    return () => {
      simulation.note(`${process.name} will die after ${statements} statements`)
      process.lightFuse(statements)
    }
  }
  if (draw < 0.42) {
    const [statements, frozenMs] = [random.between(1, 60), random.between(14_000, 30_000)]
    return () => {
      simulation.note(`${process.name} will stand still after ${statements} statements`)
      process.lightFuse(statements, frozenMs)
    }
  }
  if (draw < 0.5) {
    return () => process.pauseFor(forMs)
  }
  if (draw < 0.58)
    return () => void process.stop().catch((error: unknown) => simulation.note(`${process.name} did not end well: ${String(error)}`))
  if (draw < 0.7) {
    const [one, other, oneWay] = [controllerHost, siteHost(agent.site), random.chance(0.4)]
    const turned = random.chance(0.5)
    return () => {
      simulation.network.partition(turned ? other : one, turned ? one : other, { oneWay })
      later(`${other} is reached again`, () => simulation.network.heal(one, other))
    }
  }
  if (draw < 0.76) {
    const half = fleet.agents().filter(() => random.chance(0.5))
    return () => {
      for (const each of half) simulation.network.partition(controllerHost, siteHost(each.site))
      later('the fleet is whole again', () => {
        for (const each of half) simulation.network.heal(controllerHost, siteHost(each.site))
      })
    }
  }
  if (draw < 0.8)
    return () => {
      simulation.network.partition(operatorHost, controllerHost, { oneWay: random.chance(0.5) })
      later('operators reach the controller again', () => simulation.network.heal(operatorHost, controllerHost))
    }
  if (draw < 0.88) {
    return () => {
      agent.crash()
      later(`${agent.host.name} starts again`, () => agent.start())
    }
  }
  if (draw < 0.91) {
    return () => {
      fleet.platform.crash()
      later('the platform service starts again', () => fleet.platform.start())
    }
  }
  if (draw < 0.96) return () => holdDatabase(fleet, forMs)
  if (draw < 0.98) {
    const code = random.pick(['ENOSPC', 'EIO'])
    return () => {
      fleet.unreliableDisk = true
      controller.onDisk((operation) => (operation === 'write' || operation === 'append' ? code : undefined))
      later('the disk works again', () => controller.onDisk(undefined))
    }
  }
  const byMs = random.pick([-hourMs, -20_000, -1_000, 1_000, 20_000, 50 * 60_000])
  const host = random.chance(0.7) ? controller : agent.host
  return () => {
    host.stepClock(byMs)
    if (host !== controller) return
    fleet.disturbed = true
    fleet.clockSteppedMs = simulation.nowMs
  }
}

/** Somebody holds the write lock of the database: a backup, a checkpoint, a slow neighbour. */
function holdDatabase(fleet: Fleet, forMs: number): void {
  const { simulation } = fleet
  fleet.disturbed = true
  const database = new DatabaseSync(fleet.database)
  try {
    database.exec('begin immediate')
  } catch {
    // Somebody who was frozen in a transaction holds it already.
    return database.close()
  }
  simulation.note('somebody holds the lock of the database')
  let held = true
  fleet.letGo = () => {
    if (held) database.close()
    held = false
  }
  simulation.at(simulation.nowMs + forMs, 'the lock of the database is let go', fleet.letGo)
}

/** From here on nothing goes wrong any more: links are good, and everything that should run does. */
export function endFaults(fleet: Fleet, random: SeededRandom, mustBeEnded: (run: PlaybookRun) => boolean): void {
  const { simulation } = fleet
  const { network } = simulation
  fleet.calm = true
  simulation.note('the time of faults is over')
  network.healAll()
  fleet.letGo()
  fleet.controller.onDisk(undefined)
  network.setDefault({ loss: 0, duplicate: 0, delayMs: [1, 5] })
  fleet.bus.model = { loss: 0, wakeUpLoss: random.pick([0, 1]), duplicate: 0, longestDelayMs: 2 }
  for (const process of fleet.processes) calmProcess(process)
  fleet.platform.start()
  for (const agent of fleet.agents()) {
    agent.confused = 0
    agent.start()
  }
  // New runs go well; those that hang by then go on hanging until somebody ends them.
  fleet.playbooks.model = { failure: 0, hang: 0, stubborn: 0, longestTaskMs: 1_000 }
  for (const run of fleet.playbooks.live()) run.hangs = run.hangs && mustBeEnded(run)
}

function calmProcess(process: ControllerProcess): void {
  process.model = { slow: 0, longestMs: 0 }
  process.snuffFuse()
  process.process?.resume()
  if (process.state === 'dead') process.start()
}
