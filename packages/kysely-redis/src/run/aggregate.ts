import type { AggregateSpec, Env } from '../bind/bound.ts'
import { arithmetic, finite } from '../bind/functions.ts'
import { compareValues, keyOfValue } from '../values/compare.ts'
import type { Value } from '../values/kinds.ts'

/** The running state of one aggregate over one group. */
export interface Accumulator {
  add(env: Env): void
  result(): Value
}

export function accumulator(spec: AggregateSpec): Accumulator {
  const inner = accumulate(spec)
  const seen = spec.distinct ? new Set<string>() : undefined
  return {
    add(env) {
      if (spec.filter && spec.filter.evaluate(env) !== true) return
      const value = spec.arg ? spec.arg.evaluate(env) : true
      if (value === null) return
      if (seen) {
        const key = keyOfValue(value)
        if (seen.has(key)) return
        seen.add(key)
      }
      inner.add(value)
    },
    result: () => inner.result(),
  }
}

interface Plain {
  add(value: Value): void
  result(): Value
}

function accumulate(spec: AggregateSpec): Plain {
  switch (spec.fn) {
    case 'count': {
      let count = 0
      return { add: () => void count++, result: () => count }
    }
    case 'sum': {
      const plus = arithmetic('+', spec.arg?.kind !== 'real')
      let sum: Value = null
      return { add: (value) => void (sum = sum === null ? value : plus(sum, value)), result: () => sum }
    }
    case 'avg': {
      let sum = 0
      let count = 0
      return {
        add(value) {
          sum += Number(value)
          count++
        },
        result: () => (count === 0 ? null : finite(sum / count)),
      }
    }
    case 'min':
    case 'max': {
      const better = spec.fn === 'min' ? (order: number) => order < 0 : (order: number) => order > 0
      let best: Value = null
      return { add: (value) => void (best === null || better(compareValues(value, best)) ? (best = value) : undefined), result: () => best }
    }
  }
}
