import type { Timer, World } from '../world.ts'
import type { Owner, ScheduledEvent, Scheduler } from './scheduler.ts'
import type { RecordedTrace } from './trace.ts'

/** One process on a simulated host: product code that was given `world` runs in it until it crashes. */
export interface SimulatedProcess {
  /** `host/process#incarnation`. */
  readonly name: string
  readonly world: World
  readonly state: 'running' | 'paused' | 'dead'
  /**
   * Like kill -9: no timer and no continuation that waits for the world runs again, its endpoints are gone, exchanges that
   * it was answering are reset or simply never answered. The code that called something of this kind in the same turn goes
   * on until it next waits for the world.
   */
  crash(): void
  /** Like SIGSTOP: nothing of it runs, callers wait. */
  pause(): void
  resume(): void
  /** For the harness: close what a dead process would lose, such as its open transactions. */
  onCrash(then: () => void): void
}

/** What the parts of a world need of the process that they belong to. */
export class ProcessCore implements Owner {
  readonly name: string
  readonly hostName: string
  readonly scheduler: Scheduler
  readonly trace: RecordedTrace
  state: 'running' | 'paused' | 'dead' = 'running'
  #held: ScheduledEvent[] = []
  readonly #onCrash = new Set<() => void>()

  constructor(name: string, hostName: string, scheduler: Scheduler, trace: RecordedTrace) {
    this.name = name
    this.hostName = hostName
    this.scheduler = scheduler
    this.trace = trace
  }

  /** Schedules something that happens in this process: not at all when it is dead, later when it is paused. */
  after(delayMs: number, what: string, fire: () => void): Timer {
    if (this.state === 'dead') return { cancel() {} }
    return this.scheduler.after(delayMs, this, what, fire)
  }

  /**
   * The result of something outside: `work` gets the ways to settle it. A dead process waits for ever, so none of its
   * continuations runs.
   */
  outside<T>(work: (resolve: (value: T) => void, reject: (error: Error) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.state === 'dead') return
      work(
        (value) => this.state !== 'dead' && resolve(value),
        (error) => this.state !== 'dead' && reject(error),
      )
    })
  }

  note(what: string): void {
    if (this.state !== 'dead') this.trace.add(this.scheduler.nowMs, this.name, what)
  }

  hold(event: ScheduledEvent): void {
    this.#held.push(event)
  }

  crash(): void {
    if (this.state === 'dead') return
    this.note('crash')
    this.state = 'dead'
    this.#held = []
    for (const then of this.#onCrash) then()
    this.#onCrash.clear()
  }

  pause(): void {
    if (this.state !== 'running') return
    this.note('pause')
    this.state = 'paused'
  }

  resume(): void {
    if (this.state !== 'paused') return
    this.state = 'running'
    this.note('resume')
    for (const event of this.#held.splice(0)) this.scheduler.again(event)
  }

  /** Returns the way to take it back. */
  onCrash(then: () => void): () => void {
    this.#onCrash.add(then)
    return () => this.#onCrash.delete(then)
  }
}
