import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '@murmuration/data'
import type { SiteConfig } from '@murmuration/site'
import { openKeyring } from '@murmuration/trust'
import { createRealWorld, type HttpRequest, type World } from '@murmuration/world'
import { createIdentityService } from '../service.ts'
import type { IdentitySite } from '../site.ts'
import type { IdentityLimits } from '../rules/limits.ts'

/** A site in a folder of its own that goes away with the test, with a clock that can be moved on. */
export interface TestSite {
  readonly site: IdentitySite
  readonly folder: string
  /** Added to the real clock. */
  readonly shift: { ms: number }
  remove(): Promise<void>
}

export async function makeTestSite(
  options: { config?: Partial<SiteConfig>; identity?: Partial<SiteConfig['identity']>; url?: string } = {},
): Promise<TestSite> {
  const folder = await mkdtemp(join(tmpdir(), 'identity-'))
  const real = createRealWorld({ log: { level: 'error' } })
  const shift = { ms: 0 }
  const world: World = {
    ...real,
    clock: { nowMs: () => real.clock.nowMs() + shift.ms, monotonicMs: () => real.clock.monotonicMs() + shift.ms },
  }
  const config = {
    name: 'controller',
    role: 'system-controller',
    region: 'RegionOne',
    softwareVersion: '26.09',
    varFolder: folder,
    address: '127.0.0.1',
    listenAddress: '127.0.0.1',
    ports: {
      identity: 5000,
      identityTls: 5001,
      platform: 6385,
      platformTls: 6386,
      dcagent: 8325,
      dcagentTls: 8326,
      dcmanager: 8119,
      dcmanagerTls: 8120,
    },
    services: ['identity', 'platform', 'dcmanager'],
    roles: ['api', 'manager', 'audit', 'state'],
    dataUrl: `sqlite:${folder}/{service}.db`,
    identity: {
      mode: 'embedded',
      url: 'http://127.0.0.1:5000/v3',
      serviceUser: 'dcmanager',
      servicePasswordFile: `${folder}/secrets/service-password`,
      adminPasswordFile: undefined,
      ...options.identity,
    },
    networks: {
      management: { subnet: '127.0.0.0/24', start: '127.0.0.1', end: '127.0.0.9', gateway: '127.0.0.1', floating: '127.0.0.1' },
      oam: { subnet: '127.0.0.0/24', gateway: '127.0.0.1', floating: '127.0.0.1' },
    },
    tls: { caFile: `${folder}/ca.pem`, certFile: `${folder}/site.pem`, keyFile: `${folder}/site.key` },
    policyFile: undefined,
    ...options.config,
  } as unknown as SiteConfig
  const keyring = await openKeyring(world, `${folder}/keyring.json`)
  const url = options.url ?? `sqlite:${folder}/identity.db`
  return {
    site: { world, config, keyring, openDatabase: (service) => openDatabase(url, { world, name: service }) },
    folder,
    shift,
    async remove() {
      await real.net.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
  readonly body: any
}

export interface Caller {
  (method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>
  readonly token: string
}

export interface TestIdentity extends TestSite {
  readonly adminPassword: string
  /** Without a token. */
  call(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>
  /** With one. */
  as(token: string): Caller
  admin(): Promise<Caller>
  signIn(user: string, password: string, scope?: unknown): Promise<Answer>
  stop(): Promise<void>
}

/** The service on a test site, spoken to without sockets. */
export async function startIdentity(
  options: Parameters<typeof makeTestSite>[0] & { limits?: Partial<IdentityLimits>; on?: TestSite } = {},
): Promise<TestIdentity> {
  const made = options.on ?? (await makeTestSite(options))
  const service = await createIdentityService(made.site, { limits: options.limits ?? {} })
  const endpoint = service.apps[0]!.endpoint
  const call: TestIdentity['call'] = async (method, path, body, headers = {}) => {
    const request: HttpRequest = {
      method,
      url: `http://identity.test:5000${path}`,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      deadlineMs: 30_000,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    }
    const response = await endpoint.inject(request)
    const text = new TextDecoder().decode(response.body)
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : parse(text) }
  }
  const as = (token: string): Caller =>
    Object.assign(
      (method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) =>
        call(method, path, body, { 'x-auth-token': token, ...headers }),
      { token },
    )
  const openrc = new TextDecoder().decode(await made.site.world.files.read(`${made.folder}/openrc`))
  const adminPassword = /OS_PASSWORD='([^']+)'/.exec(openrc)?.[1] ?? ''
  const signIn: TestIdentity['signIn'] = (user, password, scope) =>
    call('POST', '/v3/auth/tokens', {
      auth: {
        identity: { methods: ['password'], password: { user: { name: user, domain: { id: 'default' }, password } } },
        ...(scope === undefined ? {} : { scope }),
      },
    })
  return {
    ...made,
    adminPassword,
    call,
    as,
    signIn,
    async admin() {
      const answer = await signIn('admin', adminPassword)
      return as(answer.headers['x-subject-token']!)
    },
    async stop() {
      await service.stop()
      if (options.on === undefined) await made.remove()
    },
  }
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
