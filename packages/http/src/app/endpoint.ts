import type { Endpoint, HttpRequest, HttpResponse } from '@murmuration/world'
import type { FastifyInstance, InjectOptions } from 'fastify'

/** What a network calls: `handle` for sockets, `inject` for the simulated one. Both go through every hook. */
export const endpointOf = (app: FastifyInstance, ending: () => void): Endpoint => ({
  handle: (request, response) => app.routing(request, response),
  inject: (request) => inject(app, request),
  ending,
})

async function inject(app: FastifyInstance, request: HttpRequest): Promise<HttpResponse> {
  const url = new URL(request.url)
  const options: InjectOptions = {
    method: request.method,
    // The raw rest of the URL: the parser would mend doubled slashes and escapes that the service must see.
    url: request.url.slice(url.origin.length === 0 ? 0 : pathStart(request.url)) || '/',
    headers: { host: url.host, ...request.headers },
    ...(request.body === undefined ? {} : { payload: Buffer.from(request.body) }),
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  }
  const response = await app.inject(options)
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined) headers[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : String(value)
  }
  return { status: response.statusCode, headers, body: new Uint8Array(response.rawPayload) }
}

/** Where the path begins in an absolute URL. */
function pathStart(url: string): number {
  const found = /[/?#]/.exec(url.slice(url.indexOf('://') + 3))
  return found === null ? url.length : url.indexOf('://') + 3 + found.index
}
