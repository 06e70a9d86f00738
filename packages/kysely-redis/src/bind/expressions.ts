import type { Expr, SelectIr } from '../compile/ir.ts'
import { fail } from '../errors.ts'
import { compareValues, keyOfValue } from '../values/compare.ts'
import { readAs, type Kind, type Value } from '../values/kinds.ts'
import type { AggregateSpec, Bound, BoundSelect, BoundShape, BoundSource, Derived, Env, Sub, SubResult } from './bound.ts'
import { arithmetic, castTo, commonKind, likeMatcher, negate, sameValue, scalarFunction } from './functions.ts'

type AnyKind = Kind | 'null'

/** Where names are looked up: the tables of a select, then those around it. */
export class Scope {
  readonly sources: BoundSource[] = []
  readonly parent: Scope | undefined
  readonly ctes: Map<string, { derived: Derived; columns: readonly string[] }>
  /** Undefined where aggregates have no place. */
  aggregates: AggregateSpec[] | undefined
  /** References to the rows around this select. */
  readonly outer: Bound[] = []
  readonly subs: Sub[] = []
  readonly bindSelect: (select: SelectIr, parent: Scope) => BoundSelect
  readonly nextSub: () => number

  constructor(parent: Scope | undefined, bindSelect: Scope['bindSelect'], nextSub: () => number) {
    this.parent = parent
    this.bindSelect = bindSelect
    this.nextSub = nextSub
    this.ctes = new Map(parent?.ctes)
  }

  find(table: string | undefined, name: string): { source: BoundSource; place: number; kind: AnyKind } | undefined {
    let found: { source: BoundSource; place: number; kind: AnyKind } | undefined
    for (const source of this.sources) {
      if (table === undefined ? source.qualifiedOnly : source.alias !== table) continue
      const column = source.columns.get(name)
      if (!column) continue
      if (found) fail('invalid-query', `Column ${name} is ambiguous: name its table.`)
      found = { source, ...column }
    }
    return found
  }
}

const none: ReadonlySet<number> = new Set()
const union = (items: readonly Bound[]): ReadonlySet<number> => {
  const filled = items.filter((item) => item.slots.size > 0)
  if (filled.length === 0) return none
  return filled.length === 1 ? (filled[0] as Bound).slots : new Set(filled.flatMap((item) => [...item.slots]))
}

function make(
  kind: AnyKind,
  evaluate: (env: Env) => Value,
  parts: readonly Bound[],
  text: string,
  shape: BoundShape = { t: 'other' },
): Bound {
  return { kind, evaluate, slots: union(parts), subs: parts.flatMap((part) => part.subs), shape, text }
}

export const constantOf = (value: Value, kind: AnyKind): Bound => ({
  kind,
  evaluate: () => value,
  slots: none,
  subs: [],
  shape: { t: 'value' },
  text: `'${keyOfValue(value)}'`,
})

const bool = (bound: Bound, where: string): Bound =>
  bound.kind === 'boolean' || bound.kind === 'null' ? bound : fail('type-mismatch', `${where} needs a condition, this is ${bound.kind}.`)

export const condition = (expr: Expr, scope: Scope, where: string): Bound => bool(bindExpression(expr, scope), where)

