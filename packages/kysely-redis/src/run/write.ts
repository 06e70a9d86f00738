import type { Bound, BoundSelect, BoundSource, Env, Output } from '../bind/bound.ts'
import { conjuncts } from '../bind/bound.ts'
import { bindExpression, condition, type Scope } from '../bind/expressions.ts'
import type { Binder } from '../bind/selects.ts'
import type { Index, Table } from '../catalog/types.ts'
import type { AssignmentIr, ConflictIr, DeleteIr, Expr, InsertIr, UpdateIr } from '../compile/ir.ts'
import { fail } from '../errors.ts'
import { encodeKey } from '../values/encoding.ts'
import { fitColumn, type Kind, type Row, type Value } from '../values/kinds.ts'
import { ConstraintKeeper, violated } from './constraints.ts'
import { SelectRunner } from './select.ts'
import type { Found } from './reads.ts'
import type { Session } from './session.ts'

export interface Written {
  readonly affected: number
  readonly outputs: readonly Output[]
  readonly rows: Row[]
  readonly insertId?: number
}

interface Assignment {
  readonly place: number
  readonly value: Bound
}

/** Runs insert, update and delete within a session. Nothing is sent but reads. */
export class Writer {
  readonly #session: Session
  readonly #binder: Binder
  readonly #runner: SelectRunner

  constructor(session: Session, binder: Binder) {
    this.#session = session
    this.#binder = binder
    this.#runner = new SelectRunner(session)
  }

