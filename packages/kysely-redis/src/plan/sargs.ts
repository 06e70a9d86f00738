/* oxlint-disable typescript/switch-exhaustiveness-check -- the default: this condition leads to no index */
import type { Bound, Env } from '../bind/bound.ts'
import { likePrefix } from '../bind/functions.ts'
import { compareText } from '../values/compare.ts'
import { afterAll, encodeKey, nextPrefix } from '../values/encoding.ts'
import type { Kind, Value } from '../values/kinds.ts'

/** Encoded keys from `low` on, and before `high`. */
export interface Interval {
  readonly low: string
  readonly high: string
}

export interface Target {
  readonly slot: number
  readonly place: number
  readonly kind: Kind
  /** Slots whose rows are known when the table is read. */
  readonly available: ReadonlySet<number>
}

export interface Points {
  /** Encoded keys, empty when nothing can match. */
  readonly keys: (env: Env) => string[]
  /** So many at most. */
  readonly most: number
  /** What a single one comes from, and the kind of the column. */
  readonly by?: Bound
  readonly kind?: Kind
  /** Every row with such a key satisfies the condition: it need not be asked again. */
  readonly exact?: boolean
}
type IntervalOf = (env: Env) => Interval | undefined

const nullKey = '0'
const afterNull = nullKey + afterAll
export const everything: Interval = { low: '', high: afterAll }
const maxText = (a: string, b: string): string => (compareText(a, b) >= 0 ? a : b)
const minText = (a: string, b: string): string => (compareText(a, b) <= 0 ? a : b)

const isTarget = (bound: Bound, target: Target): boolean =>
  bound.shape.t === 'column' && bound.shape.slot === target.slot && bound.shape.place === target.place

/** Can it be evaluated before the table is read, and encoded as the column is? */
function usable(bound: Bound, target: Target): boolean {
  if (bound.subs.some((sub) => !sub.constant)) return false
  for (const slot of bound.slots) if (!target.available.has(slot)) return false
  return bound.kind === target.kind || bound.kind === 'null' || (target.kind === 'real' && bound.kind === 'integer')
}

/** A whole number that stands for a real one may lose digits on its way. */
const isExact = (side: Bound, target: Target): boolean => side.kind === target.kind || side.kind === 'null'

const encoded = (value: Value, target: Target): string =>
  encodeKey(target.kind === 'real' && value !== null ? Number(value) : value, target.kind)

/** The side of a comparison that is compared with the column, and whether sides are swapped. */
function other(left: Bound, right: Bound, target: Target): { side: Bound; swapped: boolean } | undefined {
  if (isTarget(left, target) && usable(right, target)) return { side: right, swapped: false }
  if (isTarget(right, target) && usable(left, target)) return { side: left, swapped: true }
  return undefined
}

/** A condition that leaves a list of values for the column. */
export function pointsOf(bound: Bound, target: Target): Points | undefined {
  const { shape } = bound
  switch (shape.t) {
    case 'cmp': {
      const found = shape.op === '=' ? other(shape.left, shape.right, target) : undefined
      if (!found) return undefined
      return { most: 1, by: found.side, kind: target.kind, exact: isExact(found.side, target), keys: (env) => { const value = found.side.evaluate(env); return value === null ? [] : [encoded(value, target)] } } // prettier-ignore
    }
    case 'same': {
      const found = other(shape.left, shape.right, target)
      return found && { most: 1, keys: (env) => [encoded(found.side.evaluate(env), target)] }
    }
    case 'in': {
      if (!isTarget(shape.left, target) || !shape.items.every((item) => usable(item, target))) return undefined
      return {
        most: shape.items.length,
        exact: shape.items.every((item) => isExact(item, target)),
        keys: (env) =>
          distinct(
            shape.items.map((item) => item.evaluate(env)),
            target,
          ),
      }
    }
    case 'in-sub': {
      const output = shape.sub.select.outputs[0]?.by
      if (!isTarget(shape.left, target) || !shape.sub.constant || !output || !usable({ ...output, slots: new Set(), subs: [] }, target))
        return undefined
      const { rows } = shape.sub.constant
      return {
        most: rows.length,
        exact: isExact(output, target),
        keys: () =>
          distinct(
            rows.map((row) => row[0] ?? null),
            target,
          ),
      }
    }
    case 'and': {
      const points = shape.items.map((item) => pointsOf(item, target)).find((each) => each !== undefined)
      return points && { ...points, exact: false }
    }
    case 'or': {
      const parts = shape.items.map((item) => pointsOf(item, target))
      if (!parts.every((part) => part !== undefined)) return undefined
      const most = parts.reduce((sum, part) => sum + part.most, 0)
      return { most, keys: (env) => [...new Set(parts.flatMap((part) => part.keys(env)))] }
    }
    default:
      return undefined
  }
}

