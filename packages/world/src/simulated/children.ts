import type { ProcessExit, Processes, ProcessSpec, RunningProcess, Timer } from '../world.ts'
import type { ProcessCore } from './process.ts'
import type { SeededRandom } from './random.ts'
import type { Owner } from './scheduler.ts'

/** What a scripted child does next. It ends with code 0 when the script ends without saying so. */
export type ChildStep =
  | { readonly line: string; readonly stream?: 'stdout' | 'stderr' }
  | { readonly waitMs: number }
  | { readonly exit: number }
  /** Ends as if by this signal. */
  | { readonly dieOf: string }

/** A generator; what it does between its steps (to the simulated site it configures, say) happens at that virtual time. */
export type ChildScript = Iterable<ChildStep> | AsyncIterable<ChildStep>

export interface ChildContext {
  readonly hostName: string
  readonly processName: string
  readonly pid: number
  readonly random: SeededRandom
  /** Set it to true and only KILL ends the child, as with a program that is stuck. */
  ignoreTerm: boolean
}

/** Gives the script of a command, or nothing when there is no such command. */
export type ChildHandler = (spec: ProcessSpec, context: ChildContext) => ChildScript | undefined

const defaultKillGraceMs = 5_000

export class SimulatedChildren implements Processes {
  readonly #core: ProcessCore
  readonly #random: SeededRandom
  readonly #settings: () => { handler: ChildHandler | undefined; orphans: 'killed' | 'survive' }
  #nextPid = 1_000

  constructor(
    core: ProcessCore,
    random: SeededRandom,
    settings: () => { handler: ChildHandler | undefined; orphans: 'killed' | 'survive' },
  ) {
    this.#core = core
    this.#random = random
    this.#settings = settings
  }

  start(spec: ProcessSpec): Promise<RunningProcess> {
    return this.#core.outside((resolve, reject) => {
      if (spec.signal?.aborted) return reject(spec.signal.reason as Error)
      const { handler, orphans } = this.#settings()
      this.#nextPid += 1
      const context: ChildContext = {
        hostName: this.#core.hostName,
        processName: this.#core.name,
        pid: this.#nextPid,
        random: this.#random.fork(String(this.#nextPid)),
        ignoreTerm: false,
      }
      const script = handler?.(spec, context)
      if (script === undefined) {
        const message = `${spec.command} could not be started (ENOENT): is it installed and may we run it?`
        return reject(Object.assign(new Error(message), { code: 'ENOENT' }))
      }
      this.#core.note(`starts child ${context.pid}: ${[spec.command, ...spec.args].join(' ')}`)
      const child = new Child(this.#core, spec, context, script, orphans)
      resolve({ pid: context.pid, done: child.done })
    })
  }
}

class Child implements Owner {
  readonly name: string
  readonly done: Promise<ProcessExit>
  state: 'running' | 'paused' | 'dead' = 'running'
  readonly #parent: ProcessCore
  readonly #spec: ProcessSpec
  readonly #context: ChildContext
  readonly #steps: Iterator<ChildStep> | AsyncIterator<ChildStep>
  readonly #settled = Promise.withResolvers<ProcessExit>()
  readonly #onAbort = (): void => this.#terminate('aborted')
  readonly #forgetCrash: () => void
  #reason: ProcessExit['reason'] = 'exited'
  #timers: Timer[] = []

  constructor(parent: ProcessCore, spec: ProcessSpec, context: ChildContext, script: ChildScript, orphans: 'killed' | 'survive') {
    this.name = `${parent.hostName}/pid ${context.pid}`
    this.#parent = parent
    this.#spec = spec
    this.#context = context
    this.#steps = Symbol.asyncIterator in script ? script[Symbol.asyncIterator]() : script[Symbol.iterator]()
    this.done = parent.outside((resolve, reject) => void this.#settled.promise.then(resolve, reject))
    this.done.catch(() => {})
    this.#forgetCrash = parent.onCrash(() => {
      spec.signal?.removeEventListener('abort', this.#onAbort)
      if (orphans === 'killed') this.#end(null, 'SIGKILL')
    })
    spec.signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (spec.deadlineMs !== undefined) {
      this.#timers.push(parent.after(spec.deadlineMs, `deadline of child ${context.pid}`, () => this.#terminate('deadline')))
    }
    this.#goOnAfter(0)
  }

  /** A child is never paused by itself. */
  hold(): void {}

  #goOnAfter(delayMs: number): void {
    this.#parent.scheduler.after(delayMs, this, 'next step of a script', () => void this.#step())
  }

  async #step(): Promise<void> {
    try {
      const next = await this.#steps.next()
      if (this.state === 'dead') return
      if (next.done === true) return this.#end(0, null)
      const step = next.value
      if ('exit' in step) return this.#end(step.exit, null)
      if ('dieOf' in step) return this.#end(null, step.dieOf)
      if ('line' in step) this.#say(step.stream ?? 'stdout', step.line)
      this.#goOnAfter('waitMs' in step ? step.waitMs : 0)
    } catch (error) {
      // A broken script or listener is a mistake of the test or of the product; hiding it would cost somebody a day.
      this.state = 'dead'
      this.#settled.reject(error)
    }
  }

  #say(stream: 'stdout' | 'stderr', line: string): void {
    this.#parent.trace.add(this.#parent.scheduler.nowMs, this.name, `${stream}: ${line}`)
    // An orphan's lines go nowhere; a paused parent would read them later, here it reads them at once in its pipe's name.
    if (this.#parent.state !== 'dead') this.#spec.onLine?.(stream, line)
  }

  #terminate(reason: ProcessExit['reason']): void {
    if (this.state === 'dead' || this.#reason !== 'exited') return
    this.#reason = reason
    if (!this.#context.ignoreTerm) return this.#end(null, 'SIGTERM')
    const graceMs = this.#spec.killGraceMs ?? defaultKillGraceMs
    this.#timers.push(this.#parent.after(graceMs, `kill of child ${this.#context.pid}`, () => this.#end(null, 'SIGKILL')))
  }

  #end(code: number | null, signal: string | null): void {
    if (this.state === 'dead') return
    this.#parent.trace.add(this.#parent.scheduler.nowMs, this.name, `ends: ${signal ?? code} (${this.#reason})`)
    this.state = 'dead'
    for (const timer of this.#timers) timer.cancel()
    this.#forgetCrash()
    this.#spec.signal?.removeEventListener('abort', this.#onAbort)
    // Lets the script's `finally` blocks run.
    void Promise.resolve(this.#steps.return?.()).catch(() => {})
    this.#settled.resolve({ code, signal, reason: this.#reason })
  }
}
