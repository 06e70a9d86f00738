import type { AggregateSpec, Bound, BoundSelect, Env, Sub } from '../bind/bound.ts'
import { fail } from '../errors.ts'
import { followed } from '../plan/follow.ts'
import { planSelect, type Plan, type Step } from '../plan/plan.ts'
import { isScan, type Path } from '../plan/access.ts'
import type { Table } from '../catalog/types.ts'
import { compareValues, keyOfValues } from '../values/compare.ts'
import type { Row, Value } from '../values/kinds.ts'
import { accumulator, type Accumulator } from './aggregate.ts'
import { lookUp, readPath } from './rows.ts'
import type { Follow, Found, Stretch } from './reads.ts'
import type { Session } from './session.ts'

interface Made {
  readonly row: Row
  readonly sort: readonly Value[]
}

/** A row that may stand beside another. */
type Beside = Pick<Found, 'row'>

const subsAtOnce = 200
/** Entries that are fetched ahead for each row; who needs more asks again. */
const followedRows = 100
const followedBySubs = 10
const unsorted: readonly Value[] = []
const noEnv: Env = { rows: [], outer: undefined }

/** Runs bound selects within one statement. */
export class SelectRunner {
  readonly #session: Session
  readonly #plans = new Map<BoundSelect, Promise<Plan>>()
  readonly #memory = new Map<Step, Promise<Row[]>>()
  /** Which of the `Follow`s leads where a path leads. */
  readonly #places = new Map<Path, number>()

  constructor(session: Session) {
    this.#session = session
  }

  /** The rows of a select: its outputs, in order. */
  async run(select: BoundSelect, outer?: Env, most?: number): Promise<Row[]> {
    await this.#constants(select.subs)
    const limit = least(this.#number(select.limit, outer, 'limit'), most)
    const offset = this.#number(select.offset, outer, 'offset') ?? 0
    const wanted = limit === undefined ? undefined : limit + offset
    const plan = await this.plan(select, wanted)
    const fast = await this.#countOnly(select, plan)
    if (fast) return slice(fast, limit, offset)
    let made = select.grouped
      ? await this.#grouped(select, plan, outer)
      : await this.#plain(select, plan, outer, plan.ordered ? wanted : undefined)
    for (const operation of select.setOperations) {
      const others = (await this.run(operation.select, outer)).map((row) => ({ row, sort: [] }))
      made = combine(operation.op, operation.all, made, others)
    }
    if (select.orderBy.length > 0 && !plan.ordered) sortMade(select, made)
    return slice(
      made.map(({ row }) => row),
      limit,
      offset,
    )
  }

  /** What satisfies the conditions of a select: the rows of its first table as they are stored, and those beside them. */
  async matching(select: BoundSelect): Promise<Env[]> {
    await this.#constants(select.subs)
    const envs: Env[] = []
    for await (const batch of this.#matching(select, await this.plan(select), undefined, undefined)) {
      for (const env of batch) envs.push(env)
      this.#checkMemory(envs.length)
    }
    return envs
  }

  async matchingRows(select: BoundSelect): Promise<Row[]> {
    return (await this.matching(select)).map((env) => env.rows[0] as Row)
  }

  async plan(select: BoundSelect, limit?: number): Promise<Plan> {
    let plan = this.#plans.get(select)
    if (plan === undefined) {
      plan = this.#makePlan(select, limit)
      this.#plans.set(select, plan)
    }
    return await plan
  }

  async #makePlan(select: BoundSelect, limit: number | undefined): Promise<Plan> {
    await this.#constants(select.subs)
    return planSelect(select, (slot) => this.#size(select, slot), limit)
  }

  #size(select: BoundSelect, slot: number): number {
    const table = select.sources[slot]?.table
    // Rows that the caller gave are there already: nothing is cheaper to begin with.
    if (!table) return select.sources[slot]?.derived?.given === undefined ? 100 : 1
    // A table that is small today may not be so tomorrow: a whole scan never looks cheap.
    return Math.max(1_000, this.#session.engine.sizes.get(`${table.group}/${table.id}`) ?? 0)
  }

  #number(bound: Bound | undefined, outer: Env | undefined, what: string): number | undefined {
    if (!bound) return undefined
    const value = bound.evaluate({ rows: [], outer })
    if (value === null) return undefined
    if (Number(value) < 0) fail('invalid-value', `${what} must not be negative.`)
    return Number(value)
  }

