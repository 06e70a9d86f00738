import { createPolicy } from '@murmuration/http'
import { createWorker } from '@murmuration/jobs'
import { policyFileOf, type Service, type ServiceApp, type Site } from '@murmuration/site'
import type { ListenAddress } from '@murmuration/world'
import { createImageApp, type ApiOptions } from './api/app.ts'
import { refusingData } from './api/refusing-data.ts'
import { createRegistryApp, type Exposed } from './api/registry.ts'
import { underVersions } from './api/versions.ts'
import { policies } from './policies.ts'
import { signatures } from './rules/commands.ts'
import { createDirectData } from './store/direct.ts'
import type { CommandName, ImageData } from './store/image-data.ts'
import { migrations } from './store/migrations/index.ts'
import type { ImageDatabase, Schema } from './store/schema.ts'
import { importJob } from './work/imports.ts'
import { createRegistryData } from './work/registry-data.ts'
import { createStores, type Stores } from './work/stores/stores.ts'
import { createSweeper } from './work/sweeper.ts'
import { createTransfers, type Transfers } from './work/transfers.ts'

/** A part of the service that this process runs. */
interface Room {
  readonly app?: ServiceApp
  /** A job may be there. */
  wake?(): void
  start?(): void
  stop(): Promise<void>
}

/**
 * The image service of a site; any number of processes share its database and its stores. With `image.dataApi: registry` a process has the
 * API only and asks the registry of another one, so it needs no way to the database.
 */
export async function createImageService(site: Site): Promise<Service> {
  const { world, config } = site
  const remote = config.image.dataApi === 'registry'
  // A registry that asks a registry would ask itself (reference image §2.1), and imports would wait for ever.
  if (remote && config.roles.includes('manager'))
    throw new Error(
      'image.dataApi is registry: such a process runs the API only. Give it roles: [api] (or --role api), or image.dataApi: direct.',
    )
  const database = remote ? undefined : await site.openDatabase<Schema>('image')
  try {
    await database?.migrate(migrations)
    const quotas = { storageBytes: config.image.storageQuotaBytes, count: config.image.countQuota }
    const rooms: Room[] = []
    const registry = createRegistryData(site)
    const data =
      database === undefined ? registry : waking(createDirectData(database, world, quotas), () => rooms.forEach((room) => room.wake?.()))
    const stores = await createStores(world, config)
    const transfers = createTransfers({ world, data, stores, sizeCapBytes: config.image.sizeCapBytes })
    const ready: ApiOptions['ready'] = database === undefined ? { registry: () => registry.ping() } : { data: () => database.ping() }
    if (config.roles.includes('api')) rooms.push(await apiRoom(site, { data, stores, transfers, ready }))
    if (database !== undefined) {
      if (config.roles.includes('api')) rooms.push(...(await registryRoom(site, data, () => database.ping())))
      if (config.roles.includes('manager')) rooms.push(workRoom(site, database, { data, stores, transfers }))
    }
    return {
      name: 'image',
      apps: rooms.flatMap(({ app }) => app ?? []),
      async start() {
        for (const room of rooms) room.start?.()
      },
      async stop() {
        // All of them, whatever one of them says; the database last.
        const ends = await Promise.allSettled(rooms.map((room) => room.stop()))
        stores.close()
        await database?.close()
        const failed = ends.find((end) => end.status === 'rejected')
        if (failed !== undefined) throw failed.reason
      },
    }
  } catch (error) {
    await database?.close()
    throw error
  }
}

/** What begins a job wakes the worker of this process; those of others look by themselves. */
const waking = (data: ImageData, wake: () => void): ImageData => ({
  ...data,
  async import_begin(caller, begin) {
    const task = await data.import_begin(caller, begin)
    wake()
    return task
  },
})

interface Parts {
  readonly data: ImageData
  readonly stores: Stores
  readonly transfers: Transfers
}

async function apiRoom(site: Site, parts: Parts & Pick<ApiOptions, 'ready'>): Promise<Room> {
  const { world, config } = site
  const closing = new AbortController()
  const file = policyFileOf(config, 'image')
  const policy = await createPolicy(world, policies, file === undefined ? {} : { file })
  const app = await createImageApp(
    { site, data: refusingData(parts.data), stores: parts.stores, transfers: parts.transfers, closing: closing.signal },
    { tokens: site.tokens, policy, ready: parts.ready },
  )
  const host = config.listenAddress
  const plain: ListenAddress = { host, port: config.ports.image, longRequests: true }
  const tls = await certificateOf(site)
  return {
    app: {
      name: 'image',
      endpoint: underVersions(await app.endpoint(), parts.stores.several),
      listen: tls === undefined ? [plain] : [plain, { ...plain, port: config.ports.imageTls, tls }],
    },
    async stop() {
      // Uploads end first and give their claims back: an app waits for its answers.
      closing.abort(new Error('the service is stopping'))
      await app.close()
      policy.close()
    },
  }
}

/** Only with TLS: whoever reads tokens on the way could use them. */
async function registryRoom(site: Site, data: ImageData, ready: () => Promise<void>): Promise<Room[]> {
  const { config } = site
  const tls = await certificateOf(site)
  if (tls === undefined) return []
  const app = await createRegistryApp({ site, tokens: site.tokens, commands: exposed(data), ready })
  return [
    {
      app: {
        name: 'image-registry',
        endpoint: await app.endpoint(),
        listen: [{ host: config.listenAddress, port: config.ports.imageRegistry, tls }],
      },
      stop: () => app.close(),
    },
  ]
}

/** Every command of the data layer as the registry offers it. */
export const exposed = (data: ImageData): Readonly<Record<CommandName, Exposed>> =>
  Object.fromEntries(
    (Object.keys(signatures) as CommandName[]).map((name) => [
      name,
      { signature: signatures[name], run: (caller, kwargs) => data[name](caller, kwargs as never) } satisfies Exposed,
    ]),
  ) as unknown as Record<CommandName, Exposed>

function workRoom(site: Site, database: ImageDatabase, parts: Parts): Room {
  const { world, config, processId } = site
  const sweeper = createSweeper(world, database, parts.stores)
  const worker = createWorker({
    world,
    database,
    owner: `${processId}-image`,
    kinds: [importJob({ ...parts, world, sources: config.image, sizeCapBytes: config.image.sizeCapBytes })],
  })
  return {
    wake: () => worker.wake(),
    start() {
      worker.start()
      sweeper.start()
    },
    async stop() {
      await worker.stop()
      await sweeper.stop()
    },
  }
}

/** A site behind somebody else's proxy may have none. */
async function certificateOf({ world, config }: Site): Promise<{ certFile: string; keyFile: string } | undefined> {
  const { certFile, keyFile } = config.tls
  const there = (await world.files.size(certFile)) !== undefined && (await world.files.size(keyFile)) !== undefined
  return there ? { certFile, keyFile } : undefined
}
