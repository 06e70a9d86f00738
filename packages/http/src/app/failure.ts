import { STATUS_CODES } from 'node:http'
import { ApiError } from '../errors.ts'

export interface Failure {
  readonly error: ApiError
  readonly headers: Readonly<Record<string, string>>
  /** Our own fault: the whole error goes to the log, the caller gets the request id to quote. */
  readonly ours: boolean
}

/**
 * What a caller is told about anything that was thrown. Only refusals that were written for callers go out as they are; errors of
 * other packages are known by name and kind (no import of theirs), and everything else is a 500 without inner detail (attacks 34).
 */
export function failureOf(thrown: unknown, requestId: string): Failure {
  const error = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as Record<string, unknown>
  if (isApiError(thrown)) {
    return { error: thrown, headers: thrown.status === 503 ? { 'retry-after': '5' } : {}, ours: thrown.status >= 500 }
  }
  const refuse = (status: number, code: string, message: string, headers: Failure['headers'] = {}): Failure => ({
    error: new ApiError(status, code, message, { cause: thrown }),
    headers,
    ours: status >= 500,
  })
  const unavailable = (message: string): Failure =>
    refuse(503, 'unavailable', `${message} (request id ${requestId})`, { 'retry-after': '5' })
  const text = typeof error['message'] === 'string' ? error['message'] : ''

  switch (error['name']) {
    case 'Unauthenticated':
      return refuse(401, 'unauthenticated', text)
    case 'IdentityUnavailable':
      return unavailable('The identity service can not be reached to check the token. Try again later.')
    case 'InvalidMarker':
      return { ...refuse(400, 'invalidMarker', text), error: new ApiError(400, 'invalidMarker', text, { field: 'marker' }) }
    case 'YamlRefused': {
      const line = typeof error['line'] === 'number' ? ` (line ${error['line']})` : ''
      return refuse(400, 'invalidYaml', `The YAML text is refused: ${text}${line}.`)
    }
    case 'SubjectBusy':
      return refuse(409, 'busy', `${text}. Wait for its end or abort it, then try again.`)
    case 'RpcTimeout':
      return unavailable('The service that does the work did not answer in time. It may have been done: look before trying again.')
    case 'DatabaseError':
      switch (error['kind']) {
        case 'full':
          return refuse(507, 'storageFull', `There is no space left to store the change; nothing was changed. (request id ${requestId})`)
        case 'unavailable':
        case 'timeout':
        case 'serialization':
          return unavailable('The database can not answer now. Try again later.')
        default:
      }
      break
    default:
  }
  switch (error['code']) {
    case 'ENOSPC':
    case 'EDQUOT':
      return refuse(507, 'storageFull', `There is no space left to store the change. (request id ${requestId})`)
    case 'EMFILE':
    case 'ENFILE':
      return unavailable('The service is overloaded. Try again later.')
    default:
  }
  const status = frameworkStatus(error)
  if (status !== undefined) return refuse(status, `http${status}`, frameworkSentences[status] ?? `${STATUS_CODES[status] ?? 'Refused'}.`)
  return refuse(500, 'internal', `The service failed on its side. Quote request id ${requestId} when you report it.`)
}

/** By name, so that another copy of this package in the process does not matter. */
function isApiError(thrown: unknown): thrown is ApiError {
  if (thrown instanceof ApiError) return true
  if (!(thrown instanceof Error) || thrown.name !== 'ApiError' || !('status' in thrown)) return false
  return typeof thrown.status === 'number' && thrown.status >= 400 && thrown.status < 600
}

/** Fastify's own refusals. Their texts quote the request, so they are written anew. */
function frameworkStatus(error: Record<string, unknown>): number | undefined {
  const { code, statusCode } = error
  if (typeof code !== 'string' || !code.startsWith('FST_ERR_') || typeof statusCode !== 'number') return undefined
  return statusCode >= 400 && statusCode < 500 ? statusCode : undefined
}

const frameworkSentences: Readonly<Record<number, string>> = {
  400: 'The path of the request is malformed: check its percent escapes.',
  413: 'The body is larger than the limit here.',
  414: 'The path of the request is too long.',
  415: 'The Content-Type of the request is not understood.',
}
