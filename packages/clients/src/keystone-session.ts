import type { HttpResponse, TlsIdentity, World } from '@murmuration/world'
import type { Secret } from '@murmuration/trust'
import { readAnswer, SiteAnswerRefused } from './answer.ts'
import { startDeadline } from './deadline.ts'

export interface Credentials {
  /** Ends in /v3. */
  readonly authUrl: string
  readonly userName: string
  readonly userDomainName: string
  /** A function is asked anew for every authentication, so that a changed password needs no restart. */
  readonly password: Secret | (() => Promise<Secret>)
  readonly projectName: string
  readonly projectDomainName: string
  readonly tls?: TlsIdentity | (() => Promise<TlsIdentity>)
}

export interface SessionOptions {
  /** False asks for a token without its catalog: for sites whose addresses are known anyway. Default true. */
  readonly catalog?: boolean
}

/** The site refused the credentials (not: could not be reached). */
export class AuthenticationFailed extends Error {
  constructor(authUrl: string) {
    super(`the identity service at ${authUrl} refused the credentials`)
    this.name = 'AuthenticationFailed'
  }
}

/** Token and catalog of one account at one site: one authentication at a time, renewed 300–480 s before expiry. */
export interface KeystoneSession {
  /** Rejects with NetworkError, AuthenticationFailed or SiteAnswerRefused. */
  token(deadlineMs: number): Promise<string>
  /** After a 401: the next `token()` authenticates anew. With the refused token given, a newer one that others got meanwhile stays. */
  invalidate(token?: string): void
  endpointUrl(
    serviceType: string,
    options: { interface: 'public' | 'internal' | 'admin'; region?: string },
    deadlineMs: number,
  ): Promise<string | undefined>
}

interface Endpoint {
  readonly type: string
  readonly interface: string
  readonly region: string
  readonly url: string
}

interface Issued {
  readonly token: string
  readonly catalog: readonly Endpoint[]
  /** By the monotonic clock: how far the clocks of two sites are apart does not matter. */
  readonly renewAtMs: number
}

/** An authentication goes on for whoever else waits when the first caller's own deadline is over, but not for ever. */
const authenticationDeadlineMs = 15_000
const maxAnswerBytes = 1024 * 1024

export function createKeystoneSession(world: World, credentials: Credentials, options: SessionOptions = {}): KeystoneSession {
  const withCatalog = options.catalog ?? true
  let current: Issued | undefined
  let running: Promise<Issued> | undefined

  const get = async (deadlineMs: number): Promise<Issued> => {
    if (current !== undefined && world.clock.monotonicMs() < current.renewAtMs) return current
    running ??= authenticate(world, credentials, withCatalog)
      .then((issued) => (current = issued))
      .finally(() => (running = undefined))
    return startDeadline(world, deadlineMs, `authentication at ${credentials.authUrl}`).wait(running)
  }

  return {
    token: async (deadlineMs) => (await get(deadlineMs)).token,
    invalidate(token) {
      if (token === undefined || current?.token === token) current = undefined
    },
    async endpointUrl(serviceType, { interface: wanted, region }, deadlineMs) {
      const { catalog } = await get(deadlineMs)
      return catalog.find(
        (endpoint) =>
          endpoint.type === serviceType && endpoint.interface === wanted && (region === undefined || endpoint.region === region),
      )?.url
    },
  }
}

async function authenticate(world: World, credentials: Credentials, withCatalog: boolean): Promise<Issued> {
  const { authUrl, userName, userDomainName, projectName, projectDomainName } = credentials
  const [password, tls] = await Promise.all([
    typeof credentials.password === 'function' ? credentials.password() : credentials.password,
    typeof credentials.tls === 'function' ? credentials.tls() : credentials.tls,
  ])
  const startMs = world.clock.monotonicMs()
  const response = await world.net.request({
    method: 'POST',
    url: `${authUrl}/auth/tokens${withCatalog ? '' : '?nocatalog'}`,
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: userName, domain: { name: userDomainName }, password: password.reveal() } },
        },
        scope: { project: { name: projectName, domain: { name: projectDomainName } } },
      },
    }),
    deadlineMs: authenticationDeadlineMs,
    maxResponseBytes: maxAnswerBytes,
    oneOff: true,
    ...(tls === undefined ? {} : { tls }),
  })
  if (response.status === 401 || response.status === 403) throw new AuthenticationFailed(authUrl)
  return readIssued(world, authUrl, response, startMs, withCatalog)
}

function readIssued(world: World, authUrl: string, response: HttpResponse, startMs: number, withCatalog: boolean): Issued {
  const token = response.headers['x-subject-token'] ?? ''
  const body = readAnswer(authUrl, response, [200, 201]).object()('token').object()
  if (!/^[\x21-\x7e]{1,16384}$/.test(token)) throw new SiteAnswerRefused(authUrl, 'it has no token', response.status)
  const expiresMs = Date.parse(body('expires_at').text(40))
  const issuedMs = Date.parse(body('issued_at').text(40))
  if (!(expiresMs > issuedMs)) throw new SiteAnswerRefused(authUrl, 'the token has no lifetime', response.status)
  const lifetimeMs = expiresMs - issuedMs
  // Spread, so that a fleet of sessions made at once is not renewed at once; a short-lived token still serves half its life.
  const marginMs = Math.min(300_000 + world.random.int(180_001), lifetimeMs / 2)
  return { token, catalog: withCatalog ? readCatalog(body('catalog')) : [], renewAtMs: startMs + lifetimeMs - marginMs }
}

function readCatalog(catalog: ReturnType<typeof readAnswer>): Endpoint[] {
  if (catalog.missing) return []
  return catalog.list(1_000).flatMap((entry) => {
    const service = entry.object()
    const type = service('type').text(255)
    return service('endpoints')
      .list(1_000)
      .map((listed) => {
        const endpoint = listed.object()
        return {
          type,
          interface: endpoint('interface').text(32),
          region: endpoint('region').missing ? '' : endpoint('region').text(255),
          url: endpoint('url').text(2_048),
        }
      })
  })
}
