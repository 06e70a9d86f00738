import { execFile, execFileSync } from 'node:child_process'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Pool } from 'undici'

export interface Load {
  readonly requestsPerSecond: number
  readonly p50Ms: number
}

export interface LoadOptions {
  readonly connections: number
  readonly seconds: number
  /** One of them on every request, in turn. */
  readonly tokens?: readonly string[]
}

/** Asks one URL as fast as it answers: by wrk where it is installed, from outside of this process; else by a loop of our own. */
export async function load(url: string, options: LoadOptions): Promise<Load> {
  await ask(url, { ...options, seconds: Math.min(1, options.seconds) })
  return ask(url, options)
}

const ask = (url: string, options: LoadOptions): Promise<Load> => (haveWrk() ? byWrk(url, options) : byLoop(url, options))

function haveWrk(): boolean {
  try {
    execFileSync('which', ['wrk'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function byWrk(url: string, { connections, seconds, tokens }: LoadOptions): Promise<Load> {
  const script = join(await mkdtemp(join(tmpdir(), 'bench-')), 'load.lua')
  await writeFile(
    script,
    `local tokens = {${(tokens ?? []).map((token) => `"${token}"`).join(',')}}
local n = 0
local requests = {}
-- Written once: the load generator shares the machine with what it measures.
init = function()
  requests[1] = wrk.format("GET", nil, {["accept"] = "application/json"})
  for i, token in ipairs(tokens) do
    requests[i] = wrk.format("GET", nil, {["accept"] = "application/json", ["x-auth-token"] = token})
  end
end
request = function()
  n = n % #requests + 1
  return requests[n]
end
done = function(summary, latency)
  local errors = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format("RESULT %f %f %d\\n", summary.requests * 1e6 / summary.duration, latency:percentile(50) / 1000, errors))
end
`,
  )
  const { stdout } = await promisify(execFile)('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url])
  const found = /RESULT (\S+) (\S+) (\d+)/.exec(stdout)
  if (found === null || found[3] !== '0') throw new Error(`the load went wrong: ${stdout}`)
  return { requestsPerSecond: Number(found[1]), p50Ms: Number(found[2]) }
}

async function byLoop(url: string, { connections, seconds, tokens = [] }: LoadOptions): Promise<Load> {
  const { origin, pathname, search } = new URL(url)
  const pool = new Pool(origin, { connections })
  const took: number[] = []
  const end = performance.now() + seconds * 1_000
  let n = 0
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      const begin = performance.now()
      const token = tokens[n++ % Math.max(tokens.length, 1)]
      const { statusCode, body } = await pool.request({
        method: 'GET',
        path: pathname + search,
        headers: { accept: 'application/json', ...(token === undefined ? {} : { 'x-auth-token': token }) },
      })
      await body.dump({ limit: 1e9 })
      if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}`)
      took.push(performance.now() - begin)
    }
  }
  await Promise.all(Array.from({ length: connections }, client))
  await pool.close()
  return { requestsPerSecond: took.length / seconds, p50Ms: took.toSorted((a, b) => a - b)[Math.floor(took.length / 2)] ?? Number.NaN }
}
