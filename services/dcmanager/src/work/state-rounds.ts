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
  let onWake = (): void => {}
  let onStop = (): void => {}
  let running: Promise<void> | undefined

  /** Ended early by `stop`, and by a wake when there is one to wait for. */
  const wait = async (delayMs: number, untilWoken: boolean): Promise<void> => {
    if (stopping.signal.aborted || (untilWoken && woken)) return
    const { promise: over, resolve: goOn } = Promise.withResolvers<void>()
    const timer = world.timers.after(delayMs, goOn)
    if (untilWoken) onWake = goOn
    onStop = goOn
    await over
    timer.cancel()
    onWake = onStop = () => {}
  }

  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      woken = false
      try {
        await options.run(stopping.signal)
      } catch (error) {
        if (!stopping.signal.aborted) options.log.warn(`${options.name} failed; it is tried again`, { error, nextInMs: options.everyMs })
      }
      const endedMs = world.clock.monotonicMs()
      await wait(options.everyMs, true)
      const tooSoonMs = (options.leastMs ?? 0) - (world.clock.monotonicMs() - endedMs)
      if (woken && tooSoonMs > 0) await wait(tooSoonMs, false)
    }
  }

  return {
    start: () => void (running ??= loop()),
    wake() {
      woken = true
      onWake()
    },
    async stop() {
      stopping.abort()
      onStop()
      await running
    },
  }
}
