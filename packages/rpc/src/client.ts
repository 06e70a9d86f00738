import { decode, encode } from './codec.ts'
import type { Methods, RpcContext, Topic, TopicClient } from './topic.ts'

/** What a bus must be able to do; everything typed is built on it. */
export interface Transport {
  /** Resolves with the result's text; rejects with RpcError. */
  call(message: Outgoing, deadlineMs: number, signal: AbortSignal | undefined): Promise<string>
  cast(message: Outgoing): void
  fanout(message: Outgoing): void
}

export interface Outgoing {
  readonly topic: string
  readonly method: string
  readonly payload: string
  readonly context: RpcContext
}

type AnyMethod = (args: unknown, context?: RpcContext & { signal?: AbortSignal }) => Promise<unknown>
type AnyMethodValue = { kind: 'call'; deadlineMs: number } | { kind: 'cast' | 'fanout' }

export function createClient<M extends Methods<M>>(topic: Topic<M>, transport: Transport): TopicClient<M> {
  const client: Record<string, AnyMethod> = {}
  for (const [method, value] of Object.entries<AnyMethodValue>(topic.methods)) {
    client[method] = async (args, context) => {
      const { signal, ...travelling } = context ?? {}
      const payload = encode(args, `the arguments of ${topic.name}.${method}`)
      const message: Outgoing = { topic: topic.name, method, payload, context: travelling }
      if (value.kind === 'call') return decode(await transport.call(message, value.deadlineMs, signal))
      transport[value.kind](message)
      return undefined
    }
  }
  return client as TopicClient<M>
}
