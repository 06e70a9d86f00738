import { createDcmanagerService } from '@murmuration/dcmanager'
import { listSubclouds, type Schema } from '@murmuration/dcmanager/bench'
import { createRealWorld } from '@murmuration/world'
import { addFleet } from './fleet.ts'
import { serveLists } from './list-child.ts'
import { openBenchSite } from './site.ts'
import { createTokens } from './tokens.ts'

/** dcmanager's API with a fleet. Started by `subcloud-list`. */
const [count = '5000'] = process.argv.slice(2)
const world = createRealWorld({ timersKeepAlive: true, log: { level: 'error' } })
const { validator, tokens } = createTokens(world, 50)
const opened = await openBenchSite(world, { tokens: validator })
const site = { ...opened, config: { ...opened.config, roles: ['api' as const] } }
const database = await site.openDatabase<Schema>('dcmanager')
await addFleet(database, world, Number(count), () => world.clock.nowMs() + 3_600_000)
const service = await createDcmanagerService(site)
const page = { limit: 100, sort: [{ key: 'id', direction: 'asc' as const }] }

await serveLists({
  world,
  endpoint: service.apps[0]!.endpoint,
  tokens,
  lists: [
    { path: '/v1.0/subclouds?limit=100', sql: () => listSubclouds(database, {}, page) },
    { path: '/v1.0/subclouds', sql: () => listSubclouds(database, {}, undefined) },
  ],
  sqlRounds: 30,
})
