import type { Table } from '../catalog/types.ts'
import type { Stretch } from '../run/reads.ts'
import type { Kind, Row, Value } from '../values/kinds.ts'

/** What an expression is evaluated on: a row of each table of the select, and the rows around it. */
export interface Env {
  /** By slot; null for the missing side of a left join. */
  readonly rows: (Row | null)[]
  readonly outer: Env | undefined
  /** What was fetched with the row of the first table. */
  readonly ahead?: readonly Stretch[] | undefined
  /** Results of correlated sub-selects for these rows, by the sub-select's number. */
  subs?: SubResult[]
  /** Results of aggregates, by number. */
  aggregates?: Value[]
}

export interface SubResult {
  readonly rows: Row[]
  keys?: { readonly all: Set<string>; readonly hasNull: boolean }
}

export type BoundShape =
  | { readonly t: 'value' }
  | { readonly t: 'column'; readonly slot: number; readonly place: number }
  /** A column of the select around this one. */
  | { readonly t: 'outer'; readonly slot: number; readonly place: number }
  | { readonly t: 'and' | 'or'; readonly items: readonly Bound[] }
  | { readonly t: 'cmp'; readonly op: '=' | '!=' | '<' | '<=' | '>' | '>='; readonly left: Bound; readonly right: Bound }
  | { readonly t: 'same'; readonly left: Bound; readonly right: Bound }
  | { readonly t: 'differs'; readonly left: Bound; readonly right: Bound }
  | { readonly t: 'in'; readonly left: Bound; readonly items: readonly Bound[] }
  | { readonly t: 'in-sub'; readonly left: Bound; readonly sub: Sub }
  | { readonly t: 'like'; readonly left: Bound; readonly right: Bound }
  | { readonly t: 'other' }

/** An expression whose names are resolved: it can be evaluated at once, apart from the sub-selects in it, which come before. */
export interface Bound {
  readonly kind: Kind | 'null'
  readonly evaluate: (env: Env) => Value
  /** Slots of this select that it needs. */
  readonly slots: ReadonlySet<number>
  readonly subs: readonly Sub[]
  readonly shape: BoundShape
  /** Tells equal expressions: `group by lower(name)` and `select lower(name)`. */
  readonly text: string
}

export interface BoundSource {
  readonly slot: number
  readonly alias: string
  readonly columns: ReadonlyMap<string, { readonly place: number; readonly kind: Kind | 'null' }>
  readonly table?: Table
  /** Places of the columns that are asked for, when no others are wanted. */
  readonly used?: Set<number>
  readonly derived?: Derived
  /** Seen under its name only: `excluded`. */
  readonly qualifiedOnly?: boolean
}

/** Rows of a sub-select in `from` or of a name of `with`: made once a statement. */
export interface Derived {
  /** Undefined for rows of the caller's own, which are there already. */
  readonly select?: BoundSelect
  /** Rows of the caller's own: how many. */
  readonly given?: number
  result?: Promise<Row[]>
}

export interface BoundOrder {
  readonly descending: boolean
  readonly nullsFirst: boolean
  /** One of the two: an output column, or an expression over the rows. */
  readonly output?: number
  readonly by?: Bound
}

export interface AggregateSpec {
  readonly fn: 'count' | 'sum' | 'avg' | 'min' | 'max'
  readonly arg: Bound | undefined
  readonly distinct: boolean
  readonly filter: Bound | undefined
}

export interface Output {
  readonly name: string
  readonly by: Bound
}

export interface BoundJoin {
  readonly slot: number
  readonly left: boolean
  readonly on: readonly Bound[]
}

export interface BoundSelect {
  readonly sources: readonly BoundSource[]
  readonly joins: readonly BoundJoin[]
  readonly where: readonly Bound[]
  readonly grouped: boolean
  readonly groupBy: readonly Bound[]
  readonly having: Bound | undefined
  readonly aggregates: readonly AggregateSpec[]
  readonly outputs: readonly Output[]
  readonly distinct: boolean
  readonly orderBy: readonly BoundOrder[]
  readonly limit: Bound | undefined
  readonly offset: Bound | undefined
  readonly setOperations: readonly { readonly op: 'union' | 'intersect' | 'except'; readonly all: boolean; readonly select: BoundSelect }[]
  /** What it needs of the rows around it; empty when it stands alone. */
  readonly outer: readonly Bound[]
  readonly subs: readonly Sub[]
  readonly allowScan: boolean
}

export interface Sub {
  readonly id: number
  readonly select: BoundSelect
  readonly mode: 'scalar' | 'exists' | 'in'
  /** The result, when it does not depend on the rows around it. */
  constant?: SubResult
}

export const columnOf = (bound: Bound): { slot: number; place: number } | undefined =>
  bound.shape.t === 'column' ? bound.shape : undefined

export const conjuncts = (bound: Bound | undefined): readonly Bound[] =>
  bound === undefined ? [] : bound.shape.t === 'and' ? bound.shape.items.flatMap(conjuncts) : [bound]
