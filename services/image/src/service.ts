import { createPolicy } from '@murmuration/http'
import { policyFileOf, type Service, type Site } from '@murmuration/site'
import type { ListenAddress } from '@murmuration/world'
import { createImageApp } from './api/app.ts'
import { underMinorVersions } from './api/versions.ts'
import { refusingData } from './api/refusing-data.ts'
import { policies } from './policies.ts'
import { createDirectData } from './store/direct.ts'
import { migrations } from './store/migrations/index.ts'
import type { Schema } from './store/schema.ts'
import { createStores } from './work/stores/stores.ts'
import { createWorker } from '@murmuration/jobs'
import { importJob } from './work/imports.ts'
import { createSweeper } from './work/sweeper.ts'
import { createTransfers } from './work/transfers.ts'

/** The image service of a site. Any number of processes share its database and its stores. */
export async function createImageService(site: Site): Promise<Service> {
  const { world, config } = site
  const database = await site.openDatabase<Schema>('image')
  try {
    await database.migrate(migrations)
    const quotas = { storageBytes: config.image.storageQuotaBytes, count: config.image.countQuota }
    const data = createDirectData(database, world, quotas)
    const stores = createStores(world, config)
    const transfers = createTransfers({ world, data, stores, sizeCapBytes: config.image.sizeCapBytes })
    const closing = new AbortController()
    const file = policyFileOf(config, 'image')
    const policy = await createPolicy(world, policies, file === undefined ? {} : { file })
    const app = await createImageApp(
      { site, data: refusingData(data), stores, transfers, closing: closing.signal },
      { tokens: site.tokens, policy, ready: () => database.ping() },
    )
    const sweeper = config.roles.includes('manager') ? createSweeper(world, database, stores) : undefined
    const worker = config.roles.includes('manager')
      ? createWorker({ world, database, owner: `${site.processId}-image`, kinds: [importJob({ data, stores, transfers })] })
      : undefined
    return {
      name: 'image',
      apps: config.roles.includes('api')
        ? [{ name: 'image', endpoint: underMinorVersions(await app.endpoint(), stores.several), listen: await addressesOf(site) }]
        : [],
      async start() {
        worker?.start()
        sweeper?.start()
      },
      async stop() {
        closing.abort(new Error('the service is stopping'))
        await app.close()
        await worker?.stop()
        await sweeper?.stop()
        policy.close()
        await database.close()
      },
    }
  } catch (error) {
    await database.close()
    throw error
  }
}

/** TLS besides, where the site has a certificate (a site behind somebody else's proxy may have none). */
async function addressesOf({ world, config }: Site): Promise<ListenAddress[]> {
  const { listenAddress: host, ports, tls } = config
  const plain = { host, port: ports.image, longRequests: true }
  const certified = (await world.files.size(tls.certFile)) !== undefined && (await world.files.size(tls.keyFile)) !== undefined
  return certified ? [plain, { ...plain, port: ports.imageTls, tls: { certFile: tls.certFile, keyFile: tls.keyFile } }] : [plain]
}
