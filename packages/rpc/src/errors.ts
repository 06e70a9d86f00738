/** A handler's refusal, with its code kept across the wire. */
export class RpcError extends Error {
  /**
   * Of the handler's own choice, or one of ours: `timeout`, `cancelled`, `unavailable` (nobody serves or no connection),
   * `overloaded`, `not-json`, `too-large`, `internal` (the handler failed in a way that it did not foresee).
   */
  readonly code: string
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'RpcError'
    this.code = code
  }
}

/** Nobody answered in time. The work may have been done. */
export class RpcTimeout extends RpcError {
  constructor(topic: string, method: string, deadlineMs: number) {
    super('timeout', `${topic}.${method} did not answer within ${deadlineMs} ms`)
    this.name = 'RpcTimeout'
  }
}

export function cancelled(what: string, signal: AbortSignal | undefined): RpcError {
  return new RpcError('cancelled', `${what} was cancelled by its caller`, { cause: signal?.reason as unknown })
}
