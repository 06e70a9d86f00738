import type { Engine } from '../database.ts'

/** What a column holds; the same on every engine (codec.ts). */
export type Cell = null | string | number
/** Cells in the order of the table's `columns`. */
export type RowCells = readonly Cell[]

export interface TransferTable {
  readonly name: string
  /** Sorted by code point, whatever the order in the engine. */
  readonly columns: readonly string[]
  /** Columns of the primary key; rows come in its order. */
  readonly key: readonly string[]
  /** Other tables whose rows must be there first. */
  readonly references: readonly string[]
  /** The key that the engine counts up, and the last number that it gave: it is never given again, also not by a copy. */
  readonly counter?: { readonly column: string; readonly last: number }
}

/** All of one database at one moment, whatever it is read from: a snapshot of an engine, or an archive. */
export interface TransferSource {
  readonly engine: Engine
  /** Names of the migrations that made these tables. */
  readonly migrations: readonly string[]
  /** Parents before children. */
  readonly tables: readonly TransferTable[]
  /** Bounded batches in the order of the key. Asked for once a table, in the order of `tables`. */
  rows(table: TransferTable): AsyncIterable<readonly RowCells[]>
}

export interface TableSummary {
  readonly name: string
  readonly rows: number
  /** SHA-256 over every row, in hexadecimal: equal rows have equal digests on every engine. */
  readonly digest: string
}

/** Parents before children, otherwise by name. A table of a circle comes as late as it can; its references are checked at the end. */
export function parentsFirst<T extends Pick<TransferTable, 'name' | 'references'>>(tables: readonly T[]): T[] {
  const left = new Map([...tables].sort((a, b) => (a.name < b.name ? -1 : 1)).map((table) => [table.name, table]))
  const ordered: T[] = []
  while (left.size > 0) {
    const free = [...left.values()].filter((table) => table.references.every((parent) => parent === table.name || !left.has(parent)))
    for (const table of free.length > 0 ? free : left.values()) {
      left.delete(table.name)
      ordered.push(table)
    }
  }
  return ordered
}
