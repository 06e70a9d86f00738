/** An invariant does not hold. The message is one sentence with the facts; the invariant's name is stable, for seeds and mutants. */
export class Violation extends Error {
  readonly invariant: string
  constructor(invariant: string, message: string) {
    super(message)
    this.name = 'Violation'
    this.invariant = invariant
  }
}
