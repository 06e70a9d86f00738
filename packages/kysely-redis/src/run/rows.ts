import type { Env } from '../bind/bound.ts'
import type { Table } from '../catalog/types.ts'
import { isWholeKey, prefixesOf, rangesOf, type KeyRange, type Path } from '../plan/access.ts'
import { readMerged } from './merged.ts'
import type { Follow, Found, ManyOptions, RangeRequest, RangeResult, Stretch } from './reads.ts'
import type { Session } from './session.ts'

/** Reads a table by a path, in chunks. A primary key that is given whole is a plain look-up. */
export async function* readPath(
  session: Session,
  table: Table,
  path: Path,
  env: Env,
  firstChunk: number,
  covered = false,
  follow: readonly Follow[] = [],
): AsyncGenerator<readonly Found[]> {
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
  if (isWholeKey(path)) {
    const keys = prefixesOf(path, env)
    const step = session.rowsPerCall
    for (let at = 0; at < keys.length; at += step)
      yield (await session.rows.get(table, keys.slice(at, at + step), follow)).filter((found) => found !== null)
    return
  }
  const ranges = rangesOf(path, env)
  if (ranges.length > 1 && path.order !== 'none')
    return yield* readMerged(session, table, path, ranges, { limit: firstChunk, covered, reverse: path.order === 'reverse' }, follow)
  if (ranges.length > 1) return yield* readMany(session, table, path, ranges, covered, follow)
  const limit = session.rowsPerCall
  let chunk = Math.min(limit, Math.max(1, firstChunk))
  for (const range of ranges) {
    let request: RangeRequest | undefined = requestOf(path, range, chunk, covered)
    while (request) {
      const { found, next }: RangeResult = await session.rows.range(table, request, follow)
      yield found
      chunk = Math.min(limit, chunk * 2)
      request = next && { ...next, limit: chunk }
    }
  }
}

const requestOf = (path: Path & { kind: 'index' }, range: KeyRange, limit: number, covered: boolean): RangeRequest => ({
  index: path.index,
  low: range.low,
  high: range.high,
  reverse: path.order === 'reverse',
  limit,
  covered,
  ...(range.exactly === undefined ? {} : { exactly: range.exactly }),
})

const rangesAtOnce = 200
const inChunks = (session: Session, covered: boolean): ManyOptions => ({ limit: session.rowsPerCall, reverse: false, covered })

/** Many stretches travel together; those that are longer than a chunk go on alone. */
async function* readMany(
  session: Session,
  table: Table,
  path: Path & { kind: 'index' },
  ranges: readonly KeyRange[],
  covered: boolean,
  follow: readonly Follow[],
): AsyncGenerator<readonly Found[]> {
  for (let at = 0; at < ranges.length; at += rangesAtOnce) {
    const part = ranges.slice(at, at + rangesAtOnce)
    const results = await session.rows.ranges(table, path.index, part, inChunks(session, covered), follow)
    if (results.every((result) => result.next === undefined)) yield results.flatMap((result) => result.found)
    else for (const result of results) yield* wholeOf(session, table, result)
  }
}

async function* wholeOf(session: Session, table: Table, result: Stretch): AsyncGenerator<readonly Found[]> {
  yield result.found
  for (let next = result.next; next;) {
    const more = await session.rows.range(table, next)
    yield more.found
    next = more.next
  }
}

async function restOf(session: Session, table: Table, result: Stretch): Promise<Found[]> {
  const rows: Found[] = []
  for await (const part of wholeOf(session, table, result)) rows.push(...part)
  return rows
}

/** For each of many rows, what the path leads to: what is not known is asked for together. */
export async function lookUp(
  session: Session,
  table: Table,
  path: Path,
  covered: boolean,
  envs: readonly Env[],
  known: readonly (Stretch | undefined)[],
): Promise<(readonly Found[])[]> {
  const open = envs.filter((_, at) => known[at] === undefined)
  const asked = open.length === 0 ? [] : await lookUpAll(session, table, path, covered, open)
  let next = 0
  const all: (readonly Found[])[] = []
  for (const [at] of envs.entries()) {
    const stretch = known[at]
    if (!stretch) all.push(asked[next++] ?? [])
    else all.push(stretch.next ? await restOf(session, table, stretch) : stretch.found)
  }
  return all
}

async function lookUpAll(session: Session, table: Table, path: Path, covered: boolean, envs: readonly Env[]): Promise<Found[][]> {
  if (path.kind === 'union') return await Promise.all(envs.map((env) => readAll(session, table, path, env)))
  if (isWholeKey(path)) {
    const keys = envs.map((env) => prefixesOf(path, env))
    const found = await session.rows.get(table, keys.flat())
    let at = 0
    return keys.map((list) => found.slice(at, (at += list.length)).filter((each) => each !== null))
  }
  const ranges = envs.map((env) => rangesOf(path, env))
  const results = await session.rows.ranges(table, path.index, ranges.flat(), inChunks(session, covered))
  if (results.length === envs.length && results.every(({ next }, each) => next === undefined && ranges[each]?.length === 1))
    return results.map(({ found }) => found)
  let at = 0
  const all: Found[][] = []
  for (const list of ranges) {
    const own = results.slice(at, (at += list.length))
    const rows: Found[] = []
    for (const result of own) rows.push(...(await restOf(session, table, result)))
    all.push(rows)
  }
  return all
}

/** All rows by a path, for looking up the other side of a join. */
export async function readAll(session: Session, table: Table, path: Path, env: Env): Promise<Found[]> {
  const all: Found[] = []
  for await (const chunk of readPath(session, table, path, env, session.rowsPerCall)) all.push(...chunk)
  return all
}
