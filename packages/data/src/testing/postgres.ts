import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'

/** A private PostgreSQL for tests: loopback only, no passwords, no fsync, gone afterwards. */
export interface PostgresServer {
  readonly url: string
  stop(): Promise<void>
}

const installations = '/usr/lib/postgresql'
const startLimitMs = 30_000
const portTries = 10

/** The newest server of the system's packages; undefined when there is none. */
export function findPostgres(): string | undefined {
  if (!existsSync(installations)) return undefined
  const versions = readdirSync(installations).filter((name) => existsSync(join(installations, name, 'bin', 'initdb')))
  const newest = versions.toSorted((a, b) => Number(b) - Number(a))[0]
  return newest === undefined ? undefined : join(installations, newest, 'bin')
}

/**
 * Initialises and starts a server under a new temporary folder (about two seconds). Its locale is not C on purpose: orders and
 * comparisons must not depend on it. It ends with this process, however that ends.
 */
export async function startPostgres(): Promise<PostgresServer> {
  const bin = findPostgres()
  if (bin === undefined) throw new Error(`no PostgreSQL server below ${installations}: install Debian's package postgresql`)
  const folder = mkdtempSync(join(tmpdir(), 'murmuration-postgres-'))
  const watcher = watch(folder)
  const asServer = serverUser(folder)
  const data = join(folder, 'data')
  try {
    const locale = Number(/postgresql\/(\d+)/.exec(bin)?.[1]) >= 15 ? ['--locale=C', '--locale-provider=icu', '--icu-locale=en-US'] : []
    const [command, ...args] = [...asServer, join(bin, 'initdb'), '-D', data, '-U', 'murmuration', '-A', 'trust', '-E', 'UTF8', '--no-sync']
    execFileSync(command, [...args, ...locale], { stdio: ['ignore', 'ignore', 'pipe'], cwd: '/', env: cleanEnvironment() })
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const server = await startOn(bin, data, port, asServer)
    if (server) return guard(server, watcher, folder, `postgres://murmuration@127.0.0.1:${port}/postgres`)
    if (attempt === portTries) {
      rmSync(folder, { recursive: true, force: true })
      throw new Error('the private PostgreSQL did not start')
    }
  }
}

/** PostgreSQL refuses to run as root. */
function serverUser(folder: string): string[] {
  if (process.getuid?.() !== 0) return []
  const idOf = (kind: '-u' | '-g'): number => Number(execFileSync('id', [kind, 'postgres'], { encoding: 'utf8' }))
  chownSync(folder, idOf('-u'), idOf('-g'))
  return ['/usr/bin/setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups']
}

const cleanEnvironment = (): Record<string, string> => ({ PATH: '/usr/bin:/bin', LC_ALL: 'C' })

/** Below 32768, where the kernel takes ports for outgoing connections. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000)
    const free = await new Promise<boolean>((resolve) => {
      const probe = createServer()
      probe.once('error', () => resolve(false))
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
    })
    if (free) return port
  }
}

async function startOn(bin: string, data: string, port: number, asServer: readonly string[]): Promise<ChildProcess | undefined> {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    max_connections: '300',
    max_locks_per_transaction: '256',
  }
  const [command, ...args] = [...asServer, join(bin, 'postgres'), '-D', data, '-p', String(port)]
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child = spawn(command, [...args, ...options], { stdio: 'ignore', cwd: '/', env: cleanEnvironment() })
  child.on('error', () => {})
  const deadline = Date.now() + startLimitMs
  while (child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'murmuration', database: 'postgres', connectionTimeoutMillis: 1_000 })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.end()
      return child
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }
  child.kill('SIGKILL')
  return undefined
}

/**
 * A small shell outlives us, however we end (its input closes then): it ends the server whose number it was told and removes the
 * folder, a second time for an initdb that was still writing. An exit handler
 * would not run on a kill, and could not wait for the server.
 */
function watch(folder: string): ChildProcess {
  const script =
    'while read -r pid; do server=$pid; done; [ -n "$server" ] && kill -QUIT "$server"; while [ -n "$server" ] && kill -0 "$server" 2>/dev/null; do sleep 0.05; done; rm -rf "$1"; sleep 1; rm -rf "$1"'
  const args = ['-c', script, 'sh', folder]
  const watcher = spawn('/bin/sh', args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true, cwd: '/', env: cleanEnvironment() })
  watcher.on('error', () => {})
  watcher.unref()
  // A pipe to a child is a socket: without this it would keep the test process alive.
  ;(watcher.stdin as Socket | null)?.unref()
  return watcher
}

function guard(child: ChildProcess, watcher: ChildProcess, folder: string, url: string): PostgresServer {
  watcher.stdin?.write(`${child.pid}\n`)
  child.unref()
  let stopping: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    watcher.kill('SIGKILL')
    const gone = new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve()
      else child.once('exit', () => resolve())
    })
    child.ref()
    child.kill('SIGINT')
    await gone
    rmSync(folder, { recursive: true, force: true })
  }
  return { url, stop: () => (stopping ??= stop()) }
}
