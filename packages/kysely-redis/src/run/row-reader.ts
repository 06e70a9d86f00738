import type { Index, Table } from '../catalog/types.ts'
import { RedisDatabaseError } from '../errors.ts'
import type { KeyRange } from '../plan/access.ts'
import { afterAll, keysInMembers } from '../values/encoding.ts'
import { versionLength } from '../values/rows.ts'
import { countsIn, entriesIn, rowsIn } from '../wire/joined.ts'
import type { Reply } from '../wire/resp.ts'
import type { WriteBuffer } from './buffer.ts'
import type { Exchange } from './exchange.ts'
import { mergeOwn } from './merge.ts'
import type { Entry, Follow, Found, ManyOptions, RangeRequest, RangeResult, Stretch } from './reads.ts'

/** Index entries as the server answered them: with the keys of their rows, and these rows' texts unless the entries were enough. */
interface Entries {
  readonly members: readonly string[]
  readonly keys: readonly string[]
  readonly texts: readonly string[]
}

/** By the place of the row that it was fetched with, then by that of the `Follow`. */
type Ahead = readonly (readonly Stretch[])[] | undefined

const rangesAtOnce = 500
const nothing: readonly Found[] = []

/** Reads rows and stretches of indexes as the transaction sees them: what the server holds, and own writes over it. */
export class RowReader {
  readonly #exchange: Exchange
  readonly #buffer: WriteBuffer
  readonly #rowsPerCall: number

  constructor(exchange: Exchange, buffer: WriteBuffer, rowsPerCall: number) {
    this.#exchange = exchange
    this.#buffer = buffer
    this.#rowsPerCall = rowsPerCall
  }

  /** Rows by key, in the order asked; null for those that are not there. Own writes are seen. */
  async get(table: Table, keys: readonly string[], follow: readonly Follow[] = []): Promise<(Found | null)[]> {
    const own = this.#buffer.find(table)?.rows
    const open = own ? keys.filter((key) => !own.has(key)) : keys
    const loaded = new Map<string, Found | null>()
    if (open.length > 0) await this.#load(table, [...new Set(open)], follow, loaded)
    return keys.map((key) => {
      const written = own?.get(key)
      if (written) return written.now && { key, row: written.now }
      return loaded.get(key) ?? null
    })
  }

  async #load(table: Table, keys: readonly string[], follow: readonly Follow[], loaded: Map<string, Found | null>): Promise<void> {
    for (let at = 0; at < keys.length; at += this.#rowsPerCall) {
      const part = keys.slice(at, at + this.#rowsPerCall)
      const asked = this.#exchange.ask(table, ['G', table.id, part.length, ...part])
      const following = this.#follow(follow)
      const texts = rowsIn((await asked) as string, part.length)
      this.#note(table, part, texts)
      const ahead = await following(part)
      for (const [index, key] of part.entries()) loaded.set(key, foundIn(table, key, texts[index] as string, ahead?.[index]))
    }
  }

  /** Index entries in order, with their rows. Own writes are merged in. */
  async range(table: Table, request: RangeRequest, follow: readonly Follow[] = []): Promise<RangeResult> {
    const { index, low, high, reverse, limit, covered } = request
    const asked = this.#exchange.ask(table, ['R', table.id, index.id, low, high, reverse ? '1' : '0', limit, covered ? '0' : '1'])
    const following = this.#follow(follow)
    const [members, rows] = (await asked) as [string, string]
    const entries = this.#entries(table, index, members, rows, covered)
    this.#exchange.reads.range(table.id, request, entries.members)
    return this.#result(table, request, entries, 0, entries.members.length, await following(entries.keys))
  }

