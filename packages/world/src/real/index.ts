import type { World } from '../world.ts'
import { realClock, realTimers } from './clock.ts'
import { realFiles } from './files.ts'
import { realLog, type LogOptions } from './log.ts'
import { RealNetwork, type NetworkLimits } from './network.ts'
import { realProcesses } from './processes.ts'
import { realRandom } from './random.ts'

export interface RealWorldOptions {
  readonly log?: LogOptions
  readonly network?: Partial<NetworkLimits>
  /** Pending timers hold the process. For commands and tests, where a sleep may be all that is left to wait for. Default false. */
  readonly timersKeepAlive?: boolean
}

/** The machine that we run on. Call `world.net.close()` at the end, so that pooled connections don't outlive the work. */
export function createRealWorld(options: RealWorldOptions = {}): World {
  const log = realLog(options.log)
  return {
    clock: realClock,
    timers: realTimers(options.timersKeepAlive ?? false),
    random: realRandom,
    net: new RealNetwork(log, options.network),
    processes: realProcesses,
    files: realFiles,
    log,
  }
}
