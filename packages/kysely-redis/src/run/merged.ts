import type { Table } from '../catalog/types.ts'
import type { KeyRange, Path } from '../plan/access.ts'
import { compareText } from '../values/compare.ts'
import type { Entry, Follow, Found, ManyOptions, RangeRequest } from './reads.ts'
import type { Session } from './session.ts'

/** One of the stretches: what was fetched of it, how much of that was taken, and where it goes on. */
interface Run {
  readonly prefix: number
  found: Entry[]
  taken: number
  next: RangeRequest | undefined
}

/** Several stretches of an index, in the order of what follows their beginnings, as far as somebody goes on reading. */
export async function* readMerged(
  session: Session,
  table: Table,
  path: Path & { kind: 'index' },
  ranges: readonly KeyRange[],
  options: ManyOptions,
  follow: readonly Follow[],
): AsyncGenerator<Found[]> {
  const results = await session.rows.ranges(table, path.index, ranges, options, follow)
  const runs = results.map(({ found, next }, at): Run => ({ prefix: (ranges[at] as KeyRange).prefix.length, found, taken: 0, next }))
  for (;;) {
    const merged: Found[] = []
    let first = firstOf(runs, options.reverse)
    while (first !== undefined && !runs.some(isDry)) {
      merged.push(first.found[first.taken++] as Entry)
      first = firstOf(runs, options.reverse)
    }
    yield merged
    const dry = runs.filter(isDry)
    if (dry.length === 0) return
    await Promise.all(
      dry.map(async (run) => {
        const request = run.next as RangeRequest
        const limit = Math.min(session.rowsPerCall, 2 * request.limit)
        const { found, next } = await session.rows.range(table, { ...request, limit }, follow)
        Object.assign(run, { found, next, taken: 0 })
      }),
    )
  }
}

/** Nothing can be told of the order before more of it is fetched. */
const isDry = (run: Run): boolean => run.taken === run.found.length && run.next !== undefined

function firstOf(runs: readonly Run[], reverse: boolean): Run | undefined {
  let first: Run | undefined
  for (const run of runs)
    if (run.taken < run.found.length && (!first || compareText(headOf(run), headOf(first)) < 0 !== reverse)) first = run
  return first
}

const headOf = ({ found, taken, prefix }: Run): string => (found[taken] as Entry).member.slice(prefix)
