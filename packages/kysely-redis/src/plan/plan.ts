import { conjuncts, type Bound, type BoundSelect, type BoundSource } from '../bind/bound.ts'
import { choosePath, isScan, orderPlaces, type Path } from './access.ts'

/** One table (or sub-select) of a query, in the order in which they are read. */
export interface Step {
  readonly slot: number
  readonly left: boolean
  /** Undefined for rows that a sub-select made. */
  readonly path: Path | undefined
  /** The entries of the path's index tell all that is asked for. */
  readonly covered: boolean
  /** Of a left join: decide whether a row fits, as far as the path does not. Of others: nothing. */
  readonly on: readonly Bound[]
  /** What can be decided once this table's row is known, and is not yet by the path to it. */
  readonly filters: readonly Bound[]
  /** Rows read, for `explain`. */
  actual: number
}

export interface Plan {
  readonly steps: readonly Step[]
  /** Conditions that need no table at all. */
  readonly before: readonly Bound[]
  readonly ordered: boolean
}

const covers = (available: ReadonlySet<number>, bound: Bound): boolean => [...bound.slots].every((slot) => available.has(slot))

/** Chooses the order of the tables and the way to each. `sizeOf` are rows as last seen. */
export function planSelect(select: BoundSelect, sizeOf: (slot: number) => number, limit: number | undefined): Plan {
  const pool = [...select.where, ...select.joins.filter((join) => !join.left).flatMap((join) => join.on)].flatMap(conjuncts)
  const lefts = new Map(select.joins.filter((join) => join.left).map((join) => [join.slot, join.on]))
  const streams = !select.grouped && !select.distinct && select.setOperations.length === 0
  const available = new Set<number>()
  const done = new Set<Bound>()
  const before = pool.filter((condition) => condition.slots.size === 0)
  for (const condition of before) done.add(condition)
  const steps: Step[] = []
  let waiting = select.sources.map((source) => source.slot)
  let ordered = select.orderBy.length === 0
  while (waiting.length > 0) {
    const first = steps.length === 0
    // A left join depends on what stands before it; without one, the tables may be read in any order.
    const candidates = lefts.size > 0 ? waiting.slice(0, 1) : waiting
    let best: { slot: number; path: Path | undefined; cost: number } | undefined
    for (const slot of candidates) {
      const table = select.sources[slot]?.table
      const size = sizeOf(slot)
      const orderBy = first && select.orderBy.length > 0 && streams ? orderPlaces(select.orderBy, select.outputs, slot) : undefined
      const conditions = lefts.get(slot) ?? pool
      const wishLimit = first && streams && (select.orderBy.length === 0 || orderBy) ? limit : undefined
      const path =
        table &&
        choosePath({
          table,
          slot,
          conditions: conditions.filter((condition) => condition.slots.has(slot)),
          available,
          size,
          ...(orderBy ? { orderBy } : {}),
          ...(wishLimit === undefined ? {} : { limit: wishLimit }),
        })
      // A table that nothing leads to comes last: reading it for every row would be a product.
      const cost = (path?.estimate ?? size) * (!first && (!path || isScan(path)) ? 1_000 : 1)
      if (!best || cost < best.cost) best = { slot, path, cost }
    }
    const { slot, path } = best as NonNullable<typeof best>
    if (first && path && path.order !== 'none' && select.orderBy.length > 0) ordered = true
    waiting = waiting.filter((other) => other !== slot)
    available.add(slot)
    const filters = pool.filter((condition) => !done.has(condition) && covers(available, condition))
    for (const condition of filters) done.add(condition)
    const { table, used } = select.sources[slot] as BoundSource
    const covered = path?.kind === 'index' && table !== undefined && used !== undefined && table.covers(path.index, used)
    const open = (list: readonly Bound[]): readonly Bound[] => list.filter((condition) => !path?.exact.has(condition))
    steps.push({ slot, left: lefts.has(slot), path, covered, on: open(lefts.get(slot) ?? []), filters: open(filters), actual: 0 })
  }
  return { steps, before, ordered: ordered && streams }
}
