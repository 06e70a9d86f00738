/**
 * A method's shape: `call` answers within its deadline; `cast` goes to one server and does not answer;
 * `fanout` goes to every server of the topic. Arguments and results are JSON.
 */
export type Method =
  | { readonly kind: 'call'; readonly deadlineMs?: number; readonly args: unknown; readonly result: unknown }
  | { readonly kind: 'cast' | 'fanout'; readonly args: unknown }

/** What a topic's type parameter looks like: method names to shapes (a type literal or an interface). */
export type Methods<M> = { readonly [N in keyof M]: Method }

/** Travels with every message. */
export interface RpcContext {
  readonly requestId?: string
  readonly userId?: string
}

/** What is known of a method when the program runs. */
export type MethodValue<M extends Method> = M extends { kind: 'call' }
  ? { readonly kind: 'call'; readonly deadlineMs: number }
  : { readonly kind: M['kind'] }

export interface Topic<M extends Methods<M>> {
  readonly name: string
  readonly methods: { readonly [N in keyof M]: MethodValue<M[N]> }
  readonly __types?: M
}

/** Names become parts of subjects on the wire. */
const validName = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/

/**
 * Names a topic and says of each method what the program must know; arguments and results come from the type parameter:
 * `defineTopic<{ wake: { kind: 'fanout'; args: { kind: string } } }>('dcmanager', { wake: { kind: 'fanout' } })`.
 */
export function defineTopic<M extends Methods<M>>(name: string, methods: Topic<M>['methods']): Topic<M> {
  for (const part of [name, ...Object.keys(methods)]) {
    if (!validName.test(part))
      throw new TypeError(`"${part}" cannot name a topic or method: use letters, digits, "_", "-" and "." between them`)
  }
  return { name, methods }
}

/** What a method resolves with: the result of a call, nothing for the others. */
export type ResultOf<M> = M extends { kind: 'call'; result: infer R } ? R : void

export type Handlers<M extends Methods<M>> = {
  [N in keyof M]: (args: M[N]['args'], context: RpcContext & { signal: AbortSignal }) => Promise<ResultOf<M[N]>>
}

/** `client.method(args, context)`: a call resolves with the result or rejects with RpcError; casts resolve when handed over. */
export type TopicClient<M extends Methods<M>> = {
  [N in keyof M]: (args: M[N]['args'], context?: RpcContext & { signal?: AbortSignal }) => Promise<ResultOf<M[N]>>
}
