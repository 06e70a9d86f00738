import type { Catalog, Table } from '../catalog/types.ts'
import type { CteIr, Expr, SelectIr, SelectionIr, SourceIr } from '../compile/ir.ts'
import { fail } from '../errors.ts'
import type { Kind } from '../values/kinds.ts'
import type { Bound, BoundJoin, BoundOrder, BoundSelect, BoundSource, Derived, Output } from './bound.ts'
import { conjuncts } from './bound.ts'
import { bindExpression, condition, Scope } from './expressions.ts'
import { commonKind } from './functions.ts'

/** Resolves the names of a statement against the catalogue. One binder a run: it holds what is computed once a statement. */
export class Binder {
  readonly #catalog: Catalog
  #subs = 0

  constructor(catalog: Catalog) {
    this.#catalog = catalog
  }

  scope(parent?: Scope): Scope {
    return new Scope(
      parent,
      (select, around) => this.select(select, around),
      () => ++this.#subs,
    )
  }

  table(name: string): Table {
    return this.#catalog.byName.get(name) ?? fail('undefined-table', `There is no table ${name}.`)
  }

  tableSource(table: Table, alias: string, slot: number): BoundSource {
    const columns = new Map([...table.places].map(([name, place]) => [name, { place, kind: table.kinds[place] as Kind }]))
    return { slot, alias, table, columns }
  }

  ctes(list: readonly CteIr[], scope: Scope): void {
    for (const { name, columns, select } of list) {
      // A name of `with` sees the names before it, and nothing of the rows around.
      const inner = this.scope()
      for (const [known, cte] of scope.ctes) inner.ctes.set(known, cte)
      const bound = this.select(select, inner)
      if (columns && columns.length !== bound.outputs.length)
        fail('invalid-query', `${name} has another number of columns than its select.`)
      scope.ctes.set(name, { derived: { select: bound }, columns: columns ?? bound.outputs.map((output) => output.name) })
    }
  }

  /** `whole`: its rows are wanted with all columns, whatever is asked for. */
  source(ir: SourceIr, slot: number, scope: Scope, whole = false): BoundSource {
    if (ir.kind === 'table') {
      const cte = scope.ctes.get(ir.name)
      if (cte) return derivedSource(cte.derived, cte.columns, ir.alias, slot)
      return { ...this.tableSource(this.table(ir.name), ir.alias, slot), ...(whole ? {} : { used: new Set<number>() }) }
    }
    if (ir.kind === 'rows') return rowsSource(ir, slot)
    const inner = this.scope()
    for (const [known, cte] of scope.ctes) inner.ctes.set(known, cte)
    const select = this.select(ir.select, inner)
    return derivedSource(
      { select },
      select.outputs.map((output) => output.name),
      ir.alias,
      slot,
    )
  }

  select(ir: SelectIr, parent?: Scope): BoundSelect {
    const scope = this.scope(parent)
    this.ctes(ir.ctes, scope)
    const joins: BoundJoin[] = []
    if (ir.from) scope.sources.push(this.source(ir.from, 0, scope, ir.forUpdate))
    for (const join of ir.joins) {
      const slot = scope.sources.length
      const source = this.source(join.source, slot, scope, ir.forUpdate)
      if (scope.sources.some((other) => other.alias === source.alias))
        fail('invalid-query', `${source.alias} stands twice in the query: give one another name.`)
      scope.sources.push(source)
      joins.push({ slot, left: join.left, on: join.on ? conjuncts(condition(join.on, scope, 'on')) : [] })
    }
    const where = ir.where ? conjuncts(condition(ir.where, scope, 'where')) : []
    const groupBy = ir.groupBy.map((expr) => bindExpression(expr, scope))
    const aggregates: NonNullable<Scope['aggregates']> = []
    scope.aggregates = aggregates
    const outputs = this.outputs(ir.selections, scope)
    const having = ir.having ? condition(ir.having, scope, 'having') : undefined
    const united = ir.setOperations.length > 0
    const orderBy = ir.orderBy.map((order): BoundOrder => {
      const found = orderTarget(order.expr, outputs, scope, united)
      return { descending: order.descending, nullsFirst: order.nulls ? order.nulls === 'first' : !order.descending, ...found }
    })
    scope.aggregates = undefined
    const grouped = groupBy.length > 0 || aggregates.length > 0 || having !== undefined
    if (grouped)
      for (const bound of [
        ...outputs.map((output) => output.by),
        ...(having ? [having] : []),
        ...orderBy.flatMap((order) => order.by ?? []),
      ])
        checkGrouped(bound, groupBy, scope)
    const plain = this.scope(parent)
    const number = (expr: Expr | undefined, what: string): Bound | undefined => {
      const bound = expr && bindExpression(expr, plain)
      if (bound && bound.kind !== 'integer' && bound.kind !== 'null') fail('type-mismatch', `${what} must be a whole number.`)
      return bound
    }
    const setOperations = ir.setOperations.map((operation) => ({
      op: operation.op,
      all: operation.all,
      select: this.select(operation.select, parentFor(scope, parent)),
    }))
    for (const operation of setOperations) {
      if (operation.select.outputs.length !== outputs.length)
        fail('invalid-query', 'Selects that are united must have the same number of columns.')
      for (const [index, output] of outputs.entries())
        commonKind([output.by.kind, operation.select.outputs[index]?.by.kind ?? 'null'], 'A united column')
    }
    const kindsOfSets = new Set(setOperations.map((operation) => (operation.op === 'intersect' ? 'i' : 'u')))
    if (kindsOfSets.size > 1)
      fail('invalid-query', 'intersect can not be mixed with union or except in one chain: databases differ in what comes first.')
    return {
      sources: scope.sources,
      joins,
      where,
      grouped,
      groupBy,
      having,
      aggregates,
      outputs,
      distinct: ir.distinct,
      orderBy,
      limit: number(ir.limit, 'limit'),
      offset: number(ir.offset, 'offset'),
      setOperations,
      outer: [...scope.outer, ...plain.outer, ...setOperations.flatMap((operation) => operation.select.outer)],
      subs: scope.subs,
      allowScan: ir.allowScan,
    }
  }

