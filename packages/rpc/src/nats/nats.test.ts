import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createRealWorld } from '@murmuration/world'
import { openBus } from '../open.ts'
import { busContract, fleet, serveFleet, until } from '../testing/bus-contract.ts'
import { startNats, startOwnNats, type NatsServer } from '../testing/nats-server.ts'

const quiet = () => createRealWorld({ log: { level: 'silent' }, timersKeepAlive: true })
const portOf = (url: string): number => Number(/:(\d+)/.exec(url)?.[1])

void describe('nats', () => {
  let server: NatsServer
  before(async () => {
    server = await startNats()
  })
  after(() => server.stop())
  busContract('nats', (world) => openBus(server.url, { world, name: 'test' }))

  void it('keeps sites with different prefixes apart', async () => {
    const world = quiet()
    const here = await openBus(server.url, { world, name: 'here' })
    const there = await openBus(server.url.replace(/prefix=.*/, 'prefix=elsewhere'), { world, name: 'there' })
    await serveFleet(here, {})
    await assert.rejects(there.client(fleet).add({ a: 1, b: 1 }), { code: 'unavailable' })
    await here.close()
    await there.close()
  })

  void it('survives messages that are not its own', async () => {
    const world = quiet()
    const bus = await openBus(server.url, { world, name: 'test' })
    await serveFleet(bus, {})
    const { connect } = await import('@nats-io/transport-node')
    const stranger = await connect({ servers: `127.0.0.1:${portOf(server.url)}` })
    const prefix = server.url.split('prefix=')[1]
    for (const junk of ['', '{', 'null', '{"payload":1}', '{"payload":"{","context":{}}']) stranger.publish(`${prefix}.one.fleet.add`, junk)
    await stranger.flush()
    assert.equal(await bus.client(fleet).add({ a: 1, b: 2 }), 3)
    await until(world, () => bus.counters.dropped === 4)
    await stranger.close()
    await bus.close()
  })
})

void describe('nats, when the server goes away', { timeout: 30_000 }, () => {
  void it('fails calls fast, drops and counts casts, and serves again when it is back', async () => {
    const world = quiet()
    const first = await startOwnNats()
    const bus = await openBus(first.url, { world, name: 'test' })
    const heard: number[] = []
    const started = Promise.withResolvers<void>()
    await serveFleet(bus, {
      state: ({ id }) => Promise.resolve(void heard.push(id)),
      add: async ({ a, b }, { signal }) => {
        started.resolve()
        if (a < 0) await new Promise((resolve) => signal.addEventListener('abort', resolve))
        return a + b
      },
    })
    const client = bus.client(fleet)
    const pending = client.add({ a: -1, b: 0 })
    await started.promise
    const pendingFails = assert.rejects(pending, { code: 'unavailable' })
    await first.stop()
    await pendingFails
    const before = world.clock.monotonicMs()
    await assert.rejects(client.add({ a: 1, b: 1 }), { code: 'unavailable' })
    assert.ok(world.clock.monotonicMs() - before < 500, 'it does not wait for the deadline')
    await client.state({ id: 1 })
    assert.equal(bus.counters.dropped, 1)

    const second = await startOwnNats(portOf(first.url))
    let sum: number | undefined
    while (sum === undefined) {
      sum = await client.add({ a: 2, b: 2 }).catch(() => undefined)
      await world.timers.sleep(20)
    }
    assert.equal(sum, 4)
    await client.state({ id: 2 })
    await until(world, () => heard.length === 1)
    assert.deepEqual(heard, [2], 'nothing was kept for later')
    await bus.close()
    await second.stop()
  })

  void it('starts without a server, and serves when one comes', async () => {
    const world = quiet()
    const probe = await startOwnNats()
    await probe.stop()
    const opening = openBus(probe.url, { world, name: 'test' })
    const late = await startOwnNats(portOf(probe.url))
    const bus = await opening
    await serveFleet(bus, {})
    assert.equal(await bus.client(fleet).add({ a: 1, b: 1 }), 2)
    await bus.close()
    await late.stop()
  })

  void it('does not repeat a password in an error', async () => {
    const world = quiet()
    await assert.rejects(openBus('nats://user:hunter2@', { world, name: 'test' }), (error: Error) => !error.message.includes('hunter2'))
  })
})
