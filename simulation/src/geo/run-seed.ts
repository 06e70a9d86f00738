import { SeededRandom } from '@murmuration/world/simulated'
import { Violation } from '../check/violation.ts'
import { filesKeepSecrets, secretsKept } from '../check/secrets.ts'
import { Course } from '../course.ts'
import { varFolder } from '../fleet/places.ts'
import type { Ground } from '../ground.ts'
import { OperatorClient } from '../operator/client.ts'
import type { SeedOptions, SeedOutcome } from '../outcome.ts'
import { storyOf } from '../story.ts'
import { comeToRest } from './calm.ts'
import { endFaults, planFaults } from './faults.ts'
import { operate } from './operator.ts'
import type { GeoPrepared } from './prepared.ts'
import { copyTemplate, type GeoTemplate } from './template.ts'
import { GeoWorld } from './world.ts'

const startWithinMs = 20_000
/** One seed in so many has controllers that are of an old release to each other. */
const oldPeersOneIn = 7
/** What playbooks print is theirs; what becomes of it is ours. */
const childSays = /^\s*[\d.]+ \w+\/pid \d+ +std(out|err): /

/** A world as it stands at the beginning of a seed, on databases of its own. */
export async function openWorld(
  ground: Ground,
  prepared: GeoPrepared,
  template: GeoTemplate,
  seed: string,
  { oldPeers = false } = {},
): Promise<GeoWorld> {
  const random = new SeededRandom(`geo shape ${seed}`)
  const world = new GeoWorld({
    seed,
    startMs: template.endMs + 10_000,
    prepared,
    databases: copyTemplate(template, ground.folder, seed),
    oldPeers,
    shapeOf: () => (random.chance(0.2) ? [everything, ['manager', 'audit']] : [everything]),
  })
  const { simulation } = world
  for (const machine of world.machines) await simulation.complete(machine.install(template.controllers.get(machine.name)!.files))
  for (const [number, { by, owner }] of template.sites) {
    const site = world.site(number)
    site.owner = owner
    await simulation.complete(site.setUp(by))
  }
  for (const machine of world.machines) machine.start()
  return world
}

const everything = ['api', 'manager', 'audit', 'state'] as const

/** Runs one world from its start to its rest. Everything in it follows from the seed. */
export async function runGeoSeed(
  ground: Ground,
  prepared: GeoPrepared,
  template: GeoTemplate,
  seed: number,
  options: SeedOptions = {},
): Promise<SeedOutcome> {
  const world = await openWorld(ground, prepared, template, String(seed), { oldPeers: seed % oldPeersOneIn === 3 })
  const { simulation } = world
  const course = new Course(simulation, () => world.look())
  const random = new SeededRandom(`scenario geo ${seed}`)
  try {
    await course.until(startWithinMs, 'start', () =>
      world.machines.filter((each) => !each.ready).map((each) => `${each.name} is not ready`),
    )
    const { forMs } = planFaults(world, random.fork('faults'))
    let calm = false
    const clients = new Map(world.machines.map((machine) => [machine, new OperatorClient(machine.counter, machine.checks.requests)]))
    const operators = random.between(1, 2)
    for (let number = 1; number <= operators; number += 1) {
      const name = `operator-${number}`
      operate({ world, clients, random: random.fork(name), name, isCalm: () => calm }).catch((error: unknown) => fail(world, error))
    }
    await course.pass(forMs)
    calm = true
    if (world.violation === undefined) {
      endFaults(world, random.fork('calm'))
      await comeToRest(world, course, clients)
    }
    if (world.violation === undefined) await lookEverywhere(ground, world)
  } catch (error) {
    fail(world, error)
  }
  world.end()
  await removeDatabases(ground, world)
  const { violation } = world
  return {
    seed,
    hash: simulation.trace.hash,
    events: course.events,
    virtualMs: simulation.nowMs,
    answers: sum(world.machines.map((machine) => machine.checks.requests.answers)),
    jobs: world.machines.reduce((total, machine) => total + machine.checks.jobsSeen, 0),
    ...(violation === undefined ? {} : { violation: { invariant: violation.invariant, message: violation.message } }),
    ...(violation === undefined && options.storyAlways !== true
      ? {}
      : { story: storyOf(simulation.trace.lines, options.storyLines ?? 60) }),
  }
}

export async function removeDatabases(ground: Ground, world: GeoWorld): Promise<void> {
  const names = await ground.real.files.list(ground.folder)
  for (const { firstPath } of world.machines) {
    const own = names.filter((name) => `${ground.folder}/${name}`.startsWith(firstPath))
    for (const name of own) await ground.real.files.remove(`${ground.folder}/${name}`)
  }
}

function fail(world: GeoWorld, error: unknown): void {
  world.fail(
    error instanceof Violation ? error : new Violation('harness', error instanceof Error ? (error.stack ?? error.message) : String(error)),
  )
}

function sum(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {}
  for (const each of all) for (const [name, count] of Object.entries(each)) total[name] = (total[name] ?? 0) + count
  return total
}

/** Traces (logs are in them), databases and disks: a secret in clear is nowhere but where it belongs. */
async function lookEverywhere(ground: Ground, world: GeoWorld): Promise<void> {
  const { simulation } = world
  secretsKept('the log', simulation.trace.lines.filter((line) => !childSays.test(line)).join('\n'))
  for (const { path, hand, prepared, name } of world.machines) {
    for (const ending of ['', '-wal']) {
      const data = await ground.real.files.read(`${path}${ending}`)
      if (data !== undefined) secretsKept(`the database${ending} of ${name}`, data)
    }
    const own = new Set([prepared.config.identity.servicePasswordFile, `${varFolder}/secrets/ssh-key`])
    await simulation.complete(filesKeepSecrets(hand.world.files, varFolder, own))
  }
}
