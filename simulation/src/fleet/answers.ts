import type { Endpoint, HttpRequest, HttpResponse } from '@murmuration/world'

/** A small endpoint of the simulation itself: no framework, since thousands of them are asked a second. */
export const endpointOf = (answer: (request: HttpRequest, url: URL) => HttpResponse): Endpoint => ({
  handle: () => {
    throw new Error('endpoints of a simulation are only reached through its network')
  },
  inject: (request) => Promise.resolve(answer(request, new URL(request.url))),
})

export const answerJson = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): HttpResponse => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: new TextEncoder().encode(JSON.stringify(body)),
})

export const bodyOf = (request: HttpRequest): unknown => {
  const { body } = request
  return JSON.parse(typeof body === 'string' ? body : new TextDecoder().decode(body ?? new Uint8Array()))
}

/** Of a POST /v3/auth/tokens. */
export function credentialsOf(request: HttpRequest): { readonly userName: string; readonly password: string } {
  const { auth } = bodyOf(request) as { auth: { identity: { password: { user: { name: string; password: string } } } } }
  const { name, password } = auth.identity.password.user
  return { userName: name, password }
}

export interface CatalogEntry {
  readonly type: string
  readonly endpoints: readonly { readonly interface: string; readonly region: string; readonly url: string }[]
}

/** What POST /v3/auth/tokens answers; without a token: that the credentials are wrong. */
export function answerToken(token: string | undefined, nowMs: number, catalog: readonly CatalogEntry[] = []): HttpResponse {
  if (token === undefined) return answerJson(401, { error: { code: 401 } })
  return answerJson(
    201,
    {
      token: {
        issued_at: new Date(nowMs).toISOString(),
        expires_at: new Date(nowMs + 3_600_000).toISOString(),
        methods: ['password'],
        catalog,
      },
    },
    { 'x-subject-token': token },
  )
}
