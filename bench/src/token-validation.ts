import { load, type Load } from './load.ts'
import { ask, startChild } from './child.ts'
import { percent } from './results.ts'

interface Spent {
  readonly cpuUs: number
  readonly requests: number
}
type Variant = 'plain' | 'open' | 'ignored' | 'guarded'

/** Issue 2 §8: of the requests per second of the same handler without tokens, ≥ 80 % stay when each carries one. */
export async function tokenValidation(): Promise<string[]> {
  const { ready, child } = await startChild<{ open: string; guarded: string; plain: string; tokens: string[] }>('./token-server.ts')
  const how = { connections: 32, seconds: 2 }
  const { tokens } = ready
  const variants: Readonly<Record<Variant, () => Promise<Load>>> = {
    plain: () => load(ready.plain, how),
    open: () => load(ready.open, how),
    ignored: () => load(ready.open, { ...how, tokens }),
    guarded: () => load(ready.guarded, { ...how, tokens }),
  }
  const rates: Record<Variant, number[]> = { plain: [], open: [], ignored: [], guarded: [] }
  const costs: Record<Variant, number[]> = { plain: [], open: [], ignored: [], guarded: [] }
  // In turns, so that a noisy neighbour of the machine meets all of them.
  for (let round = 0; round < 6; round += 1) {
    for (const variant of Object.keys(variants) as Variant[]) {
      const before = await ask<Spent>(child, {})
      rates[variant].push((await variants[variant]()).requestsPerSecond)
      const after = await ask<Spent>(child, {})
      costs[variant].push((after.cpuUs - before.cpuUs) / (after.requests - before.requests))
    }
  }
  child.kill('SIGKILL')
  const told = (variant: Variant): string =>
    `${Math.max(...rates[variant]).toFixed(0)} requests/s, ${Math.min(...costs[variant]).toFixed(1)} µs of CPU each`
  const ratio = Math.max(...rates.guarded) / Math.max(...rates.open)
  const own = Math.min(...costs.open) / Math.min(...costs.guarded)
  return [
    `with a token (1,000 different ones, policy rule checked): ${told('guarded')}`,
    `the same handler of the same app without: ${told('open')}; with a token that is sent and not looked at: ${told('ignored')}`,
    `a bare Fastify handler: ${told('plain')}`,
    `${percent(ratio)} of the requests/s stay (goal ≥ 80 %: ${ratio >= 0.8 ? 'met' : 'MISSED'}), the load generator on the same cores; by the CPU that the server itself spends ${percent(own)} (${own >= 0.8 ? 'met' : 'MISSED'})`,
  ]
}
