import type { World } from '@murmuration/world'
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node'
import type { Counters } from '../counters.ts'
import { RpcError, RpcTimeout } from '../errors.ts'
import type { MessageServer } from '../server.ts'
import type { Connection } from './connection.ts'
import { readCall, writeReply } from './envelope.ts'

const never = new AbortController().signal

/** What one serving hears: its share of calls and casts, all fan-outs, and which calls were cancelled. */
export class Subscriptions {
  readonly #world: World
  readonly #connection: Connection
  readonly #prefix: string
  readonly #topic: string
  readonly #server: MessageServer
  readonly #counters: Counters
  readonly #running = new Map<string, AbortController>()
  #subscriptions: Subscription[] = []
  #ended = false

  constructor(world: World, connection: Connection, prefix: string, topic: string, server: MessageServer, counters: Counters) {
    this.#world = world
    this.#connection = connection
    this.#prefix = prefix
    this.#topic = topic
    this.#server = server
    this.#counters = counters
  }

  /** Resolves when the server knows of us; without a connection at once, and it is told when there is one. */
  async begin(): Promise<void> {
    this.#connection.onceConnected((nats) => {
      if (!this.#ended) this.#subscribe(nats)
    })
    await this.#connection.up?.flush().catch(() => {})
  }

  /** Takes no more messages; those that the server has already sent to us are still handled. */
  async end(): Promise<void> {
    this.#ended = true
    const drained = this.#subscriptions.map((subscription) => {
      if (this.#connection.up === undefined) return Promise.resolve(subscription.unsubscribe())
      return subscription.drain().catch(() => {})
    })
    this.#subscriptions = []
    await Promise.all(drained)
  }

  #subscribe(nats: NatsConnection): void {
    const one = `${this.#prefix}.one.${this.#topic}.`
    const all = `${this.#prefix}.all.${this.#topic}.`
    const hear = (then: (message: Msg) => void) => (error: Error | null, message: Msg) => {
      if (error === null) then(message)
    }
    this.#subscriptions = [
      nats.subscribe(`${one}>`, { queue: this.#topic, callback: hear((message) => this.#arrive(message, one.length)) }),
      nats.subscribe(`${all}>`, { callback: hear((message) => this.#arrive(message, all.length)) }),
      nats.subscribe(`${this.#prefix}.cancel.${this.#topic}`, {
        callback: hear((message) => this.#running.get(message.string())?.abort(new RpcError('cancelled', 'cancelled by the caller'))),
      }),
    ]
  }

  #arrive(message: Msg, methodStart: number): void {
    const method = message.subject.slice(methodStart)
    const call = readCall(message)
    if (call === undefined) {
      this.#counters.dropped += 1
      this.#world.log.warn('dropped a message that is not one of ours', { subject: message.subject })
      return
    }
    const { payload, context, id, deadlineMs } = call
    if (id === undefined || deadlineMs === undefined || message.reply === undefined) {
      this.#server.accept({ method, payload, context, signal: never })
      return
    }
    const work = new AbortController()
    this.#running.set(id, work)
    const deadline = this.#world.timers.after(deadlineMs, () => {
      this.#running.delete(id)
      work.abort(new RpcTimeout(this.#topic, method, deadlineMs))
    })
    this.#server.accept({
      method,
      payload,
      context,
      signal: work.signal,
      reply: (reply) => {
        deadline.cancel()
        this.#running.delete(id)
        // Without a connection the caller has been told already.
        if (this.#connection.up !== undefined) message.respond(writeReply(reply))
      },
    })
  }
}
