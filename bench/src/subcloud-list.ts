import { ask, startChild } from './child.ts'
import { load } from './load.ts'
import { ms } from './results.ts'

const fleet = 5_000

interface Server {
  readonly list: string
  readonly bare: string
  readonly tokens: string[]
}
interface Measured {
  readonly sqlMs: number
  readonly statements: number
  readonly bytes: number
}

/** Issue 2 §8: p50 of the whole list and of a page of 100, against a bare handler with the same bytes plus the same SQL alone. */
export async function subcloudList(): Promise<string[]> {
  const lines: string[] = [`${fleet} subclouds with 7 endpoint statuses, authenticated, one connection`]
  for (const [what, query, seconds] of [
    ['page of 100', '?limit=100', 4],
    ['whole list', '', 8],
  ] as const) {
    const { ready, child } = await startChild<Server>('./list-server.ts', [String(fleet), query])
    const measured = await ask<Measured>(child, { measure: 'sql' })
    const how = { connections: 1, seconds, tokens: ready.tokens }
    const rounds: { list: number; bare: number }[] = []
    for (let round = 0; round < 3; round += 1)
      rounds.push({ bare: (await load(ready.bare, how)).p50Ms, list: (await load(ready.list + query, how)).p50Ms })
    child.kill('SIGKILL')
    const list = Math.min(...rounds.map((round) => round.list))
    const bare = Math.min(...rounds.map((round) => round.bare))
    const ratio = list / (bare + measured.sqlMs)
    const goal = query === '' ? '' : `; goal ≤ 2: ${ratio <= 2 ? 'met' : 'MISSED'}`
    lines.push(
      `${what} (${(measured.bytes / 1024).toFixed(0)} KiB, ${measured.statements} statements): p50 ${ms(list)}; bare handler with the same bytes ${ms(bare)} + its SQL alone ${ms(measured.sqlMs)}; ratio ${ratio.toFixed(2)}${goal}`,
    )
  }
  return lines
}
