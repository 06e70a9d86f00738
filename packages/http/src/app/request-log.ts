import type { FastifyReply, FastifyRequest } from 'fastify'
import type { World } from '@murmuration/world'
import { stateOf } from './state.ts'

const changes: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])
/** Asked every few seconds by machines: their success is no news. */
const chatter: ReadonlySet<string> = new Set(['/healthz', '/metrics'])

/** One line a request, and one for the audit trail when it asked for a change: who, what, how it ended; no bodies, no query values. */
export function logRequest(world: World, request: FastifyRequest, reply: FastifyReply, elapsedMs: number): void {
  const state = stateOf(request)
  const { identity } = state ?? {}
  const route = state?.route
  const fields = {
    method: request.method,
    route: route ?? '(none)',
    path: loggablePath(request.url),
    ...queryNames(request.url),
    status: reply.statusCode,
    ms: Math.round(elapsedMs * 10) / 10,
    requestId: request.id,
    ...(state?.globalRequestId === undefined ? {} : { globalRequestId: state.globalRequestId }),
    ...(identity === undefined ? {} : { userId: identity.userId }),
  }
  if (route !== undefined && chatter.has(route) && reply.statusCode < 400) world.log.debug('request', fields)
  else world.log.info('request', fields)
  if (!changes.has(request.method) || route === undefined) return
  world.log.info('audit', {
    ...fields,
    audit: true,
    policy: state?.policy,
    ...(identity === undefined
      ? {}
      : {
          userName: oneLine(identity.userName),
          userDomainId: identity.userDomainId,
          projectId: identity.projectId,
          tokenAuditId: identity.auditId,
        }),
  })
}

/** For requests that never reached a route because their path is malformed. */
export function logUnrouted(world: World, request: FastifyRequest, reply: FastifyReply): void {
  const { method } = request
  world.log.info('request', { method, route: '(none)', path: loggablePath(request.url), status: reply.statusCode, requestId: request.id })
}

/** Without the query, on one line, with pieces that are long enough to be tokens cut. */
export function loggablePath(url: string): string {
  const end = url.indexOf('?')
  const path = end === -1 ? url : url.slice(0, end)
  // The usual path needs no care.
  if (path.length <= 64 && !unprintable.test(path)) return path
  return oneLine(
    path
      .slice(0, 1024)
      .split('/')
      .map((piece) => (piece.length > 64 ? `${piece.slice(0, 8)}…` : piece))
      .join('/'),
  )
}

function queryNames(url: string): { query?: string[] } {
  const start = url.indexOf('?')
  if (start === -1) return {}
  const names = new Set<string>()
  for (const pair of url.slice(start + 1, start + 2048).split('&', 32)) {
    const name = pair.split('=', 1)[0] ?? ''
    if (name !== '') names.add(oneLine(name.slice(0, 64)))
  }
  return { query: [...names] }
}

/** Control characters, line separators and terminal escapes become visible escapes (attacks 35). */
// eslint-disable-next-line no-control-regex -- they are what is looked for
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/
const everyUnprintable = new RegExp(unprintable, 'g')
export const oneLine = (text: string): string =>
  text.replace(everyUnprintable, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)
