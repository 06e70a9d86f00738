import type { Table } from '../catalog/types.ts'
import type { Path } from '../plan/access.ts'

const leastFactor = 1.1
const mostFactor = 5
/** So many are read in any case: a page of five is not worth a second round trip. */
const fewest = 50

/** How many rows to read for a page whose rows are still to be filtered, so that one call is enough. */
class Margin {
  #factor = leastFactor

  rowsFor(wanted: number): number {
    return Math.max(fewest, Math.ceil(wanted * this.#factor))
  }

  /** Of so many rows so many were kept: fewer than were wanted, or far more. */
  learn(wanted: number, read: number, kept: number): void {
    if (kept >= wanted && kept < 1.5 * wanted) return
    const factor = Math.min(mostFactor, (leastFactor * read) / Math.max(1, kept))
    // In quarters: who asks the same again should ask it in the same words, for the near cache.
    this.#factor = Math.ceil(factor * 4) / 4
  }
}

/** What earlier queries have thrown away tells what later ones will: by the way to the rows and the number of conditions, not more. */
export class Margins {
  readonly #known = new Map<string, Margin>()

  of(table: Table, path: Path, conditions: number): Margin {
    const name = `${table.group}/${table.id}/${path.kind === 'index' ? path.index.id : 'union'}/${conditions}`
    let margin = this.#known.get(name)
    if (margin === undefined) this.#known.set(name, (margin = new Margin()))
    return margin
  }
}