  async insert(ir: InsertIr): Promise<Written> {
    const table = this.#binder.table(ir.table)
    const { rows, given, lastId } = await this.#rowsToInsert(ir, table)
    const scope = this.#scopeOf(table, ir.table)
    const outputs = ir.returning ? this.#binder.outputs(ir.returning, scope) : []
    const conflict = ir.conflict && this.#bindConflict(ir.conflict, table)
    const keeper = new ConstraintKeeper(this.#session)
    const taken = await this.#lookUp(table, rows, given, ir.conflict !== undefined)
    const results: Row[] = []
    for (const row of rows) {
      const clash = table.uniques.flatMap((index) => {
        const found = taken.find(index, row)
        return found ? [{ index, found }] : []
      })
      if (clash.length === 0) {
        keeper.put(table, row, null, true)
        taken.put(row, null)
        results.push(row)
        continue
      }
      const hit = clash.find(({ index }) => conflict && (conflict.index === undefined || conflict.index === index))
      if (!conflict || !hit) return violated(table, (clash[0] as { index: Index }).index)
      if (!conflict.updates) continue
      if (results.includes(hit.found)) fail('invalid-query', 'The insert would change one row twice.')
      const changed = await this.#resolve(conflict.updates, conflict.where, table, hit.found, row)
      if (!changed) continue
      if (table.rowKey(changed) !== table.rowKey(hit.found)) await this.#checkMoved(table, [hit.found], [changed])
      keeper.put(table, changed, hit.found)
      taken.put(changed, hit.found)
      results.push(changed)
    }
    await keeper.settle()
    const returned = await this.#returning(outputs, results)
    return { affected: results.length, outputs, rows: returned, ...(lastId === undefined ? {} : { insertId: lastId }) }
  }

  async update(ir: UpdateIr): Promise<Written> {
    const { table, scope, select } = this.#target(ir)
    const assignments = this.#assignments(ir.updates, table, scope)
    const outputs = ir.returning ? this.#binder.outputs(ir.returning, this.#scopeOf(table, ir.alias)) : []
    const envs = await this.#runner.matching({ ...select, subs: scope.subs })
    const matching = envs.map((env) => env.rows[0] as Row)
    if (ir.from && new Set(matching.map((row) => table.rowKey(row))).size < matching.length)
      fail('invalid-query', `The update would change one row of ${table.name} twice.`)
    const keeper = new ConstraintKeeper(this.#session)
    const changed = await this.#assign(table, assignments, envs)
    const keys = new Set<string>()
    for (const row of changed) {
      const key = table.rowKey(row)
      if (keys.has(key)) violated(table, table.primary)
      keys.add(key)
    }
    await this.#checkMoved(table, matching, changed)
    const moved = matching.map((row, index) => [row, changed[index] as Row] as const)
    // First those that leave their key, so that another may take it.
    for (const [row, now] of moved)
      if (table.rowKey(row) !== table.rowKey(now)) this.#session.buffer.write(table, table.rowKey(row), row, null)
    for (const [row, now] of moved) keeper.put(table, now, row)
    await keeper.settle()
    return { affected: changed.length, outputs, rows: await this.#returning(outputs, changed) }
  }

  async delete(ir: DeleteIr): Promise<Written> {
    const { table, scope, select } = this.#target(ir)
    const outputs = ir.returning ? this.#binder.outputs(ir.returning, scope) : []
    const matching = await this.#runner.matchingRows({ ...select, subs: scope.subs })
    const returned = await this.#returning(outputs, matching)
    const keeper = new ConstraintKeeper(this.#session)
    await keeper.remove(table, matching)
    await keeper.settle()
    return { affected: matching.length, outputs, rows: returned }
  }

  /** Rows that get another primary key must not push away one that stays. */
  async #checkMoved(table: Table, before: readonly Row[], after: readonly Row[]): Promise<void> {
    const leaving = new Set(before.map((row) => table.rowKey(row)))
    const fresh = after.map((row) => table.rowKey(row)).filter((key) => !leaving.has(key))
    if (fresh.length > 0 && (await this.#session.rows.get(table, fresh)).some((found) => found !== null)) violated(table, table.primary)
  }

  /** The select that finds the rows of an update or delete; `explain` shows it. */
  targetSelect(ir: UpdateIr | DeleteIr): BoundSelect {
    const { select, scope } = this.#target(ir)
    return { ...select, subs: scope.subs }
  }

  #target(ir: UpdateIr | DeleteIr): { table: Table; scope: Scope; select: BoundSelect } {
    const table = this.#binder.table(ir.table)
    const scope = this.#scopeOf(table, ir.alias)
    this.#binder.ctes(ir.ctes, scope)
    if (ir.t === 'update' && ir.from) scope.sources.push(this.#binder.source(ir.from, 1, scope))
    const where = ir.where ? conjuncts(condition(ir.where, scope, 'where')) : []
    return { table, scope, select: { ...emptySelect, sources: scope.sources, where, allowScan: ir.allowScan } }
  }

  #scopeOf(table: Table, alias: string): Scope {
    const scope = this.#binder.scope()
    scope.sources.push(this.#binder.tableSource(table, alias, 0))
    return scope
  }

  async #returning(outputs: readonly Output[], rows: readonly Row[]): Promise<Row[]> {
    if (outputs.length === 0) return []
    const envs = rows.map((row): Env => ({ rows: [row], outer: undefined }))
    await this.#runner.run({ ...emptySelect, subs: outputs.flatMap((output) => output.by.subs), limit: undefined })
    await this.#runner.prepare(
      outputs.map((output) => output.by),
      envs,
    )
    return envs.map((env) => outputs.map((output) => output.by.evaluate(env)))
  }

  #assignments(list: readonly AssignmentIr[], table: Table, scope: Scope): Assignment[] {
    return list.map(({ column, value }) => ({ place: table.placeOf(column), value: bindExpression(value, scope) }))
  }

  async #assign(table: Table, assignments: readonly Assignment[], envs: readonly Env[]): Promise<Row[]> {
    const values = assignments.map((assignment) => assignment.value)
    // Sub-selects that stand alone are run here too.
    await this.#runner.run({ ...emptySelect, subs: values.flatMap((value) => value.subs) })
    await this.#runner.prepare(values, envs)
    return envs.map((env) => {
      const row = [...(env.rows[0] as Row)]
      for (const { place, value } of assignments) row[place] = this.#fit(table, place, value.evaluate(env), value.kind)
      return row
    })
  }

  #fit(table: Table, place: number, value: Value, kind: Kind | 'null'): Value {
    return fitColumn(value, kind, table.kinds[place] as Kind, `${table.name}.${table.column(place).name}`)
  }

