import type { Bus, Handlers, Methods, Serving, Topic, TopicClient } from '@murmuration/rpc'
import { RpcError } from '@murmuration/rpc'
import type { SeededRandom, SimulatedProcess } from '@murmuration/world/simulated'

/** What becomes of messages between the processes of the controller. The database is the truth: any of them may be lost. */
export interface BusModel {
  /** Of messages that carry something (audit reports). */
  readonly loss: number
  /** Of wake-ups: without any of them all work goes on, only later. */
  readonly wakeUpLoss: number
  readonly duplicate: number
  readonly longestDelayMs: number
}

type Handler = (args: unknown, context: { signal: AbortSignal }) => Promise<unknown>

interface Server {
  readonly process: SimulatedProcess
  accept(method: string, payload: string): void
}

const never = new AbortController().signal

/** Joins processes that have a World of their own each, as a message server between them would. */
export class SimulatedBus {
  model: BusModel = { loss: 0, wakeUpLoss: 0, duplicate: 0, longestDelayMs: 2 }
  readonly #random: SeededRandom
  readonly #servers = new Map<string, Server[]>()
  #turn = 0
  /** For the check of caps: the longest line of waiting messages. */
  mostWaiting = 0

  constructor(random: SeededRandom) {
    this.#random = random
  }

  join(process: SimulatedProcess): Bus {
    return {
      client: <M extends Methods<M>>(topic: Topic<M>) => this.#client(process, topic) as TopicClient<M>,
      serve: (topic, handlers, options) =>
        this.#serve(process, topic.name, handlers, options?.maxInFlight ?? 256, options?.maxWaiting ?? 1_024),
      close: async () => {},
    }
  }

  #client(sender: SimulatedProcess, topic: { readonly name: string; readonly methods: object }): unknown {
    const send = (method: string, kind: string, args: unknown): Promise<unknown> => {
      if (kind === 'call') return Promise.reject(new RpcError('unavailable', `nobody answers ${topic.name}.${method} in this simulation`))
      const servers = (this.#servers.get(topic.name) ?? []).filter((server) => server.process.state !== 'dead')
      if (sender.state === 'dead' || servers.length === 0) return Promise.resolve()
      this.#turn += 1
      const payload = JSON.stringify(args)
      for (const server of kind === 'fanout' ? servers : [servers[this.#turn % servers.length]!])
        this.#deliver(server, method, payload, kind === 'fanout')
      return Promise.resolve()
    }
    return Object.fromEntries(
      Object.entries(topic.methods).map(([method, value]: [string, { kind: string }]) => [
        method,
        (args: unknown) => send(method, value.kind, args),
      ]),
    )
  }

  #deliver(server: Server, method: string, payload: string, isWakeUp: boolean): void {
    const { loss, wakeUpLoss, duplicate, longestDelayMs } = this.model
    const [lost, again, delay, delayAgain] = [this.#random.float(), this.#random.float(), this.#random.float(), this.#random.float()]
    if (lost < (isWakeUp ? wakeUpLoss : loss)) return
    const deliver = (draw: number): void =>
      void server.process.world.timers.after(draw * longestDelayMs, () => server.accept(method, payload))
    deliver(delay)
    if (again < duplicate) deliver(delayAgain)
  }

  #serve<M extends Methods<M>>(
    process: SimulatedProcess,
    topic: string,
    handlers: Handlers<M>,
    maxInFlight: number,
    maxWaiting: number,
  ): Promise<Serving> {
    const waiting: (() => Promise<unknown>)[] = []
    const idle: (() => void)[] = []
    let running = 0
    let stopped = false
    const next = (): void => {
      while (running < maxInFlight && waiting.length > 0) {
        running += 1
        void waiting.shift()!().finally(() => {
          running -= 1
          next()
        })
      }
      if (running === 0) for (const resolve of idle.splice(0)) resolve()
    }
    const server: Server = {
      process,
      accept: (method, payload) => {
        if (stopped || waiting.length >= maxWaiting) return
        const handler = (handlers as unknown as Record<string, Handler>)[method]
        waiting.push(async () => handler?.(JSON.parse(payload), { signal: never }))
        this.mostWaiting = Math.max(this.mostWaiting, waiting.length)
        next()
      },
    }
    this.#servers.set(topic, [...(this.#servers.get(topic) ?? []), server])
    process.onCrash(() => this.#remove(topic, server))
    return Promise.resolve({
      stop: async () => {
        stopped = true
        waiting.length = 0
        this.#remove(topic, server)
        if (running > 0) await new Promise<void>((resolve) => idle.push(resolve))
      },
    })
  }

  #remove(topic: string, server: Server): void {
    this.#servers.set(
      topic,
      (this.#servers.get(topic) ?? []).filter((other) => other !== server),
    )
  }
}
