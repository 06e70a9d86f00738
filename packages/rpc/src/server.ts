import type { World } from '@murmuration/world'
import type { ServeOptions } from './bus.ts'
import { decode, encode } from './codec.ts'
import type { Counters } from './counters.ts'
import { RpcError } from './errors.ts'
import type { RpcContext } from './topic.ts'

export type Reply =
  | { readonly ok: true; readonly payload: string }
  | { readonly ok: false; readonly code: string; readonly message: string }

/** One message as it arrives, whatever brought it. */
export interface Incoming {
  readonly method: string
  readonly payload: string
  readonly context: RpcContext
  /** Aborted when the caller gave up or its deadline passed: a message still in line is then not started at all. */
  readonly signal: AbortSignal
  /** Absent on casts and fan-outs. */
  readonly reply?: (reply: Reply) => void
}

type AnyHandler = (args: unknown, context: RpcContext & { signal: AbortSignal }) => Promise<unknown>

const defaultMaxInFlight = 256
const defaultMaxWaiting = 1_024

/** Runs the handlers of one serving: so many at once, so many in line, the rest refused. */
export class MessageServer {
  readonly #world: World
  readonly #topic: string
  readonly #handlers: Readonly<Record<string, AnyHandler>>
  readonly #maxInFlight: number
  readonly #maxWaiting: number
  readonly #counters: Counters
  #waiting: Incoming[] = []
  #inFlight = 0
  #stopped = false
  #onIdle: (() => void)[] = []

  constructor(world: World, topic: string, handlers: object, options: ServeOptions, counters: Counters) {
    this.#world = world
    this.#topic = topic
    this.#handlers = handlers as Record<string, AnyHandler>
    this.#maxInFlight = options.maxInFlight ?? defaultMaxInFlight
    this.#maxWaiting = options.maxWaiting ?? defaultMaxWaiting
    this.#counters = counters
  }

  accept(message: Incoming): void {
    if (this.#stopped) return this.#refuse(message, 'unavailable', 'is being stopped')
    if (this.#inFlight < this.#maxInFlight) return this.#run(message)
    if (this.#waiting.length >= this.#maxWaiting)
      return this.#refuse(message, 'overloaded', 'has too many messages in line; try again later')
    this.#waiting.push(message)
  }

  /** Nothing new is started; resolves when what runs has ended. What waits in line is refused: the callers may ask another server. */
  async stop(): Promise<void> {
    this.#stopped = true
    const waiting = this.#waiting
    this.#waiting = []
    for (const message of waiting) this.#refuse(message, 'unavailable', 'is being stopped')
    if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve))
  }

  #refuse(message: Incoming, code: string, why: string): void {
    if (message.reply === undefined) {
      this.#counters.dropped += 1
    } else {
      if (code === 'overloaded') this.#counters.overloaded += 1
      message.reply({ ok: false, code, message: `${this.#topic}.${message.method} ${why}` })
    }
  }

  #run(message: Incoming): void {
    this.#inFlight += 1
    this.#counters.handled += 1
    void this.#answer(message)
  }

  async #answer(message: Incoming): Promise<void> {
    const reply = await this.#handle(message)
    this.#inFlight -= 1
    message.reply?.(reply)
    this.#next()
  }

  #next(): void {
    while (this.#inFlight < this.#maxInFlight) {
      const message = this.#waiting.shift()
      if (message === undefined) break
      if (!message.signal.aborted) this.#run(message)
    }
    if (this.#inFlight === 0) for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  async #handle(message: Incoming): Promise<Reply> {
    const what = `${this.#topic}.${message.method}`
    const handler = Object.hasOwn(this.#handlers, message.method) ? this.#handlers[message.method] : undefined
    try {
      if (handler === undefined) throw new RpcError('unavailable', `${what} is not known here: the two sides are of different releases`)
      const result = await handler.call(this.#handlers, decode(message.payload), { ...message.context, signal: message.signal })
      return { ok: true, payload: message.reply === undefined ? '' : encode(result, `the result of ${what}`) }
    } catch (error) {
      if (error instanceof RpcError) return { ok: false, code: error.code, message: error.message }
      // What went wrong inside is for our log; the other side learns only that it did.
      this.#world.log.error('rpc handler failed', {
        topic: this.#topic,
        method: message.method,
        requestId: message.context.requestId,
        error,
      })
      return { ok: false, code: 'internal', message: `${what} failed; the log of the serving process says why` }
    }
  }
}