  outputs(selections: readonly SelectionIr[], scope: Scope): Output[] {
    return selections.flatMap((selection): Output[] => {
      if (selection.kind === 'expr') return [{ name: selection.name, by: bindExpression(selection.expr, scope) }]
      const sources = scope.sources.filter((source) => selection.table === undefined || source.alias === selection.table)
      if (sources.length === 0) fail('undefined-table', `There is no ${selection.table ?? 'table'} here.`)
      return sources.flatMap((source) =>
        [...source.columns.keys()].map((name) => ({ name, by: bindExpression({ t: 'col', table: source.alias, name }, scope) })),
      )
    })
  }
}

/** The other selects of a union see what the first one sees around it, and its `with`. */
function parentFor(scope: Scope, parent: Scope | undefined): Scope {
  const around = new Scope(parent, scope.bindSelect, scope.nextSub)
  for (const [name, cte] of scope.ctes) around.ctes.set(name, cte)
  return around
}

function derivedSource(derived: Derived, names: readonly string[], alias: string, slot: number): BoundSource {
  const columns = new Map(names.map((name, place) => [name, { place, kind: derived.select?.outputs[place]?.by.kind ?? ('null' as const) }]))
  return { slot, alias, derived, columns }
}

function rowsSource(ir: SourceIr & { kind: 'rows' }, slot: number): BoundSource {
  const kindOf = (place: number): Kind | 'null' =>
    commonKind(
      ir.rows.map((row) => row[place]?.kind ?? 'null'),
      `Column ${ir.columns[place]} of ${ir.alias}`,
    )
  const columns = new Map(ir.columns.map((name, place) => [name, { place, kind: kindOf(place) }]))
  const rows = ir.rows.map((row) => row.map((item) => item.value))
  return { slot, alias: ir.alias, derived: { result: Promise.resolve(rows), given: rows.length }, columns }
}

/** A plain name in `order by` is an output column first. */
function orderTarget(expr: Expr, outputs: readonly Output[], scope: Scope, united: boolean): { output: number } | { by: Bound } {
  if (expr.t === 'col' && expr.table === undefined) {
    const output = outputs.findIndex((candidate) => candidate.name === expr.name)
    if (output >= 0) return { output }
  }
  return united
    ? fail('invalid-query', 'United selects are ordered by the names of their columns only.')
    : { by: bindExpression(expr, scope) }
}

/** A column outside of an aggregate must be the same in the whole group: grouped by, or of a table whose primary key is. */
function checkGrouped(bound: Bound, groupBy: readonly Bound[], scope: Scope): void {
  if (bound.slots.size === 0 || groupBy.some((group) => group.text === bound.text)) return
  const grouped = new Set(groupBy.flatMap((group) => (group.shape.t === 'column' ? [group.text] : [])))
  for (const slot of bound.slots) {
    const table = scope.sources[slot]?.table
    const byKey = table?.primary.columns.every((place) => grouped.has(`#${slot}.${place}`))
    const every = [...bound.text.matchAll(new RegExp(`#${slot}\\.\\d+`, 'g'))]
    const covered = every.length > 0 && every.every(([text]) => grouped.has(text)) && bound.subs.length === 0
    if (!byKey && !covered) fail('invalid-query', 'A selected column is neither grouped by nor in an aggregate.')
  }
}