  /** `count(*)` of a whole table is the size of its key index. */
  async #countOnly(select: BoundSelect, plan: Plan): Promise<Row[] | undefined> {
    const [spec] = select.aggregates
    const table = select.sources[0]?.table
    const alone =
      select.sources.length === 1 && select.aggregates.length === 1 && select.outputs.length === 1 && select.groupBy.length === 0
    if (!table || !alone || !spec || spec.fn !== 'count' || spec.arg || spec.filter || select.having || select.setOperations.length > 0)
      return undefined
    if (select.where.length > 0 || plan.before.length > 0) return undefined
    const count = await this.#session.count(table)
    return [[select.outputs[0]?.by.evaluate({ rows: [], outer: undefined, aggregates: [count] }) ?? null]]
  }

  /** Sub-selects that stand alone are run once, before anything else: their results are constants to the planner. */
  async #constants(subs: readonly Sub[]): Promise<void> {
    for (const sub of subs)
      if (sub.select.outer.length === 0 && !sub.constant) {
        const rows = await this.run(sub.select, undefined, mostRows(sub))
        sub.constant ??= { rows }
      }
  }

  /** Runs the correlated sub-selects of some expressions for many rows: equal questions once, and all together. */
  async prepare(bounds: readonly Bound[], envs: readonly Env[]): Promise<void> {
    const subs = new Set(bounds.flatMap((bound) => bound.subs).filter((sub) => !sub.constant))
    for (const sub of subs) {
      const byKey = new Map<Value, Env[]>()
      const [only, ...others] = sub.select.outer
      for (const env of envs) {
        const key = only && others.length === 0 ? only.evaluate(env) : keyOfValues(sub.select.outer.map((bound) => bound.evaluate(env)))
        const list = byKey.get(key)
        if (list) list.push(env)
        else byKey.set(key, [env])
      }
      const groups = [...byKey.values()]
      const together = await this.#together(
        sub,
        groups.map((group) => group[0] as Env),
      )
      if (together) {
        for (const [at, group] of groups.entries()) for (const env of group) (env.subs ??= [])[sub.id] = { rows: together[at] as Row[] }
        continue
      }
      for (let at = 0; at < groups.length; at += subsAtOnce)
        await Promise.all(
          groups.slice(at, at + subsAtOnce).map(async (group) => {
            const rows = await this.run(sub.select, group[0], mostRows(sub))
            for (const env of group) (env.subs ??= [])[sub.id] = { rows }
          }),
        )
    }
  }

  /** The plan of a sub-select that one look into an index answers: of one table, without anything but conditions. */
  async #lookedUp(sub: Sub): Promise<(Step & { readonly path: Path }) | undefined> {
    const { select } = sub
    const plain = !select.grouped && !select.distinct && select.setOperations.length === 0 && select.orderBy.length === 0
    if (!plain || select.limit || select.offset || select.subs.length > 0 || !select.sources[0]?.table) return undefined
    const [step, ...more] = (await this.plan(select, mostRows(sub))).steps
    return step?.path && more.length === 0 && !isScan(step.path) ? { ...step, path: step.path } : undefined
  }

  /** Runs such a sub-select for many rows at once. */
  async #together(sub: Sub, envs: readonly Env[]): Promise<Row[][] | undefined> {
    const step = await this.#lookedUp(sub)
    if (!step) return undefined
    const { before, steps } = await this.plan(sub.select)
    const starts = envs.map((outer): Env => ({ rows: [null], outer }))
    const open = starts.map((start) => before.every((condition) => condition.evaluate(start) === true))
    const table = sub.select.sources[0]?.table as Table
    const found = await lookUp(
      this.#session,
      table,
      step.path,
      step.covered,
      starts.filter((_, at) => open[at]),
      this.#known(
        step.path,
        envs.filter((_, at) => open[at]),
      ),
    )
    let next = 0
    const most = mostRows(sub) ?? Number.POSITIVE_INFINITY
    // Whether there is one is all that is asked.
    const outputs = sub.mode === 'exists' ? [] : sub.select.outputs
    return starts.map(({ outer }, at) => {
      const rows: Row[] = []
      if (!open[at]) return rows
      const candidates = found[next++] ?? []
      ;(steps[0] as Step).actual += candidates.length
      for (const { row } of candidates) {
        const env: Env = { rows: [row], outer }
        if (!step.filters.every((condition) => condition.evaluate(env) === true)) continue
        rows.push(outputs.map((output) => output.by.evaluate(env)))
        if (rows.length >= most) break
      }
      return rows
    })
  }

  /** What was fetched by a path with the rows of the first table. */
  #known(path: Path, envs: readonly Env[]): readonly (Stretch | undefined)[] {
    const place = this.#places.get(path)
    return place === undefined ? [] : envs.map((env) => env.ahead?.[place])
  }

  /** What is looked up for each row of the first table: joins, and sub-selects of conditions and outputs. */
  async #follows(select: BoundSelect, plan: Plan, table: Table): Promise<Follow[]> {
    const { slot, path } = plan.steps[0] as Step
    const follows: Follow[] = []
    if (path?.kind !== 'index') return follows
    const add = (to: Table | undefined, step: Step | undefined, where: 'column' | 'outer', limit: number): void => {
      const by = step?.path
      const found = to && by && followed(by, table, slot, where)
      if (!to || !found || by.kind !== 'index') return
      this.#places.set(by, follows.length)
      follows.push({ table: to, index: by.index, limit, covered: step.covered, ...found })
    }
    for (const step of plan.steps.slice(1)) add(select.sources[step.slot]?.table, step, 'column', followedRows)
    const conditions = (plan.steps[0] as Step).filters.filter((condition) => condition.subs.length > 0)
    const subs = new Set([...conditions, ...select.outputs.map((output) => output.by)].flatMap((bound) => bound.subs))
    for (const sub of subs) if (!sub.constant) add(sub.select.sources[0]?.table, await this.#lookedUp(sub), 'outer', followedBySubs)
    return follows
  }

  /** Batches of rows of all tables that satisfy every condition. */
  async *#matching(select: BoundSelect, plan: Plan, outer: Env | undefined, wanted: number | undefined): AsyncGenerator<Env[]> {
    const start: Env = { rows: select.sources.map(() => null), outer }
    await this.prepare(plan.before, [start])
    if (!plan.before.every((condition) => condition.evaluate(start) === true)) return
    let batches: AsyncGenerator<Env[]> = one(start)
    for (const [index, step] of plan.steps.entries())
      batches = index === 0 ? this.#drive(select, step, start, wanted, plan) : this.#join(select, step, batches)
    yield* batches
  }

  async *#drive(select: BoundSelect, step: Step, start: Env, wanted: number | undefined, plan: Plan): AsyncGenerator<Env[]> {
    const source = select.sources[step.slot]
    const at = (row: Row, ahead?: Env['ahead']): Env => beside(start, step.slot, row, ahead)
    if (!source?.table || !step.path) {
      const rows = await this.#derived(select, step)
      return yield await this.#filter(
        step.filters,
        rows.map((row) => at(row)),
      )
    }
    const residual = step.filters.some((condition) => !step.path?.used.has(condition)) || plan.steps.length > 1
    const margin = this.#session.engine.margins.of(source.table, step.path, step.filters.length)
    const firstChunk = wanted === undefined ? this.#session.rowsPerCall : residual ? margin.rowsFor(wanted) : Math.max(1, wanted)
    let begun = wanted === undefined || plan.steps.length > 1
    const guarded = isScan(step.path) && !select.allowScan
    let thrownAway = 0
    const follow = await this.#follows(select, plan, source.table)
    for await (const chunk of readPath(this.#session, source.table, step.path, start, firstChunk, step.covered, follow)) {
      step.actual += chunk.length
      const kept = await this.#filter(
        step.filters,
        chunk.map((found) => at(found.row, found.ahead)),
      )
      if (!begun && chunk.length >= firstChunk) margin.learn(wanted as number, chunk.length, kept.length)
      begun = true
      thrownAway += chunk.length - kept.length
      if (guarded && thrownAway > this.#session.engine.limits.scannedRows) this.#refuseScan(source.table.name)
      yield kept
    }
  }

  #refuseScan(table: string): never {
    return fail('scan-refused', `The query reads all of ${table} to find a few rows: add an index for its conditions, or say allowScan.`)
  }

  async #filter(conditions: readonly Bound[], envs: Env[]): Promise<Env[]> {
    let kept = envs
    // Cheap conditions first; sub-selects are run only for what they leave.
    for (const condition of conditions.toSorted((a, b) => a.subs.length - b.subs.length)) {
      if (condition.subs.length > 0) await this.prepare([condition], kept)
      kept = kept.filter((env) => condition.evaluate(env) === true)
    }
    return kept
  }

  async *#join(select: BoundSelect, step: Step, input: AsyncGenerator<Env[]>): AsyncGenerator<Env[]> {
    for await (const batch of input) {
      const per = this.#session.rowsPerCall
      for (let at = 0; at < batch.length; at += per) yield await this.#joinBatch(select, step, batch.slice(at, at + per))
    }
  }

  async #joinBatch(select: BoundSelect, step: Step, batch: readonly Env[]): Promise<Env[]> {
    const candidates = await this.#candidates(select, step, batch)
    const joined: Env[] = []
    for (let index = 0; index < batch.length; index++) {
      const env = batch[index] as Env
      const pairs: Env[] = step.left ? [] : joined
      for (const { row } of candidates[index] as readonly Beside[]) pairs.push(beside(env, step.slot, row, env.ahead))
      if (!step.left) continue
      const fitting = await this.#filter(step.on, pairs)
      if (fitting.length === 0) joined.push(beside(env, step.slot, null, env.ahead))
      for (const pair of fitting) joined.push(pair)
    }
    return await this.#filter(step.filters, joined)
  }

  /** The rows of the table that may go with each row of the batch: looked up together, or kept in memory when nothing leads to them. */
  async #candidates(select: BoundSelect, step: Step, batch: readonly Env[]): Promise<(readonly Beside[])[]> {
    const table = select.sources[step.slot]?.table
    const { path } = step
    if (table && path && !isScan(path)) {
      const found = await lookUp(this.#session, table, path, step.covered, batch, this.#known(path, batch))
      for (const each of found) step.actual += each.length
      return found
    }
    const rows = (await this.#inMemory(select, step)).map((row): Beside => ({ row }))
    const conditions = step.left ? step.on : step.filters
    const keys = conditions.flatMap((condition) => equality(condition, step.slot))
    if (keys.length === 0) return batch.map(() => rows)
    const table_ = hashRows(
      select,
      step,
      rows,
      keys.map((key) => key.inner),
    )
    return batch.map((env) => table_.get(keyOfValues(keys.map((key) => key.outer.evaluate(env)))) ?? [])
  }

  #inMemory(select: BoundSelect, step: Step): Promise<Row[]> {
    const source = select.sources[step.slot]
    if (source?.derived) return this.#derived(select, step)
    let rows = this.#memory.get(step)
    if (rows === undefined) {
      rows = this.#wholeTable(select, step)
      this.#memory.set(step, rows)
    }
    return rows
  }

  async #wholeTable(select: BoundSelect, step: Step): Promise<Row[]> {
    const table = select.sources[step.slot]?.table
    const rows: Row[] = []
    if (!table || !step.path) return rows
    for await (const chunk of readPath(this.#session, table, step.path, noEnv, this.#session.rowsPerCall, step.covered)) {
      for (const found of chunk) rows.push(found.row)
      step.actual += chunk.length
      if (!select.allowScan && rows.length > this.#session.engine.limits.scannedRows) this.#refuseScan(table.name)
    }
    return rows
  }

  #derived(select: BoundSelect, step: Step): Promise<Row[]> {
    const derived = select.sources[step.slot]?.derived
    if (!derived) return Promise.resolve([])
    return (derived.result ??= derived.select ? this.run(derived.select) : Promise.resolve([]))
  }

  async #plain(select: BoundSelect, plan: Plan, outer: Env | undefined, wanted: number | undefined): Promise<Made[]> {
    const made: Made[] = []
    const seen = select.distinct ? new Set<string>() : undefined
    const sorts = select.orderBy.flatMap((order) => order.by ?? [])
    const outputs = select.outputs.map((output) => output.by)
    const whole = isWholeRow(select)
    if (wanted === 0) return made
    for await (const batch of this.#matching(select, plan, outer, wanted)) {
      await this.prepare([...outputs, ...sorts], batch)
      for (const env of batch) {
        const row = whole ? (env.rows[0] as Row) : outputs.map((output) => output.evaluate(env))
        if (seen) {
          const key = keyOfValues(row)
          if (seen.has(key)) continue
          seen.add(key)
        }
        made.push({ row, sort: plan.ordered ? unsorted : sortValues(select, row, env) })
        if (made.length === wanted) return made
      }
      this.#checkMemory(made.length)
    }
    return made
  }

  #checkMemory(rows: number): void {
    const most = this.#session.engine.limits.rowsInMemory
    if (rows > most) fail('too-large', `The query holds more than ${most} rows in memory: narrow it, or page through it.`)
  }

  async #grouped(select: BoundSelect, plan: Plan, outer: Env | undefined): Promise<Made[]> {
    const groups = new Map<string, { env: Env; accumulators: Accumulator[] }>()
    const open = (env: Env): { env: Env; accumulators: Accumulator[] } => ({ env, accumulators: select.aggregates.map(accumulator) })
    const inside = select.aggregates.flatMap(partsOf)
    for await (const batch of this.#matching(select, plan, outer, undefined)) {
      await this.prepare([...select.groupBy, ...inside], batch)
      for (const env of batch) {
        const key = keyOfValues(select.groupBy.map((bound) => bound.evaluate(env)))
        let group = groups.get(key)
        if (!group) groups.set(key, (group = open(env)))
        for (const each of group.accumulators) each.add(env)
      }
      this.#checkMemory(groups.size)
    }
    // Without `group by` there is one group, of no rows if need be.
    if (groups.size === 0 && select.groupBy.length === 0) groups.set('', open({ rows: select.sources.map(() => null), outer }))
    let envs = [...groups.values()].map(({ env, accumulators }): Env => ({ ...env, aggregates: accumulators.map((each) => each.result()) }))
    if (select.having) envs = await this.#filter([select.having], envs)
    await this.prepare([...select.outputs.map((output) => output.by), ...select.orderBy.flatMap((order) => order.by ?? [])], envs)
    const seen = new Set<string>()
    return envs.flatMap((env): Made[] => {
      const row = select.outputs.map((output) => output.by.evaluate(env))
      const key = select.distinct ? keyOfValues(row) : ''
      if (select.distinct && seen.has(key)) return []
      seen.add(key)
      return [{ row, sort: sortValues(select, row, env) }]
    })
  }
}