  async #rowsToInsert(ir: InsertIr, table: Table): Promise<{ rows: Row[]; given: boolean; lastId: number | undefined }> {
    const places = ir.columns.map((name) => table.placeOf(name))
    const fresh = (): Row => table.definition.columns.map((_, place) => (places.includes(place) ? null : table.defaultOf(place)))
    const scope = this.#binder.scope()
    this.#binder.ctes(ir.ctes, scope)
    let rows: Row[]
    if (ir.select) {
      const select = this.#binder.select(ir.select, scope)
      if (select.outputs.length !== places.length) fail('invalid-query', 'The select has another number of columns than the insert.')
      rows = (await this.#runner.run(select)).map((values) => {
        const row = fresh()
        for (const [index, place] of places.entries())
          row[place] = this.#fit(table, place, values[index] ?? null, select.outputs[index]?.by.kind ?? 'null')
        return row
      })
    } else rows = await this.#literalRows(ir.rows ?? [], table, places, fresh, scope)
    const counted = table.definition.columns.findIndex((column) => column.counted && !column.dropped)
    if (counted < 0) return { rows, given: true, lastId: undefined }
    return await this.#count(table, rows, counted)
  }

  async #literalRows(
    list: readonly (readonly (Expr | undefined)[])[],
    table: Table,
    places: readonly number[],
    fresh: () => Row,
    scope: Scope,
  ): Promise<Row[]> {
    const env: Env = { rows: [], outer: undefined }
    const rows: Row[] = []
    for (const items of list) {
      const row = fresh()
      for (const [index, place] of places.entries()) {
        const item = items[index]
        if (item === undefined) row[place] = table.defaultOf(place)
        else if (item.t === 'lit') row[place] = this.#fit(table, place, item.value, item.kind)
        else {
          const value = bindExpression(item, scope)
          await this.#runner.run({ ...emptySelect, subs: value.subs })
          row[place] = this.#fit(table, place, value.evaluate(env), value.kind)
        }
      }
      rows.push(row)
    }
    return rows
  }

  /** Gives ids to the rows that have none. Ids given explicitly raise the table's counter. */
  async #count(table: Table, rows: readonly Row[], place: number): Promise<{ rows: Row[]; given: boolean; lastId: number | undefined }> {
    const without = rows.filter((row) => row[place] === null)
    if (without.length > 0) {
      let id = (await this.#session.reserveIds(table, without.length)) - without.length
      for (const row of without) row[place] = ++id
    }
    const explicit = rows.length - without.length
    for (const row of rows) if (explicit > 0 && typeof row[place] === 'number') this.#session.buffer.raiseCounter(table, row[place])
    const last = rows.at(-1)?.[place]
    return {
      rows: [...rows],
      given: explicit > 0 || table.primary.columns[0] !== place,
      lastId: typeof last === 'number' ? last : undefined,
    }
  }

  /**
   * Does the key begin with a reference to a row that this transaction has made? Then nobody has it: who refers to a row that was not
   * there would have been refused.
   */
  #belongsToNew(table: Table, index: Index, row: Row): boolean {
    return table.definition.foreign.some(({ table: id, columns, references }) => {
      const parent = this.#session.catalog.byId.get(id)
      if (!parent || columns.length !== parent.primary.columns.length) return false
      if (!columns.every((place, at) => index.columns[at] === place && references[at] === parent.primary.columns[at])) return false
      const key = columns.map((place) => encodeKey(row[place] ?? null, table.kinds[place] as Kind)).join('')
      const made = this.#session.buffer.find(parent)?.rows.get(key)
      return made !== undefined && made.now !== null && made.stored === null
    })
  }

  /** Who has the values of the new rows' unique keys now: asked for all rows and all keys at once. */
  async #lookUp(table: Table, rows: readonly Row[], given: boolean, conflicts: boolean): Promise<Taken> {
    const taken = new Taken(table)
    const asks: Promise<void>[] = []
    const own = this.#session.buffer.find(table)
    for (const index of table.uniques) {
      const whole = rows.filter((row) => index.columns.every((place) => (row[place] ?? null) !== null))
      const keys = new Map(whole.map((row) => [table.keyIn(index, row), row]))
      if (index.primary && !given) {
        for (const key of keys.keys()) this.#session.assumed.absent(table, key)
        continue
      }
      const asked: string[] = []
      for (const [key, row] of keys) {
        const written = index.primary ? own?.rows.has(key) : (own?.withKey(index, key).length ?? 0) > 0
        if (written || conflicts || !(this.#session.hopeful || this.#belongsToNew(table, index, row))) asked.push(key)
        else if (index.primary) this.#session.assumed.absent(table, key)
        else this.#session.assumed.free(table, index, key)
      }
      if (index.primary && asked.length > 0) asks.push(this.#session.rows.get(table, asked).then((found) => taken.note(index, found)))
      else
        for (const key of asked)
          asks.push(
            this.#session.rows
              .range(table, { index, low: `[${key}`, high: `(${key}\x7f`, reverse: false, limit: 1, exactly: key })
              .then(({ found }) => taken.note(index, found)),
          )
    }
    await Promise.all(asks)
    return taken
  }

  #bindConflict(ir: ConflictIr, table: Table): { index: Index | undefined; updates: Assignment[] | undefined; where: Bound | undefined } {
    const scope = this.#scopeOf(table, table.name)
    const excluded: BoundSource = { ...this.#binder.tableSource(table, 'excluded', 1), qualifiedOnly: true }
    scope.sources.push(excluded)
    const places = ir.columns?.map((name) => table.placeOf(name))
    const index =
      places &&
      table.uniques.find((unique) => unique.columns.length === places.length && places.every((place) => unique.columns.includes(place)))
    if (places && !index)
      fail('invalid-query', `on conflict (${ir.columns?.join(', ')}): ${table.name} has no unique key of exactly these columns.`)
    return {
      index,
      updates: ir.updates && this.#assignments(ir.updates, table, scope),
      where: ir.updateWhere && condition(ir.updateWhere, scope, 'on conflict … where'),
    }
  }

  async #resolve(
    updates: readonly Assignment[],
    where: Bound | undefined,
    table: Table,
    found: Row,
    excluded: Row,
  ): Promise<Row | undefined> {
    const env: Env = { rows: [found, excluded], outer: undefined }
    if (where) {
      await this.#runner.run({ ...emptySelect, subs: where.subs })
      await this.#runner.prepare([where], [env])
      if (where.evaluate(env) !== true) return undefined
    }
    return (await this.#assign(table, updates, [env]))[0]
  }
}

/** Unique keys as they are while an insert goes through its rows. */
class Taken {
  readonly #table: Table
  readonly #byIndex = new Map<number, Map<string, Row>>()

  constructor(table: Table) {
    this.#table = table
    for (const index of table.uniques) this.#byIndex.set(index.id, new Map())
  }

  note(index: Index, found: readonly (Found | null)[]): void {
    for (const each of found) if (each) this.#byIndex.get(index.id)?.set(this.#table.keyIn(index, each.row), each.row)
  }

  find(index: Index, row: Row): Row | undefined {
    if (index.columns.some((place) => (row[place] ?? null) === null)) return undefined
    return this.#byIndex.get(index.id)?.get(this.#table.keyIn(index, row))
  }

  put(row: Row, before: Row | null): void {
    for (const index of this.#table.uniques) {
      const keys = this.#byIndex.get(index.id)
      if (before) keys?.delete(this.#table.keyIn(index, before))
      keys?.set(this.#table.keyIn(index, row), row)
    }
  }
}

const emptySelect: BoundSelect = {
  sources: [],
  joins: [],
  where: [],
  grouped: false,
  groupBy: [],
  having: undefined,
  aggregates: [],
  outputs: [],
  distinct: false,
  orderBy: [],
  limit: undefined,
  offset: undefined,
  setOperations: [],
  outer: [],
  subs: [],
  allowScan: false,
}
