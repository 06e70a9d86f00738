import { NetworkError, type World } from '@murmuration/world'

/** One deadline over several exchanges: what is left of it, at any time. */
export interface Deadline {
  /** Milliseconds; throws NetworkError `timeout` when nothing is left. */
  remainingMs(): number
  /** Waits for `work` no longer than the deadline (or the signal) allows; `work` itself goes on for others who wait for it. */
  wait<T>(work: Promise<T>): Promise<T>
}

export function startDeadline(world: World, deadlineMs: number, what: string, signal?: AbortSignal): Deadline {
  const endMs = world.clock.monotonicMs() + deadlineMs
  const late = (): NetworkError => new NetworkError('timeout', `${what}: no answer within ${deadlineMs} ms`)
  const aborted = (): NetworkError => new NetworkError('aborted', `${what}: aborted`, { cause: signal?.reason })
  return {
    remainingMs() {
      if (signal?.aborted) throw aborted()
      const left = endMs - world.clock.monotonicMs()
      if (left <= 0) throw late()
      return left
    },
    async wait(work) {
      // When the time is over already, nobody hears of its failure.
      work.catch(() => undefined)
      const left = this.remainingMs()
      const { promise, reject } = Promise.withResolvers<never>()
      const timer = world.timers.after(left, () => reject(late()))
      const onAbort = (): void => reject(aborted())
      signal?.addEventListener('abort', onAbort, { once: true })
      try {
        return await Promise.race([work, promise])
      } finally {
        timer.cancel()
        signal?.removeEventListener('abort', onAbort)
      }
    },
  }
}
