import { createHash } from 'node:crypto'
import type { Limits } from '../options.ts'
import type { RangeRequest } from './reads.ts'
import { versionLength } from '../values/rows.ts'

type RangeRead = Pick<RangeRequest, 'index' | 'low' | 'high' | 'reverse' | 'limit'>

/** What was read of one table. Repeating the same reads at commit must give the same: then the transaction may as well run there. */
interface TableReads {
  /** The table's version at the last moment at which all reads were true together. */
  version: string
  /** Keys, and the texts that they led to; most of them are never looked at again. */
  rows: { readonly keys: readonly string[]; readonly texts: readonly string[] }[]
  ranges: { readonly read: RangeRead; readonly seen: readonly string[] | string }[]
  count: number
  size: number | undefined
}

export const digestOf = (members: readonly string[]): string => createHash('sha1').update(members.join('\n')).digest('hex')

const keptMembers = 200

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
    if (!this.tables.has(table)) this.tables.set(table, { version, rows: [], ranges: [], count: 0, size: undefined })
  }

  /** Texts are as stored, '' for a row that is not there. */
  rows(table: number, keys: readonly string[], texts: readonly string[]): void {
    const reads = this.tables.get(table) as TableReads
    reads.rows.push({ keys, texts })
    this.#count(reads, keys.length)
  }

  range(table: number, read: RangeRead, members: readonly string[]): void {
    const reads = this.tables.get(table) as TableReads
    // A digest is made when it is asked for, which is seldom, unless the entries are many.
    reads.ranges.push({ read, seen: members.length > keptMembers ? digestOf(members) : members })
    this.#count(reads, 1)
  }

  #count(reads: TableReads, more: number): void {
    reads.count += more
    if (!this.#isLong(reads)) return
    reads.rows = []
    reads.ranges = []
  }

  /** So much was read of it that its version is checked instead. */
  #isLong(reads: TableReads): boolean {
    return reads.count > this.#limits.validatedRowsPerTable
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
      if (this.#isLong(reads)) {
        out.push('T', id, reads.version)
        continue
      }
      const pairs = versionsOf(reads)
      if (pairs.length > 0) out.push('V', id, String(pairs.length / 2), ...pairs)
      for (const { read, seen } of reads.ranges) {
        const digest = typeof seen === 'string' ? seen : digestOf(seen)
        out.push('R', id, String(read.index.id), read.low, read.high, read.reverse ? '1' : '0', String(read.limit), digest)
      }
      if (reads.size !== undefined) out.push('C', id, String(reads.size))
    }
    return out
  }
}

/** Each row once; one that was seen with two versions twice, which the server finds wrong. */
function versionsOf(reads: TableReads): string[] {
  const known = new Map<string, string>()
  const pairs: string[] = []
  for (const { keys, texts } of reads.rows)
    for (const [at, key] of keys.entries()) {
      const version = (texts[at] as string).slice(0, versionLength)
      if (known.get(key) === version) continue
      known.set(key, version)
      pairs.push(key, version)
    }
  return pairs
}
