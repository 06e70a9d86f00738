import { fail } from '../errors.ts'
import type { Limits } from '../options.ts'
import { encodeRow } from '../values/rows.ts'
import type { WriteBuffer } from './buffer.ts'

/** All writes of a transaction as the server's `commit` takes them. `filled`: indexes (`table/index`) that have no entries yet. */
export function writesOf(buffer: WriteBuffer, filled: ReadonlySet<string>, limits: Limits, unbounded: boolean): string[] {
  const out: string[] = []
  let rows = 0
  for (const own of buffer.tables.values()) {
    const { table } = own
    const puts: string[] = []
    const deletes: string[] = []
    const added = new Map<number, string[]>()
    const removed = new Map<number, string[]>()
    for (const [key, { stored, now }] of own.rows) {
      if (now === null && stored === null) continue
      if (now !== stored) rows++
      // The same row: only its entries in new indexes are missing.
      if (now && now !== stored) puts.push(key, encodeRow(now))
      else if (!now) deletes.push(key)
      for (const index of table.indexes) {
        const before = stored && !filled.has(`${table.id}/${index.id}`) ? table.memberIn(index, stored) : null
        const after = now && table.memberIn(index, now)
        if (before === after) continue
        if (before !== null) push(removed, index.id, before)
        if (after !== null) push(added, index.id, after)
      }
    }
    const id = String(table.id)
    if (puts.length > 0) out.push('P', id, String(puts.length / 2), ...puts)
    if (deletes.length > 0) out.push('D', id, String(deletes.length), ...deletes)
    for (const [index, members] of removed) out.push('Z', id, String(index), String(members.length), ...members)
    for (const [index, members] of added) out.push('A', id, String(index), String(members.length), ...members)
  }
  if (out.length > 0) for (const [table, last] of buffer.counters) out.push('Q', String(table), String(last))
  if (rows > limits.rowsPerCommit && !unbounded)
    fail('too-large', `The transaction is too large: ${rows} rows, ${limits.rowsPerCommit} at most.`)
  return out
}

const push = (map: Map<number, string[]>, key: number, value: string): void => {
  const list = map.get(key)
  if (list) list.push(value)
  else map.set(key, [value])
}
