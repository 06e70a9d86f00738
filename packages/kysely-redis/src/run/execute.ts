import type { QueryResult } from 'kysely'
import { Binder } from '../bind/selects.ts'
import type { Output } from '../bind/bound.ts'
import type { CteIr, DeleteIr, Expr, InsertIr, SelectIr, SourceIr, UpdateIr } from '../compile/ir.ts'
import { fail } from '../errors.ts'
import { toOutside, type Kind, type Row } from '../values/kinds.ts'
import { changeDirectly } from './change.ts'
import { explainSelect } from './explain.ts'
import { SelectRunner } from './select.ts'
import type { Session } from './session.ts'
import { Writer, type Written } from './write.ts'

export type QueryIr = SelectIr | InsertIr | UpdateIr | DeleteIr
type Result = QueryResult<Record<string, unknown>>

/** A statement that is a transaction of its own; `session.commit` ends it. */
export async function executeAlone(session: Session, ir: QueryIr): Promise<Result> {
  const changed = ir.t === 'update' || ir.t === 'delete' ? await changeDirectly(session, ir) : undefined
  if (!changed) return await execute(session, ir)
  session.counters.rowsReturned += changed.rows.length
  return resultOf(ir, changed)
}

/** Runs one statement in a session. A failure takes back what the statement has written. */
export async function execute(session: Session, ir: QueryIr): Promise<Result> {
  const catalog = await session.catalogFor(tablesOf(ir))
  const binder = new Binder(catalog)
  if (ir.t === 'select') {
    const select = binder.select(ir)
    if (ir.explain) return { rows: await explainSelect(session, select) }
    const rows = await new SelectRunner(session).run(select)
    session.counters.rowsReturned += rows.length
    return { rows: objects(select.outputs, rows) }
  }
  const writer = new Writer(session, binder)
  if (ir.t !== 'insert' && ir.explain) return { rows: await explainSelect(session, writer.targetSelect(ir)) }
  if (session.readOnly) fail('invalid-query', 'The transaction is read only.')
  const mark = session.buffer.mark()
  try {
    const written = ir.t === 'insert' ? await writer.insert(ir) : ir.t === 'update' ? await writer.update(ir) : await writer.delete(ir)
    session.counters.rowsReturned += written.rows.length
    return resultOf(ir, written)
  } catch (error) {
    session.buffer.rollbackTo(mark)
    throw error
  }
}

function resultOf(ir: QueryIr, written: Written): Result {
  return {
    rows: objects(written.outputs, written.rows),
    numAffectedRows: BigInt(written.affected),
    ...(ir.t === 'insert' && written.insertId !== undefined ? { insertId: BigInt(written.insertId) } : {}),
  }
}

function objects(outputs: readonly Output[], rows: readonly Row[]): Record<string, unknown>[] {
  const names = outputs.map((output) => output.name)
  const kinds = outputs.map((output) => output.by.kind)
  return rows.map((row) => {
    const object: Record<string, unknown> = {}
    for (let index = 0; index < names.length; index++)
      object[names[index] as string] = toOutside(row[index] ?? null, kinds[index] as Kind | 'null')
    return object
  })
}

/** The stored tables of a statement, wherever they stand in it; names of `with` are left out. */
export function tablesOf(ir: QueryIr): string[] {
  const found = new Set<string>()
  if (ir.t === 'select') inSelect(ir, found, new Set())
  else {
    found.add(ir.table)
    const names = inCtes(ir.ctes, found, new Set())
    const visit = (expr: Expr | undefined): void => inExpr(expr, found, names)
    if (ir.t === 'insert') {
      for (const row of ir.rows ?? []) for (const item of row) if (item && item.t !== 'lit') visit(item)
      if (ir.select) inSelect(ir.select, found, names)
      for (const update of ir.conflict?.updates ?? []) visit(update.value)
      visit(ir.conflict?.updateWhere)
    } else visit(ir.where)
    if (ir.t === 'update') for (const update of ir.updates) visit(update.value)
    if (ir.t === 'update' && ir.from) inSource(ir.from, found, names)
    for (const selection of ir.returning ?? []) if (selection.kind === 'expr') visit(selection.expr)
  }
  return [...found]
}

function inCtes(ctes: readonly CteIr[], found: Set<string>, names: ReadonlySet<string>): ReadonlySet<string> {
  const known = new Set(names)
  for (const cte of ctes) {
    inSelect(cte.select, found, known)
    known.add(cte.name)
  }
  return known
}

function inSelect(select: SelectIr, found: Set<string>, outer: ReadonlySet<string>): void {
  const names = inCtes(select.ctes, found, outer)
  const visit = (expr: Expr | undefined): void => inExpr(expr, found, names)
  if (select.from) inSource(select.from, found, names)
  for (const join of select.joins) {
    inSource(join.source, found, names)
    visit(join.on)
  }
  for (const expr of [select.where, select.having, ...select.groupBy, ...select.orderBy.map((order) => order.expr)]) visit(expr)
  for (const selection of select.selections) if (selection.kind === 'expr') visit(selection.expr)
  for (const operation of select.setOperations) inSelect(operation.select, found, names)
}

function inSource(source: SourceIr, found: Set<string>, names: ReadonlySet<string>): void {
  if (source.kind === 'select') inSelect(source.select, found, names)
  else if (source.kind === 'table' && !names.has(source.name)) found.add(source.name)
}

function inExpr(expr: Expr | undefined, found: Set<string>, names: ReadonlySet<string>): void {
  if (!expr || expr.t === 'lit' || expr.t === 'col') return
  // Every part of an expression is an expression, a select, or a list of them.
  for (const part of Object.values(expr).flat() as unknown[]) {
    if (typeof part !== 'object' || part === null) continue
    if (!('t' in part)) {
      const when = part as { when?: Expr; result?: Expr }
      inExpr(when.when, found, names)
      inExpr(when.result, found, names)
    } else if ((part as { t: string }).t === 'select') inSelect(part as SelectIr, found, names)
    else inExpr(part as Expr, found, names)
  }
}
