import type { FastifyRequest } from 'fastify'
import type { Identity } from '../identity.ts'

/** What this package knows of a running request; nothing of it can be set from outside. */
export interface RequestState {
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
