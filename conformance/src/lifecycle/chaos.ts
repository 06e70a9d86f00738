import type { Fleet } from '../testing/fleet.ts'
import { pause } from '../testing/until.ts'

export interface Chaos {
  /** Parts that were killed, in order. */
  readonly killed: readonly string[]
  /** Resolves when everything runs again. */
  stop(): Promise<void>
}

const upMs = 2_500
const downMs = 2_500

/** Kills one part after the other, gives the others time to do without it, and starts it again, until it is told to stop. */
export function startChaos(fleet: Fleet, names: readonly string[]): Chaos {
  const killed: string[] = []
  let stopped = false
  const work = (async () => {
    for (let turn = 0; !stopped; turn += 1) {
      const name = names[turn % names.length]!
      await fleet.kill(name)
      killed.push(name)
      await pause(downMs)
      await fleet.start(name)
      await pause(upMs)
    }
  })()
  // Reported where it is awaited.
  work.catch(() => {})
  return {
    killed,
    async stop() {
      stopped = true
      await work
    },
  }
}