export function bindExpression(expr: Expr, scope: Scope): Bound {
  const bind = (inner: Expr): Bound => bindExpression(inner, scope)
  switch (expr.t) {
    case 'lit':
      return constantOf(expr.value, expr.kind)
    case 'col':
      return bindColumn(expr.table, expr.name, scope)
    case 'and':
    case 'or':
      return bindLogic(
        expr.t,
        expr.items.map((item) => condition(item, scope, expr.t)),
      )
    case 'not': {
      const item = condition(expr.item, scope, 'not')
      return make('boolean', (env) => invert(item.evaluate(env)), [item], `not ${item.text}`)
    }
    case 'neg': {
      const item = bind(expr.item)
      if (item.kind !== 'integer' && item.kind !== 'real' && item.kind !== 'null') fail('type-mismatch', 'Only numbers can be negative.')
      return make(item.kind, (env) => { const value = item.evaluate(env); return value === null ? null : negate(value) }, [item], `-${item.text}`) // prettier-ignore
    }
    case 'cmp':
      return bindComparison(expr.op, bind(expr.left), bind(expr.right))
    case 'distinct': {
      const [left, right] = [bind(expr.left), bind(expr.right)]
      commonKind([left.kind, right.kind], 'A comparison')
      const { negated } = expr
      const evaluate = (env: Env): Value => sameValue(left.evaluate(env), right.evaluate(env)) === negated
      return make('boolean', evaluate, [left, right], `${left.text} is${negated ? '' : ' not'} ${right.text}`, {
        t: negated ? 'same' : 'differs',
        left,
        right,
      })
    }
    case 'in': {
      const left = bind(expr.left)
      return bindIn(expr.negated, left, expr.items.map(bind))
    }
    case 'in-select':
      return bindInSelect(expr.negated, bind(expr.left), bindSub('in', expr.select, scope))
    case 'like':
      return bindLike(expr.negated, bind(expr.left), bind(expr.right))
    case 'arith': {
      const [left, right] = [bind(expr.left), bind(expr.right)]
      const kind = commonKind([left.kind, right.kind], 'Arithmetic')
      if (kind !== 'integer' && kind !== 'real' && kind !== 'null') fail('type-mismatch', `There is no arithmetic with ${kind}.`)
      const apply = arithmetic(expr.op, kind !== 'real')
      return make(kind, (env) => apply(left.evaluate(env), right.evaluate(env)), [left, right], `(${left.text} ${expr.op} ${right.text})`)
    }
    case 'concat': {
      const [left, right] = [bind(expr.left), bind(expr.right)]
      if (![left, right].every((side) => side.kind === 'text' || side.kind === 'null'))
        fail('type-mismatch', 'Only texts can be joined by ||.')
      const evaluate = (env: Env): Value => {
        const [a, b] = [left.evaluate(env), right.evaluate(env)]
        return a === null || b === null ? null : `${a as string}${b as string}`
      }
      return make('text', evaluate, [left, right], `(${left.text} || ${right.text})`)
    }
    case 'case':
      return bindCase(expr, scope)
    case 'fn': {
      const args = expr.args.map(bind)
      const { kind, apply } = scalarFunction(
        expr.name,
        args.map((arg) => arg.kind),
      )
      return make(kind, (env) => apply(args.map((arg) => arg.evaluate(env))), args, `${expr.name}(${args.map((arg) => arg.text).join()})`)
    }
    case 'cast': {
      const item = bind(expr.item)
      const apply = castTo(expr.to, item.kind)
      return make(expr.to, (env) => apply(item.evaluate(env)), [item], `cast(${item.text} ${expr.to})`)
    }
    case 'agg':
      return bindAggregate(expr, scope)
    case 'scalar': {
      const sub = bindSub('scalar', expr.select, scope)
      return subBound(sub, sub.select.outputs[0]?.by.kind ?? 'null', (result) => {
        if (result.rows.length > 1) fail('invalid-query', 'A sub-select that stands for a value gave more than one row.')
        return result.rows[0]?.[0] ?? null
      })
    }
    case 'exists':
      return subBound(bindSub('exists', expr.select, scope), 'boolean', (result) => result.rows.length > 0)
  }
}

const invert = (value: Value): Value => (value === null ? null : !value)

function bindColumn(table: string | undefined, name: string, scope: Scope): Bound {
  const found = scope.find(table, name)
  const label = table === undefined ? name : `${table}.${name}`
  if (found) {
    const { place } = found
    found.source.used?.add(place)
    const { slot } = found.source
    return {
      kind: found.kind,
      evaluate: (env) => env.rows[slot]?.[place] ?? null,
      slots: new Set([slot]),
      subs: [],
      shape: { t: 'column', slot, place },
      text: `#${slot}.${place}`,
    }
  }
  if (!scope.parent) return fail('undefined-column', `There is no column ${label} here.`)
  const outer = bindColumn(table, name, scope.parent)
  scope.outer.push(outer)
  return {
    kind: outer.kind,
    evaluate: (env) => (env.outer ? outer.evaluate(env.outer) : null),
    slots: none,
    subs: [],
    shape: outer.shape.t === 'column' ? { ...outer.shape, t: 'outer' } : { t: 'other' },
    text: `^${outer.text}`,
  }
}

