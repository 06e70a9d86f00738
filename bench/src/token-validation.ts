import { load } from './load.ts'
import { startChild } from './child.ts'
import { percent } from './results.ts'

type Variant = 'plain' | 'open' | 'ignored' | 'guarded'

/** Issue 2 §8: of the requests per second of the same handler without tokens, ≥ 80 % stay when each carries one. */
export async function tokenValidation(): Promise<string[]> {
  const { ready } = await startChild<{ open: string; guarded: string; plain: string; tokens: string[] }>('./token-server.ts')
  const how = { connections: 32, seconds: 3 }
  // In turns, so that a noisy neighbour of the machine meets all of them.
  const rounds: Record<Variant, number>[] = []
  for (let round = 0; round < 3; round += 1) {
    const plain = await load(ready.plain, how)
    const open = await load(ready.open, how)
    const guarded = await load(ready.guarded, { ...how, tokens: ready.tokens })
    const ignored = await load(ready.open, { ...how, tokens: ready.tokens })
    rounds.push({
      plain: plain.requestsPerSecond,
      open: open.requestsPerSecond,
      ignored: ignored.requestsPerSecond,
      guarded: guarded.requestsPerSecond,
    })
  }
  const best = (of: Variant): number => Math.max(...rounds.map((round) => round[of]))
  const ratio = best('guarded') / best('open')
  return [
    `with a token (1,000 different ones, policy rule checked): ${best('guarded').toFixed(0)} requests/s`,
    `the same handler of the same app without: ${best('open').toFixed(0)} requests/s; with a token that is sent and not looked at: ${best('ignored').toFixed(0)}; a bare Fastify handler: ${best('plain').toFixed(0)}`,
    `${percent(ratio)} stay; goal ≥ 80 %: ${ratio >= 0.8 ? 'met' : 'MISSED'}`,
  ]
}
