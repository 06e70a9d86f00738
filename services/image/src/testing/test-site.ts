import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase, type Database } from '@murmuration/data'
import { Unauthenticated, type Identity } from '@murmuration/http'
import { loadSiteConfig, type Service, type Site } from '@murmuration/site'
import { createRealWorld, type World } from '@murmuration/world'
import { createImageService } from '../service.ts'
import type { Schema } from '../store/schema.ts'

const ladder: Readonly<Record<string, readonly string[]>> = {
  admin: ['admin', 'manager', 'member', 'reader'],
  member: ['member', 'reader'],
  reader: ['reader'],
  service: ['service'],
}

/** Tokens of the tests say who asks: `member@north` is a member of the project north. */
export function identityOf(token: string): Identity {
  const [role = '', project = ''] = token.split('@')
  const roles = ladder[role]
  if (roles === undefined) throw new Unauthenticated()
  return {
    userId: `${role}-of-${project}`,
    userName: role,
    userDomainId: 'default',
    userDomainName: 'Default',
    ...(project === '' ? {} : { projectId: project, projectName: project, projectDomainId: 'default', projectDomainName: 'Default' }),
    systemScope: false,
    roles,
    auditId: 'a1',
    expiresAtMs: Number.MAX_SAFE_INTEGER,
  }
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Uint8Array
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into any answer
  readonly body: any
}

export interface CallOptions {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly app?: string
}

export interface TestSite {
  readonly site: Site
  readonly world: World
  readonly service: Service
  readonly folder: string
  readonly database: Database<Schema>
  /** One request as whoever the token says; a body that is bytes goes as it is, anything else as JSON. */
  call(token: string | undefined, method: string, path: string, options?: CallOptions): Promise<Answer>
  /** A new image with these attributes, formats set. */
  image(token: string, attributes?: Readonly<Record<string, unknown>>): Promise<{ id: string } & Record<string, unknown>>
  upload(token: string, id: string, bytes: Uint8Array, headers?: Readonly<Record<string, string>>): Promise<Answer>
  /** Names of all files below the folders of stores and staging. */
  files(): Promise<string[]>
  stop(): Promise<void>
}

export interface TestSiteOptions {
  readonly dataUrl?: string
  readonly more?: string
  readonly world?: (real: World) => World
  /** Its jobs and its sweeper are not started: what they would find is left to the test. */
  readonly idle?: boolean
}

export async function startTestSite(options: TestSiteOptions = {}): Promise<TestSite> {
  const folder = await mkdtemp(join(tmpdir(), 'murmuration-image-'))
  const real = createRealWorld({ log: { level: 'silent' } })
  const world = options.world?.(real) ?? real
  const file = join(folder, 'site.yaml')
  await real.files.write(file, `name: north\nrole: system-controller\nvarFolder: ${folder}\n${options.more ?? ''}`)
  const config = await loadSiteConfig(real, file, {})
  let database: Database<Schema> | undefined
  const site = {
    world,
    config,
    processId: 'test',
    openDatabase: async (service: string) =>
      (database = await openDatabase(options.dataUrl ?? 'sqlite::memory:', { world, name: service })),
    tokens: { validate: async (token: string) => identityOf(token) },
  } as unknown as Site
  const service = await createImageService(site)
  if (options.idle !== true) await service.start()

  const call: TestSite['call'] = async (token, method, path, { body, headers = {}, app: name = 'image' } = {}) => {
    const app = service.apps.find((one) => one.name === name)
    if (app === undefined) throw new Error(`no app ${name}`)
    const raw = body instanceof Uint8Array || typeof body === 'string' ? body : undefined
    const response = await app.endpoint.inject({
      method,
      url: `http://image.test:9292${path}`,
      headers: {
        ...(token === undefined ? {} : { 'x-auth-token': token }),
        ...(body === undefined ? {} : { 'content-type': body instanceof Uint8Array ? 'application/octet-stream' : 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: raw ?? JSON.stringify(body) }),
      deadlineMs: 60_000,
    })
    const text = Buffer.from(response.body).toString()
    const json = response.headers['content-type']?.includes('json') === true
    return { status: response.status, headers: response.headers, bytes: response.body, body: json && text !== '' ? JSON.parse(text) : text }
  }
  return {
    site,
    world,
    service,
    folder,
    database: database!,
    call,
    async image(token, attributes = {}) {
      const answer = await call(token, 'POST', '/v2/images', { body: { disk_format: 'raw', container_format: 'bare', ...attributes } })
      if (answer.status !== 201) throw new Error(`no image: ${answer.status} ${JSON.stringify(answer.body)}`)
      return answer.body
    },
    upload: (token, id, bytes, headers = {}) => call(token, 'PUT', `/v2/images/${id}/file`, { body: bytes, headers }),
    async files() {
      const found = await Promise.all(
        ['images', 'image-staging', 'second'].map((name) =>
          readdir(join(folder, name), { recursive: true, withFileTypes: true }).catch(() => []),
        ),
      )
      return found
        .flat()
        .filter((entry) => entry.isFile())
        .map((entry) => entry.name)
    },
    async stop() {
      await service.stop()
      await real.net.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
