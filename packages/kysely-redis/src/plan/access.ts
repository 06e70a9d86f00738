import type { Bound, BoundOrder, Env } from '../bind/bound.ts'
import type { Index, Table } from '../catalog/types.ts'
import { fail } from '../errors.ts'
import { compareText } from '../values/compare.ts'
import { everything, intervalOf, pointsOf, type Interval, type Points, type Target } from './sargs.ts'

/** One stretch of an index. */
export interface KeyRange {
  readonly low: string
  readonly high: string
  /** What all entries begin with: the columns that are given. */
  readonly prefix: string
  /** All entries that begin so are meant. */
  readonly whole: boolean
  /** All columns of the index are given: these entries and no others. */
  readonly exactly?: string
}

/** A way to the rows of a table: stretches of one index, or several such ways together. */
export type Path =
  | {
      readonly kind: 'index'
      readonly index: Index
      readonly points: readonly Points[]
      readonly interval: ((env: Env) => Interval | undefined) | undefined
      readonly estimate: number
      /** Rows come in the order that was asked for. */
      readonly order: 'none' | 'forward' | 'reverse'
      readonly used: ReadonlySet<Bound>
      /** Conditions that all rows at its end satisfy. */
      readonly exact: ReadonlySet<Bound>
    }
  | {
      readonly kind: 'union'
      readonly paths: readonly Path[]
      readonly estimate: number
      readonly order: 'none'
      readonly used: ReadonlySet<Bound>
      readonly exact: ReadonlySet<Bound>
    }

export const isScan = (path: Path): boolean => path.kind === 'index' && path.points.length === 0 && path.interval === undefined

/** Every column of the primary key is given: rows are looked up, not ranged over. */
export const isWholeKey = (path: Path & { kind: 'index' }): boolean =>
  path.index.primary && path.points.length === path.index.columns.length

const mostRanges = 5_000
/** Stretches of an index that are merged into one order. */
const mostMerged = 16
/** What one more condition on an index leaves, for want of statistics. */
const selectivity = { point: 0.05, interval: 0.3 }

export interface AccessWish {
  readonly table: Table
  readonly slot: number
  readonly conditions: readonly Bound[]
  readonly available: ReadonlySet<number>
  readonly size: number
  /** Set when rows in this order save sorting. */
  readonly orderBy?: readonly { readonly place: number; readonly descending: boolean; readonly nullsFirst: boolean }[]
  readonly limit?: number
}

/** The cheapest way by estimate: primary key, unique key, longest prefix of an index, order of an index, whole table. */
export function choosePath(wish: AccessWish): Path {
  const { table, limit, orderBy } = wish
  let best: { path: Path; cost: number } | undefined
  for (const index of table.indexes) {
    if (index.state !== 'ready') continue
    const path = indexPath(index, wish)
    const sorts = orderBy !== undefined && path.order === 'none'
    // In order, reading ends when the limit is reached; what is filtered out on the way is a guess.
    const enough =
      limit !== undefined && !sorts
        ? Math.max(1, limit) *
          path.points.reduce((product, point) => product * point.most, 1) *
          (wish.conditions.every((condition) => path.used.has(condition)) ? 1 : 4)
        : path.estimate
    const cost = Math.min(path.estimate, enough) + (sorts ? Math.log2(path.estimate + 2) : 0) + (index.primary ? 0 : 0.1)
    if (!best || cost < best.cost) best = { path, cost }
  }
  if (!best) return fail('corrupt', `Table ${table.name} has no index.`)
  if (isScan(best.path)) {
    const union = unionPath(wish)
    if (union && union.estimate < best.cost) return union
  }
  return best.path
}

function indexPath(index: Index, wish: AccessWish): Path & { kind: 'index' } {
  const { table, conditions, available, slot } = wish
  const used = new Set<Bound>()
  const exact = new Set<Bound>()
  const points: Points[] = []
  const targetOf = (place: number): Target => ({ slot, place, kind: table.kinds[place] as Target['kind'], available })
  for (const place of index.columns) {
    let found: Points | undefined
    let by: Bound | undefined
    for (const condition of conditions) {
      const candidate = pointsOf(condition, targetOf(place))
      if (!candidate || (found && found.most <= candidate.most)) continue
      found = candidate
      by = condition
      if (condition.shape.t !== 'and' && condition.shape.t !== 'or') used.add(condition)
    }
    if (!found) break
    points.push(found)
    if (found.exact && by) exact.add(by)
  }
  const nextPlace = index.columns[points.length]
  let interval: ((env: Env) => Interval | undefined) | undefined
  if (nextPlace !== undefined) {
    const parts = conditions.flatMap((condition) => {
      const part = intervalOf(condition, targetOf(nextPlace))
      if (part && ['cmp', 'same'].includes(condition.shape.t)) used.add(condition)
      return part ?? []
    })
    if (parts.length > 0) interval = (env) => parts.map((part) => part(env)).reduce(narrower, everything)
  }
  return {
    kind: 'index',
    index,
    points,
    interval,
    estimate: estimate(index, points, interval !== undefined, wish.size),
    order: orderOf(index, points, wish),
    used,
    exact,
  }
}

