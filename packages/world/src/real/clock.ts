import { performance } from 'node:perf_hooks'
import type { Clock, Timer, Timers } from '../world.ts'
import { sleepWith } from '../sleep.ts'

export const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}

/** Node fires at once when a delay does not fit in 31 bits; longer ones are waited for in pieces. */
const longestDelayMs = 2 ** 31 - 1

export function realTimers(keepAlive: boolean): Timers {
  const after = (delayMs: number, fire: () => void): Timer => {
    let handle: NodeJS.Timeout
    const arm = (leftMs: number): void => {
      const nowMs = Math.min(leftMs, longestDelayMs)
      handle = setTimeout(() => (leftMs > nowMs ? arm(leftMs - nowMs) : fire()), nowMs)
      if (!keepAlive) handle.unref()
    }
    arm(Number.isFinite(delayMs) ? Math.max(0, delayMs) : longestDelayMs)
    return { cancel: () => clearTimeout(handle) }
  }
  return { after, sleep: (delayMs, signal) => sleepWith(after, delayMs, signal) }
}