function bindLogic(t: 'and' | 'or', items: readonly Bound[]): Bound {
  const decisive = t === 'or'
  const evaluate = (env: Env): Value => {
    let result: Value = !decisive
    for (const item of items) {
      const value = item.evaluate(env)
      if (value === decisive) return decisive
      if (value === null) result = null
    }
    return result
  }
  return make('boolean', evaluate, items, `(${items.map((item) => item.text).join(` ${t} `)})`, { t, items })
}

const tests = {
  '=': (order: number) => order === 0,
  '!=': (order: number) => order !== 0,
  '<': (order: number) => order < 0,
  '<=': (order: number) => order <= 0,
  '>': (order: number) => order > 0,
  '>=': (order: number) => order >= 0,
} as const

/** A parameter is read as what it is compared with, when nothing is lost by it. */
function beside(item: Bound, other: Bound): Bound {
  if (item.shape.t !== 'value' || item.kind === other.kind) return item
  const value = readAs(item.evaluate({ rows: [], outer: undefined }), item.kind, other.kind)
  return value === undefined ? item : constantOf(value, other.kind)
}

function bindComparison(op: keyof typeof tests, one: Bound, other: Bound): Bound {
  const [left, right] = [beside(one, other), beside(other, one)]
  commonKind([left.kind, right.kind], 'A comparison')
  const test = tests[op]
  const equality = op === '=' ? true : op === '!=' ? false : undefined
  const evaluate = (env: Env): Value => {
    const a = left.evaluate(env)
    if (a === null) return null
    const b = right.evaluate(env)
    if (b === null) return null
    // Texts are most often asked to be equal, and need not be compared letter by letter for that.
    if (equality !== undefined && typeof a === 'string') return (a === b) === equality
    return test(compareValues(a, b))
  }
  return make('boolean', evaluate, [left, right], `${left.text} ${op} ${right.text}`, { t: 'cmp', op, left, right })
}

function bindIn(negated: boolean, left: Bound, list: readonly Bound[]): Bound {
  const items = list.map((item) => beside(item, left))
  commonKind([left.kind, ...items.map((item) => item.kind)], '`in`')
  const constant = items.every((item) => item.shape.t === 'value')
  const setOf = (env: Env): { all: Set<string>; hasNull: boolean } => {
    const values = items.map((item) => item.evaluate(env))
    return { all: new Set(values.filter((value) => value !== null).map(keyOfValue)), hasNull: values.includes(null) }
  }
  // Most often an index leads to these rows, and nobody asks again.
  let fixed: ReturnType<typeof setOf> | undefined
  const evaluate = (env: Env): Value => isIn(left.evaluate(env), constant ? (fixed ??= setOf(env)) : setOf(env), negated)
  const text = `${left.text} ${negated ? 'not ' : ''}in (${items.map((item) => item.text).join()})`
  return make('boolean', evaluate, [left, ...items], text, negated ? { t: 'other' } : { t: 'in', left, items })
}

function isIn(value: Value, set: { all: Set<string>; hasNull: boolean }, negated: boolean): Value {
  if (set.all.size === 0 && !set.hasNull) return negated
  if (value === null) return null
  if (set.all.has(keyOfValue(value))) return !negated
  return set.hasNull ? null : negated
}

function bindSub(mode: Sub['mode'], ir: SelectIr, scope: Scope): Sub {
  const select = scope.bindSelect(ir, scope)
  if (mode !== 'exists' && select.outputs.length !== 1)
    fail('invalid-query', 'A sub-select that stands for a value or a list must have one column.')
  const sub: Sub = { id: scope.nextSub(), select, mode }
  scope.subs.push(sub)
  return sub
}

/** A correlated sub-select needs the rows that it refers to, so its slots count as ours. */
function subBound(sub: Sub, kind: AnyKind, read: (result: SubResult) => Value, extra: readonly Bound[] = []): Bound {
  const parts = [...sub.select.outer, ...extra]
  return {
    kind,
    evaluate: (env) => read(resultOf(sub, env)),
    slots: union(parts),
    subs: [sub, ...extra.flatMap((part) => part.subs)],
    shape: { t: 'other' },
    text: `sub${sub.id}`,
  }
}

