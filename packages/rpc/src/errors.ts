/** A handler's refusal, with its code kept across the wire. */
export class RpcError extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
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
