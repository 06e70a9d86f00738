import type { Handlers, Methods, Topic, TopicClient } from './topic.ts'

export interface Serving {
  /** Stops taking messages and waits for the running handlers. */
  stop(): Promise<void>
}

export interface ServeOptions {
  /** Handlers at once. Default 256. */
  readonly maxInFlight?: number
  /** Messages that wait for a handler; beyond it calls are refused with code `overloaded` and casts are dropped. Default 1,024. */
  readonly maxWaiting?: number
}

/** Messages are wake-ups and short questions: the database is the truth, every message may be lost. */
export interface Bus {
  client<M extends Methods<M>>(topic: Topic<M>): TopicClient<M>
  /** Competing servers share calls and casts; every one gets a fan-out. More than `maxInFlight` waits in line. */
  serve<M extends Methods<M>>(topic: Topic<M>, handlers: Handlers<M>, options?: ServeOptions): Promise<Serving>
  close(): Promise<void>
}

/** For /metrics. */
export interface BusCounters {
  /** Calls, casts and fan-outs that were sent. */
  readonly sent: number
  /** Messages that handlers were started for. */
  readonly handled: number
  /** Casts and fan-outs that were lost on purpose: nobody served, the server was full, the connection was down. */
  readonly dropped: number
  /** Calls that were refused because a queue was full. */
  readonly overloaded: number
}

export interface CountingBus extends Bus {
  readonly counters: BusCounters
}