/** The same rows, and one more. */
function beside({ rows, outer }: Env, slot: number, row: Row | null, ahead?: Env['ahead']): Env {
  const more = rows.slice()
  more[slot] = row
  return { rows: more, outer, ahead }
}

async function* one(env: Env): AsyncGenerator<Env[]> {
  yield [env]
}

const least = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b)
const mostRows = (sub: Sub): number | undefined => (sub.mode === 'exists' ? 1 : sub.mode === 'scalar' ? 2 : undefined)
const partsOf = (spec: AggregateSpec): Bound[] => [...(spec.arg ? [spec.arg] : []), ...(spec.filter ? [spec.filter] : [])]
const slice = (rows: Row[], limit: number | undefined, offset: number): Row[] =>
  limit === undefined && offset === 0 ? rows : rows.slice(offset, limit === undefined ? undefined : offset + limit)

/** `select *` of one table that never had other columns: its rows are the answer. */
function isWholeRow({ sources: [source, ...others], outputs }: BoundSelect): boolean {
  if (others.length > 0 || source?.table?.kinds.length !== outputs.length) return false
  return outputs.every(({ by }, place) => by.shape.t === 'column' && by.shape.place === place)
}

/** `inner column expression = something known before`. */
function equality(condition: Bound, slot: number): { inner: Bound; outer: Bound }[] {
  const { shape } = condition
  if (shape.t !== 'cmp' || shape.op !== '=' || condition.subs.length > 0 || shape.left.kind !== shape.right.kind) return []
  const only = (bound: Bound): boolean => bound.slots.size === 1 && bound.slots.has(slot)
  if (only(shape.left) && !shape.right.slots.has(slot)) return [{ inner: shape.left, outer: shape.right }]
  if (only(shape.right) && !shape.left.slots.has(slot)) return [{ inner: shape.right, outer: shape.left }]
  return []
}

