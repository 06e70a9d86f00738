import { createRealWorld, type Log, type Timer, type World } from '@murmuration/world'

/** A process of a manual world: its own owner of timers, so that it can die without a word. */
export interface ManualProcess {
  readonly world: World
  /** As `kill -9`: none of its timers fires any more. What hangs in it hangs for ever. */
  crash(): void
}

/**
 * Clock and timers that move only when the test says so. For engines that answer in real time (PostgreSQL), where whole
 * simulations can't be used. Databases are opened with a real world beside it: their pauses after a lost race pass by themselves.
 */
export interface ManualWorld {
  readonly world: World
  process(): ManualProcess
  /** Lets time pass and fires what is due, in order. */
  advance(ms: number): void
  /** The wall clock jumps; time does not pass. */
  stepWallClock(ms: number): void
  /** Lets time pass in steps of `stepMs` (default 20) until it holds; fails after 120 real seconds naming `what`. */
  until(what: string, holds: () => boolean | Promise<boolean>, stepMs?: number): Promise<void>
}

interface Pending {
  readonly atMs: number
  readonly order: number
  readonly fire: () => void
  readonly alive: () => boolean
}

const realLimitMs = 120_000
const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }

/** A small generator with a seed (mulberry32), so that a failure can be seen again. */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface ManualWorldOptions {
  readonly seed?: number
  readonly log?: Log
  /** The engine answers between turns of the event loop (SQLite): no real time needs to pass between steps. Default false. */
  readonly instant?: boolean
}

export function createManualWorld(options: ManualWorldOptions = {}): ManualWorld {
  const real = createRealWorld()
  const float = seeded(options.seed ?? 1)
  const pending = new Set<Pending>()
  let passedMs = 0
  let wallMs = Date.UTC(2026, 0, 1)
  let order = 0

  const makeWorld = (alive: () => boolean): World => {
    const after = (delayMs: number, fire: () => void): Timer => {
      const entry: Pending = { atMs: passedMs + Math.max(0, delayMs), order: order++, fire, alive }
      pending.add(entry)
      return { cancel: () => void pending.delete(entry) }
    }
    const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => Math.floor(float() * 256))
    return {
      ...real,
      clock: { nowMs: () => wallMs + Math.floor(passedMs), monotonicMs: () => passedMs },
      timers: {
        after,
        sleep: (delayMs, signal) =>
          new Promise((resolve, reject) => {
            const timer = after(delayMs, resolve)
            signal?.addEventListener('abort', () => {
              timer.cancel()
              reject(signal.reason as Error)
            })
          }),
      },
      random: {
        float,
        int: (below) => Math.floor(float() * below),
        bytes,
        uuid: () =>
          Buffer.from(bytes(16))
            .toString('hex')
            .replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-4$3-8$4-$5'),
      },
      log: options.log ?? silent,
    }
  }

  const advance = (ms: number): void => {
    const endMs = passedMs + ms
    for (;;) {
      const [next] = [...pending].filter((entry) => entry.atMs <= endMs).sort((a, b) => a.atMs - b.atMs || a.order - b.order)
      if (!next) break
      pending.delete(next)
      passedMs = Math.max(passedMs, next.atMs)
      if (next.alive()) next.fire()
    }
    passedMs = endMs
  }

  return {
    world: makeWorld(() => true),
    process() {
      let alive = true
      return { world: makeWorld(() => alive), crash: () => void (alive = false) }
    },
    advance,
    stepWallClock(ms) {
      wallMs += ms
    },
    async until(what, holds, stepMs = 20) {
      const limit = performance.now() + realLimitMs
      while (!(await holds())) {
        if (performance.now() > limit) throw new Error(`waited for ${what} in vain`)
        advance(stepMs)
        await new Promise((resolve) => (options.instant ? setImmediate(resolve) : setTimeout(resolve, 1)))
      }
    },
  }
}
