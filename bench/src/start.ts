import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { median } from './results.ts'

const runs = 5
const program = fileURLToPath(new URL('../../apps/murmur/src/main.ts', import.meta.url))

interface Started {
  readonly readyMs: number
  readonly residentMiB: number
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
    const resident = Math.max(...again.map((run) => run.residentMiB))
    return [
      `system controller with all its services; ready = /healthz of every service answers 200`,
      `first start (migrations, keys, certificates): ${first.readyMs.toFixed(0)} ms, ${first.residentMiB} MiB`,
      `start: median of ${runs} ${readyMs.toFixed(0)} ms (goal ≤ 1,500: ${readyMs <= 1_500 ? 'met' : 'MISSED'}), ${resident} MiB resident (goal ≤ 150: ${resident <= 150 ? 'met' : 'MISSED'})`,
      `node alone, listening: ${bare.readyMs.toFixed(0)} ms, ${bare.residentMiB} MiB; ratios ${(readyMs / bare.readyMs).toFixed(1)} and ${(resident / bare.residentMiB).toFixed(1)}`,
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function startSite(folder: string): Promise<Started> {
  const file = join(folder, 'site.yaml')
  const address = '127.77.0.1'
  const site = { name: 'bench', role: 'system-controller', varFolder: join(folder, 'var'), address }
  writeFileSync(file, JSON.stringify(site), { mode: 0o600 })
  const urls = [5_000, 6_385, 8_119].map((port) => `http://${address}:${port}/healthz`)
  return measure(['--disable-warning=ExperimentalWarning', program, 'serve', '--site', file], urls)
}

const bareNode = (): Promise<Started> =>
  measure(['-e', `require('node:http').createServer((_, r) => r.end()).listen(28119, '127.77.0.1')`], ['http://127.77.0.1:28119/'])

async function measure(args: readonly string[], urls: readonly string[]): Promise<Started> {
  const begin = performance.now()
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
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
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
    return { readyMs, residentMiB: Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024) }
  } finally {
    child.kill('SIGTERM')
    await exit
  }
}

const answers = async (url: string): Promise<boolean> => {
  try {
    return (await fetch(url)).status === 200
  } catch {
    return false
  }
}
