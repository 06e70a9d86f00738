import { createHash } from 'node:crypto'
import type { Limits } from '../options.ts'

export interface RangeRead {
  readonly index: number
  readonly low: string
  readonly high: string
  readonly reverse: boolean
  readonly limit: number
}

/** What was read of one table. Repeating the same reads at commit must give the same: then the transaction may as well run there. */
interface TableReads {
  /** The table's version at the last moment at which all reads were true together. */
  version: string
  readonly rows: Map<string, string>
  readonly ranges: { readonly read: RangeRead; readonly seen: readonly string[] | string }[]
  count: number
  size: number | undefined
}

export const digestOf = (members: readonly string[]): string => createHash('sha1').update(members.join('\n')).digest('hex')

const keptMembers = 50

export class ReadSet {
  readonly tables = new Map<number, TableReads>()
  readonly #limits: Limits

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Is this another version than the one that we read of? */
  changed(table: number, version: string): boolean {
    const known = this.tables.get(table)
    return known !== undefined && known.version !== version
  }

  /** Begins to note what is read of a table, at the version that the first answer tells. */
  seen(table: number, version: string): void {
    if (!this.tables.has(table)) this.tables.set(table, { version, rows: new Map(), ranges: [], count: 0, size: undefined })
  }

  row(table: number, key: string, version: string): boolean {
    const reads = this.tables.get(table) as TableReads
    const before = reads.rows.get(key)
    reads.rows.set(key, version)
    reads.count++
    return before === undefined || before === version
  }

  range(table: number, read: RangeRead, members: readonly string[]): void {
    const reads = this.tables.get(table) as TableReads
    // A digest is made when it is asked for, which is seldom, unless the entries are many.
    reads.ranges.push({ read, seen: members.length > keptMembers ? digestOf(members) : members })
    reads.count++
  }

  size(table: number, size: number): void {
    ;(this.tables.get(table) as TableReads).size = size
  }

  /** All reads were found true together, at these versions. */
  confirmed(versions: ReadonlyMap<number, string>): void {
    for (const [table, version] of versions) {
      const reads = this.tables.get(table)
      if (reads) reads.version = version
    }
  }

  /** The checks of the server's `check`: row by row, or the whole table's version when much was read of it. */
  checks(): string[] {
    const out: string[] = []
    for (const [table, reads] of this.tables) {
      const id = String(table)
      if (reads.count > this.#limits.validatedRowsPerTable) {
        out.push('T', id, reads.version)
        continue
      }
      if (reads.rows.size > 0) {
        out.push('V', id, String(reads.rows.size))
        for (const [key, version] of reads.rows) out.push(key, version)
      }
      for (const { read, seen } of reads.ranges) {
        const digest = typeof seen === 'string' ? seen : digestOf(seen)
        out.push('R', id, String(read.index), read.low, read.high, read.reverse ? '1' : '0', String(read.limit), digest)
      }
      if (reads.size !== undefined) out.push('C', id, String(reads.size))
    }
    return out
  }
}
