import type { Bus } from '../bus.ts'
import type { Methods, Topic, TopicClient } from '../topic.ts'

type AnyMethod = (...args: unknown[]) => Promise<unknown>

/**
 * The same bus, but every cast and fan-out sent through it is lost (calls go through). Under it a service must do all
 * of its work by polling alone: only latency may differ.
 */
export function losingMessages(bus: Bus): Bus {
  return {
    client<M extends Methods<M>>(topic: Topic<M>): TopicClient<M> {
      const client = bus.client(topic) as Record<string, AnyMethod>
      const kinds = Object.entries<{ kind: string }>(topic.methods)
      const lossy = kinds.map(([name, { kind }]): [string, AnyMethod | undefined] => [
        name,
        kind === 'call' ? client[name] : () => Promise.resolve(undefined),
      ])
      return Object.fromEntries(lossy) as TopicClient<M>
    },
    serve: (topic, handlers, options) => bus.serve(topic, handlers, options),
    close: () => bus.close(),
  }
}
