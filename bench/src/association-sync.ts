import type { TestContext } from 'node:test'
import { openPair } from '@murmuration/dcmanager/bench'
import { countStatements } from '@murmuration/data'

const members = Number(process.env['BENCH_MEMBERS'] ?? 1_000)

interface Measured {
  readonly ms: number
  readonly cpuMs: number
  readonly requests: number
  readonly statements: number
}

/**
 * Issue 3 §2 "a sync sends what differs, in bulk": the first sync of a group with a peer of this kind, and with one that takes copies one by one
 * as older releases and the original do. Both controllers are in this process, the real client of one and the real API of the other.
 */
export async function associationSync(): Promise<string[]> {
  const alone = await measure('old', members)
  const together = await measure('new', members)
  const few = await measure('new', 50)
  const line = (what: string, { ms, cpuMs, requests, statements }: Measured, of = members): string =>
    `${what}: ${requests} requests, ${(cpuMs / 1_000).toFixed(1)} s of CPU of both sides, ${(cpuMs / of).toFixed(2)} ms a member; ` +
    `${(statements / of).toFixed(1)} statements a member, ${(ms / 1_000).toFixed(1)} s in all`
  return [
    `first sync of a group of ${members} members with bootstrap and install values; SQLite in memory, no network between the two`,
    line('peer that takes copies one by one', alone),
    line('peer of this kind, 50 in a request', together),
    line('the same with 50 members', few, 50),
    `requests ${(alone.requests / together.requests).toFixed(0)} times fewer, CPU ${(alone.cpuMs / together.cpuMs).toFixed(1)} times less, ` +
      `statements ${(alone.statements / together.statements).toFixed(1)} times fewer`,
  ]
}

async function measure(kind: 'new' | 'old', count: number): Promise<Measured> {
  const farewells: (() => unknown)[] = []
  const context = { after: (work: () => unknown) => void farewells.push(work) } as unknown as TestContext
  const pair = await openPair(
    context,
    Array.from({ length: count }, (_, index) => index + 3),
  )
  pair.wire.kind = kind
  const cpu = process.cpuUsage()
  const startedMs = performance.now()
  const { statements } = await countStatements(() => pair.run('association.sync'))
  const ms = performance.now() - startedMs
  const used = process.cpuUsage(cpu)
  const status = await pair.owner.status(pair.owner.associationId)
  if (status !== 'in-sync') throw new Error(status)
  const requests = pair.wire.requests.length
  for (const farewell of farewells.toReversed()) await farewell()
  return { ms, cpuMs: (used.user + used.system) / 1_000, requests, statements }
}
