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

/** `GET /` is 300 by contract: there are several, choose one. */
export function versionRoutes(app: App, severalStores: boolean): void {
  const document = (status: number) => async (request: FastifyRequest, reply: FastifyReply) => {
    const host = request.headers.host
    return reply.code(status).send(versionDocument(severalStores, `${request.protocol}://${host ?? 'localhost'}`))
  }
  const config = { policy: 'public' }
  app.get('/', { config, schema: { summary: 'List the versions' } }, document(300))
  app.get('/versions', { config, schema: { summary: 'List the versions' } }, document(200))
}

/** `/v2.9/images` is `/v2/images`: a minor version changes nothing but what was there at its time. */
export function withoutMinor(url: string, severalStores: boolean): string {
  const [, version, rest = ''] = /^\/(v2\.\d{1,2})(?=\/|\?|$)(.*)$/s.exec(url) ?? []
  return version !== undefined && servedVersions(severalStores).includes(version) ? `/v2${rest}` : url
}

/** The endpoint under all its minor versions. */
export const underMinorVersions = (endpoint: Endpoint, severalStores: boolean): Endpoint => ({
  ...endpoint,
  handle(request, response) {
    request.url = withoutMinor(request.url ?? '/', severalStores)
    endpoint.handle(request, response)
  },
  inject(request) {
    const { origin } = new URL(request.url)
    return endpoint.inject({ ...request, url: origin + withoutMinor(request.url.slice(origin.length), severalStores) })
  },
})
