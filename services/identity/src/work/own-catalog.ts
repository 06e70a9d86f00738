import { createHash } from 'node:crypto'
import { upsert } from '@murmuration/data'
import type { SiteConfig } from '@murmuration/site'
import { findRegion, findService, insertRegion, insertService } from '../store/catalog.ts'
import type { EndpointRow, Tx } from '../store/schema.ts'

const interfaces = ['public', 'internal', 'admin'] as const
/** Where a system controller offers what concerns the whole fleet (reference dcmanager §12). */
const controllerRegion = 'SystemController'

interface OwnService {
  readonly type: string
  readonly name: string
  readonly port: number
  readonly path: string
  readonly region: string
}

function ownServices(config: SiteConfig): OwnService[] {
  const { ports, region } = config
  const all = {
    identity: { type: 'identity', name: 'keystone', port: ports.identity, path: '/v3', region },
    platform: { type: 'platform', name: 'sysinv', port: ports.platform, path: '/v1', region },
    image: { type: 'image', name: 'glance', port: ports.image, path: '', region },
    dcmanager: { type: 'dcmanager', name: 'dcmanager', port: ports.dcmanager, path: '/v1.0', region: controllerRegion },
  } as const satisfies Record<string, OwnService>
  return config.services.map((service) => all[service])
}

/** A wildcard to listen on is no address to call. */
function hostOf(config: SiteConfig, of: EndpointRow['interface']): string {
  const wildcard = config.address === '0.0.0.0' || config.address === '::'
  const floating = of === 'public' ? config.networks.oam.floating : config.networks.management.floating
  const host = wildcard ? floating : config.address
  return host.includes(':') ? `[${host}]` : host
}

/** The same id for the same thing at every start, so that nothing is registered twice. */
const ownId = (...parts: string[]): string => createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32)

/**
 * Registers the site's own services as its configuration says: the site file is the truth for these, so an address that
 * changed there changes here. Everything else in the catalog belongs to the operator.
 */
export async function ensureOwnCatalog(tx: Tx, config: SiteConfig): Promise<void> {
  const regions = [config.region, ...(config.role === 'system-controller' ? [controllerRegion] : [])]
  for (const id of regions)
    if ((await findRegion(tx, id)) === undefined) await insertRegion(tx, { id, description: '', parent_region_id: null, extra: '{}' })

  const endpoints: EndpointRow[] = []
  for (const service of ownServices(config)) {
    const serviceId = ownId('service', service.type)
    if ((await findService(tx, serviceId)) === undefined)
      await insertService(tx, { id: serviceId, type: service.type, name: service.name, enabled: 1, description: null, extra: '{}' })
    for (const of of interfaces)
      endpoints.push({
        id: ownId('endpoint', service.type, service.region, of),
        service_id: serviceId,
        region_id: service.region,
        interface: of,
        url: `http://${hostOf(config, of)}:${service.port}${service.path}`,
        enabled: 1,
        extra: '{}',
      })
  }
  await upsert(
    tx,
    'endpoints',
    endpoints.map((row) => ({ ...row })),
    { conflict: ['id'], update: ['url', 'region_id'] },
  )
}
