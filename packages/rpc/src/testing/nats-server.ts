import { createRealWorld, type World } from '@murmuration/world'

export interface NatsServer {
  /** With a prefix of its own, so that tests which share a server do not meet. */
  readonly url: string
  stop(): Promise<void>
}

const firstPort = 20_000
/** Ports of outgoing connections start at 32768. */
const portsBelow = 32_768
const attempts = 20

/** The server that `MURMUR_TEST_NATS` names, else one of our own on a free port. */
export async function startNats(): Promise<NatsServer> {
  const given = process.env['MURMUR_TEST_NATS']
  if (given === undefined || given === '') return startOwnNats()
  const prefix = `test-${createRealWorld({ log: { level: 'silent' } })
    .random.uuid()
    .slice(0, 8)}`
  return { url: `${given.split('?')[0]}?prefix=${prefix}`, stop: () => Promise.resolve() }
}

/** A server of our own, on a free port or the given one: for tests that stop it. */
export async function startOwnNats(port?: number): Promise<NatsServer> {
  const world = createRealWorld({ log: { level: 'silent' }, timersKeepAlive: true })
  const prefix = `test-${world.random.uuid().slice(0, 8)}`
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const candidate = port ?? firstPort + world.random.int(portsBelow - firstPort)
    const stop = await tryPort(world, candidate)
    if (stop !== undefined) return { url: `nats://127.0.0.1:${candidate}?prefix=${prefix}`, stop }
  }
  throw new Error(`nats-server found no free port in ${attempts} attempts`)
}

/** Resolves with the way to stop it once it takes connections, or with nothing when the port was taken. */
async function tryPort(world: World, port: number): Promise<(() => Promise<void>) | undefined> {
  const ending = new AbortController()
  const ready = Promise.withResolvers<boolean>()
  const server = await world.processes.start({
    command: 'nats-server',
    args: ['--addr', '127.0.0.1', '--port', String(port)],
    env: { PATH: process.env['PATH'] ?? '' },
    signal: ending.signal,
    killGraceMs: 2_000,
    onLine: (_stream, line) => {
      if (line.includes('Server is ready')) ready.resolve(true)
    },
  })
  void server.done.then(() => ready.resolve(false))
  if (!(await ready.promise)) return undefined
  return async () => {
    ending.abort()
    await server.done
  }
}