const distinct = (values: readonly Value[], target: Target): string[] => [
  ...new Set(values.flatMap((value) => (value === null ? [] : [encoded(value, target)]))),
]

/** A condition that leaves one stretch of values for the column. The stretch may be wider than the condition, never narrower. */
export function intervalOf(bound: Bound, target: Target): IntervalOf | undefined {
  const { shape } = bound
  switch (shape.t) {
    case 'and': {
      const parts = shape.items.flatMap((item) => intervalOf(item, target) ?? [])
      return parts.length === 0 ? undefined : (env) => intersect(parts.map((part) => part(env)))
    }
    case 'or': {
      const parts = shape.items.map((item) => intervalOf(item, target))
      return parts.every((part) => part !== undefined) ? (env) => hull(parts.map((part) => part(env))) : undefined
    }
    case 'cmp': {
      const found = shape.op === '!=' ? undefined : other(shape.left, shape.right, target)
      if (!found) return undefined
      const op = found.swapped ? swap[shape.op] : shape.op
      return (env) => {
        const value = found.side.evaluate(env)
        return value === null ? undefined : compared(op, encoded(value, target))
      }
    }
    case 'same': {
      const found = other(shape.left, shape.right, target)
      return found && ((env) => compared('=', encoded(found.side.evaluate(env), target)))
    }
    case 'differs': {
      const found = other(shape.left, shape.right, target)
      return found?.side.kind === 'null' ? () => ({ low: afterNull, high: afterAll }) : undefined
    }
    case 'like': {
      if (!isTarget(shape.left, target) || target.kind !== 'text' || !usable(shape.right, target)) return undefined
      return (env) => {
        const pattern = shape.right.evaluate(env)
        if (pattern === null) return undefined
        const prefix = likePrefix(pattern as string)
        const next = nextPrefix(prefix)
        return { low: `t${prefix}`, high: next === undefined || prefix === '' ? 'u' : `t${next}` }
      }
    }
    default: {
      const points = pointsOf(bound, target)
      return points && ((env) => hull(points.keys(env).map((key) => compared('=', key))))
    }
  }
}

const swap: Readonly<Record<string, string>> = { '=': '=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' }

function compared(op: string | undefined, key: string): Interval {
  switch (op) {
    case '<':
      return { low: afterNull, high: key }
    case '<=':
      return { low: afterNull, high: key + afterAll }
    case '>':
      return { low: key + afterAll, high: afterAll }
    case '>=':
      return { low: key, high: afterAll }
    default:
      return { low: key, high: key + afterAll }
  }
}

function intersect(parts: readonly (Interval | undefined)[]): Interval | undefined {
  let result = everything
  for (const part of parts) {
    if (!part) return undefined
    result = { low: maxText(result.low, part.low), high: minText(result.high, part.high) }
  }
  return compareText(result.low, result.high) < 0 ? result : undefined
}

function hull(parts: readonly (Interval | undefined)[]): Interval | undefined {
  let result: Interval | undefined
  for (const part of parts) if (part) result = result ? { low: minText(result.low, part.low), high: maxText(result.high, part.high) } : part
  return result
}
