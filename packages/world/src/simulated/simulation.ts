import type { Random } from '../world.ts'
import { atRest, watchActivity } from './activity.ts'
import type { ChildHandler } from './children.ts'
import { HostCore, type HostOptions, type SimulatedHost } from './host.ts'
import { Links, type NetworkFaults } from './links.ts'
import { SimulatedNetwork } from './network.ts'
import { SeededRandom } from './random.ts'
import { Scheduler, type Owner } from './scheduler.ts'
import { SimulationStuck } from './stuck.ts'
import { RecordedTrace, type Trace } from './trace.ts'

export interface SimulationOptions {
  /** Wall clock of every host at the start. Default 2026-01-01T00:00:00Z. */
  readonly startMs?: number
  /** Newest lines of the trace to keep; the hash covers all. Default 100,000. */
  readonly keptTraceLines?: number
  /** What becomes of the children of a process that crashes. Really they go on (`survive`); a supervisor may kill them. Default `killed`. */
  readonly orphans?: 'killed' | 'survive'
}

export interface RunOptions {
  /** Virtual time since the start of the simulation. */
  readonly untilMs?: number
  /** Looked at after every event. */
  readonly until?: () => boolean
  /** Default 10,000,000. More is taken for a livelock. */
  readonly maxEvents?: number
}

export interface RunOutcome {
  /** Why it returned: the condition held, the time was reached, or nothing at all was left to happen (only without `until`). */
  readonly reason: 'condition' | 'time' | 'idle'
  readonly events: number
}

export interface Simulation {
  readonly seed: string
  /** Virtual milliseconds since the start. */
  readonly nowMs: number
  /** For the scenario's own choices; independent of what hosts and links draw. */
  readonly random: Random
  readonly trace: Trace
  readonly network: NetworkFaults
  /** The host of that name; made when it is named first. */
  host(name: string, options?: HostOptions): SimulatedHost
  /** Something that the scenario does at a given virtual time (a fault, say). */
  at(atMs: number, what: string, act: () => void): void
  /** A line of the scenario's own in the trace. */
  note(what: string): void
  /** Says what programs do that product code starts. */
  onProcess(handler: ChildHandler): void
  /**
   * Lets virtual time pass. Throws `SimulationStuck`, naming what is still waited for, when `until` can't be reached: nothing
   * is left to happen, `untilMs` has come, or there were too many events. Not to be called while it runs.
   */
  run(options: RunOptions): Promise<RunOutcome>
  /** Runs until `work` is settled and gives its result. */
  complete<T>(work: Promise<T>, options?: Omit<RunOptions, 'until'>): Promise<T>
}

const defaultStartMs = Date.UTC(2026, 0, 1)
const defaultMaxEvents = 10_000_000
/** Real immediates between so many events keep the test runner's own timers and signals alive. */
const eventsBetweenBreaths = 2_000
const describedEvents = 20

/** Rest is a property of the whole process, so simulations that are run at once take turns. */
let lastRun: Promise<void> = Promise.resolve()

/** Everything that happens follows from `seed` and from what the code under test does. */
export function createSimulation(seed: number | string, options: SimulationOptions = {}): Simulation {
  return new SimulationCore(String(seed), options)
}

class SimulationCore implements Simulation {
  readonly seed: string
  readonly random: SeededRandom
  readonly trace: RecordedTrace
  readonly network: Links
  readonly #scheduler: Scheduler
  readonly #wires: SimulatedNetwork
  readonly #hosts = new Map<string, HostCore>()
  readonly #options: SimulationOptions
  readonly #scenario: Owner = { name: 'scenario', state: 'running', hold() {} }
  #childHandler: ChildHandler | undefined
  #running = false

  constructor(seed: string, options: SimulationOptions) {
    // From here on, so that work which is begun before the first run is waited for too.
    watchActivity()
    const random = new SeededRandom(seed)
    this.seed = seed
    this.#options = options
    this.random = random.fork('scenario')
    this.trace = new RecordedTrace(options.keptTraceLines)
    this.#scheduler = new Scheduler(seed)
    this.network = new Links(random.fork('links'), (what) => this.#add('network', what))
    this.#wires = new SimulatedNetwork(
      this.#scheduler,
      this.network,
      random.fork('network'),
      (name) => this.#hosts.get(name)?.wallMs() ?? 0,
    )
  }

  get nowMs(): number {
    return this.#scheduler.nowMs
  }

  host(name: string, options: HostOptions = {}): SimulatedHost {
    let host = this.#hosts.get(name)
    if (host === undefined) {
      host = new HostCore(
        name,
        {
          scheduler: this.#scheduler,
          trace: this.trace,
          random: new SeededRandom(this.seed),
          network: this.#wires,
          children: () => ({ handler: this.#childHandler, orphans: this.#options.orphans ?? 'killed' }),
          startMs: this.#options.startMs ?? defaultStartMs,
        },
        options,
      )
      this.#hosts.set(name, host)
    }
    return host
  }

  at(atMs: number, what: string, act: () => void): void {
    this.#scheduler.after(Math.max(0, atMs - this.nowMs), this.#scenario, what, () => {
      this.note(what)
      act()
    })
  }

  note(what: string): void {
    this.#add('scenario', what)
  }

  onProcess(handler: ChildHandler): void {
    this.#childHandler = handler
  }

  async run(options: RunOptions): Promise<RunOutcome> {
    if (this.#running) throw new Error('the simulation runs already: wait for the run before')
    this.#running = true
    const { promise: over, resolve: leave } = Promise.withResolvers<void>()
    const before = lastRun
    lastRun = over
    try {
      await before
      return await this.#run(options)
    } finally {
      this.#running = false
      leave()
    }
  }

  async complete<T>(work: Promise<T>, options: Omit<RunOptions, 'until'> = {}): Promise<T> {
    let settled = false
    const settle = (): void => {
      settled = true
    }
    work.then(settle, settle)
    await this.run({ ...options, until: () => settled })
    return work
  }

  async #run({ untilMs, until, maxEvents = defaultMaxEvents }: RunOptions): Promise<RunOutcome> {
    for (let events = 0; ; events += 1) {
      if (events % eventsBetweenBreaths === eventsBetweenBreaths - 1) await new Promise<void>((resolve) => setImmediate(resolve))
      await atRest()
      if (until?.() === true) return { reason: 'condition', events }
      const next = this.#scheduler.peek()
      if (untilMs !== undefined && (next === undefined || next.atMs > untilMs)) {
        this.#scheduler.nowMs = Math.max(this.nowMs, untilMs)
        if (until !== undefined) throw this.#stuck(`the condition does not hold at ${untilMs} ms`)
        return { reason: 'time', events }
      }
      if (next === undefined) {
        if (until !== undefined) throw this.#stuck('nothing is left to happen, and the condition does not hold')
        return { reason: 'idle', events }
      }
      if (events >= maxEvents) throw this.#stuck(`more than ${maxEvents} events`)
      this.trace.mix(next.atMs, next.sequence)
      this.#scheduler.step()
    }
  }

  #stuck(why: string): SimulationStuck {
    const paused = [...this.#hosts.values()].flatMap((host) => host.processes).filter((process) => process.state === 'paused')
    return new SimulationStuck(`seed ${this.seed} is stuck at ${this.nowMs} ms: ${why}. Still waited for:`, [
      ...paused.map((process) => `${process.name}: is paused`),
      ...this.#wires.describe(),
      ...this.#scheduler.describe(describedEvents),
    ])
  }

  #add(who: string, what: string): void {
    this.trace.add(this.nowMs, who, what)
  }
}
