import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { openDatabase, type Database } from '@murmuration/data'
import { Unauthenticated, type Identity, type TokenValidator } from '@murmuration/http'
import { openBus } from '@murmuration/rpc'
import { loadSiteConfig, type Site } from '@murmuration/site'
import { createAuthority, openKeyring } from '@murmuration/trust'
import { createRealWorld, type World } from '@murmuration/world'
import { migrations } from '../store/migrations/index.ts'
import type { Schema } from '../store/schema.ts'

export interface FakeSite {
  /** Real keyring, authority and bus; fake tokens; nobody listens behind `session`. */
  readonly site: Site
  /** Migrated, in memory unless told otherwise. */
  readonly database: Database<Schema>
  /** JSON lines that the site has logged. */
  readonly logLines: readonly string[]
}

export interface FakeSiteOptions {
  readonly world?: World
  readonly databaseUrl?: string
  /** Merged over the minimal site.yaml. */
  readonly config?: Readonly<Record<string, unknown>>
}

/**
 * A system controller for the tests of this service: the real parts that need no other service, in a folder that goes with the
 * test. Management 127.0.0.0/24 with the pool .1–.100, as docs/examples wants it.
 */
export async function fakeSite(t: TestContext, options: FakeSiteOptions = {}): Promise<FakeSite> {
  const folder = await mkdtemp(join(tmpdir(), 'dcmanager-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const logLines: string[] = []
  const world =
    options.world ??
    createRealWorld({ timersKeepAlive: true, log: { level: 'debug', destination: { write: (line: string) => void logLines.push(line) } } })
  const file = join(folder, 'site.yaml')
  await world.files.write(
    file,
    // JSON is YAML.
    JSON.stringify({ name: 'controller', role: 'system-controller', varFolder: join(folder, 'var'), ...options.config }),
  )
  const config = await loadSiteConfig(world, file, {})
  const database = await openDatabase<Schema>(options.databaseUrl ?? 'sqlite::memory:', { world, name: 'dcmanager' })
  t.after(() => database.close())
  await database.migrate(migrations)
  const bus = await openBus('in-process:', { world, name: 'test' })
  t.after(() => bus.close())
  if (options.world === undefined) t.after(() => world.net.close())
  const absent = (): never => {
    throw new Error('no other service stands behind this fake site')
  }
  const site: Site = {
    world,
    config,
    keyring: await openKeyring(world, `${config.varFolder}/secrets/keys.json`),
    authority: await createAuthority(world, `${config.varFolder}/ca`, 'test authority'),
    bus,
    tokens: fakeTokens,
    session: { token: absent, invalidate: absent, endpointUrl: absent },
    openDatabase: async () => database as never,
    processId: `test-${process.pid}`,
    close: async () => {},
  }
  return { site, database, logLines }
}

/**
 * Tokens of the form `role,role@scope` with the scope `admin`, `services`, `other` (projects), `domain`, `system` or `none`:
 * `configurator@admin` is a configurator of the project admin. `admin` implies `reader`, as the identity service makes it.
 */
export const fakeTokens: TokenValidator = {
  async validate(token) {
    const [, names, scope] = /^([a-z_,]*)@(admin|services|other|domain|system|none)$/.exec(token) ?? []
    if (names === undefined || scope === undefined) throw new Unauthenticated()
    const roles = names === '' ? [] : names.split(',')
    return fakeIdentity(`user-${token}`, [...roles, ...(roles.includes('admin') ? ['reader', 'member'] : [])], scope)
  },
}

function fakeIdentity(userId: string, roles: readonly string[], scope: string): Identity {
  return {
    userId,
    userName: userId,
    userDomainId: 'default',
    userDomainName: 'Default',
    ...(scope === 'admin' || scope === 'services' || scope === 'other'
      ? { projectId: `project-${scope}`, projectName: scope, projectDomainId: 'default', projectDomainName: 'Default' }
      : {}),
    ...(scope === 'domain' ? { domainId: 'default', domainName: 'Default' } : {}),
    systemScope: scope === 'system',
    roles,
    auditId: 'audit',
    expiresAtMs: Number.MAX_SAFE_INTEGER,
  }
}
