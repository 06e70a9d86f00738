import type { Index, Table } from '../catalog/types.ts'
import type { Row } from '../values/kinds.ts'

/** A row of a table, and the key it is stored by. */
export interface Found {
  readonly key: string
  readonly row: Row
  /** What was fetched with it: for each `Follow` what that led to. */
  readonly ahead?: readonly Stretch[] | undefined
}

/** A row that was found by an entry of an index. */
export interface Entry extends Found {
  readonly member: string
}

export interface RangeRequest {
  readonly index: Index
  /** In the notation of ZRANGE … BYLEX: `[text`, `(text`, `-`, `+`. */
  readonly low: string
  readonly high: string
  readonly reverse: boolean
  readonly limit: number
  /** Set when the range is all entries with exactly these encoded columns. */
  readonly exactly?: string | undefined
  /** The index holds all that is wanted: rows are made of its entries, with nulls for other columns. */
  readonly covered?: boolean | undefined
}

/** Of several ranges, read in the same direction and up to the same number of entries. */
export type ManyOptions = Pick<RangeRequest, 'reverse' | 'limit' | 'covered'>

/**
 * What will be asked next for each row that is found, fetched in the same call: the row of another table whose key is that row's key with
 * a suffix (`whole`), or the entries of an index that begin so.
 */
export interface Follow {
  readonly table: Table
  readonly index: Index
  readonly suffix: string
  readonly whole: boolean
  readonly limit: number
  readonly covered: boolean
}

/** What was read of a range, or by a key. */
export interface Stretch {
  readonly found: readonly Found[]
  /** Where to go on; undefined when the range is exhausted. */
  readonly next: RangeRequest | undefined
}

export interface RangeResult extends Stretch {
  readonly found: Entry[]
}
