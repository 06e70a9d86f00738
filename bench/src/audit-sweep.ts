import { readFileSync } from 'node:fs'
import { countStatements, type Database } from '@murmuration/data'
import { createDcagentClient } from '@murmuration/clients'
import { Secret } from '@murmuration/trust'
import { createRealWorld, type HttpRequest } from '@murmuration/world'
import { createAuditor, createStateKeeper, type ControllerFacts, type Schema } from '@murmuration/dcmanager/bench'
import { addressOf, addFleet } from './fleet.ts'
import { ask, startChild } from './child.ts'
import { percent } from './results.ts'
import { openBenchSite } from './site.ts'

const fleet = Number(process.env['BENCH_FLEET'] ?? 5_000)
const intervalMs = 30_000
const changedInSweep = 500

interface Agents {
  readonly identityPort: number
  readonly agentPort: number
}

/**
 * Issue 2 §8: a fleet of simulated subclouds, each on its own loopback address, audited every 30 s by one audit loop and one state
 * service in this process; with `kept`, over a connection that stays open to each. The limit is one core: what share of it and how much memory it takes.
 */
export async function auditSweep({ tls, kept }: { readonly tls: boolean; readonly kept: boolean }): Promise<string[]> {
  const world = createRealWorld({
    timersKeepAlive: true,
    log: { level: 'error' },
    ...(kept ? { network: { maxPools: 2 * fleet + 100, keepAliveMs: 70_000 } } : {}),
  })
  const site = await openBenchSite(world)
  const authority = site.authority!
  const certificates = await Promise.all(
    (['server', 'client'] as const).map((usage) =>
      authority.issue({
        commonName: usage,
        addresses: usage === 'server' ? ['agents.bench'] : [],
        usage,
        lifetimeMs: 300 * 86_400_000,
      }),
    ),
  )
  const [server, client] = certificates as [(typeof certificates)[0], (typeof certificates)[0]]
  await world.files.write(`${site.folder}/agents.pem`, server.certificate)
  await world.files.write(`${site.folder}/agents.key`, server.privateKey)
  await world.files.write(`${site.folder}/ca.pem`, authority.certificate)
  const { ready: ports, child } = await startChild<Agents>('./agents-server.ts', [tls ? site.folder : ''])

  const database = await site.openDatabase<Schema>('dcmanager')
  const startMs = world.clock.nowMs()
  await addFleet(database, world, fleet, (n) => startMs + ((n * 0.618_034) % 1) * intervalMs)
  const identity = { ca: authority.certificate, cert: client.certificate, key: client.privateKey, serverName: 'agents.bench' }
  const plain = {
    ...world,
    net: {
      ...world.net,
      request: (request: HttpRequest) => world.net.request(withoutTls(request)),
    },
  }
  const agent = createDcagentClient(tls ? world : plain, {
    userName: 'dcmanager',
    password: async () => new Secret('bench'),
    tls: async () => identity,
    ports: { identityTls: ports.identityPort, dcagentTls: ports.agentPort },
  })
  const facts = {
    reference: async () => ({ deviceImages: [], kubernetesVersion: 'v1.29.2', deployedReleaseIds: ['release-26.09.0'] }),
    ownSystem: async () => ({ uuid: 'aaaaaaaa-0000-4000-8000-000000000001', name: 'bench' }),
    invalidate: () => undefined,
  } as unknown as ControllerFacts
  const benchSite = { ...site, config: { ...site.config, audit: { ...site.config.audit, intervalMs } } }
  const none = async (): Promise<void> => undefined
  const keeper = createStateKeeper(benchSite, database, { faults: { raised: async () => new Set(), raise: none, clear: none } })
  const auditor = createAuditor(benchSite, database, facts, { agent })

  const lines: string[] = [
    `${fleet} subclouds (${addressOf(1)} … ${addressOf(fleet)}), ${tls ? 'mutual TLS' : 'plain HTTP'}, ${kept ? 'a connection kept to each' : 'connections as a site keeps them by default'}, interval ${intervalMs / 1_000} s, concurrency ${benchSite.config.audit.concurrency}, ${database.engine}`,
  ]
  let firstCount = 0
  await countStatements(async () => {
    await keeper.start()
    await auditor.start()
    const sweep = async (what: string): Promise<number> => {
      const before = {
        cpu: process.cpuUsage(),
        at: performance.now(),
        statements: countOf(database),
        answered: await ask<number>(child, { count: true }),
      }
      await world.timers.sleep(intervalMs)
      const cpu = process.cpuUsage(before.cpu)
      const seconds = (performance.now() - before.at) / 1_000
      const answered = (await ask<number>(child, { count: true })) - before.answered
      const share = (cpu.user + cpu.system) / 1e6 / seconds
      const statements = countOf(database) - before.statements
      lines.push(`${what}: ${percent(share)} of one core, ${rssMiB()} MiB resident, ${answered} audits answered, ${statements} statements`)
      return share
    }
    const shares = [await sweep('first sweep (connects to all, authenticates)'), await sweep('unchanged'), await sweep('unchanged')]
    firstCount = shares.length
    await ask(child, { outOfSync: changedInSweep })
    shares.push(await sweep(`${changedInSweep} subclouds change`))
    const worst = Math.max(...shares)
    const changed = await database.query
      .selectFrom('subcloud_status')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('endpoint_type', '=', 'kubernetes')
      .where('sync_status', '=', 'out-of-sync')
      .executeTakeFirstOrThrow()
    lines.push(`changes seen in the database after that sweep: ${changed.count}`)
    lines.push(
      `worst ${percent(worst)} of one core (goal < 60 %: ${worst < 0.6 ? 'met' : 'MISSED'}), ${rssMiB()} MiB (goal < 1,024: ${rssMiB() < 1_024 ? 'met' : 'MISSED'})`,
    )
    await auditor.stop()
    await keeper.stop()
  })
  if (firstCount === 0) throw new Error('nothing was measured')
  child.kill('SIGKILL')
  return lines
}

function withoutTls(request: HttpRequest): HttpRequest {
  const copy: { -readonly [M in keyof HttpRequest]: HttpRequest[M] } = { ...request, url: request.url.replace('https:', 'http:') }
  delete copy.tls
  return copy
}

const countOf = (database: Database<Schema>): number => (database as unknown as { counters: { statements: number } }).counters.statements

const rssMiB = (): number => {
  const found = /VmRSS:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))
  return Math.round(Number(found?.[1] ?? 0) / 1_024)
}
