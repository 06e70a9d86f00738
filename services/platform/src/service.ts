import { timestamp } from '@murmuration/data'
import { createApp, createPolicy, plainFaults } from '@murmuration/http'
import { policyFileOf, type Service, type ServiceApp, type Site, type SiteConfig } from '@murmuration/site'
import { alarms } from './api/alarms.ts'
import { certificates } from './api/certificates.ts'
import { dcaudit } from './api/dcaudit.ts'
import { devices } from './api/devices.ts'
import { hosts } from './api/hosts.ts'
import { kubernetes } from './api/kubernetes.ts'
import { networks } from './api/networks.ts'
import { ownership, ownershipGate } from './api/ownership.ts'
import { releases } from './api/releases.ts'
import type { Room } from './api/room.ts'
import { systems } from './api/systems.ts'
import { dcagentPolicies, platformPolicies } from './policies.ts'
import { readFacts } from './store/facts.ts'
import { prepareStore } from './store/first-start.ts'
import { migrations } from './store/migrations.ts'
import type { Schema } from './store/schema.ts'
import { createAuditCache } from './work/audit-cache.ts'
import { createOwnershipDesk } from './work/ownership-desk.ts'

/** What a site says about itself: the platform API, and the agent that its system controller audits. */
export async function createPlatformService(site: Site): Promise<Service> {
  const { world, config, tokens } = site
  const database = await site.openDatabase<Schema>('platform')
  await database.migrate(migrations)
  await prepareStore(world, config, database)

  const file = policyFileOf(config, 'platform')
  const policy = await createPolicy(world, [...platformPolicies, ...dcagentPolicies], file === undefined ? {} : { file })
  const shared = {
    world,
    faults: plainFaults,
    tokens,
    policy,
    ready: { database: () => database.ping() },
    identityUrl: config.identity.url,
  }
  const room: Room = { world, config, database, now: () => timestamp(world.clock.nowMs()) }

  const platform = await createApp({ ...shared, service: 'platform' })
  for (const routes of [systems, hosts, networks, certificates, kubernetes, devices, alarms, releases]) routes(platform, room)

  const cache = createAuditCache(world, () => readFacts(database))
  const desk = createOwnershipDesk(world, database)
  const dcagent = await createApp({ ...shared, service: 'dcagent', gate: ownershipGate(desk) })
  dcaudit(dcagent, cache)
  ownership(dcagent, desk)

  const apps: ServiceApp[] = [
    { name: 'platform', endpoint: await platform.endpoint(), listen: platformAddresses(config) },
    { name: 'dcagent', endpoint: await dcagent.endpoint(), listen: dcagentAddresses(config) },
  ]
  return {
    name: 'platform',
    apps: config.roles.includes('api') ? apps : [],
    async start() {
      cache.start()
      desk.start()
    },
    async stop() {
      cache.stop()
      policy.close()
      await Promise.all([platform.close(), dcagent.close()])
      await desk.stop()
      await database.close()
    },
  }
}

const serverTls = ({ tls }: SiteConfig) => ({ certFile: tls.certFile, keyFile: tls.keyFile })

const platformAddresses = (config: SiteConfig): ServiceApp['listen'] => [
  { host: config.listenAddress, port: config.ports.platform },
  { host: config.listenAddress, port: config.ports.platformTls, tls: serverTls(config) },
]

/** Other machines reach the agent by mutual TLS only. Sites that share a machine differ in their loopback address. */
function dcagentAddresses(config: SiteConfig): ServiceApp['listen'] {
  const { listenAddress: address } = config
  const loopback = /^127\.|^::1$/.test(address) ? address : address.includes(':') ? '::1' : '127.0.0.1'
  return [
    { host: loopback, port: config.ports.dcagent },
    { host: address, port: config.ports.dcagentTls, tls: { ...serverTls(config), clientCaFile: config.tls.clientCaFile } },
  ]
}
