import type { Env } from '../bind/bound.ts'
import type { Table } from '../catalog/types.ts'
import { rangesOf, type KeyRange, type Path } from '../plan/access.ts'
import type { Found, RangeRequest, Session } from './session.ts'

/** Reads a table by a path, in chunks. A primary key that is given whole is a plain look-up. */
export async function* readPath(session: Session, table: Table, path: Path, env: Env, firstChunk: number): AsyncGenerator<Found[]> {
  if (path.kind === 'union') {
    const seen = new Set<string>()
    for (const part of path.paths)
      for await (const chunk of readPath(session, table, part, env, firstChunk)) {
        const fresh = chunk.filter((found) => !seen.has(found.key))
        for (const found of fresh) seen.add(found.key)
        yield fresh
      }
    return
  }
  const ranges = rangesOf(path, env)
  if (path.index.primary && path.points.length === path.index.columns.length) {
    const step = session.rowsPerCall
    for (let at = 0; at < ranges.length; at += step) {
      const keys = ranges.slice(at, at + step).map((range) => range.exactly as string)
      yield (await session.get(table, keys)).filter((found) => found !== null)
    }
    return
  }
  if (ranges.length > 1) return yield* readMany(session, table, path, ranges)
  const limit = session.rowsPerCall
  let chunk = Math.min(limit, Math.max(1, firstChunk))
  for (const range of ranges) {
    let request: RangeRequest | undefined = requestOf(path, range, chunk)
    while (request) {
      const { found, next } = await session.range(table, request)
      yield found
      chunk = Math.min(limit, chunk * 2)
      request = next && { ...next, limit: chunk }
    }
  }
}

const requestOf = (path: Path & { kind: 'index' }, range: KeyRange, limit: number): RangeRequest => ({
  index: path.index,
  low: range.low,
  high: range.high,
  reverse: path.order === 'reverse',
  limit,
  ...(range.exactly === undefined ? {} : { exactly: range.exactly }),
})

const rangesAtOnce = 200

/** Many stretches travel together; those that are longer than a chunk go on alone. */
async function* readMany(
  session: Session,
  table: Table,
  path: Path & { kind: 'index' },
  ranges: readonly KeyRange[],
): AsyncGenerator<Found[]> {
  for (let at = 0; at < ranges.length; at += rangesAtOnce) {
    const part = ranges.slice(at, at + rangesAtOnce)
    const limit = session.rowsPerCall
    const results = await Promise.all(part.map((range) => session.range(table, requestOf(path, range, limit))))
    for (const result of results) {
      yield result.found
      for (let next = result.next; next;) {
        const more = await session.range(table, next)
        yield more.found
        next = more.next
      }
    }
  }
}

/** All rows by a path, for looking up the other side of a join. */
export async function readAll(session: Session, table: Table, path: Path, env: Env): Promise<Found[]> {
  const all: Found[] = []
  for await (const chunk of readPath(session, table, path, env, session.rowsPerCall)) all.push(...chunk)
  return all
}
