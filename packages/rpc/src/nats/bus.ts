import type { World } from '@murmuration/world'
import { NoRespondersError, RequestError, TimeoutError, type NatsConnection } from '@nats-io/transport-node'
import type { CountingBus, ServeOptions, Serving } from '../bus.ts'
import { createClient, type Outgoing, type Transport } from '../client.ts'
import { newCounters } from '../counters.ts'
import { cancelled, RpcError, RpcTimeout } from '../errors.ts'
import { MessageServer } from '../server.ts'
import type { Handlers, Methods, Topic } from '../topic.ts'
import type { Connection } from './connection.ts'
import { openReply, readReply, writeCall } from './envelope.ts'
import { Subscriptions } from './subscriptions.ts'

/** Calls that wait for an answer at once; more are refused. */
const maxPendingCalls = 10_000
/** What may be written without the server having confirmed that it took it; more casts are dropped. */
const maxUnconfirmedBytes = 8_388_608
const confirmEveryBytes = 262_144

/** Queue groups share calls and casts, plain subscriptions take fan-outs. Nothing is stored: what meets no server is lost. */
export class NatsBus implements CountingBus, Transport {
  readonly counters = newCounters()
  readonly #world: World
  readonly #connection: Connection
  readonly #prefix: string
  readonly #servings = new Set<Serving>()
  readonly #pending = new Set<(error: RpcError) => void>()
  #unconfirmedBytes = 0
  #confirming = false
  #closed = false

  constructor(world: World, connection: Connection, prefix: string) {
    this.#world = world
    this.#connection = connection
    this.#prefix = prefix
    // An answer that was on its way is gone; waiting for the deadline would only tell it later.
    connection.onDown(() => this.#failPending(lost()))
  }

  client<M extends Methods<M>>(topic: Topic<M>): ReturnType<typeof createClient<M>> {
    return createClient(topic, this)
  }

  async serve<M extends Methods<M>>(topic: Topic<M>, handlers: Handlers<M>, options: ServeOptions = {}): Promise<Serving> {
    if (this.#closed) throw closedError()
    const server = new MessageServer(this.#world, topic.name, handlers, options, this.counters)
    const subscriptions = new Subscriptions(this.#world, this.#connection, this.#prefix, topic.name, server, this.counters)
    const serving: Serving = {
      stop: async () => {
        this.#servings.delete(serving)
        await subscriptions.end()
        await server.stop()
      },
    }
    this.#servings.add(serving)
    await subscriptions.begin()
    return serving
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#failPending(closedError())
    await Promise.all([...this.#servings].map((serving) => serving.stop()))
    await this.#connection.close()
  }

  async call(message: Outgoing, deadlineMs: number, signal: AbortSignal | undefined): Promise<string> {
    const what = `${message.topic}.${message.method}`
    if (this.#closed) throw closedError()
    if (signal?.aborted) throw cancelled(what, signal)
    const nats = this.#connection.up
    if (nats === undefined) throw new RpcError('unavailable', `${what} was not sent: there is no connection to the message server`)
    if (this.#pending.size >= maxPendingCalls || this.#isCongested()) {
      this.counters.overloaded += 1
      throw new RpcError('overloaded', `${what} was not sent: too many calls wait for their answers`)
    }

    const id = this.#world.random.uuid()
    const gaveUp = Promise.withResolvers<never>()
    const onAbort = (): void => {
      gaveUp.reject(cancelled(what, signal))
      this.#connection.up?.publish(`${this.#prefix}.cancel.${message.topic}`, id)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#pending.add(gaveUp.reject)
    try {
      const answer = nats.request(this.#queueSubject(message), this.#counted(writeCall(message, id, deadlineMs)), { timeout: deadlineMs })
      // When the race is lost the request still ends by itself, at its timeout; nobody is interested then.
      answer.catch(() => {})
      return openReply(readReply(await Promise.race([answer, gaveUp.promise])))
    } catch (error) {
      throw asRpcError(error, message, deadlineMs)
    } finally {
      this.#pending.delete(gaveUp.reject)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  cast(message: Outgoing): void {
    this.#publish(this.#queueSubject(message), message)
  }

  fanout(message: Outgoing): void {
    this.#publish(`${this.#prefix}.all.${message.topic}.${message.method}`, message)
  }

  #queueSubject(message: Outgoing): string {
    return `${this.#prefix}.one.${message.topic}.${message.method}`
  }

  #publish(subject: string, message: Outgoing): void {
    const nats = this.#closed ? undefined : this.#connection.up
    if (nats === undefined || this.#isCongested()) {
      this.counters.dropped += 1
      return
    }
    nats.publish(subject, this.#counted(writeCall(message)))
  }

  /** The client library buffers without a limit, so we count what the server has not confirmed. */
  #counted(payload: string): string {
    this.counters.sent += 1
    this.#unconfirmedBytes += payload.length
    const nats = this.#connection.up
    if (this.#unconfirmedBytes >= confirmEveryBytes && !this.#confirming && nats !== undefined) void this.#confirm(nats)
    return payload
  }

  async #confirm(nats: NatsConnection): Promise<void> {
    this.#confirming = true
    const covered = this.#unconfirmedBytes
    try {
      await nats.flush()
    } catch {
      // The connection broke; what it held is lost, and nothing waits any more.
    }
    this.#unconfirmedBytes -= covered
    this.#confirming = false
  }

  #isCongested(): boolean {
    return this.#unconfirmedBytes > maxUnconfirmedBytes
  }

  #failPending(error: RpcError): void {
    for (const fail of this.#pending) fail(error)
  }
}

function asRpcError(error: unknown, message: Outgoing, deadlineMs: number): RpcError {
  const what = `${message.topic}.${message.method}`
  if (error instanceof RpcError) return error
  if (error instanceof TimeoutError) return new RpcTimeout(message.topic, message.method, deadlineMs)
  const nobody = error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders())
  const why = nobody ? `nobody serves ${what}` : `${what} was not answered: the connection to the message server failed`
  return new RpcError('unavailable', why, { cause: error })
}

const closedError = (): RpcError => new RpcError('unavailable', 'the bus was closed')
const lost = (): RpcError => new RpcError('unavailable', 'the connection to the message server was lost; the work may have been done')
