import type { Simulation } from '@murmuration/world/simulated'
import { Violation } from './check/violation.ts'

/** Lets virtual time pass, and looks after every event whether the seed is over. */
export class Course {
  readonly #simulation: Simulation
  readonly #isOver: () => boolean
  events = 0

  constructor(simulation: Simulation, isOver: () => boolean) {
    this.#simulation = simulation
    this.#isOver = isOver
  }

  /** So much virtual time, or until something is wrong. */
  async pass(forMs: number): Promise<void> {
    const simulation = this.#simulation
    let over = false
    simulation.at(simulation.nowMs + forMs, 'goes on', () => (over = true))
    const { events } = await simulation.run({ until: () => this.#isOver() || over })
    this.events += events
  }

  /** Until nothing is waited for any more; beyond the bound what is waited for is the violation. */
  async until(boundMs: number, invariant: string, waiting: () => readonly string[], lookEveryMs = 500): Promise<void> {
    const simulation = this.#simulation
    const fromMs = simulation.nowMs
    for (;;) {
      if (this.#isOver()) return
      const left = waiting()
      if (left.length === 0) return
      if (simulation.nowMs - fromMs >= boundMs)
        throw new Violation(invariant, `${simulation.nowMs - fromMs} ms after the last fault: ${left.slice(0, 4).join('; ')}`)
      await this.pass(lookEveryMs)
    }
  }
}
