import type { Endpoint, HttpRequest, HttpResponse, ListenAddress, Listening, ServerTls } from '../world.ts'
import type { Exchange, Failure } from './exchange.ts'
import type { Disk } from './files.ts'
import type { SimulatedNetwork } from './network.ts'
import type { ProcessCore } from './process.ts'
import { notAfterMs, verify } from './tls.ts'

const defaultGraceMs = 10_000

/** An address on which a process answers. */
export class Listener {
  readonly hostName: string
  readonly address: string
  readonly port: number
  readonly listening: Listening
  readonly #network: SimulatedNetwork
  readonly #core: ProcessCore
  readonly #disk: Disk
  readonly #tls: ServerTls | undefined
  readonly #endpoint: Endpoint
  readonly #remove: () => void
  /** Being answered now, in the order of arrival. */
  readonly #running = new Set<Exchange>()
  #onIdle: (() => void)[] = []
  #ending = false

  constructor(network: SimulatedNetwork, core: ProcessCore, disk: Disk, address: ListenAddress, endpoint: Endpoint, remove: () => void) {
    this.#network = network
    this.#core = core
    this.#disk = disk
    this.#tls = address.tls
    this.#endpoint = endpoint
    this.#remove = remove
    this.hostName = core.hostName
    this.address = address.host
    this.port = address.port
    if (this.#tls !== undefined) {
      for (const file of [this.#tls.certFile, this.#tls.keyFile, this.#tls.clientCaFile]) {
        if (file !== undefined && this.#text(file) === undefined)
          throw Object.assign(new Error(`ENOENT: ${file} is not there`), { code: 'ENOENT' })
      }
    }
    core.onCrash(() => this.#die())
    this.listening = { host: address.host, port: address.port, close: (graceMs) => this.#close(graceMs ?? defaultGraceMs) }
  }

  arrive(exchange: Exchange): void {
    // A paused process has the connection in its backlog; it answers when it goes on.
    if (this.#core.state === 'paused') this.#core.after(0, `request ${exchange.label}`, () => this.#answer(exchange))
    else this.#answer(exchange)
  }

  describe(): string[] {
    return [...this.#running].map((exchange) => `${this.#core.name}: is answering ${exchange.label}`)
  }

  #answer(exchange: Exchange): void {
    const failure = this.#handshake(exchange)
    if (failure !== undefined) return exchange.answer(this.hostName, failure)
    this.#core.note(`serves ${exchange.label}`)
    this.#running.add(exchange)
    const { method, url, headers, body, deadlineMs, maxResponseBytes } = exchange.request
    const request: HttpRequest = {
      method,
      url,
      deadlineMs,
      headers: lowerCased(headers),
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : body.slice() }),
      ...(maxResponseBytes === undefined ? {} : { maxResponseBytes }),
    }
    this.#endpoint.inject(request).then(
      (response) => this.#answered(exchange, this.#copied(response)),
      () => this.#answered(exchange, { code: 'reset', why: 'the connection broke' }),
    )
  }

  #answered(exchange: Exchange, answer: HttpResponse | Failure): void {
    // Cut by close(), or the process is dead: what was computed never leaves it.
    if (this.#core.state === 'dead' || !this.#running.delete(exchange)) return
    exchange.answer(this.hostName, answer)
    if (this.#running.size === 0) for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  #copied(response: HttpResponse): HttpResponse {
    return {
      status: response.status,
      headers: lowerCased(response.headers),
      body: response.body.slice(),
      ...(this.#tls === undefined ? {} : { peerCertificateNotAfterMs: notAfterMs(this.#text(this.#tls.certFile)) }),
    }
  }

  #handshake(exchange: Exchange): Failure | undefined {
    const secure = exchange.url.protocol === 'https:'
    if (this.#tls === undefined) return secure ? { code: 'tls', why: 'the TLS handshake failed (the server speaks http)' } : undefined
    if (!secure) return { code: 'protocol', why: 'the server speaks https' }
    const { ca, cert, serverName } = exchange.request.tls ?? {}
    const nowMs = this.#network.wallMs(this.hostName)
    const server = verify(this.#text(this.#tls.certFile), ca, nowMs, serverName ?? exchange.host)
    if (server !== undefined) return { code: 'tls', why: `the TLS handshake failed (server certificate: ${server})` }
    if (this.#tls.clientCaFile === undefined) return undefined
    const client = verify(cert, this.#text(this.#tls.clientCaFile), nowMs)
    return client === undefined ? undefined : { code: 'tls', why: `the TLS handshake failed (client certificate: ${client})` }
  }

  #text(file: string): string | undefined {
    const data = this.#disk.peek(file)
    return data === undefined ? undefined : Buffer.from(data).toString('utf8')
  }

  #close(graceMs: number): Promise<void> {
    if (!this.#ending) {
      this.#ending = true
      this.#remove()
      this.#endpoint.ending?.()
    }
    return this.#core.outside((resolve) => {
      if (this.#running.size === 0) return resolve()
      const force = this.#core.after(graceMs, 'end of grace for running requests', () => this.#cut())
      this.#onIdle.push(() => {
        force.cancel()
        resolve()
      })
    })
  }

  #cut(): void {
    const cut = [...this.#running]
    this.#running.clear()
    for (const exchange of cut) exchange.answer(this.hostName, { code: 'reset', why: 'the connection broke' })
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  /** The kernel resets some connections of a dead process; of others the caller never hears again. */
  #die(): void {
    this.#remove()
    for (const exchange of this.#running) {
      if (this.#network.random.chance(0.5)) exchange.answer(this.hostName, { code: 'reset', why: 'the connection broke' })
    }
    this.#running.clear()
  }
}

function lowerCased(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