  /** Many ranges of one index in one call, each as `range` would answer it. */
  async ranges(
    table: Table,
    index: Index,
    list: readonly KeyRange[],
    { limit, reverse, covered }: ManyOptions,
    follow: readonly Follow[] = [],
  ): Promise<RangeResult[]> {
    const results: RangeResult[] = []
    while (results.length < list.length) {
      const part = list.slice(results.length, results.length + rangesAtOnce)
      const shape = [table.id, index.id, limit, covered ? '0' : '1', reverse ? '1' : '0', part.length]
      const alike = part.every((each) => each.whole)
      const bounds = alike ? part.map((each) => each.prefix) : part.flatMap(({ low, high }) => [low, high])
      const asked = this.#exchange.ask(table, [alike ? 'P' : 'M', ...shape, ...bounds])
      const following = this.#follow(follow)
      const [counts, members, rows] = (await asked) as [string, string, string]
      const entries = this.#entries(table, index, members, rows, covered)
      const ahead = await following(entries.keys)
      let from = 0
      for (const [place, count] of countsIn(counts).entries()) {
        const { low, high, exactly } = part[place] as KeyRange
        results.push(this.#part(table, { index, low, high, reverse, limit, exactly, covered }, entries, from, count, ahead))
        from += count
      }
    }
    return results
  }

  /** Asks for what will be wanted with the rows that were asked for last. */
  #follow(list: readonly Follow[]): (keys: readonly string[]) => Promise<Ahead> {
    const asked = list.map(({ table, index, limit, suffix, whole, covered }) =>
      this.#exchange.ask(table, ['F', table.id, index.id, limit, suffix, whole ? '1' : '0', covered ? '0' : '1']),
    )
    return async (keys) => {
      if (list.length === 0) return undefined
      const stretches: Stretch[][] = []
      for (const [at, each] of list.entries()) stretches.push(this.#stretches(each, keys, (await asked[at]) as Reply))
      return keys.map((_, row) => stretches.map((each) => each[row] as Stretch))
    }
  }

  /** What each of the keys led to. */
  #stretches({ table, index, suffix, whole, limit, covered }: Follow, keys: readonly string[], reply: Reply): Stretch[] {
    if (whole) {
      const own = keys.map((key) => key + suffix)
      const texts = rowsIn(reply as string, own.length)
      this.#note(table, own, texts)
      const written = this.#buffer.find(table)?.rows
      return own.map((key, at) => {
        const mine = written?.get(key)
        const row = mine ? mine.now : (foundIn(table, key, texts[at] as string)?.row ?? null)
        return { found: row ? [{ key, row, ahead: undefined }] : nothing, next: undefined }
      })
    }
    const [counts, members, rows] = reply as [string, string, string]
    const entries = this.#entries(table, index, members, rows, covered)
    let from = 0
    // The server ends early when there are very many; the others are asked for again.
    return countsIn(counts).map((count, at) => {
      const low = `[${keys[at]}${suffix}`
      const high = `(${keys[at]}${suffix}${afterAll}`
      const result = this.#part(table, { index, low, high, reverse: false, limit, covered }, entries, from, count)
      from += count
      return result
    })
  }

  /** Takes entries and rows apart, and notes the rows. */
  #entries(table: Table, index: Index, joined: string, rows: string, covered: boolean | undefined): Entries {
    const members = entriesIn(joined)
    const keys = index.primary ? members : keysInMembers(members, joined)
    if (covered) {
      this.#exchange.counters.keysRead += keys.length
      return { members, keys, texts: [] }
    }
    const texts = rowsIn(rows, keys.length)
    if (texts.includes('')) throw new RedisDatabaseError('corrupt', `Index ${index.name} of ${table.name} has an entry without a row.`)
    this.#note(table, keys, texts)
    return { members, keys, texts }
  }

  #note(table: Table, keys: readonly string[], texts: readonly string[]): void {
    const { counters, reads } = this.#exchange
    counters.keysRead += keys.length
    for (const text of texts) if (text !== '') counters.rowsFetched++
    reads.rows(table.id, keys, texts)
  }

  /** One of many ranges: its entries are `count` from `from` on. */
  #part(table: Table, request: RangeRequest, entries: Entries, from: number, count: number, ahead?: Ahead): RangeResult {
    this.#exchange.reads.range(table.id, request, entries.members.slice(from, from + count))
    return this.#result(table, request, entries, from, count, ahead)
  }

  #result(table: Table, request: RangeRequest, { members, keys, texts }: Entries, from: number, count: number, ahead: Ahead): RangeResult {
    const { index, reverse, limit, covered } = request
    const found: Entry[] = []
    for (let at = from; at < from + count; at++) {
      const member = members[at] as string
      const row = covered ? table.rowIn(index, member) : table.decode((texts[at] as string).slice(versionLength))
      found.push({ key: keys[at] as string, row, ahead: ahead?.[at], member })
    }
    const last = count >= limit ? found.at(-1)?.member : undefined
    const next = last === undefined ? undefined : { ...request, ...(reverse ? { high: `(${last}` } : { low: `(${last}` }) }
    return { found: mergeOwn(this.#buffer, table, request, found, last), next }
  }
}

const foundIn = (table: Table, key: string, text: string, ahead?: readonly Stretch[]): Found | null =>
  text === '' ? null : { key, row: table.decode(text.slice(versionLength)), ahead }
