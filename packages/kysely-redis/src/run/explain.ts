import type { BoundSelect } from '../bind/bound.ts'
import type { Path } from '../plan/access.ts'
import { SelectRunner } from './select.ts'
import type { Session } from './session.ts'

/** Runs the query and tells, table by table, how its rows were found: what was expected, and what was read. */
export async function explainSelect(session: Session, select: BoundSelect): Promise<Record<string, unknown>[]> {
  const runner = new SelectRunner(session)
  const rows = await runner.run(select)
  const plan = await runner.plan(select)
  const steps = plan.steps.map((step, index) => ({
    step: index + 1,
    table: select.sources[step.slot]?.alias ?? '',
    access: step.path ? accessOf(step.path) : 'rows of a sub-select',
    index: step.path?.kind === 'index' ? step.path.index.name : null,
    index_only: step.covered,
    ordered: step.path !== undefined && step.path.order !== 'none',
    estimated_rows: step.path ? Math.ceil(step.path.estimate) : null,
    actual_rows: step.actual,
  }))
  const { keysRead, rowsFetched, roundTrips } = session.counters
  const total = {
    step: 0,
    table: '',
    access: plan.ordered ? 'result' : 'result, sorted in memory',
    index: null,
    index_only: false,
    ordered: plan.ordered,
    estimated_rows: null,
    actual_rows: rows.length,
  }
  return [...steps, { ...total, keys_read: keysRead, rows_fetched: rowsFetched, round_trips: roundTrips }]
}

function accessOf(path: Path): string {
  if (path.kind === 'union') return `union of ${path.paths.map((part) => (part.kind === 'index' ? part.index.name : 'union')).join(', ')}`
  if (path.points.length === 0 && !path.interval) return path.index.primary ? 'scan' : 'whole index in order'
  const whole = path.points.length === path.index.columns.length
  if (whole && path.index.unique) return path.index.primary ? 'primary key' : 'unique key'
  return path.interval && path.index.columns.length > path.points.length ? 'index range' : 'index'
}
