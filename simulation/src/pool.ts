import { Worker } from 'node:worker_threads'
import type { Mutant } from './mutants/list.ts'
import type { SeedOptions, SeedOutcome } from './outcome.ts'
import type { ScenarioName } from './scenarios.ts'
import type { Order, Said } from './seed-work.ts'

export interface PoolOptions extends SeedOptions {
  /** Default `fleet`. */
  readonly scenario?: ScenarioName
  /** Threads; each runs one seed at a time. */
  readonly threads: number
  readonly mutant?: Mutant
  /** When it fires, each thread finishes its seed, tidies up, and no more seeds are begun. */
  readonly signal?: AbortSignal
  /** Called for each seed when it has ended, in the order of their ends. True: no more seeds are begun. */
  readonly onOutcome?: (outcome: SeedOutcome) => boolean | void
}

/** Simulations make much garbage that dies young. */
const youngGenerationMb = 32

/** Runs seeds in threads of this process. Resolves with the outcomes in the order of the seeds. */
export async function runSeeds(seeds: Iterable<number>, options: PoolOptions): Promise<SeedOutcome[]> {
  const { threads, mutant, onOutcome, scenario = 'fleet', signal, ...seedOptions } = options
  const waiting = seeds[Symbol.iterator]()
  const outcomes: SeedOutcome[] = []
  let enough = false
  const thread = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./worker.ts', import.meta.url), {
        workerData: { scenario, ...(mutant === undefined ? {} : { mutant }) },
        resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
      })
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      const order = (what: Order): void => worker.postMessage(what)
      const next = (): void => {
        const { value: seed, done } = enough || signal?.aborted === true ? { value: undefined, done: true } : waiting.next()
        if (done === true || seed === undefined) order('end')
        else order({ seed, options: seedOptions })
      }
      worker.on('message', (said: Said) => {
        if (said !== 'ready') {
          outcomes.push(said)
          if (onOutcome?.(said) === true) enough = true
        }
        next()
      })
      worker.on('error', reject)
      worker.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a thread of the simulation ended with code ${code}`))))
    })
  await Promise.all(Array.from({ length: threads }, thread))
  return outcomes.toSorted((a, b) => a.seed - b.seed)
}

export function* range(from: number, count: number): Generator<number> {
  for (let seed = from; seed < from + count; seed += 1) yield seed
}
