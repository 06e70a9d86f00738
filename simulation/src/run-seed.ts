import { SeededRandom } from '@murmuration/world/simulated'
import { Checks } from './check/checks.ts'
import { alarmsTell, auditsSpread, auditsTellWithinMs, jobsEndWithinMs, unsettled } from './check/liveness.ts'
import { filesKeepSecrets, secretsKept } from './check/secrets.ts'
import { backupsAgree, backupsAreKept } from './check/backups.ts'
import { Violation } from './check/violation.ts'
import { Course } from './course.ts'
import { endFaults, faultsForMs, planFaults } from './faults.ts'
import { effectOn } from './fleet/effects.ts'
import { Fleet } from './fleet/fleet.ts'
import { deployedCount, times, varFolder } from './fleet/places.ts'
import type { Prepared } from './fleet/prepared.ts'
import { copyDatabase, type Template } from './fleet/template.ts'
import type { Ground } from './ground.ts'
import { OperatorClient } from './operator/client.ts'
import { operate } from './operator/operator.ts'
import type { SeedOptions, SeedOutcome } from './outcome.ts'
import { storyOf } from './story.ts'

/** What a thread has ready for all its seeds. */
export interface FleetGround extends Ground {
  readonly prepared: Prepared
  readonly template: Template
  /** Default `fleet`. */
  readonly scenario?: 'fleet' | 'backup'
}

/** Windows of calm that are watched for the spread of audits and for leftovers: they cost time, so only some seeds have one. */
const watchedOneIn = 4
const startWithinMs = 20_000
const childSays = /^\s*[\d.]+ controller\/pid \d+ +std(out|err): /

/** Runs one fleet from its start to its rest. Everything in it follows from the seed. */
export async function runSeed(ground: FleetGround, seed: number, options: SeedOptions = {}): Promise<SeedOutcome> {
  const random = new SeededRandom(`scenario ${ground.scenario ?? 'fleet'} ${seed}`)
  const path = `${ground.folder}/seed-${seed}.db`
  copyDatabase(ground.template, path)
  const checks = new Checks({ path, succeeded: (run) => effectOn(fleet, checks.reader, run) })
  const fleet: Fleet = new Fleet(
    {
      seed: String(seed),
      startMs: ground.template.endMs + 10_000,
      databaseUrl: `sqlite:${path}`,
      prepared: ground.prepared,
      shape: {
        api: random.pick([1, 1, 1, 2]),
        manager: random.pick([1, 2, 2]),
        audit: random.pick([1, 1, 2]),
        state: random.pick([1, 1, 2]),
      },
    },
    checks.ears,
  )
  const { simulation } = fleet
  checks.watch(fleet)
  const run = new SeedRun(fleet, checks, random, ground.template.files, ground.scenario === 'backup')
  let events = 0
  try {
    events = await run.all()
    if (checks.violation === undefined) await lookEverywhere(ground, fleet, path)
  } catch (error) {
    checks.fail(error)
  }
  // Whatever still lives ends here: nothing of this seed may run beside the next one.
  fleet.supervised = false
  fleet.letGo()
  for (const process of fleet.processes) process.crash()
  checks.close()
  for (const ending of ['', '-wal', '-shm']) await ground.real.files.remove(`${path}${ending}`)
  const { violation } = checks
  return {
    seed,
    hash: simulation.trace.hash,
    events,
    virtualMs: simulation.nowMs,
    answers: checks.requests.answers,
    jobs: checks.jobsSeen,
    ...(violation === undefined ? {} : { violation: { invariant: violation.invariant, message: violation.message } }),
    ...(violation === undefined && options.storyAlways !== true
      ? {}
      : { story: storyOf(simulation.trace.lines, options.storyLines ?? 60) }),
  }
}

class SeedRun {
  readonly #fleet: Fleet
  readonly #checks: Checks
  readonly #random: SeededRandom
  readonly #backups: boolean
  readonly #files: Template['files']
  readonly #course: Course

  constructor(fleet: Fleet, checks: Checks, random: SeededRandom, files: Template['files'], backups: boolean) {
    this.#backups = backups
    this.#files = files
    this.#fleet = fleet
    this.#checks = checks
    this.#random = random
    this.#course = new Course(fleet.simulation, () => checks.look())
  }

