import type {
  Endpoint,
  HttpRequest,
  HttpResponse,
  ListenAddress,
  Listening,
  Log,
  Network,
  Stream,
  StreamAddress,
  StreamRequest,
  StreamResponse,
} from '../world.ts'
import { NetworkError } from '../world.ts'
import { exchange } from './exchange.ts'
import type { Pools } from './pools.ts'
import { resolveName } from './resolve.ts'
import { serve } from './serve.ts'
import { connectStream } from './stream.ts'
import { streamAnswer } from './stream-answer.ts'

export interface NetworkLimits {
  /** Origins (with their TLS identity) whose connections are kept; the least recently used one gives way. Default 1,024. */
  readonly maxPools: number
  /** Connections to one origin at once; more requests wait within their deadlines. Default 16. */
  readonly maxConnectionsPerPool: number
  /** An idle connection is closed after this, unless the server asks for less. Default 30,000. */
  readonly keepAliveMs: number
  /** How often certificate files are looked at. Default 1,000. */
  readonly certificateCheckMs: number
  /** Connections that a server of ours accepts at once; more are closed. Default 10,000. */
  readonly maxServerConnections: number
}

const defaultLimits: NetworkLimits = {
  maxPools: 1_024,
  maxConnectionsPerPool: 16,
  keepAliveMs: 30_000,
  certificateCheckMs: 1_000,
  maxServerConnections: 10_000,
}

export class RealNetwork implements Network {
  #pools: Promise<Pools> | undefined
  readonly #limits: NetworkLimits
  readonly #log: Log

  constructor(log: Log, limits: Partial<NetworkLimits> = {}) {
    this.#limits = { ...defaultLimits, ...limits }
    this.#log = log
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    const url = httpUrl(request)
    return exchange((await this.#opened()).for(url.origin, request.tls), url, request)
  }

  async stream(request: StreamRequest): Promise<StreamResponse> {
    const url = httpUrl(request)
    return streamAnswer(await this.#opened(), url, request)
  }

  resolve(hostName: string, deadlineMs: number): Promise<readonly string[]> {
    return resolveName(hostName, deadlineMs)
  }

  serve(address: ListenAddress, endpoint: Endpoint): Promise<Listening> {
    return serve(address, endpoint, this.#limits, this.#log)
  }

  connect(address: StreamAddress): Stream {
    return connectStream(address)
  }

  /** Cuts what still runs; servers are closed by whoever opened them. */
  async close(): Promise<void> {
    await (await this.#pools)?.close()
  }

  /** Undici takes a sixth of a second to load: whoever asks nobody (many commands) does without. */
  #opened(): Promise<Pools> {
    return (this.#pools ??= import('./pools.ts').then(({ Pools }) => new Pools(this.#limits)))
  }
}

function httpUrl(request: Pick<HttpRequest, 'method' | 'url'>): URL {
  const url = URL.parse(request.url)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new NetworkError('protocol', `${request.method}: the URL must be absolute and start with http: or https:`)
  }
  return url
}
