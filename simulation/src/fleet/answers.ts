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

/** What POST /v3/auth/tokens answers. */
export function issueToken(request: HttpRequest, token: string, nowMs: number, password: string): HttpResponse {
  const { auth } = bodyOf(request) as { auth: { identity: { password: { user: { password: string } } } } }
  if (auth.identity.password.user.password !== password) return answerJson(401, { error: { code: 401 } })
  return answerJson(
    201,
    {
      token: {
        issued_at: new Date(nowMs).toISOString(),
        expires_at: new Date(nowMs + 3_600_000).toISOString(),
        methods: ['password'],
        catalog: [],
      },
    },
    { 'x-subject-token': token },
  )
}
