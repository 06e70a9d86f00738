import { NetworkError, type NetworkErrorCode } from '../world.ts'

const known: Readonly<Record<string, readonly [NetworkErrorCode, string]>> = {
  ECONNREFUSED: ['refused', 'nobody listens there'],
  EHOSTUNREACH: ['refused', 'the host cannot be reached'],
  ENETUNREACH: ['refused', 'the network cannot be reached'],
  EADDRNOTAVAIL: ['refused', 'the address cannot be reached from here'],
  EACCES: ['refused', 'connecting was forbidden'],
  ECONNRESET: ['reset', 'the connection broke'],
  ECONNABORTED: ['reset', 'the connection broke'],
  EPIPE: ['reset', 'the connection broke'],
  UND_ERR_SOCKET: ['reset', 'the connection broke'],
  UND_ERR_CLOSED: ['aborted', 'the network was closed'],
  UND_ERR_DESTROYED: ['aborted', 'the network was closed'],
  ENOTFOUND: ['dns', 'the name cannot be resolved'],
  EAI_AGAIN: ['dns', 'the name cannot be resolved now'],
  ETIMEDOUT: ['timeout', 'connecting took too long'],
  UND_ERR_CONNECT_TIMEOUT: ['timeout', 'connecting took too long'],
  EPROTO: ['tls', 'the TLS handshake failed'],
}

const tlsCode =
  /^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|CRL_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH)/

/** `what` is method and origin; nothing else of the exchange goes into the message. */
export function asNetworkError(what: string, cause: unknown): NetworkError {
  if (cause instanceof NetworkError) return cause
  const code = codeOf(cause)
  const [kind, why] =
    known[code] ?? (tlsCode.test(code) ? ['tls', 'the TLS handshake failed'] : ['protocol', 'the exchange broke the rules of HTTP'])
  return new NetworkError(kind, `${what}: ${why}${code === '' ? '' : ` (${code})`}`, { cause })
}

/** Several addresses of one name fail together; the first failure names the reason well enough. */
function codeOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0])
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}
