/** Exit codes of every command; the operator guide lists them. */
export const exitCodes = {
  ok: 0,
  refused: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  authentication: 5,
  partial: 6,
  waitTimeout: 7,
  interrupted: 130,
} as const
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** Ends the command with one clear line and a code; `hint` says what to do. */
export class CommandFailed extends Error {
  readonly exitCode: ExitCode
  readonly hint: string | undefined
  constructor(exitCode: ExitCode, message: string, hint?: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'CommandFailed'
    this.exitCode = exitCode
    this.hint = hint
  }
}

/** Which code an HTTP refusal ends with. A 403 is about who asks where a policy rule says no, and else about what was asked. */
export function exitCodeOf(status: number, message = ''): ExitCode {
  if (status === 401 || (status === 403 && /\bnot authorized\b/i.test(message))) return exitCodes.authentication
  if (status === 404 || status === 410) return exitCodes.notFound
  if (status === 409) return exitCodes.conflict
  return exitCodes.refused
}
