import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { World } from '@murmuration/world'
import type { Identity } from '../identity.ts'

/** What this package knows of a running request; nothing of it can be set from outside. */
export interface RequestState {
  readonly world: World
  /** Aborted when the app closes: streams end then. */
  readonly closing: AbortSignal
  readonly startedMs: number
  /** Of the route, read once: `request.routeOptions` is made anew at every look. Undefined where there is no route. */
  readonly route: string | undefined
  readonly policy: string | undefined
  readonly globalRequestId: string | undefined
  /** A proxy on the way said so, before its headers were dropped. */
  readonly forwarded: boolean
  identity: Identity | undefined
  /** A rule was asked and allowed: routes with policy `in-handler` must have done so before they answer. */
  authorized: boolean
}

/** A member that only this file can name: a WeakMap costs every collection of garbage more than that. */
const stateKey = Symbol('state')
interface WithState {
  [stateKey]?: RequestState | null
}

/** Before any request: gives all of them the same shape. */
export const reserveState = (app: FastifyInstance): void => void app.decorateRequest(stateKey, null)
export const stateOf = (request: FastifyRequest): RequestState | undefined => (request as WithState)[stateKey] ?? undefined
export const setState = (request: FastifyRequest, state: RequestState): void => {
  ;(request as WithState)[stateKey] = state
}

/** For helpers that handlers call; a route that still owes its permission check may not stream either. */
export function streamOf(request: FastifyRequest): RequestState {
  const state = stateOf(request)
  if (state === undefined) throw new Error('not a request of createApp')
  if (owesPermission(request)) throw new Error(`${request.method} ${request.url} streams without calling request.authorize`)
  return state
}

/** A handler that promised to ask for a permission and has not asked. */
export const owesPermission = (request: FastifyRequest): boolean => {
  const state = stateOf(request)
  return state === undefined || (state.policy === 'in-handler' && !state.authorized)
}
