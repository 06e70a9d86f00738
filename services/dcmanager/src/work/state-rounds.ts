import type { Log, World } from '@murmuration/world'

export interface Rounds {
  start(): void
  /** A round as soon as the running one has ended. Any number of calls make one round. */
  wake(): void
  /** Waits for the running round, whose signal is aborted. */
  stop(): Promise<void>
}

export interface RoundsOptions {
  /** For the log. */
  readonly name: string
  readonly log: Log
  /** Between rounds when nobody wakes it; also after a round that failed. */
  readonly everyMs: number
  /** Wakes that come sooner after a round wait this long, so that a storm of changes costs one round. Default 0. */
  readonly leastMs?: number
  run(signal: AbortSignal): Promise<void>
}

/** A loop of rounds that nothing but `stop` ends: a round that fails is logged, and the next one comes all the same. */
export function createRounds(world: World, options: RoundsOptions): Rounds {
  const stopping = new AbortController()
  let woken = false
  let interrupt = (): void => {}
  let running: Promise<void> | undefined

  const wait = async (delayMs: number, untilWoken: boolean): Promise<void> => {
    if (untilWoken && woken) return
    const sleeping = new AbortController()
    interrupt = () => sleeping.abort()
    if (stopping.signal.aborted) return
    if (untilWoken) await world.timers.sleep(delayMs, AbortSignal.any([sleeping.signal, stopping.signal])).catch(() => {})
    else await world.timers.sleep(delayMs, stopping.signal).catch(() => {})
    interrupt = () => {}
  }

  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      woken = false
      try {
        await options.run(stopping.signal)
      } catch (error) {
        if (!stopping.signal.aborted) options.log.warn(`${options.name} failed; it is tried again`, { error, nextInMs: options.everyMs })
      }
      const leastMs = options.leastMs ?? 0
      if (leastMs > 0) await wait(leastMs, false)
      await wait(Math.max(options.everyMs - leastMs, 0), true)
    }
  }

  return {
    start: () => void (running ??= loop()),
    wake() {
      woken = true
      interrupt()
    },
    async stop() {
      stopping.abort()
      await running
    },
  }
}