export function resultOf(sub: Sub, env: Env): SubResult {
  const result = sub.constant ?? env.subs?.[sub.id]
  if (!result) throw new Error('a sub-select is used before it was run')
  return result
}

function bindInSelect(negated: boolean, left: Bound, sub: Sub): Bound {
  commonKind([left.kind, sub.select.outputs[0]?.by.kind ?? 'null'], '`in`')
  const parts = [...sub.select.outer, left]
  return {
    kind: 'boolean',
    evaluate: (env) => {
      const result = resultOf(sub, env)
      result.keys ??= {
        all: new Set(result.rows.filter((row) => row[0] !== null).map((row) => keyOfValue(row[0] ?? null))),
        hasNull: result.rows.some((row) => row[0] === null),
      }
      return isIn(left.evaluate(env), result.keys, negated)
    },
    slots: union(parts),
    subs: [sub, ...left.subs],
    shape: negated ? { t: 'other' } : { t: 'in-sub', left, sub },
    text: `${left.text} in sub${sub.id}`,
  }
}

function bindLike(negated: boolean, left: Bound, right: Bound): Bound {
  if (![left, right].every((side) => side.kind === 'text' || side.kind === 'null')) fail('type-mismatch', '`like` compares texts.')
  let known: { pattern: string; match: (text: string) => boolean } | undefined
  const evaluate = (env: Env): Value => {
    const [text, pattern] = [left.evaluate(env), right.evaluate(env)]
    if (text === null || pattern === null) return null
    if (known?.pattern !== pattern) known = { pattern: pattern as string, match: likeMatcher(pattern as string) }
    return known.match(text as string) !== negated
  }
  return make('boolean', evaluate, [left, right], `${left.text} like ${right.text}`, negated ? { t: 'other' } : { t: 'like', left, right })
}

function bindCase(expr: Extract<Expr, { t: 'case' }>, scope: Scope): Bound {
  const value = expr.value && bindExpression(expr.value, scope)
  const whens = expr.whens.map(({ when, result }) => ({
    when: value ? bindComparison('=', value, bindExpression(when, scope)) : condition(when, scope, 'case'),
    result: bindExpression(result, scope),
  }))
  const otherwise = expr.otherwise ? bindExpression(expr.otherwise, scope) : constantOf(null, 'null')
  const kind = commonKind([...whens.map(({ result }) => result.kind), otherwise.kind], 'case')
  const evaluate = (env: Env): Value => (whens.find(({ when }) => when.evaluate(env) === true)?.result ?? otherwise).evaluate(env)
  const parts = [...whens.flatMap(({ when, result }) => [when, result]), otherwise]
  return make(kind, evaluate, parts, `case(${parts.map((part) => part.text).join()})`)
}

function bindAggregate(expr: Extract<Expr, { t: 'agg' }>, scope: Scope): Bound {
  const list = scope.aggregates
  if (!list) return fail('invalid-query', 'An aggregate has no place here.')
  // Inside of an aggregate there is none.
  scope.aggregates = undefined
  const arg = expr.arg && bindExpression(expr.arg, scope)
  const filter = expr.filter && condition(expr.filter, scope, 'filter')
  scope.aggregates = list
  const numeric = arg === undefined || arg.kind === 'integer' || arg.kind === 'real' || arg.kind === 'null'
  if ((expr.fn === 'sum' || expr.fn === 'avg') && !numeric) fail('type-mismatch', `${expr.fn} needs numbers.`)
  const number = list.push({ fn: expr.fn, arg, distinct: expr.distinct, filter }) - 1
  const kind: AnyKind = expr.fn === 'count' ? 'integer' : expr.fn === 'avg' ? 'real' : (arg?.kind ?? 'null')
  return {
    kind,
    evaluate: (env) => env.aggregates?.[number] ?? null,
    // The group's rows are behind it, not a single row.
    slots: none,
    subs: [...(arg?.subs ?? []), ...(filter?.subs ?? [])],
    shape: { t: 'other' },
    text: `aggregate${number}`,
  }
}
