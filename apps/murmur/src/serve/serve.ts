import { openSite, type Service, type SiteConfig } from '@murmuration/site'
import { NetworkError, type Listening, type World } from '@murmuration/world'

export interface ServedSite {
  /** Stops accepting, finishes what was accepted, gives leases back. */
  stop(): Promise<void>
}

/** How long running requests may take when the site is asked to stop. */
const drainMs = 10_000

/** A port of the site is taken, or its address is not this machine's. */
export class AddressTaken extends Error {
  constructor(host: string, port: number, what: string) {
    super(`${what} can't listen on ${host}:${port}: the address is taken or not this machine's.`)
    this.name = 'AddressTaken'
  }
}

/** Opens the site, makes its services in order (identity first: the others sign in there), listens, starts their loops. */
export async function serveSite(world: World, config: SiteConfig): Promise<ServedSite> {
  const site = await openSite(world, config)
  const services: Service[] = []
  const listening: Listening[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(listening.map((one) => one.close(drainMs)))
    for (const service of services.toReversed()) await service.stop()
    await site.close()
  }
  try {
    for (const name of config.services) {
      const create = await creators[name]()
      const service = await create(site)
      services.push(service)
      for (const app of service.apps) for (const address of app.listen) listening.push(await listen(world, app.name, address, app.endpoint))
      await service.start()
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { stop }
}

/** Loaded only when the site runs the service: a process of one role starts faster and smaller. */
const creators = {
  identity: async () => (await import('@murmuration/identity')).createIdentityService,
  platform: async () => (await import('@murmuration/platform')).createPlatformService,
  image: async () => (await import('@murmuration/image')).createImageService,
  dcmanager: async () => (await import('@murmuration/dcmanager')).createDcmanagerService,
} as const

async function listen(
  world: World,
  what: string,
  address: Parameters<World['net']['serve']>[0],
  endpoint: Parameters<World['net']['serve']>[1],
): Promise<Listening> {
  try {
    return await world.net.serve(address, endpoint)
  } catch (error) {
    if (error instanceof NetworkError || (error as NodeJS.ErrnoException).code?.startsWith('EADDR') === true)
      throw new AddressTaken(address.host, address.port, what)
    throw error
  }
}
