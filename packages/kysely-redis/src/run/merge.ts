import type { Table } from '../catalog/types.ts'
import { compareText } from '../values/compare.ts'
import type { WriteBuffer } from './buffer.ts'
import type { Entry, RangeRequest } from './reads.ts'

/** Puts own writes over what the server answered for a range, up to where the answer reaches. */
export function mergeOwn(buffer: WriteBuffer, table: Table, request: RangeRequest, found: Entry[], reach: string | undefined): Entry[] {
  const own = buffer.find(table)
  if (!own || own.rows.size === 0) return found
  const { index, reverse } = request
  const merged = found.filter((row) => !own.rows.has(row.key))
  const low = reverse && reach !== undefined ? `[${reach}` : request.low
  const high = !reverse && reach !== undefined ? `[${reach}` : request.high
  const candidates = request.exactly === undefined ? own.rows.keys() : own.withKey(index, request.exactly)
  let added = false
  for (const key of candidates) {
    const now = own.rows.get(key)?.now
    if (!now) continue
    const member = table.memberIn(index, now)
    if (!within(member, low, high)) continue
    merged.push({ key, row: now, member })
    added = true
  }
  if (added) merged.sort((a, b) => (reverse ? compareText(b.member, a.member) : compareText(a.member, b.member)))
  return merged
}

function within(member: string, low: string, high: string): boolean {
  if (low !== '-') {
    const order = compareText(member, low.slice(1))
    if (order < 0 || (order === 0 && low.startsWith('('))) return false
  }
  if (high === '+') return true
  const order = compareText(member, high.slice(1))
  return order < 0 || (order === 0 && !high.startsWith('('))
}
