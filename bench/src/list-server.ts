import Fastify from 'fastify'
import { countStatements } from '@murmuration/data'
import { createDcmanagerService } from '@murmuration/dcmanager'
import { listSubclouds, type Schema } from '@murmuration/dcmanager/bench'
import { createRealWorld } from '@murmuration/world'
import { addFleet } from './fleet.ts'
import { median } from './results.ts'
import { openBenchSite } from './site.ts'
import { createTokens } from './tokens.ts'

/** dcmanager's API with a fleet, and a bare handler that serves the same bytes. Started by `subcloud-list`. */
const [count = '5000', query = ''] = process.argv.slice(2)
const world = createRealWorld({ timersKeepAlive: true, log: { level: 'error' } })
const { validator, tokens } = createTokens(world, 50)
const opened = await openBenchSite(world, { tokens: validator })
const site = { ...opened, config: { ...opened.config, roles: ['api' as const] } }
const database = await site.openDatabase<Schema>('dcmanager')
await addFleet(database, world, Number(count), () => world.clock.nowMs() + 3_600_000)
const service = await createDcmanagerService(site)
const endpoint = service.apps[0]!.endpoint
const listening = await world.net.serve({ host: '127.0.0.1', port: 0 }, endpoint)
const list = `http://127.0.0.1:${listening.port}/v1.0/subclouds`

const once = () =>
  endpoint.inject({
    method: 'GET',
    url: list + query,
    headers: { 'x-auth-token': tokens[0]!, accept: 'application/json' },
    deadlineMs: 10_000,
  })
const { result, statements, texts } = await countStatements(once)
if (result.status !== 200) throw new Error(`the list answered ${result.status}`)

const bytes = Buffer.from(result.body)
const bare = Fastify()
bare.get('/bytes', (_, reply) => reply.type('application/json').send(bytes))
const plain = await bare.listen({ host: '127.0.0.1', port: 0 })

process.on('message', () => {
  void measureSql().then((sqlMs) => process.send!({ sqlMs, statements, bytes: bytes.length }))
})

/** The same questions to the database, with nothing done to the answers. */
async function measureSql(): Promise<number> {
  const page = query === '' ? undefined : { limit: 100, sort: [{ key: 'id', direction: 'asc' as const }] }
  const counted = await countStatements(() => listSubclouds(database, {}, page))
  if (counted.statements !== texts.length) throw new Error('not the same statements')
  const took: number[] = []
  for (let n = 0; n < (query === '' ? 60 : 400); n += 1) {
    const begin = performance.now()
    await listSubclouds(database, {}, page)
    took.push(performance.now() - begin)
  }
  return median(took.slice(20))
}

process.send!({ list, bare: `${plain}/bytes`, tokens })
