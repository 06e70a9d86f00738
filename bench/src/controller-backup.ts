import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, globSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { bulkInsert, openDatabase, timestamp, type Database } from '@murmuration/data'
import { findPostgres, startPostgres } from '@murmuration/data/testing'
import type { Schema } from '@murmuration/dcmanager/bench'
import { createRealWorld, type World } from '@murmuration/world'
import { addFleet } from './fleet.ts'

const fleet = Number(process.env['BENCH_FLEET'] ?? 5_000)
const backupGoalMs = 30_000
const restoreGoalMs = 120_000
/** A folder: each command leaves a CPU profile there. */
const profiles = process.env['BENCH_CPU_PROFILES']
const program = fileURLToPath(new URL('../../apps/murmur/src/main.js', import.meta.url))
const execute = promisify(execFile)

/**
 * Issue 3 §1: a system controller with its fleet's rows, documents, operations and vault, backed up and restored by the command as an
 * operator runs it. The limit beside it: the same files copied and hashed, each safe on the disk, with no proof and no encryption.
 */
export async function controllerBackup(): Promise<string[]> {
  const world = createRealWorld({ timersKeepAlive: true, log: { level: 'error' } })
  const folder = mkdtempSync(join(tmpdir(), 'murmur-backup-bench-'))
  const server = findPostgres() === undefined ? undefined : await startPostgres()
  try {
    const site = join(folder, 'site')
    const siteFile = join(site, 'site.yaml')
    mkdirSync(site, { mode: 0o700 })
    writeFileSync(siteFile, JSON.stringify({ name: 'bench', role: 'system-controller', varFolder: 'var' }), { mode: 0o600 })
    await murmur('db', 'migrate', '--site', siteFile)
    await fill(world, site)
    const archive = join(folder, 'controller.archive')
    const lines = [`${fleet} subclouds with their documents, networks, statuses, operations, changes and vault`]
    const limit = await copyAndHash(site, join(folder, 'copy'))
    lines.push(`limit: ${limit.files} files, ${mib(limit.bytes)}, copied, hashed and safe on the disk: ${seconds(limit.ms)}`)

    const told = (what: string, { ms, cpuMs }: Ran, goalMs: number): void => {
      lines.push(
        `${what}: ${seconds(ms)}, ${seconds(cpuMs)} of CPU (goal < ${goalMs / 1_000} s: ${ms < goalMs ? 'met' : 'MISSED'}), ratio to the limit ${(ms / limit.ms).toFixed(1)}`,
      )
    }
    const backup = (more: readonly string[] = []) =>
      murmur('controller', 'backup', '--force', '--site', siteFile, '--output', archive, ...more)
    const restore = (more: readonly string[] = []) => murmur('controller', 'restore', '--site-folder', site, '--input', archive, ...more)
    told('backup, sqlite', await backup(), backupGoalMs)
    lines.push(`archive: ${mib(statSync(archive).size)}`)
    const verified = await murmur('controller', 'verify', '--input', archive)
    lines.push(`verify: ${seconds(verified.ms)}, ${seconds(verified.cpuMs)} of CPU`)
    told('restore over what is there, sqlite', await restore(), restoreGoalMs)
    rmSync(site, { recursive: true })
    told('restore on an empty disk, sqlite', await restore(), restoreGoalMs)
    if (server !== undefined) {
      const url = new URL(server.url)
      url.searchParams.set('schema', 'bench_SERVICE')
      told('restore into PostgreSQL', await restore(['--data-url', url.href.replace('_SERVICE', '_{service}')]), restoreGoalMs)
      told('backup, PostgreSQL', await backup(), backupGoalMs)
    }
    return lines
  } finally {
    await server?.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Ran {
  readonly ms: number
  /** Of all its threads: what is left of the time when others take the machine. */
  readonly cpuMs: number
}

/** Runs the command in a shell that tells, after it, how much of the processors it took. */
async function murmur(...args: string[]): Promise<Ran> {
  const begin = performance.now()
  const profiled = profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${join(profiles, args.slice(0, 2).join('-'))}`]
  const { stdout } = await execute('sh', ['-c', '"$@" || exit $?; times', 'sh', process.execPath, ...profiled, program, ...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/', MURMUR_ARCHIVE_PASSPHRASE: 'a passphrase for a benchmark' },
    maxBuffer: 16 * 1024 * 1024,
  })
  const times = [...(stdout.trim().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)]
  const cpuMs = times.reduce((sum, [, minutes, left]) => sum + Number(minutes) * 60_000 + Number(left) * 1_000, 0)
  return { ms: performance.now() - begin, cpuMs }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now()
  await work()
  return performance.now() - begin
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

/** What a sealed document of this size looks like: nothing that compresses. */
const sealed = (world: World, bytes: number): string => `sealed:v1:benchkey:${Buffer.from(world.random.bytes(bytes)).toString('base64url')}`

async function fill(world: World, site: string): Promise<void> {
  const database = await openDatabase<Schema>(`sqlite:${join(site, 'var/data/dcmanager.db')}`, { world, name: 'dcmanager' })
  try {
    await addFleet(database, world, fleet, () => world.clock.nowMs() + 3_600_000)
    await addRest(world, database)
  } finally {
    await database.close()
  }
  for (let n = 1; n <= fleet; n += 1) {
    const vault = join(site, 'var/vault/subclouds', String(n))
    mkdirSync(vault, { recursive: true, mode: 0o700 })
    writeFileSync(join(vault, 'certificate.json'), JSON.stringify({ certificate: sealed(world, 900), sealedKey: sealed(world, 300) }), {
      mode: 0o600,
    })
    writeFileSync(join(vault, 'admin-password.json'), JSON.stringify({ sealed: sealed(world, 60) }), { mode: 0o600 })
  }
}

async function addRest(world: World, database: Database<Schema>): Promise<void> {
  const at = timestamp(world.clock.nowMs())
  const numbers = Array.from({ length: fleet }, (_, index) => index + 1)
  const documents = ['bootstrap-values', 'install-values', 'deploy-config']
  await bulkInsert(
    database,
    'subcloud_documents',
    numbers.flatMap((subcloud_id) => documents.map((kind) => ({ subcloud_id, kind, sealed: sealed(world, 1_500), updated_at: at }))),
  )
  const changes = ['added', 'deploy', 'deploy', 'availability', 'management', 'sync', 'sync', 'sync', 'sync', 'sync']
  await bulkInsert(
    database,
    'subcloud_changes',
    numbers.flatMap((subcloud_id) =>
      changes.map((kind) => ({ subcloud_id, kind, fields: JSON.stringify({ [kind]: `${kind} of ${subcloud_id}` }), at })),
    ),
  )
  const jobs = numbers.flatMap((n) => [`a-${n}`, `b-${n}`])
  await bulkInsert(
    database,
    'jobs',
    jobs.map((id) => ({
      id,
      kind: 'subcloud.deploy',
      subject: `subcloud:${id.slice(2)}`,
      exclusive_key: null,
      input: JSON.stringify({ phases: ['create', 'bootstrap', 'configure'], requestedAt: at }),
      state: 'done',
      attempt: 1,
      run_at: at,
      lease_owner: null,
      lease_epoch: 1,
      lease_until: null,
      cancel_requested: 0,
      cancel_reason: null,
      progress: null,
      outcome: JSON.stringify({ status: 'complete' }),
      error: null,
      requested_by: 'admin',
      request_id: `req-${id}`,
      created_at: at,
      started_at: at,
      finished_at: at,
      updated_at: at,
    })),
  )
  const steps = [
    'create.begin',
    'create.credentials',
    'create.end',
    'bootstrap.begin',
    'bootstrap.prepare',
    'bootstrap.playing',
    'bootstrap.run',
    'bootstrap.end',
  ]
  await bulkInsert(
    database,
    'job_steps',
    jobs.flatMap((job_id) =>
      steps.map((name, sequence) => ({
        job_id,
        name,
        sequence,
        result: JSON.stringify({ ok: true }),
        epoch: 1,
        started_at: at,
        finished_at: at,
      })),
    ),
  )
}

/** What nothing that keeps a copy can do without. */
async function copyAndHash(from: string, to: string): Promise<{ files: number; bytes: number; ms: number }> {
  const paths = globSync('**/*', { cwd: from, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  let bytes = 0
  const ms = await timed(async () => {
    for (const path of paths) {
      const target = join(to, path.slice(from.length))
      mkdirSync(dirname(target), { recursive: true })
      const hash = createHash('sha256')
      await pipeline(
        createReadStream(path),
        async function* (source) {
          for await (const piece of source) {
            hash.update(piece as Buffer)
            bytes += (piece as Buffer).length
            yield piece
          }
        },
        createWriteStream(target),
      )
      hash.digest()
      const file = await open(target, 'r')
      await file.sync()
      await file.close()
    }
  })
  return { files: paths.length, bytes, ms }
}
