import type { Clock, Timers, World } from '../world.ts'
import { SimulatedChildren, type ChildHandler } from './children.ts'
import { Disk, type DiskFault } from './files.ts'
import { simulatedLog } from './log.ts'
import type { SimulatedNetwork } from './network.ts'
import { ProcessCore, type SimulatedProcess } from './process.ts'
import type { SeededRandom } from './random.ts'
import type { Scheduler } from './scheduler.ts'
import type { RecordedTrace } from './trace.ts'

export interface HostOptions {
  /** Names and addresses by which others reach it, besides its own name and what its processes listen on. */
  readonly addresses?: readonly string[]
}

/** A machine: its clock and its disk outlive the processes on it. */
export interface SimulatedHost {
  readonly name: string
  /** Starts a process with a fresh World. Several may run at once under different names. */
  boot(processName?: string): SimulatedProcess
  /** Those that are not dead, in the order of their start. */
  readonly processes: readonly SimulatedProcess[]
  /** Wall clock only: durations and deadlines are not touched. */
  stepClock(byMs: number): void
  /** The wall clock gains (or loses) so many millionths from now on. */
  skewClock(partsPerMillion: number): void
  /** Asked before every operation on a file; whatever it gives fails the operation. */
  onDisk(fault: DiskFault | undefined): void
}

export interface HostParts {
  readonly scheduler: Scheduler
  readonly trace: RecordedTrace
  readonly random: SeededRandom
  readonly network: SimulatedNetwork
  readonly children: () => { handler: ChildHandler | undefined; orphans: 'killed' | 'survive' }
  readonly startMs: number
}

export class HostCore implements SimulatedHost {
  readonly name: string
  readonly #parts: HostParts
  readonly #random: SeededRandom
  readonly #disk: Disk
  readonly #incarnations = new Map<string, number>()
  #processes: (SimulatedProcess & { core: ProcessCore })[] = []
  #wall: { atMs: number; wallMs: number; rate: number }

  constructor(name: string, parts: HostParts, options: HostOptions) {
    this.name = name
    this.#parts = parts
    this.#random = parts.random.fork(`host ${name}`)
    this.#disk = new Disk(this.#random.fork('disk'))
    this.#wall = { atMs: 0, wallMs: parts.startMs, rate: 1 }
    for (const address of [name, ...(options.addresses ?? [])]) parts.network.nameHost(address, name)
  }

  wallMs(): number {
    return Math.floor(this.#wallNow().wallMs)
  }

  get processes(): readonly SimulatedProcess[] {
    return (this.#processes = this.#processes.filter((process) => process.state !== 'dead'))
  }

  boot(processName = 'main'): SimulatedProcess {
    const incarnation = (this.#incarnations.get(processName) ?? 0) + 1
    this.#incarnations.set(processName, incarnation)
    const name = `${this.name}/${processName}#${incarnation}`
    const core = new ProcessCore(name, this.name, this.#parts.scheduler, this.#parts.trace)
    const world = this.#world(core, this.#random.fork(`process ${processName} ${incarnation}`))
    core.note('boot')
    const process = {
      name,
      core,
      world,
      get state() {
        return core.state
      },
      crash: () => core.crash(),
      pause: () => core.pause(),
      resume: () => core.resume(),
      onCrash: (then: () => void) => void core.onCrash(then),
    }
    this.#processes.push(process)
    return process
  }

  stepClock(byMs: number): void {
    this.#wall = { ...this.#wallNow(), wallMs: this.#wallNow().wallMs + byMs }
    this.#note(`clock steps by ${byMs} ms`)
  }

  skewClock(partsPerMillion: number): void {
    this.#wall = { ...this.#wallNow(), rate: 1 + partsPerMillion / 1_000_000 }
    this.#note(`clock runs ${partsPerMillion} ppm fast`)
  }

  onDisk(fault: DiskFault | undefined): void {
    this.#disk.fault = fault
  }

  #wallNow(): { atMs: number; wallMs: number; rate: number } {
    const { nowMs } = this.#parts.scheduler
    const { atMs, wallMs, rate } = this.#wall
    return { atMs: nowMs, wallMs: wallMs + (nowMs - atMs) * rate, rate }
  }

  #note(what: string): void {
    this.#parts.trace.add(this.#parts.scheduler.nowMs, this.name, what)
  }

  #world(core: ProcessCore, random: SeededRandom): World {
    const bootMs = core.scheduler.nowMs
    const clock: Clock = {
      nowMs: () => this.wallMs(),
      monotonicMs: () => core.scheduler.nowMs - bootMs,
    }
    // Node waits for at least a millisecond too; without it a loop of zero waits would stop virtual time.
    const after = (delayMs: number, fire: () => void) => core.after(Math.max(1, Math.ceil(delayMs) || 1), 'timer', fire)
    return {
      clock,
      timers: {
        after,
        sleep: (delayMs, signal) => core.outside((resolve, reject) => sleepUntilCrash(core, after, delayMs, signal, resolve, reject)),
      },
      random,
      net: this.#parts.network.of(core, this.#disk),
      processes: new SimulatedChildren(core, random.fork('children'), this.#parts.children),
      files: this.#disk.of(core),
      log: simulatedLog(core),
    }
  }
}

/**
 * As `sleepWith`, but with an end when the process has its own: Node keeps a composed signal, and all that its listeners know, for
 * as long as somebody listens, and those who died would listen for ever.
 */
function sleepUntilCrash(
  core: ProcessCore,
  after: Timers['after'],
  delayMs: number,
  signal: AbortSignal | undefined,
  resolve: () => void,
  reject: (error: Error) => void,
): void {
  if (signal === undefined) return void after(delayMs, resolve)
  if (signal.aborted) return reject(signal.reason as Error)
  const forget = (): void => {
    timer.cancel()
    signal.removeEventListener('abort', onAbort)
    stopWatching()
  }
  const onAbort = (): void => {
    forget()
    reject(signal.reason as Error)
  }
  const timer = after(delayMs, () => {
    forget()
    resolve()
  })
  signal.addEventListener('abort', onAbort, { once: true })
  const stopWatching = core.onCrash(forget)
}
