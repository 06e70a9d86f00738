import type { App } from '@murmuration/http'
import type { Endpoint } from '@murmuration/world'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Always served; what came with several stores is served where there are several (reference image §1.1). */
const always = ['v2.0', 'v2.1', 'v2.2', 'v2.3', 'v2.4', 'v2.5', 'v2.6', 'v2.7', 'v2.9', 'v2.15', 'v2.17']
const withStores = ['v2.8', 'v2.10', 'v2.11', 'v2.12', 'v2.13']
const current = 'v2.17'

export const servedVersions = (severalStores: boolean): readonly string[] => (severalStores ? [...always, ...withStores] : always)

const number = (id: string): number => Number(id.slice('v2.'.length))

export function versionDocument(severalStores: boolean, base: string) {
  return {
    versions: servedVersions(severalStores)
      .toSorted((a, b) => number(b) - number(a))
      .map((id) => ({ id, status: id === current ? 'CURRENT' : 'SUPPORTED', links: [{ rel: 'self', href: `${base}/v2/` }] })),
  }
}

/** Where no version was chosen the answer is 300 by contract, whatever was asked: there are several, choose one. */
export function versionRoutes(app: App, severalStores: boolean): void {
  const document = (status: number) => async (request: FastifyRequest, reply: FastifyReply) => {
    const host = request.headers.host
    return reply.code(status).send(versionDocument(severalStores, `${request.protocol}://${host ?? 'localhost'}`))
  }
  const config = { policy: 'public' }
  app.get('/', { config, schema: { summary: 'List the versions' } }, document(300))
  app.get('/versions', { config, schema: { summary: 'List the versions' } }, document(200))
  // A body of whoever has not found the API yet is not read.
  app.route({
    method: ['POST', 'PUT', 'PATCH', 'DELETE'],
    url: '/',
    config: { ...config, stream: true },
    schema: { hide: true },
    handler: (request, reply) => document(300)(request, reply.header('connection', 'close')),
  })
}

/** Beside the API, whatever version is asked for: by first segment, where it is answered. */
const beside: Readonly<Record<string, string>> = {
  versions: '/versions',
  healthcheck: '/healthz',
  healthz: '/healthz',
  metrics: '/metrics',
  'openapi.json': '/openapi.json',
}

/**
 * Where a request goes (reference image §1.1): `/v2.9/images` is `/v2/images`, as a minor version changes nothing but what was there at its
 * time; a version in the media type stands for one in the path, which is taken whole then; all else is asked to choose a version.
 */
export function routed(url: string, accept: string | undefined, severalStores: boolean): string {
  const path = url.replace(/^https?:\/\/[^/?]*/i, '')
  const [, first = '', rest = ''] = /^\/*([^/?]*)(.*)$/s.exec(path) ?? []
  if (Object.hasOwn(beside, first)) return `${beside[first]}${rest}`
  const typed = /^\s*application\/vnd\.openstack\.images-([^\s,;+]*)/i.exec(accept ?? '')?.[1]
  const version = typed ?? first
  if (version !== 'v2' && !servedVersions(severalStores).includes(version)) return '/'
  return typed === undefined ? `/v2${rest}` : `/v2${path}`
}

/** The endpoint under all its versions. */
export const underVersions = (endpoint: Endpoint, severalStores: boolean): Endpoint => ({
  ...endpoint,
  handle(request, response) {
    request.url = routed(request.url ?? '/', request.headers.accept, severalStores)
    endpoint.handle(request, response)
  },
  inject(request) {
    const { origin } = new URL(request.url)
    const url = routed(request.url.slice(origin.length), request.headers?.['accept'], severalStores)
    return endpoint.inject({ ...request, url: origin + url })
  },
})
