import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Connection } from '../wire/connection.ts'
import { nodeEnvironment } from '../node.ts'

/** A private Redis for tests: loopback only, nothing on disk, gone afterwards. */
export interface RedisServer {
  readonly url: string
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

const startLimitMs = 15_000
const portTries = 10

/** The server at MURMUR_TEST_REDIS, or else a private one that ends with this process, however that ends. */
export async function testRedis(): Promise<RedisServer> {
  const given = process.env['MURMUR_TEST_REDIS']
  if (given !== undefined) return { url: given, port: Number(new URL(given).port || 6379), pid: 0, stop: () => Promise.resolve() }
  return await startRedis()
}

export async function startRedis(settings: readonly string[] = []): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'kysely-redis-'))
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const server = await startOn(port, folder, settings)
    if (server) return server
    if (attempt === portTries) throw new Error('a private redis-server did not start: is it installed?')
  }
}

/** Below 32768, where the kernel takes ports for outgoing connections; its cluster bus is 10,000 above. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 7_000)
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port
  }
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })

async function startOn(port: number, folder: string, settings: readonly string[]): Promise<RedisServer | undefined> {
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    '--save',
    '',
    '--appendonly',
    'no',
    '--maxmemory-policy',
    'noeviction',
    ...settings,
  ]
  const child = spawn('redis-server', args, { stdio: 'ignore', cwd: '/' })
  let failed = false
  child.on('error', () => (failed = true))
  child.unref()
  const watcher = watch(child, folder)
  const deadline = performance.now() + startLimitMs
  while (!failed && child.exitCode === null && performance.now() < deadline) {
    if (await answers(port))
      return { url: `redis://127.0.0.1:${port}`, port, pid: child.pid ?? 0, stop: () => stop(child, watcher, folder) }
    await pause(10)
  }
  child.kill('SIGKILL')
  watcher.kill('SIGKILL')
  return undefined
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.on('error', () => resolve(false))
    socket.on('data', (data) => {
      socket.destroy()
      resolve(data.toString().startsWith('+PONG'))
    })
    socket.on('connect', () => socket.write('PING\r\n'))
  })

/** A small shell outlives us, however we end: its input closes then, and it ends the server and removes the folder. */
function watch(server: ChildProcess, folder: string): ChildProcess {
  const script = 'read -r _; kill -KILL "$1" 2>/dev/null; rm -rf "$2"'
  const watcher = spawn('/bin/sh', ['-c', script, 'sh', String(server.pid), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  })
  watcher.on('error', () => {})
  watcher.unref()
  ;(watcher.stdin as Socket | null)?.unref()
  return watcher
}

async function stop(child: ChildProcess, watcher: ChildProcess, folder: string): Promise<void> {
  watcher.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) {
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.ref()
    child.kill('SIGKILL')
    await gone
  }
  rmSync(folder, { recursive: true, force: true })
}

export interface RedisCluster {
  readonly url: string
  readonly servers: readonly RedisServer[]
  stop(): Promise<void>
}

/** Primaries only, each with a third (or so) of the slots. */
export async function startCluster(primaries = 3): Promise<RedisCluster> {
  const servers = await Promise.all(
    Array.from({ length: primaries }, () => startRedis(['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'])),
  )
  const stopAll = async (): Promise<void> => void (await Promise.all(servers.map((server) => server.stop())))
  try {
    const size = Math.ceil(16_384 / primaries)
    for (const [index, server] of servers.entries()) {
      await command(server.port, ['CLUSTER', 'ADDSLOTSRANGE', index * size, Math.min(16_383, (index + 1) * size - 1)])
      await command(server.port, ['CLUSTER', 'SET-CONFIG-EPOCH', index + 1])
      if (index > 0) await command(server.port, ['CLUSTER', 'MEET', '127.0.0.1', (servers[0] as RedisServer).port])
    }
    const deadline = performance.now() + startLimitMs
    for (const server of servers)
      while (!(await ready(server.port, primaries))) {
        if (performance.now() > deadline) throw new Error('the cluster did not come together')
        await pause(20)
      }
  } catch (error) {
    await stopAll()
    throw error
  }
  return { url: `redis+cluster://${servers.map((server) => `127.0.0.1:${server.port}`).join(',')}`, servers, stop: stopAll }
}

async function ready(port: number, primaries: number): Promise<boolean> {
  const info = String(await command(port, ['CLUSTER', 'INFO']))
  return info.includes('cluster_state:ok') && info.includes(`cluster_size:${primaries}`)
}

/** One command on a connection of its own. */
export async function command(port: number, args: readonly (string | number)[]): Promise<unknown> {
  const connection = new Connection(nodeEnvironment, { host: '127.0.0.1', port }, 5_000)
  try {
    return await connection.send(args)
  } finally {
    connection.close()
  }
}
