import Fastify from 'fastify'
import { createApp, createPolicy, dcmanagerFaults } from '@murmuration/http'
import { createRealWorld } from '@murmuration/world'
import { createTokens } from './tokens.ts'

/** A handler that does nothing, three times: bare, in our app, in our app behind a token and a rule. */
const answer = { subclouds: [], at: 'once' }
let requests = 0
const handler = async (): Promise<typeof answer> => {
  requests += 1
  return answer
}
const world = createRealWorld({ timersKeepAlive: true, log: { level: 'error' } })
const { validator, tokens } = createTokens(world, 1_000)
const policy = await createPolicy(world, [
  { name: 'bench:get', check: 'role:reader and project_name:admin', operations: [], description: '' },
])
const app = await createApp({ world, service: 'bench', faults: dcmanagerFaults, tokens: validator, policy })
app.get('/open', { config: { policy: 'public' } }, handler)
app.get('/guarded', { config: { policy: 'bench:get' } }, handler)
const listening = await world.net.serve({ host: '127.0.0.1', port: 0 }, await app.endpoint())

const bare = Fastify()
bare.get('/plain', handler)
const plain = await bare.listen({ host: '127.0.0.1', port: 0 })

// What this process itself spent: unlike requests per second, it does not depend on what the load generator leaves of the machine.
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send!({ cpuUs: user + system, requests })
})

const origin = `http://127.0.0.1:${listening.port}`
process.send!({ open: `${origin}/open`, guarded: `${origin}/guarded`, plain: `${plain}/plain`, tokens })
