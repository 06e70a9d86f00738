import type { Bound, Output } from '../bind/bound.ts'
import { conjuncts } from '../bind/bound.ts'
import { bindExpression, condition } from '../bind/expressions.ts'
import { Binder } from '../bind/selects.ts'
import type { Index, Table } from '../catalog/types.ts'
import type { DeleteIr, Expr, UpdateIr } from '../compile/ir.ts'
import { RedisDatabaseError } from '../errors.ts'
import { encodeKey } from '../values/encoding.ts'
import { fitColumn, type Kind, type Row } from '../values/kinds.ts'
import { encodeValue, versionLength } from '../values/rows.ts'
import { keysOfChange } from '../wire/keys.ts'
import { sendCommit } from './commit.ts'
import { referenceIndex } from './constraints.ts'
import type { Session } from './session.ts'
import type { Written } from './write.ts'

/** Kinds whose keys the server can encode from a row's text. */
const letters: Partial<Readonly<Record<Kind, string>>> = { integer: 'n', timestamp: 'n', text: 't', boolean: 'b' }

/**
 * An update or delete of one row by its primary key, outside of any transaction, in one call: the server reads, judges and writes. Undefined
 * when the statement is not of that kind, or the server has left it to us; then nothing has been done.
 */
export async function changeDirectly(session: Session, ir: UpdateIr | DeleteIr): Promise<Written | undefined> {
  if (!mayBeDirect(ir)) return undefined
  const { engine } = session
  const catalog = await session.catalogFor([ir.table])
  const binder = new Binder(catalog)
  const table = binder.table(ir.table)
  const scope = binder.scope()
  scope.sources.push(binder.tableSource(table, ir.alias, 0))
  const where = keyAndConditions(table, conjuncts(condition(ir.where as Expr, scope, 'where')))
  const outputs = ir.returning ? binder.outputs(ir.returning, scope) : []
  const operations = where && (ir.t === 'delete' ? deletion(session, table) : assignments(session, table, ir, scope))
  if (!where || !operations || outputs.some((output) => output.by.subs.length > 0)) return undefined
  const args = [String(table.id), where.key, outputs.length > 0 ? '1' : '0', ...where.conditions, ...operations]
  let size = 0
  for (const arg of args) size += arg.length
  if (size > engine.limits.charactersPerCommit) return undefined
  session.counters.roundTrips++
  session.counters.keysRead++
  const base = engine.base(catalog.group)
  const entry = ir.t === 'delete' ? 'change_freeing' : 'change'
  const [word, number, stored] = await sendCommit(engine, catalog, entry, args, () => keysOfChange(base, ['', '', '', ...args]))
  if (word === 'again') return undefined
  // Somebody asked what became of it before it arrived, and was told that it never would be.
  if (word !== 'ok') throw new RedisDatabaseError('serialization', 'The statement was given up; it can be run again.')
  if (number === '') return { affected: 0, outputs, rows: [] }
  session.counters.rowsFetched++
  await engine.replicated(catalog.group)
  return {
    affected: 1,
    outputs,
    rows: outputs.length > 0 ? [returned(outputs, table.decode((stored as string).slice(versionLength)))] : [],
  }
}

/** Told by its form alone, before any name is looked up. */
function mayBeDirect(ir: UpdateIr | DeleteIr): boolean {
  if (ir.ctes.length > 0 || ir.explain || !ir.where) return false
  if (ir.t === 'update' && (ir.from || !ir.updates.every(({ value }) => value.t === 'lit'))) return false
  return (ir.where.t === 'and' ? ir.where.items : [ir.where]).every(isPlain)
}

/** `column = value` and `column is value`. */
const isPlain = (expr: Expr): boolean =>
  ((expr.t === 'cmp' && expr.op === '=') || (expr.t === 'distinct' && expr.negated)) && expr.left.t === 'col' && expr.right.t === 'lit'

/** The row's key, and what else must be true of it; undefined when it is not one row. */
function keyAndConditions(table: Table, list: readonly Bound[]): { key: string; conditions: string[] } | undefined {
  const given = new Map<number, string>()
  const conditions: string[] = []
  for (const { shape } of list) {
    if ((shape.t !== 'cmp' && shape.t !== 'same') || shape.left.shape.t !== 'column' || shape.right.shape.t !== 'value') return undefined
    const { place } = shape.left.shape
    const kind = table.kinds[place] as Kind
    const value = shape.right.evaluate({ rows: [], outer: undefined })
    if (shape.right.kind !== kind && !(value === null && shape.t === 'same')) return undefined
    if (!table.primary.columns.includes(place)) conditions.push('I', String(place + 1), encodeValue(value))
    else if (given.has(place)) return undefined
    else given.set(place, encodeKey(value, kind))
  }
  const parts = table.primary.columns.map((place) => given.get(place))
  return parts.includes(undefined) ? undefined : { key: parts.join(''), conditions }
}

function assignments(session: Session, table: Table, ir: UpdateIr, scope: Parameters<typeof bindExpression>[1]): string[] | undefined {
  const { referrers } = session.catalog
  const places = new Set<number>()
  const operations: string[] = []
  const bound = [...table.primary.columns, ...table.definition.foreign.flatMap((foreign) => foreign.columns)]
  for (const { foreign } of referrers.get(table.id) ?? []) bound.push(...foreign.references)
  for (const update of ir.updates) {
    const place = table.placeOf(update.column)
    const { kind, evaluate } = bindExpression(update.value, scope)
    const value = evaluate({ rows: [], outer: undefined })
    // What is to be looked up elsewhere, or refused, is the ordinary way's.
    if (bound.includes(place) || (value === null && table.column(place).notNull) || !fits(kind, table.kinds[place] as Kind))
      return undefined
    places.add(place)
    operations.push('S', String(place + 1), encodeValue(fitColumn(value, kind, table.kinds[place] as Kind, update.column)))
  }
  const changed = table.indexes.filter((index) => !index.primary && index.columns.some((place) => places.has(place)))
  return withIndexes(operations, table, changed)
}

const fits = (kind: Kind | 'null', column: Kind): boolean => kind === column || kind === 'null' || (column === 'real' && kind === 'integer')

function deletion(session: Session, table: Table): string[] | undefined {
  const operations = ['D']
  for (const { table: child, foreign } of session.catalog.referrers.get(table.id) ?? []) {
    const same = foreign.references.length === table.primary.columns.length
    if (!same || foreign.references.some((place, at) => table.primary.columns[at] !== place)) return undefined
    operations.push('N', String(child.id), String(referenceIndex(child, foreign).id))
  }
  return withIndexes(
    operations,
    table,
    table.indexes.filter((index) => !index.primary),
  )
}

function withIndexes(operations: string[], table: Table, indexes: readonly Index[]): string[] | undefined {
  for (const index of indexes) {
    const columns = index.columns.flatMap((place) => [String(place + 1), letters[table.kinds[place] as Kind] ?? ''])
    if (columns.includes('')) return undefined
    operations.push('X', String(index.id), index.unique ? '1' : '0', String(columns.length), ...columns)
  }
  return operations
}

const returned = (outputs: readonly Output[], row: Row): Row =>
  outputs.map((output) => output.by.evaluate({ rows: [row], outer: undefined }))
