import type { TestContext } from 'node:test'
import { countStatements } from '@murmuration/data'
import { readJobs } from '@murmuration/jobs'
import { takeoverBench } from '@murmuration/dcmanager/playbook-testing'
import { createRealWorld } from '@murmuration/world'

const members = Number(process.env['BENCH_MEMBERS'] ?? 1_000)
const atOnce = 250
const goalSeconds = 30
const certificatesMeasured = 20

/**
 * Issue 3 §5: a peer group of simulated subclouds is migrated by one manager; playbooks take no time, so what is left is the
 * controller's own: claims, jobs, certificates, settling, managing.
 */
export async function migrateGroup(): Promise<string[]> {
  const world = createRealWorld({ timersKeepAlive: true, log: { level: 'error' } })
  const farewells: (() => unknown)[] = []
  const context = { after: (work: () => unknown) => void farewells.push(work) } as unknown as TestContext
  const bench = await takeoverBench(context, { world, atOnce })
  await bench.add(members)
  const certificateMs = await cpuOf(async () => {
    for (let n = 0; n < certificatesMeasured; n += 1)
      await bench.site.authority!.issue({ commonName: `one-${n}`, addresses: ['127.0.0.1'], usage: 'both', lifetimeMs: 3_600_000 })
  })
  let ended = false
  let elapsedMs = 0
  let statements = 0
  const cpuMs = await cpuOf(async () => {
    const startedMs = performance.now()
    const counted = await countStatements(async () => {
      const jobId = await bench.migrate()
      // Made here: its loops count where it was made.
      const worker = bench.worker()
      worker.start()
      while (!ended) {
        await world.timers.sleep(500)
        ended = (await readJobs(bench.database, { ids: [jobId] }))[0]?.finished_at !== null
      }
      await worker.stop()
    })
    statements = counted.statements
    elapsedMs = performance.now() - startedMs
  })
  const managed = (await bench.rows()).filter((row) => row.deploy_status === 'complete' && row.management_state === 'managed').length
  for (const farewell of farewells.toReversed()) await farewell()
  const cpuSeconds = cpuMs / 1_000
  const perCertificateMs = certificateMs / certificatesMeasured
  return [
    `a group of ${members} subclouds, ${atOnce} at a time, playbooks that take no time, SQLite; ${managed} were taken over and managed`,
    `CPU of the manager: ${cpuSeconds.toFixed(1)} s, ${(cpuMs / members).toFixed(1)} ms a subcloud; of that the ${members} certificates ${((perCertificateMs * members) / 1_000).toFixed(1)} s (${perCertificateMs.toFixed(1)} ms each, measured beside it)`,
    `from the request to the end: ${(elapsedMs / 1_000).toFixed(1)} s, ${(statements / members).toFixed(1)} statements a subcloud`,
    `goal < ${goalSeconds} s of controller time: ${cpuSeconds < goalSeconds && managed === members ? 'met' : 'missed'}, ratio ${(cpuSeconds / goalSeconds).toFixed(2)}`,
  ]
}

async function cpuOf(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}
