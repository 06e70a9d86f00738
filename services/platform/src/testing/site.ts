import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase, type Database } from '@murmuration/data'
import { Unauthenticated, type Identity } from '@murmuration/http'
import { loadSiteConfig, type Service, type Site } from '@murmuration/site'
import { createRealWorld, type HttpResponse } from '@murmuration/world'
import { createPlatformService } from '../service.ts'
import type { Schema } from '../store/schema.ts'

/** Tokens of the tests: the name of the role is the token. */
const identityOf = (role: string): Identity => ({
  userId: 'u1',
  userName: role,
  userDomainId: 'default',
  userDomainName: 'Default',
  projectId: 'p1',
  projectName: role === 'member' ? 'demo' : 'services',
  projectDomainId: 'default',
  projectDomainName: 'Default',
  systemScope: false,
  roles: role === 'stranger' ? ['admin', 'reader'] : [role],
  auditId: 'a1',
  expiresAtMs: Number.MAX_SAFE_INTEGER,
  ...(role === 'stranger' ? { projectName: 'demo' } : {}),
})
const roles = ['admin', 'configurator', 'operator', 'reader', 'service', 'member', 'stranger']

export interface TestSite {
  readonly site: Site
  service: Service
  /** One request to an app of the service, as the role. */
  call(
    app: 'platform' | 'dcagent',
    role: string | undefined,
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Answer>
  /** The database under the service goes away. */
  loseDatabase(): Promise<void>
  /** The service anew; needs `dataUrl: 'file'`. */
  restart(): Promise<void>
  stop(): Promise<void>
}
export interface Answer {
  readonly status: number
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into any answer
  readonly body: any
  readonly headers: Readonly<Record<string, string>>
}

export async function startTestSite(options: { dataUrl?: string; file?: string } = {}): Promise<TestSite> {
  const folder = await mkdtemp(join(tmpdir(), 'murmuration-platform-'))
  const world = createRealWorld({ log: { level: 'silent' } })
  const file = join(folder, 'site.yaml')
  const text = options.file ?? "name: edge-1\nrole: subcloud\nregion: '5d3a2f0b6a0c4b0f9c3c8a1be7f6d201'\naddress: 127.0.0.7\n"
  await world.files.write(file, `${text}varFolder: ${folder}\n`)
  const config = await loadSiteConfig(world, file, {})
  let database: Database<Schema> | undefined
  const site = {
    world,
    config,
    openDatabase: async (service: string) => {
      database = await openDatabase(options.dataUrl === 'file' ? `sqlite:${folder}/platform.db` : (options.dataUrl ?? 'sqlite::memory:'), {
        world,
        name: service,
      })
      return database
    },
    tokens: {
      validate: async (token: string) => {
        if (!roles.includes(token)) throw new Unauthenticated()
        return identityOf(token)
      },
    },
  } as unknown as Site
  const testSite: TestSite = {
    site,
    service: await createPlatformService(site),
    async call(name, role, method, path, body, headers = {}) {
      const app = testSite.service.apps.find((one) => one.name === name)
      if (app === undefined) throw new Error(`no app ${name}`)
      const response: HttpResponse = await app.endpoint.inject({
        method,
        url: `http://${name}${path}`,
        headers: {
          ...headers,
          ...(role === undefined ? {} : { 'x-auth-token': role }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        deadlineMs: 10_000,
      })
      const received = Buffer.from(response.body).toString()
      return { status: response.status, body: received === '' ? undefined : JSON.parse(received), headers: response.headers }
    },
    loseDatabase: async () => database?.close(),
    async restart() {
      testSite.service = await createPlatformService(site)
    },
    async stop() {
      await testSite.service.stop()
      await world.net.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
  return testSite
}