function hashRows(select: BoundSelect, step: Step, rows: readonly Beside[], by: readonly Bound[]): Map<string, Beside[]> {
  const table = new Map<string, Beside[]>()
  const empty: Env = { rows: select.sources.map(() => null), outer: undefined }
  for (const each of rows) {
    const env = beside(empty, step.slot, each.row)
    const values = by.map((bound) => bound.evaluate(env))
    if (values.includes(null)) continue
    const key = keyOfValues(values)
    const list = table.get(key)
    if (list) list.push(each)
    else table.set(key, [each])
  }
  return table
}

const sortValues = (select: BoundSelect, row: Row, env: Env): Value[] =>
  select.orderBy.map((order) => (order.by ? order.by.evaluate(env) : (row[order.output as number] ?? null)))

function sortMade(select: BoundSelect, made: Made[]): void {
  const valuesOf = (item: Made): readonly Value[] =>
    item.sort.length > 0 ? item.sort : select.orderBy.map((order) => item.row[order.output as number] ?? null)
  made.sort((a, b) => {
    const [x, y] = [valuesOf(a), valuesOf(b)]
    for (const [index, order] of select.orderBy.entries()) {
      const [p = null, q = null] = [x[index], y[index]]
      if (p === null || q === null) {
        if (p === q) continue
        return (p === null) === order.nullsFirst ? -1 : 1
      }
      const result = compareValues(p, q)
      if (result !== 0) return order.descending ? -result : result
    }
    return 0
  })
}

/** As in SQL: without `all` rows are distinct; `except all` and `intersect all` count them. */
function combine(op: 'union' | 'intersect' | 'except', all: boolean, left: Made[], right: Made[]): Made[] {
  if (op === 'union') return all ? [...left, ...right] : distinctMade([...left, ...right])
  const counts = new Map<string, number>()
  for (const { row } of right) counts.set(keyOfValues(row), (counts.get(keyOfValues(row)) ?? 0) + 1)
  const kept = left.filter(({ row }) => {
    const key = keyOfValues(row)
    const count = counts.get(key) ?? 0
    if (all && count > 0) counts.set(key, count - 1)
    return (op === 'intersect') === count > 0
  })
  return all ? kept : distinctMade(kept)
}

function distinctMade(made: readonly Made[]): Made[] {
  const seen = new Set<string>()
  return made.filter(({ row }) => {
    const key = keyOfValues(row)
    return seen.has(key) ? false : seen.add(key)
  })
}
