import type { HttpRequest, HttpResponse } from '@murmuration/world'

const ours = (name: string): boolean => name.startsWith('murmuration-')

/** A peer's request as one of the original's sends it, and the answer as far as such a peer reads it: nothing of ours is in either. */
export async function forOldPeers(request: HttpRequest, inject: (request: HttpRequest) => Promise<HttpResponse>): Promise<HttpResponse> {
  if (request.headers?.['user-agent'] !== 'dcmanager/1.0') return inject(request)
  // What such a peer does not have it is never asked for: who asks it has not looked.
  if (request.url.endsWith('/standby-copies')) throw new Error(`an old peer was asked ${request.method} ${request.url}`)
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !ours(name)))
  const response = await inject({ ...request, headers })
  if (!(response.headers['content-type'] ?? '').startsWith('application/json')) return response
  const body = JSON.stringify(JSON.parse(new TextDecoder().decode(response.body)), (name, value: unknown) =>
    ours(name) ? undefined : value,
  )
  const { 'content-length': _, ...others } = response.headers
  return { ...response, headers: others, body: new TextEncoder().encode(body) }
}
