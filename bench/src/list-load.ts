import type { ChildProcess } from 'node:child_process'
import { loadavg } from 'node:os'
import { ask, startChild } from './child.ts'
import type { Addresses, Spent, SqlSpent } from './list-child.ts'
import { load, type LoadOptions } from './load.ts'
import { ms } from './results.ts'

/** One request: how long it takes, and what its server spends on it. The latter is the same on a machine that does other things besides. */
export interface Cost {
  readonly p50Ms: number
  readonly cpuMs: number
}

export interface ListMeasured {
  readonly statements: number
  readonly bytes: number
  readonly list: Cost
  /** A bare handler with the same bytes, in the same process. */
  readonly bare: Cost
  /** The same statements alone. */
  readonly sql: Cost
}

const rounds = 3

/** Lists that a child of `list-child` serves: all of them in turns with their limits, of each the best round. */
export async function measureLists(module: string, args: readonly string[], seconds: number): Promise<readonly ListMeasured[]> {
  const { ready, child } = await startChild<Addresses>(module, args)
  const { lists, tokens } = ready
  const how = { connections: 1, seconds, tokens }
  const none: Cost = { p50Ms: Infinity, cpuMs: Infinity }
  const found = lists.map(() => ({ list: none, bare: none, sql: none }))
  try {
    for (let round = 0; round < rounds; round += 1)
      for (const [at, one] of found.entries()) {
        one.bare = best(one.bare, await costOf(child, lists[at]!.bare, how))
        one.list = best(one.list, await costOf(child, lists[at]!.list, how))
        one.sql = best(one.sql, await ask<SqlSpent>(child, { sqlOf: at }))
      }
  } finally {
    child.kill('SIGKILL')
  }
  return found.map((one, at) => ({ ...lists[at]!, ...one }))
}

const best = (one: Cost, other: Cost): Cost => ({ p50Ms: Math.min(one.p50Ms, other.p50Ms), cpuMs: Math.min(one.cpuMs, other.cpuMs) })

async function costOf(child: ChildProcess, url: string, how: LoadOptions): Promise<Cost> {
  const before = await ask<Spent>(child, {})
  const { p50Ms } = await load(url, how)
  const after = await ask<Spent>(child, {})
  return { p50Ms, cpuMs: (after.cpuMs - before.cpuMs) / (after.requests - before.requests) }
}

/** Of the list to a bare handler with the same bytes plus the same statements alone. */
export const ratioOf = ({ list, bare, sql }: ListMeasured, by: keyof Cost): number => list[by] / (bare[by] + sql[by])

export const told = (what: string, measured: ListMeasured): string => {
  const { bytes, statements, list, bare, sql } = measured
  const inWords = (by: keyof Cost) => `${ms(list[by])}; bare handler with the same bytes ${ms(bare[by])} + its SQL alone ${ms(sql[by])}; ratio ${ratioOf(measured, by).toFixed(2)}` // prettier-ignore
  return `${what} (${(bytes / 1024).toFixed(0)} KiB, ${statements} statements): p50 ${inWords('p50Ms')}. CPU ${inWords('cpuMs')}`
}

/** For goals that are ratios, of times and of CPU. */
export const goal = (ratio: number, cpuRatio: number, most: number): string =>
  `; goal ≤ ${most}: ${ratio <= most ? 'met' : 'MISSED'}, by CPU ${cpuRatio <= most ? 'met' : 'MISSED'}`

export const listGoal = (measured: ListMeasured): string => goal(ratioOf(measured, 'p50Ms'), ratioOf(measured, 'cpuMs'), 2)

export const loadNow = (): string => `load of the machine ${loadavg()[0]!.toFixed(1)} on 2 cores at the start`
