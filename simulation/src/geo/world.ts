import { createSimulation, SeededRandom, type Simulation, type SimulatedProcess } from '@murmuration/world/simulated'
import { operatorHost } from '../fleet/places.ts'
import type { Violation } from '../check/violation.ts'
import { SiteCheck } from './check/sites.ts'
import { Machine, type MachineParts } from './controller.ts'
import { geoSiteCount, type ControllerName } from './places.ts'
import type { GeoPrepared } from './prepared.ts'
import { GeoSite } from './site.ts'

export interface WorldOptions {
  readonly seed: string
  readonly startMs: number
  readonly prepared: GeoPrepared
  /** Which controllers there are, each with its database file. */
  readonly databases: ReadonlyMap<ControllerName, string>
  readonly shapeOf: (name: ControllerName) => MachineParts['shape']
  /** To each other all controllers are of an old release. */
  readonly oldPeers?: boolean
}

/** Several system controllers, the subclouds that they share, and the machine that operators work on. */
export class GeoWorld {
  readonly simulation: Simulation
  readonly random: SeededRandom
  readonly operator: SimulatedProcess
  readonly machines: readonly Machine[]
  readonly siteCheck: SiteCheck
  readonly oldPeers: boolean
  readonly #sites: readonly GeoSite[]
  #violation: Violation | undefined

  constructor(options: WorldOptions) {
    const { seed, prepared, databases, oldPeers = false } = options
    this.oldPeers = oldPeers
    this.simulation = createSimulation(seed, { startMs: options.startMs, orphans: 'survive' })
    this.random = new SeededRandom(`geo world ${seed}`)
    this.operator = this.simulation.host(operatorHost).boot('operator')
    this.siteCheck = new SiteCheck((violation) => this.fail(violation))
    this.machines = [...databases].map(
      ([name, path]) =>
        new Machine({
          simulation: this.simulation,
          name,
          prepared: prepared[name],
          operator: this.operator,
          random: this.random.fork(name),
          path,
          shape: options.shapeOf(name),
          oldPeers: this.oldPeers,
        }),
    )
    this.simulation.onProcess((spec, context) => this.machine(context.hostName as ControllerName).playbooks.script(spec, context))
    this.#sites = Array.from(
      { length: geoSiteCount },
      (_, index) =>
        new GeoSite(index + 1, {
          host: this.simulation.host(`site-${index + 1}`),
          prepared,
          nowMs: () => this.simulation.nowMs,
          note: (what) => this.simulation.note(what),
          accepted: (accepted) => this.siteCheck.accepted(accepted),
          takenUnasked: (site, by, silentMs) => this.siteCheck.takenUnasked(site, by, silentMs),
        }),
    )
  }

  machine(name: ControllerName): Machine {
    const found = this.machines.find((machine) => machine.name === name)
    if (found === undefined) throw new Error(`there is no controller ${name} in this world`)
    return found
  }

  get sites(): readonly GeoSite[] {
    return this.#sites
  }

  site(number: number): GeoSite {
    const site = this.#sites[number - 1]
    if (site === undefined) throw new Error(`there is no site ${number}`)
    return site
  }

  /** Something is wrong; the first one counts. */
  fail(violation: Violation): void {
    if (this.violation !== undefined) return
    this.#violation = violation
    this.simulation.note(`VIOLATION ${violation.invariant}: ${violation.message}`)
  }

  get violation(): Violation | undefined {
    return this.#violation ?? this.machines.find((machine) => machine.checks.violation !== undefined)?.checks.violation
  }

  /** To be called after every event. True when the seed is over. */
  look(): boolean {
    for (const machine of this.machines) machine.checks.look()
    return this.violation !== undefined
  }

  /** Nothing of this world runs on. */
  end(): void {
    for (const machine of this.machines) {
      machine.supervised = false
      for (const process of machine.processes) process.crash()
      machine.checks.close()
    }
  }
}
