import type { Handlers, Method, Topic, TopicClient } from './topic.ts'

export interface Serving {
  /** Stops taking messages and waits for the running handlers. */
  stop(): Promise<void>
}

/** Messages are wake-ups and short questions: the database is the truth, every message may be lost. */
export interface Bus {
  client<M extends Record<string, Method>>(topic: Topic<M>): TopicClient<M>
  /** Competing servers share calls and casts; every one gets a fan-out. More than `maxInFlight` (default 256) waits in line. */
  serve<M extends Record<string, Method>>(topic: Topic<M>, handlers: Handlers<M>, options?: { maxInFlight?: number }): Promise<Serving>
  close(): Promise<void>
}
