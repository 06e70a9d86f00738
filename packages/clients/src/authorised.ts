import type { HttpRequest, HttpResponse, World } from '@murmuration/world'
import type { Deadline } from './deadline.ts'
import { AuthenticationFailed, type KeystoneSession } from './keystone-session.ts'

/**
 * One exchange with the session's token; a 401 drops the token and tries once more with a new one, all within the deadline.
 * A second 401 is AuthenticationFailed.
 */
export async function requestAuthorised(
  world: World,
  session: KeystoneSession,
  deadline: Deadline,
  request: Omit<HttpRequest, 'deadlineMs'>,
): Promise<HttpResponse> {
  for (const attempt of ['first', 'last'] as const) {
    const token = await deadline.wait(session.token(deadline.remainingMs()))
    const response = await world.net.request({
      ...request,
      headers: { accept: 'application/json', ...request.headers, 'x-auth-token': token },
      deadlineMs: deadline.remainingMs(),
    })
    if (response.status !== 401) return response
    session.invalidate(token)
    if (attempt === 'last') break
  }
  throw new AuthenticationFailed(new URL(request.url).origin)
}
