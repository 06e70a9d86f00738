import type { World } from '@murmuration/world'
import type { CountingBus, ServeOptions, Serving } from './bus.ts'
import { createClient, type Outgoing, type Transport } from './client.ts'
import { newCounters } from './counters.ts'
import { cancelled, RpcError, RpcTimeout } from './errors.ts'
import { MessageServer, type Reply } from './server.ts'
import type { Handlers, Methods, Topic } from './topic.ts'

/** The servers of one process. Services of a process share its World, and so they meet here without knowing each other. */
class Registry {
  readonly #byTopic = new Map<string, { servers: MessageServer[]; next: number }>()

  add(topic: string, server: MessageServer): void {
    const entry = this.#byTopic.get(topic) ?? { servers: [], next: 0 }
    this.#byTopic.set(topic, { servers: [...entry.servers, server], next: entry.next })
  }

  remove(topic: string, server: MessageServer): void {
    const entry = this.#byTopic.get(topic)
    if (entry !== undefined) entry.servers = entry.servers.filter((other) => other !== server)
  }

  all(topic: string): readonly MessageServer[] {
    return this.#byTopic.get(topic)?.servers ?? []
  }

  /** Competing servers take turns. */
  pick(topic: string): MessageServer | undefined {
    const entry = this.#byTopic.get(topic)
    if (entry === undefined || entry.servers.length === 0) return undefined
    entry.next = (entry.next + 1) % entry.servers.length
    return entry.servers[entry.next]
  }
}

const registries = new WeakMap<World, Registry>()

function registryOf(world: World): Registry {
  let registry = registries.get(world)
  if (registry === undefined) registries.set(world, (registry = new Registry()))
  return registry
}

const never = new AbortController().signal

/** No sockets and no copies of objects: text in, text out, as between two processes. Time comes from the world. */
export class InProcessBus implements CountingBus, Transport {
  readonly counters = newCounters()
  readonly #world: World
  readonly #registry: Registry
  readonly #servings = new Set<Serving>()
  readonly #pending = new Set<(error: RpcError) => void>()
  #closed = false

  constructor(world: World) {
    this.#world = world
    this.#registry = registryOf(world)
  }

  client<M extends Methods<M>>(topic: Topic<M>): ReturnType<typeof createClient<M>> {
    return createClient(topic, this)
  }

  serve<M extends Methods<M>>(topic: Topic<M>, handlers: Handlers<M>, options: ServeOptions = {}): Promise<Serving> {
    if (this.#closed) return Promise.reject(closedError())
    const server = new MessageServer(this.#world, topic.name, handlers, options, this.counters)
    this.#registry.add(topic.name, server)
    const serving: Serving = {
      stop: () => {
        this.#registry.remove(topic.name, server)
        this.#servings.delete(serving)
        return server.stop()
      },
    }
    this.#servings.add(serving)
    return Promise.resolve(serving)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const fail of this.#pending) fail(closedError())
    await Promise.all([...this.#servings].map((serving) => serving.stop()))
  }

  call(message: Outgoing, deadlineMs: number, signal: AbortSignal | undefined): Promise<string> {
    const what = `${message.topic}.${message.method}`
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    if (this.#closed) return Promise.reject(closedError())
    if (signal?.aborted) return Promise.reject(cancelled(what, signal))
    const server = this.#registry.pick(message.topic)
    if (server === undefined) return Promise.reject(new RpcError('unavailable', `nobody serves ${what} in this process`))

    const work = new AbortController()
    const settle = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
      this.#pending.delete(giveUp)
    }
    const giveUp = (error: RpcError): void => {
      settle()
      reject(error)
      work.abort(error)
    }
    const onAbort = (): void => giveUp(cancelled(what, signal))
    const timer = this.#world.timers.after(deadlineMs, () => giveUp(new RpcTimeout(message.topic, message.method, deadlineMs)))
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#pending.add(giveUp)

    const reply = (answer: Reply): void => {
      settle()
      if (answer.ok) resolve(answer.payload)
      else reject(new RpcError(answer.code, answer.message))
    }
    this.counters.sent += 1
    // Never inside the caller's own turn: it must not depend on the handler having run when the call returns its promise.
    queueMicrotask(() => {
      if (!work.signal.aborted) server.accept({ ...message, signal: work.signal, reply })
    })
    return promise
  }

  cast(message: Outgoing): void {
    const server = this.#closed ? undefined : this.#registry.pick(message.topic)
    this.#send(message, server === undefined ? [] : [server])
  }

  fanout(message: Outgoing): void {
    this.#send(message, this.#closed ? [] : this.#registry.all(message.topic))
  }

  #send(message: Outgoing, servers: readonly MessageServer[]): void {
    if (servers.length === 0) {
      this.counters.dropped += 1
      return
    }
    this.counters.sent += 1
    queueMicrotask(() => {
      for (const server of servers) server.accept({ ...message, signal: never })
    })
  }
}

const closedError = (): RpcError => new RpcError('unavailable', 'the bus was closed')