  async all(): Promise<number> {
    const { simulation } = this.#fleet
    await simulation.complete(this.#fleet.install(this.#files))
    for (let site = 1; site <= deployedCount; site += 1) this.#fleet.site(site).network = 0
    this.#fleet.startAll()
    await this.#course.until(startWithinMs, 'start', () =>
      this.#fleet.processes.filter((each) => !each.ready).map((each) => `${each.name} is not ready: ${each.failure ?? 'no reason'}`),
    )
    planFaults(this.#fleet, this.#random.fork('faults'))
    const client = new OperatorClient(this.#fleet.counter, this.#checks.requests)
    const operators = this.#random.between(2, 3)
    for (let number = 1; number <= operators; number += 1) {
      const name = `operator-${number}`
      const random = this.#random.fork(name)
      operate({ fleet: this.#fleet, reader: this.#checks.reader, client, random, name, backups: this.#backups }).catch((error: unknown) =>
        this.#checks.fail(error),
      )
    }
    await this.#course.pass(faultsForMs)
    if (this.#checks.violation !== undefined) return this.#course.events
    endFaults(this.#fleet, this.#random.fork('calm'), (run) => this.#checks.mustBeEnded(run))
    const calmMs = simulation.nowMs
    await this.#course.until(jobsEndWithinMs, 'liveness', () =>
      this.#checks.jobs.live.map((job) => `${job.kind} of ${job.subject} is still ${job.state}`),
    )
    await this.#course.until(Math.max(auditsTellWithinMs, simulation.nowMs - calmMs), 'liveness', () =>
      unsettled(this.#fleet, this.#checks.reader, this.#checks.jobs),
    )
    const { files } = this.#fleet.hand.world
    if (this.#checks.violation === undefined) await simulation.complete(backupsAreKept(files, this.#checks.reader))
    const watched = this.#random.int(watchedOneIn) === 0
    if (watched) await this.#watchCalm()
    if (this.#checks.violation !== undefined) return this.#course.events
    if (watched) await simulation.complete(backupsAgree(files, this.#checks.reader))
    this.#checks.final()
    return this.#course.events
  }

  /** Two intervals in which nothing happens but audits; then nothing lies around either. */
  async #watchCalm(): Promise<void> {
    const { simulation } = this.#fleet
    await this.#course.pass(times.auditInterval)
    const fromMs = simulation.nowMs
    await this.#course.pass(2 * times.auditInterval)
    if (this.#checks.violation !== undefined) return
    auditsSpread(this.#fleet, fromMs, simulation.nowMs)
    alarmsTell(this.#fleet, this.#checks.reader)
    const left = await simulation.complete(this.#fleet.hand.world.files.list(`${varFolder}/run/operations`))
    if (left.length > 0) throw new Violation('left-behind', `folders of playbook runs that are over still lie around: ${left.join(', ')}`)
    const vaults = await simulation.complete(this.#fleet.hand.world.files.list(`${varFolder}/vault/subclouds`))
    const known = new Set(this.#checks.reader.subclouds().map((row) => String(row.id)))
    const orphans = vaults.filter((id) => !known.has(id))
    if (orphans.length > 0) throw new Violation('left-behind', `vaults of subclouds that are gone: ${orphans.join(', ')}`)
  }
}

/** Trace (logs are in it), database and disk: a secret in clear is nowhere but where it belongs. */
async function lookEverywhere(ground: Ground, fleet: Fleet, path: string): Promise<void> {
  const { simulation, hand, prepared } = fleet
  // What a child says is its own; what becomes of it is ours.
  secretsKept('the log', simulation.trace.lines.filter((line) => !childSays.test(line)).join('\n'))
  for (const ending of ['', '-wal']) {
    const data = await ground.real.files.read(`${path}${ending}`)
    if (data !== undefined) secretsKept(`the database${ending}`, data)
  }
  const own = new Set([prepared.config.identity.servicePasswordFile, `${varFolder}/secrets/ssh-key`])
  await simulation.complete(filesKeepSecrets(hand.world.files, varFolder, own))
}
