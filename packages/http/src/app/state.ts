import type { FastifyRequest } from 'fastify'
import type { World } from '@murmuration/world'
import type { Identity } from '../identity.ts'

/** What this package knows of a running request; nothing of it can be set from outside. */
export interface RequestState {
  readonly world: World
  /** Aborted when the app closes: streams end then. */
  readonly closing: AbortSignal
  readonly startedMs: number
  readonly globalRequestId: string | undefined
  /** A proxy on the way said so, before its headers were dropped. */
  readonly forwarded: boolean
  identity: Identity | undefined
  /** A rule was asked and allowed: routes with policy `in-handler` must have done so before they answer. */
  authorized: boolean
}

const states = new WeakMap<FastifyRequest, RequestState>()

export const stateOf = (request: FastifyRequest): RequestState | undefined => states.get(request)
export const setState = (request: FastifyRequest, state: RequestState): void => {
  states.set(request, state)
}

/** For helpers that handlers call; a route that still owes its permission check may not stream either. */
export function streamOf(request: FastifyRequest): RequestState {
  const state = states.get(request)
  if (state === undefined) throw new Error('not a request of createApp')
  if (owesPermission(request)) throw new Error(`${request.method} ${request.url} streams without calling request.authorize`)
  return state
}

/** A handler that promised to ask for a permission and has not asked. */
export const owesPermission = (request: FastifyRequest): boolean =>
  request.routeOptions.config.policy === 'in-handler' && states.get(request)?.authorized !== true
