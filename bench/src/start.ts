import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { median } from './results.ts'

const runs = 5
const program = fileURLToPath(new URL('../../apps/murmur/src/main.js', import.meta.url))

/** By then it has signed in to itself, hashed passwords, and its loops have run. */
const settledMs = 5_000

interface Started {
  readonly readyMs: number
  readonly residentMiB: number
  readonly settledMiB: number
}

/** Issue 2 §8: a site from its start to ready, and what it takes then. The limit beside it: the runtime alone with our modules' engine. */
export async function start(): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'murmur-start-'))
  try {
    const first = await startSite(folder)
    const again: Started[] = []
    for (let run = 0; run < runs; run += 1) again.push(await startSite(folder))
    const bare = await bareNode()
    const readyMs = median(again.map((run) => run.readyMs))
    const resident = Math.max(...again.flatMap((run) => [run.residentMiB, run.settledMiB]))
    return [
      `system controller with all its services; ready = /healthz of every service answers 200`,
      `first start (migrations, keys, certificates): ${toldOf(first)}`,
      ...again.map((run, n) => `start ${n + 2}: ${toldOf(run)}`),
      `median ${readyMs.toFixed(0)} ms (goal ≤ 1,500: ${readyMs <= 1_500 ? 'met' : 'MISSED'}), at most ${resident} MiB resident (goal ≤ 150: ${resident <= 150 ? 'met' : 'MISSED'})`,
      `node alone, listening: ${bare.readyMs.toFixed(0)} ms, ${bare.residentMiB} MiB; ratios ${(readyMs / bare.readyMs).toFixed(1)} and ${(resident / bare.residentMiB).toFixed(1)}`,
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const toldOf = (run: Started): string =>
  `${run.readyMs.toFixed(0)} ms, ${run.residentMiB} MiB when ready, ${run.settledMiB} MiB ${settledMs / 1_000} s later`

async function startSite(folder: string): Promise<Started> {
  const file = join(folder, 'site.yaml')
  const address = '127.77.0.1'
  const site = { name: 'bench', role: 'system-controller', varFolder: join(folder, 'var'), address }
  writeFileSync(file, JSON.stringify(site), { mode: 0o600 })
  const urls = [5_000, 6_385, 8_119].map((port) => `http://${address}:${port}/healthz`)
  return measure([program, 'serve', '--site', file], urls)
}

const bareNode = (): Promise<Started> =>
  measure(['-e', `require('node:http').createServer((_, r) => r.end()).listen(28119, '127.77.0.1')`], ['http://127.77.0.1:28119/'])

async function measure(args: readonly string[], urls: readonly string[]): Promise<Started> {
  const begin = performance.now()
  // As an operator starts it: nothing of what npm, a test or a benchmark set for Node reaches it.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:NODE_|MALLOC_|MURMUR_)/.test(name)))
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'], env })
  let errors = ''
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()))
  let ended = false
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve(void (ended = true))))
  try {
    for (const url of urls) {
      while (!(await answers(url))) {
        if (ended || performance.now() - begin > 60_000) throw new Error(`the site did not get ready: ${errors.slice(-2_000)}`)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    const readyMs = performance.now() - begin
    const resident = residentMiB(child.pid)
    await new Promise((resolve) => setTimeout(resolve, settledMs))
    return { readyMs, residentMiB: resident, settledMiB: residentMiB(child.pid) }
  } finally {
    child.kill('SIGTERM')
    await exit
  }
}

const residentMiB = (pid: number | undefined): number =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024)

const answers = async (url: string): Promise<boolean> => {
  try {
    return (await fetch(url)).status === 200
  } catch {
    return false
  }
}
