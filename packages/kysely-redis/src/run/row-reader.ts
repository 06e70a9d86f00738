import type { Index, Table } from '../catalog/types.ts'
import { RedisDatabaseError } from '../errors.ts'
import { afterAll, keyInMember } from '../values/encoding.ts'
import { versionLength } from '../values/rows.ts'
import { countsIn, entriesIn, rowsIn } from '../wire/joined.ts'
import type { Reply } from '../wire/resp.ts'
import type { WriteBuffer } from './buffer.ts'
import type { Exchange } from './exchange.ts'
import { mergeOwn } from './merge.ts'
import type { Follow, Found, ManyOptions, ManyRequest, RangeRequest, RangeResult } from './reads.ts'

interface Ahead {
  readonly high: string
  readonly limit: number
  readonly members: readonly string[]
  readonly texts: readonly string[]
}

const rangesAtOnce = 500

/** Reads rows and stretches of indexes as the transaction sees them: what the server holds, and own writes over it. */
export class RowReader {
  readonly #exchange: Exchange
  readonly #buffer: WriteBuffer
  readonly #rowsPerCall: number
  /** What was fetched with other rows, because it will be asked for next; noted as read already. */
  readonly #ahead = { rows: new Map<number, Map<string, string>>(), entries: new Map<string, Map<string, Ahead>>() }

  constructor(exchange: Exchange, buffer: WriteBuffer, rowsPerCall: number) {
    this.#exchange = exchange
    this.#buffer = buffer
    this.#rowsPerCall = rowsPerCall
  }

  /** Rows by key, in the order asked; null for those that are not there. Own writes are seen. */
  async get(table: Table, keys: readonly string[], follow: readonly Follow[] = []): Promise<(Found | null)[]> {
    const own = this.#buffer.find(table)
    const ahead = this.#ahead.rows.get(table.id)
    const results: (Found | null)[] = []
    const open: number[] = []
    for (let at = 0; at < keys.length; at++) {
      const key = keys[at] as string
      const written = own?.rows.get(key)
      const text = written ? undefined : ahead?.get(key)
      results.push(written?.now ? { key, row: written.now } : text === undefined ? null : decoded(table, key, text))
      if (!written && text === undefined) open.push(at)
    }
    if (open.length === 0) return results
    const loaded = await this.#load(table, [...new Set(open.map((at) => keys[at] as string))], follow)
    for (const at of open) results[at] = loaded.get(keys[at] as string) ?? null
    return results
  }

  async #load(table: Table, keys: readonly string[], follow: readonly Follow[]): Promise<ReadonlyMap<string, Found | null>> {
    const loaded = new Map<string, Found | null>()
    for (let at = 0; at < keys.length; at += this.#rowsPerCall) {
      const part = keys.slice(at, at + this.#rowsPerCall)
      const asked = this.#exchange.ask(table, ['G', table.id, part.length, ...part])
      const following = this.#follow(follow)
      const texts = rowsIn((await asked) as string, part.length)
      this.#note(table, part, texts)
      for (const [index, key] of part.entries()) loaded.set(key, decoded(table, key, texts[index] as string))
      await following(part)
    }
    return loaded
  }

  /** Index entries in order, with their rows. Own writes are merged in. */
  async range(table: Table, request: RangeRequest, follow: readonly Follow[] = []): Promise<RangeResult> {
    const { index, low, high, reverse, limit, covered } = request
    const ahead = reverse ? undefined : this.#ahead.entries.get(nameOf(table, index, covered))?.get(low)
    if (ahead?.high === high) return this.#result(table, { ...request, limit: ahead.limit }, ahead.members, ahead.texts)
    const asked = this.#exchange.ask(table, ['R', table.id, index.id, low, high, reverse ? '1' : '0', limit, covered ? '0' : '1'])
    const following = this.#follow(follow)
    const [entries, rows] = (await asked) as [string, string]
    const members = entriesIn(entries)
    const keys = keysOf(index, members)
    this.#exchange.reads.range(table.id, { index: index.id, low, high, reverse, limit }, members)
    const texts = this.#noteEntries(table, index, keys, rows, covered)
    await following(keys)
    return this.#result(table, request, members, texts)
  }

