import { isIP } from 'node:net'
import type { Timer } from '../world.ts'
import { NetworkError, type HttpRequest, type HttpResponse, type NetworkErrorCode } from '../world.ts'
import type { SimulatedNetwork } from './network.ts'
import type { ProcessCore } from './process.ts'

const defaultMaxResponseBytes = 1_048_576

/** A failure that the other side or the way there reports to the caller. */
export interface Failure {
  readonly code: NetworkErrorCode
  readonly why: string
}

/** One request of one caller, from `request()` to its answer or its deadline. */
export class Exchange {
  readonly request: HttpRequest
  readonly url: URL
  readonly from: string
  readonly #network: SimulatedNetwork
  readonly #caller: ProcessCore
  readonly #label: string
  readonly #settle: { resolve(response: HttpResponse): void; reject(error: Error): void; over(): void }
  readonly #pinned: string | undefined
  readonly #onAbort = (): void => this.fail('aborted', 'the caller gave up waiting', this.request.signal?.reason)
  #deadline: Timer | undefined
  #stopWatching: (() => void) | undefined
  #over = false

  constructor(
    network: SimulatedNetwork,
    caller: ProcessCore,
    request: HttpRequest,
    url: URL,
    id: number,
    settle: { resolve(response: HttpResponse): void; reject(error: Error): void; over(): void },
    pinned?: string,
  ) {
    this.#network = network
    this.#caller = caller
    this.request = request
    this.url = url
    this.from = caller.hostName
    this.#label = `#${id} ${request.method} ${url.origin}${url.pathname}`
    this.#settle = settle
    this.#pinned = pinned
  }

  get label(): string {
    return this.#label
  }

  /** The host of the URL, without brackets around IPv6 addresses: what a certificate must be for. */
  get host(): string {
    return this.url.hostname.replace(/^\[|\]$/g, '')
  }

  /** Where it is sent. */
  get address(): string {
    return this.#pinned ?? this.host
  }

  get port(): number {
    return this.url.port === '' ? (this.url.protocol === 'https:' ? 443 : 80) : Number(this.url.port)
  }

  start(): void {
    const { signal, deadlineMs } = this.request
    if (signal?.aborted) return this.#onAbort()
    if (signal !== undefined) {
      signal.addEventListener('abort', this.#onAbort, { once: true })
      // A dead caller listens no more (see sleepUntilCrash in host.ts).
      this.#stopWatching = this.#caller.onCrash(() => signal.removeEventListener('abort', this.#onAbort))
    }
    this.#deadline = this.#caller.after(Math.max(0, deadlineMs), `deadline of ${this.#label}`, () =>
      this.fail('timeout', `no complete answer within ${deadlineMs} ms`),
    )
    const to = this.#network.hostOf(this.address, this.from)
    if (to === undefined) {
      const failure: Failure =
        isIP(this.address) === 0
          ? { code: 'dns', why: 'the name cannot be resolved' }
          : { code: 'refused', why: 'the host cannot be reached' }
      this.#caller.after(1, `${failure.code} for ${this.#label}`, () => this.fail(failure.code, failure.why))
      return
    }
    const passage = this.#network.links.pass(this.from, to)
    this.#caller.note(`-> ${this.#label}${passage.lost ? ' (will be lost)' : ''}`)
    if (passage.lost) return
    this.#arriveAfter(passage.delayMs, to)
    if (passage.copyDelayMs !== undefined) this.#arriveAfter(passage.copyDelayMs, to)
  }

  #arriveAfter(delayMs: number, to: string): void {
    this.#network.scheduler.after(delayMs, this.#network.wire, `arrival of ${this.#label}`, () => {
      if (this.#network.links.isCut(this.from, to)) return
      const listener = this.#network.listenerAt(to, this.address, this.port)
      if (listener === undefined) this.answer(to, { code: 'refused', why: 'nobody listens there' })
      else listener.arrive(this)
    })
  }

  /** Sends an answer (or a refusal) back over the link; it may be lost like any message. */
  answer(fromHost: string, answer: HttpResponse | Failure): void {
    const passage = this.#network.links.pass(fromHost, this.from)
    if (passage.lost) return
    this.#caller.after(passage.delayMs, `answer to ${this.#label}`, () => {
      if (this.#network.links.isCut(fromHost, this.from)) return
      if ('code' in answer) this.fail(answer.code, answer.why)
      else this.#succeed(answer)
    })
  }

  fail(code: NetworkErrorCode, why: string, cause?: unknown): void {
    if (this.#over) return
    this.#end(code)
    this.#settle.reject(new NetworkError(code, `${this.request.method} ${this.url.origin}: ${why}`, { cause }))
  }

  #succeed(response: HttpResponse): void {
    if (this.#over) return
    const maxBytes = this.request.maxResponseBytes ?? defaultMaxResponseBytes
    if (response.body.length > maxBytes) return this.fail('too-large', `the answer is larger than ${maxBytes} bytes`)
    this.#end(String(response.status))
    this.#settle.resolve(response)
  }

  #end(outcome: string): void {
    this.#over = true
    this.#deadline?.cancel()
    this.request.signal?.removeEventListener('abort', this.#onAbort)
    this.#stopWatching?.()
    this.#caller.note(`<- ${this.#label} ${outcome}`)
    this.#settle.over()
  }
}
