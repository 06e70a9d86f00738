/** The run can't get where it was told to go. `remaining` says what is still waited for. */
export class SimulationStuck extends Error {
  readonly remaining: readonly string[]
  constructor(why: string, remaining: readonly string[]) {
    super([why, ...remaining.map((line) => `  ${line}`)].join('\n'))
    this.name = 'SimulationStuck'
    this.remaining = remaining
  }
}