  /** Many ranges of one index in one call, each as `range` would answer it. */
  async ranges(
    table: Table,
    index: Index,
    list: readonly ManyRequest[],
    { limit, reverse, covered }: ManyOptions,
    follow: readonly Follow[] = [],
  ): Promise<RangeResult[]> {
    const ahead = reverse ? undefined : this.#ahead.entries.get(nameOf(table, index, covered))
    const results: RangeResult[] = []
    const wanted: number[] = []
    const requestOf = ({ low, high, exactly }: ManyRequest, most: number): RangeRequest => ({
      index,
      low,
      high,
      reverse,
      limit: most,
      ...(covered ? { covered } : {}),
      ...(exactly === undefined ? {} : { exactly }),
    })
    for (const [at, each] of list.entries()) {
      const known = ahead?.get(each.low)
      if (known?.high === each.high) results[at] = this.#result(table, requestOf(each, known.limit), known.members, known.texts)
      else wanted.push(at)
    }
    while (wanted.length > 0) {
      const part = wanted.slice(0, rangesAtOnce)
      const bounds = part.flatMap((at) => [(list[at] as ManyRequest).low, (list[at] as ManyRequest).high])
      const asked = this.#exchange.ask(table, [
        'M',
        table.id,
        index.id,
        limit,
        covered ? '0' : '1',
        reverse ? '1' : '0',
        part.length,
        ...bounds,
      ])
      const following = this.#follow(follow)
      const [lengths, entries, rows] = (await asked) as [string, string, string]
      const members = entriesIn(entries)
      const keys = keysOf(index, members)
      const texts = this.#noteEntries(table, index, keys, rows, covered)
      const counts = countsIn(lengths)
      let from = 0
      for (const [place, count] of counts.entries()) {
        const request = requestOf(list[part[place] as number] as ManyRequest, limit)
        const own = members.slice(from, from + count)
        this.#exchange.reads.range(table.id, { index: index.id, low: request.low, high: request.high, reverse, limit }, own)
        results[part[place] as number] = this.#result(table, request, own, texts.slice(from, from + count))
        from += count
      }
      await following(keys)
      wanted.splice(0, counts.length)
    }
    return results
  }

  /** What was fetched ahead is for the statement that wanted it. */
  forgetAhead(): void {
    this.#ahead.rows.clear()
    this.#ahead.entries.clear()
  }

  #follow(list: readonly Follow[]): (keys: readonly string[]) => Promise<void> {
    const asked = list.map(({ table, index, limit, suffix, whole, covered }) =>
      this.#exchange.ask(table, ['F', table.id, index.id, limit, suffix, whole ? '1' : '0', covered ? '0' : '1']),
    )
    return async (keys) => {
      for (const [at, each] of list.entries()) this.#keepAhead(each, keys, (await asked[at]) as Reply)
    }
  }

  #keepAhead({ table, index, suffix, whole, limit, covered }: Follow, keys: readonly string[], reply: Reply): void {
    if (whole) {
      const rows = entryOf(this.#ahead.rows, table.id, () => new Map<string, string>())
      const own = keys.map((key) => key + suffix)
      const texts = rowsIn(reply as string, own.length)
      this.#note(table, own, texts)
      for (const [at, key] of own.entries()) rows.set(key, texts[at] as string)
      return
    }
    const [lengths, all, rows] = reply as [string, string, string]
    const members = entriesIn(all)
    const texts = this.#noteEntries(table, index, keysOf(index, members), rows, covered)
    const entries = entryOf(this.#ahead.entries, nameOf(table, index, covered), () => new Map<string, Ahead>())
    let from = 0
    for (const [at, count] of countsIn(lengths).entries()) {
      const low = `[${keys[at]}${suffix}`
      const high = `(${keys[at]}${suffix}${afterAll}`
      const own = members.slice(from, from + count)
      this.#exchange.reads.range(table.id, { index: index.id, low, high, reverse: false, limit }, own)
      entries.set(low, { high, limit, members: own, texts: texts.slice(from, from + count) })
      from += count
    }
  }

  /** Notes rows that index entries led to; none when the entries were enough. */
  #noteEntries(table: Table, index: Index, keys: readonly string[], rows: string, covered: boolean | undefined): readonly string[] {
    if (covered) {
      this.#exchange.counters.keysRead += keys.length
      return []
    }
    const texts = rowsIn(rows, keys.length)
    if (texts.includes('')) throw new RedisDatabaseError('corrupt', `Index ${index.name} of ${table.name} has an entry without a row.`)
    this.#note(table, keys, texts)
    return texts
  }

  #note(table: Table, keys: readonly string[], texts: readonly string[]): void {
    const { counters, reads } = this.#exchange
    counters.keysRead += keys.length
    for (const text of texts) if (text !== '') counters.rowsFetched++
    reads.rows(table.id, keys, texts)
  }

  #result(table: Table, request: RangeRequest, members: readonly string[], texts: readonly string[]): RangeResult {
    const { index, reverse, limit, covered } = request
    const found = members.map((member, at) => ({
      key: index.primary ? member : keyInMember(member),
      row: covered ? table.rowIn(index, member) : table.decode((texts[at] as string).slice(versionLength)),
      member,
    }))
    const last = members.at(-1)
    const more = members.length >= limit && last !== undefined
    const next = more ? { ...request, ...(reverse ? { high: `(${last}` } : { low: `(${last}` }) } : undefined
    return { found: mergeOwn(this.#buffer, table, request, found, more ? last : undefined), next }
  }
}

const nameOf = (table: Table, index: Index, covered: boolean | undefined): string => `${table.id}/${index.id}/${covered ? 'covered' : ''}`
const keysOf = (index: Index, members: readonly string[]): readonly string[] => (index.primary ? members : members.map(keyInMember))

const decoded = (table: Table, key: string, text: string): Found | null =>
  text === '' ? null : { key, row: table.decode(text.slice(versionLength)) }

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) map.set(key, (value = make()))
  return value
}
