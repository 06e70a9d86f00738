import { isIP } from 'node:net'
import {
  NetworkError,
  type Endpoint,
  type HttpRequest,
  type HttpResponse,
  type ListenAddress,
  type Listening,
  type Network,
  type StreamRequest,
  type StreamResponse,
} from '../world.ts'
import { Exchange } from './exchange.ts'
import type { Disk } from './files.ts'
import type { Links } from './links.ts'
import { Listener } from './listener.ts'
import type { ProcessCore } from './process.ts'
import type { SeededRandom } from './random.ts'
import type { Owner, Scheduler } from './scheduler.ts'

const firstFreePort = 20_000
const longestStreamBytes = 256 * 1024 * 1024
const pieceBytes = 65_536
const wildcards = new Set(['0.0.0.0', '::'])
const loopbacks = new Set(['127.0.0.1', 'localhost', '::1'])

/** All hosts' endpoints. A request is one event at the receiver, its answer one at the caller. */
export class SimulatedNetwork {
  readonly scheduler: Scheduler
  readonly links: Links
  readonly random: SeededRandom
  /** Host names by what others call them. */
  readonly #names = new Map<string, string>()
  readonly #listeners = new Map<string, Listener>()
  readonly #nextPort = new Map<string, number>()
  #exchanges = 0

  /** The wall clock of a host, for the validity of certificates. */
  readonly wallMs: (hostName: string) => number

  constructor(scheduler: Scheduler, links: Links, random: SeededRandom, wallMs: (hostName: string) => number) {
    this.wallMs = wallMs
    this.scheduler = scheduler
    this.links = links
    this.random = random
  }

  /** The wire itself: never paused, never dead. */
  readonly wire: Owner = { name: 'network', state: 'running', hold() {} }

  nameHost(address: string, hostName: string): void {
    const known = this.#names.get(address)
    if (known !== undefined && known !== hostName)
      throw new Error(`${address} is an address of host ${known}, it cannot be one of ${hostName} too`)
    this.#names.set(address, hostName)
  }

  of(core: ProcessCore, disk: Disk): Network {
    const pending = new Set<Exchange>()
    return {
      request: (request) => this.#request(core, request, pending),
      stream: async ({ body, ...request }) => {
        const sent = body === undefined ? {} : { body: await whole(body) }
        return streamed(await this.#request(core, { ...request, ...sent, maxResponseBytes: longestStreamBytes }, pending, request))
      },
      resolve: (hostName) => this.#resolve(core, hostName),
      serve: (address, endpoint) => this.#serve(core, disk, address, endpoint),
      connect: () => {
        throw new NetworkError('protocol', 'There are no raw connections in a simulation: its databases are files.')
      },
      close() {
        for (const exchange of pending) exchange.fail('aborted', 'the network was closed')
        return Promise.resolve()
      },
    }
  }

  #request(
    core: ProcessCore,
    request: HttpRequest,
    pending: Set<Exchange>,
    { address }: Pick<StreamRequest, 'address'> = {},
  ): Promise<HttpResponse> {
    const url = URL.parse(request.url)
    if (address !== undefined && isIP(address) === 0) {
      const error = new NetworkError('protocol', `${request.method}: ${address} is not an IP address`)
      return core.outside((_resolve, reject) => reject(error))
    }
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
      const error = new NetworkError('protocol', `${request.method}: the URL must be absolute and start with http: or https:`)
      return core.outside((_resolve, reject) => reject(error))
    }
    return core.outside((resolve, reject) => {
      this.#exchanges += 1
      const settle = { resolve, reject, over: () => pending.delete(exchange) }
      const exchange: Exchange = new Exchange(this, core, request, url, this.#exchanges, settle, address)
      pending.add(exchange)
      exchange.start()
    })
  }

  /** Files of names are on every machine: no message is needed. */
  #resolve(core: ProcessCore, hostName: string): Promise<readonly string[]> {
    return core.outside((resolve, reject) => {
      if (isIP(hostName) !== 0) return resolve([hostName])
      const host = this.hostOf(hostName, core.hostName)
      const addresses = loopbacks.has(hostName)
        ? ['127.0.0.1']
        : [...this.#names].filter(([address, name]) => name === host && isIP(address) !== 0).map(([address]) => address)
      if (host === undefined || addresses.length === 0) reject(new NetworkError('dns', `resolve ${hostName}: the name cannot be resolved`))
      else resolve(addresses)
    })
  }

  /** The host that an address of a URL leads to, seen from another host. */
  hostOf(address: string, from: string): string | undefined {
    return loopbacks.has(address) ? from : this.#names.get(address)
  }

  listenerAt(hostName: string, address: string, port: number): Listener | undefined {
    const at = (where: string): Listener | undefined => this.#listeners.get(`${hostName} ${where} ${port}`)
    const exact = at(address) ?? at('0.0.0.0') ?? at('::')
    if (exact !== undefined || isIP(address) !== 0) return exact
    // By the name of the host: any of its addresses.
    for (const listener of this.#listeners.values()) {
      if (listener.hostName === hostName && listener.port === port && !loopbacks.has(listener.address)) return listener
    }
    return undefined
  }

  #serve(core: ProcessCore, disk: Disk, address: ListenAddress, endpoint: Endpoint): Promise<Listening> {
    return core.outside((resolve, reject) => {
      try {
        const { host } = address
        if (!wildcards.has(host) && !loopbacks.has(host)) this.nameHost(host, core.hostName)
        const port = address.port === 0 ? this.#freePort(core.hostName) : address.port
        const place = `${core.hostName} ${host} ${port}`
        if (this.#listeners.has(place)) {
          throw Object.assign(new Error(`cannot listen on ${host}:${port} (EADDRINUSE): is the address ours and the port free?`), {
            code: 'EADDRINUSE',
          })
        }
        const listener = new Listener(this, core, disk, { ...address, port }, endpoint, () => this.#listeners.delete(place))
        this.#listeners.set(place, listener)
        core.note(`listens on ${host}:${port}${address.tls === undefined ? '' : ' (TLS)'}`)
        resolve(listener.listening)
      } catch (error) {
        reject(error as Error)
      }
    })
  }

  #freePort(hostName: string): number {
    const port = this.#nextPort.get(hostName) ?? firstFreePort
    this.#nextPort.set(hostName, port + 1)
    return port
  }

  describe(): string[] {
    return [...this.#listeners.values()].flatMap((listener) => listener.describe())
  }
}

/** A simulated line carries messages, no streams. */
const whole = async (body: NonNullable<StreamRequest['body']>): Promise<string | Uint8Array> =>
  typeof body === 'string' || body instanceof Uint8Array ? body : Buffer.concat(await Array.fromAsync(body))

/** All of it came with one event; who reads it sees pieces. */
function streamed({ status, headers, body }: HttpResponse): StreamResponse {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < body.length; at += pieceBytes) yield body.subarray(at, at + pieceBytes)
  }
  return { status, headers, body: pieces(), discard() {} }
}
