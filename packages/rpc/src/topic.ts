/**
 * A method's shape: `call` answers within its deadline; `cast` goes to one server and does not answer;
 * `fanout` goes to every server of the topic. Arguments and results are JSON.
 */
export type Method =
  | { readonly kind: 'call'; readonly deadlineMs: number; readonly args: unknown; readonly result: unknown }
  | { readonly kind: 'cast' | 'fanout'; readonly args: unknown }

/** Travels with every message. */
export interface RpcContext {
  readonly requestId?: string
  readonly userId?: string
}

export interface Topic<Methods extends Record<string, Method>> {
  readonly name: string
  readonly methods: {
    readonly [M in keyof Methods]: Methods[M]['kind'] extends 'call' ? { kind: 'call'; deadlineMs: number } : { kind: 'cast' | 'fanout' }
  }
  readonly __types?: Methods
}

export function defineTopic<Methods extends Record<string, Method>>(name: string, methods: Topic<Methods>['methods']): Topic<Methods> {
  return { name, methods }
}

export type Handlers<Methods extends Record<string, Method>> = {
  [M in keyof Methods]: (
    args: Methods[M]['args'],
    context: RpcContext & { signal: AbortSignal },
  ) => Promise<Methods[M] extends { kind: 'call' } ? Methods[M]['result'] : void>
}

/** `client.method(args, context)`: a call resolves with the result or rejects with RpcError; casts resolve when handed over. */
export type TopicClient<Methods extends Record<string, Method>> = {
  [M in keyof Methods]: (
    args: Methods[M]['args'],
    context?: RpcContext & { signal?: AbortSignal },
  ) => Promise<Methods[M] extends { kind: 'call' } ? Methods[M]['result'] : void>
}