function narrower(a: Interval | undefined, b: Interval | undefined): Interval | undefined {
  if (!a || !b) return undefined
  const both = { low: compareText(a.low, b.low) > 0 ? a.low : b.low, high: compareText(a.high, b.high) < 0 ? a.high : b.high }
  return compareText(both.low, both.high) < 0 ? both : undefined
}

function estimate(index: Index, points: readonly Points[], ranged: boolean, size: number): number {
  if (index.unique && points.length === index.columns.length) return points.every((point) => point.most === 1) ? 1 : 5
  return Math.max(1, size * selectivity.point ** points.length * (ranged ? selectivity.interval : 1))
}

/** Entries of an index stand in the order of its columns, and then of the primary key. */
function orderOf(index: Index, points: readonly Points[], wish: AccessWish): 'none' | 'forward' | 'reverse' {
  const { table, orderBy, limit } = wish
  const stretches = points.reduce((product, point) => product * point.most, 1)
  // Several stretches are merged while they are read, which pays when not all of them is wanted.
  if (!orderBy || (stretches > 1 && (limit === undefined || stretches > mostMerged))) return 'none'
  const fixed = new Set(index.columns.filter((_, at) => points[at]?.most === 1))
  const varying = new Set(index.columns.filter((_, at) => (points[at]?.most ?? 1) > 1))
  const rest = [...index.columns.slice(points.length), ...table.primary.columns.filter((place) => !index.columns.includes(place))]
  let descending: boolean | undefined
  let at = 0
  for (const item of orderBy) {
    if (fixed.has(item.place)) continue
    if (varying.has(item.place)) return 'none'
    if (at > 0 && rest.slice(0, at).includes(item.place)) continue
    if (rest[at] === undefined) return 'none' // a duplicate of what is ordered already would not get here
    if (rest[at] !== item.place) return varying.size === 0 && uniqueBy(table, index, at, points.length) ? directionOf(descending) : 'none'
    if (descending !== undefined && descending !== item.descending) return 'none'
    if (!table.column(item.place).notNull && item.nullsFirst === item.descending) return 'none'
    descending = item.descending
    at++
  }
  return directionOf(descending)
}

const directionOf = (descending: boolean | undefined): 'forward' | 'reverse' => (descending ? 'reverse' : 'forward')

/** What comes after a whole unique key (of columns that are never null) can't matter any more. */
const uniqueBy = (table: Table, index: Index, ordered: number, fixed: number): boolean =>
  index.unique && fixed + ordered >= index.columns.length && index.columns.every((place) => table.column(place).notNull)

/** `a = 1 or b = 2`: each side by its own index. */
function unionPath(wish: AccessWish): Path | undefined {
  for (const condition of wish.conditions) {
    if (condition.shape.t !== 'or') continue
    const paths = condition.shape.items.map((item) => {
      const { orderBy: _order, limit: _limit, ...plain } = wish
      return choosePath({
        ...plain,
        conditions: [...(item.shape.t === 'and' ? item.shape.items : [item]), ...wish.conditions.filter((other) => other !== condition)],
      })
    })
    if (paths.some(isScan)) continue
    return {
      kind: 'union',
      paths,
      estimate: paths.reduce((sum, path) => sum + path.estimate, 0),
      order: 'none',
      used: new Set(),
      exact: new Set(),
    }
  }
  return undefined
}

/** What the entries begin with that the path leads to, for the rows known so far: keys of rows, if they are looked up. */
export function prefixesOf(path: Path & { kind: 'index' }, env: Env): string[] {
  let prefixes = ['']
  for (const point of path.points) {
    const keys = point.keys(env)
    if (prefixes.length === 1 && keys.length === 1) {
      prefixes[0] += keys[0] as string
      continue
    }
    if (prefixes.length * keys.length > mostRanges)
      fail('too-large', `The lists in the query make more than ${mostRanges} keys of ${path.index.name}.`)
    prefixes = prefixes.flatMap((prefix) => keys.map((key) => prefix + key))
  }
  return prefixes
}

/** The stretches to read, for the rows known so far. */
export function rangesOf(path: Path & { kind: 'index' }, env: Env): KeyRange[] {
  const prefixes = prefixesOf(path, env)
  if (prefixes.length === 0) return []
  if (path.points.length === path.index.columns.length)
    return prefixes.map((prefix) => ({ prefix, low: `[${prefix}`, high: `(${prefix}${everything.high}`, whole: true, exactly: prefix }))
  const interval = path.interval ? path.interval(env) : everything
  const whole = interval === everything
  return interval ? prefixes.map((prefix) => ({ prefix, low: `[${prefix}${interval.low}`, high: `(${prefix}${interval.high}`, whole })) : []
}

/** The places of the columns that the rows are ordered by, when all are plain columns of one table. */
export function orderPlaces(
  orderBy: readonly BoundOrder[],
  outputs: readonly { readonly by: Bound }[],
  slot: number,
): AccessWish['orderBy'] {
  const places: NonNullable<AccessWish['orderBy']>[number][] = []
  for (const order of orderBy) {
    const by = order.by ?? outputs[order.output as number]?.by
    if (by?.shape.t !== 'column' || by.shape.slot !== slot) return undefined
    places.push({ place: by.shape.place, descending: order.descending, nullsFirst: order.nullsFirst })
  }
  return places
}
