import type { World } from '@murmuration/world'
import type { SiteFacts } from '../rules/verdicts.ts'

export interface AuditCache {
  /** Begins to renew the picture every `intervalMs`, so that an audit answers from memory. */
  start(): void
  stop(): void
  /** The picture in the cache; read now when there is none, or it is much older than the interval. */
  cached(): Promise<SiteFacts>
  /** A picture from after this call. Any number of callers at once costs one reading. */
  fresh(): Promise<SiteFacts>
}

/** A picture older than this many intervals is not answered with: renewing it has failed. */
const staleIntervals = 3

export function createAuditCache(world: World, read: () => Promise<SiteFacts>, intervalMs = 30_000): AuditCache {
  let latest: { readonly facts: SiteFacts; readonly asOfMs: number } | undefined
  let running: Promise<SiteFacts> | undefined
  let following: Promise<SiteFacts> | undefined
  let timer: { cancel(): void } | undefined
  let started = false

  const renew = async (): Promise<SiteFacts> => {
    const asOfMs = world.clock.monotonicMs()
    const facts = await read()
    latest = { facts, asOfMs }
    return facts
  }
  const begin = (): Promise<SiteFacts> => {
    running = renew().finally(() => (running = undefined))
    return running
  }
  const tick = async (): Promise<void> => {
    try {
      await (running ?? begin())
    } catch (error) {
      world.log.warn('the picture of the site could not be renewed', { error })
    }
    if (started) timer = world.timers.after(intervalMs, () => void tick())
  }

  return {
    start() {
      if (started) return
      started = true
      void tick()
    },
    stop() {
      started = false
      timer?.cancel()
    },
    async cached() {
      if (latest !== undefined && world.clock.monotonicMs() - latest.asOfMs < staleIntervals * intervalMs) return latest.facts
      return running ?? begin()
    },
    fresh() {
      if (running === undefined) return begin()
      // What runs may have begun before the change that this caller wants to see: the next one is for all who wait now.
      following ??= running
        .catch(() => undefined)
        .then(() => {
          following = undefined
          return running ?? begin()
        })
      return following
    },
  }
}
