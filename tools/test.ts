import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { resolve } from 'node:path'
import { run } from 'node:test'
import type { TestEvent } from 'node:test/reporters'
import { startPostgres } from '@murmuration/data/testing'
import { startCluster, startRedis } from 'kysely-redis/testing'
import { startNats } from '@murmuration/rpc/testing'

/**
 * The whole suite: checks first (format, lint, house rules, types), then the tests, with one private PostgreSQL, Redis, Redis
 * Cluster (three primaries) and NATS for all.
 * Arguments filter test files by part of their path; `--tests` leaves the checks out.
 */
const checks: readonly (readonly [name: string, command: string, args: readonly string[]])[] = [
  ['format', 'oxfmt', ['--check']],
  ['lint', 'oxlint', ['--type-aware', '--deny-warnings']],
  ['house rules', 'node', ['tools/house-rules.ts']],
  ['types', 'tsc', ['--noEmit']],
]

const silenceMs = 15 * 60_000

let passed = 0
let failed = 0
const failures: string[] = []

const say = (line: string): void => void process.stdout.write(`${line}\n`)

function runCheck(name: string, command: string, args: readonly string[]): Promise<void> {
  return new Promise((done) => {
    const started = performance.now()
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('error', (error) => (output += error.message))
    child.on('close', (code) => {
      if (code === 0) passed += 1
      else {
        failed += 1
        failures.push(`check: ${name}`)
        say(output)
      }
      say(`${code === 0 ? '✔' : '✖'} ${name} (${seconds(performance.now() - started)})`)
      done()
    })
  })
}

interface TestPass {
  readonly name: string
  readonly file?: string
  readonly details: { readonly type?: string; readonly duration_ms: number; readonly error?: { readonly cause?: unknown } }
  readonly skip?: boolean | string
}

async function runTests(files: readonly string[], concurrency: number): Promise<void> {
  if (files.length === 0) return
  const slowestFiles: Timed[] = []
  const slowestTests: Timed[] = []
  const began = performance.now()
  const pending = new Set(files.map((file) => resolve(file)))
  const watchdog = createWatchdog(pending)
  const stream = run({
    files: [...files],
    concurrency,
    isolation: 'process',
    timeout: 1_500_000,
    signal: watchdog.signal,
    // Each file is a process that loads a service and its engine.
    execArgv: ['--import', resolve('apps/murmur/src/quick-imports.js')],
  })
  for await (const event of stream as AsyncIterable<TestEvent>) {
    watchdog.alive()
    if (event.type === 'test:summary' && event.data.file !== undefined) {
      pending.delete(event.data.file)
      slowestFiles.push([relative(event.data.file), event.data.duration_ms])
    }
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    const data = event.data as TestPass
    // A describe block is not a test, and neither is the file itself — unless it could not be run at all.
    if (data.details.type === 'suite') continue
    slowestTests.push([`${relative(data.file)}: ${data.name}`, data.details.duration_ms])
    if (event.type === 'test:pass') {
      passed += 1
      continue
    }
    failed += 1
    const where = `${relative(data.file)}: ${data.name}`
    failures.push(where)
    const cause = data.details.error?.cause
    say(`✖ ${where}\n${indent(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause))}`)
  }
  watchdog.stop()
  say(`  ${seconds(performance.now() - began)} for all of these; the slowest files and tests:`)
  for (const [what, ms] of [...slowestOf(slowestFiles, 12), ...slowestOf(slowestTests, 20)]) say(`  ${seconds(ms)}  ${what}`)
}

type Timed = readonly [what: string, ms: number]
const slowestOf = (timed: readonly Timed[], most: number): Timed[] => timed.toSorted((a, b) => b[1] - a[1]).slice(0, most)

/** A file that leaves a handle open would hold the run for ever: it is cut off, and named. */
function createWatchdog(pending: ReadonlySet<string>): { readonly signal: AbortSignal; alive(): void; stop(): void } {
  const cut = new AbortController()
  const bite = (): void => {
    failed += 1
    failures.push(`no test ended for ${silenceMs / 60_000} minutes; not finished: ${[...pending].map(relative).join(', ')}`)
    cut.abort()
  }
  let timer = setTimeout(bite, silenceMs)
  const stop = (): void => clearTimeout(timer)
  return {
    signal: cut.signal,
    stop,
    alive() {
      stop()
      timer = setTimeout(bite, silenceMs)
    },
  }
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
const relative = (file: string | undefined): string => (file ?? '').replace(`${process.cwd()}/`, '')
const indent = (text: string): string => text.replaceAll(/^/gm, '    ')

const filters = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const onlyTests = process.argv.includes('--tests') || filters.length > 0
const startedAt = performance.now()

if (!onlyTests) for (const check of checks) await runCheck(...check)

const matching = (pattern: string): string[] =>
  globSync(pattern)
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .toSorted()

const postgres = await startPostgres()
const redis = await startRedis()
const cluster = await startCluster()
const nats = await startNats()
process.env['MURMUR_TEST_POSTGRES'] = postgres.url
process.env['MURMUR_TEST_REDIS'] = redis.url
process.env['MURMUR_TEST_REDIS_CLUSTER'] = cluster.url
process.env['MURMUR_TEST_NATS'] = nats.url
try {
  say('— units and contracts')
  await runTests(
    matching('{packages,services,apps,tools}/**/*.test.ts').filter((file) => !file.includes('node_modules')),
    2,
  )
  say('— simulation')
  await runTests(matching('simulation/**/*.test.ts'), 2)
  say('— conformance: real processes, unmodified clients')
  // They wait for heartbeats, leases and playbooks more than they compute; who waits longest begins first.
  const long = ['geo-faults', 'backup.', 'geo.', 'lifecycle']
  const begins = Object.groupBy(matching('conformance/**/*.test.ts'), (file) => long.find((part) => file.includes(part)) ?? 'then')
  await runTests(
    [...long, 'then'].flatMap((when) => begins[when] ?? []),
    3,
  )
} finally {
  await nats.stop()
  await cluster.stop()
  await redis.stop()
  await postgres.stop()
}

if (failures.length > 0) say(`\nfailed:\n${failures.map((failure) => `  ${failure}`).join('\n')}`)
say(`${((performance.now() - startedAt) / 1000).toFixed(0)} s`)
say(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 && passed > 0 ? 0 : 1)
