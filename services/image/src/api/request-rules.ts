import type { App } from '@murmuration/http'
import type { FastifyRequest } from 'fastify'
import { errors } from '../errors.ts'

const requestIdCharsMost = 64

/** What holds for every request to the routes that are added afterwards (reference image §1.2); asked before a body is read. */
export function requestRules(app: App): void {
  app.addHook('onRequest', (request, _, done) => {
    const id = request.headers['x-openstack-request-id']
    done(id !== undefined && id.length > requestIdCharsMost ? errors.requestIdLength({ most: requestIdCharsMost }) : undefined)
  })
  // A route that takes no body refuses one: whoever sent it means something that would not be done.
  app.addHook('onRoute', (route) => {
    if (route.schema?.body === undefined && route.config?.stream !== true)
      route.onRequest = (request, _, done) => done(hasBody(request) ? errors.bodyUnexpected() : undefined)
  })
}

const hasBody = ({ headers }: FastifyRequest): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
