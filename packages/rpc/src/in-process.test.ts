import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createRealWorld } from '@murmuration/world'
import { createSimulation } from '@murmuration/world/simulated'
import { openBus } from './open.ts'
import { defineTopic } from './topic.ts'
import { busContract, fleet, serveFleet, until } from './testing/bus-contract.ts'
import { losingMessages } from './testing/losing-messages.ts'

busContract('in-process', (world) => openBus('in-process:', { world, name: 'test' }))

const quiet = () => createRealWorld({ log: { level: 'silent' }, timersKeepAlive: true })

void it('keeps processes (worlds) apart', async () => {
  const [here, there] = await Promise.all([quiet(), quiet()].map((world) => openBus('in-process:', { world, name: 'test' })))
  await serveFleet(here!, {})
  await assert.rejects(there!.client(fleet).add({ a: 1, b: 1 }), { code: 'unavailable' })
})

void it('takes turns between servers exactly', async () => {
  const world = quiet()
  const bus = await openBus('in-process:', { world, name: 'test' })
  const taken: number[] = [0, 0, 0]
  for (const server of taken.keys()) {
    await serveFleet(bus, { state: () => Promise.resolve(void (taken[server]! += 1)) })
  }
  for (let id = 0; id < 9; id += 1) await bus.client(fleet).state({ id })
  await until(world, () => taken.reduce((sum, count) => sum + count) === 9)
  assert.deepEqual(taken, [3, 3, 3])
})

void it('counts what it drops', async () => {
  const bus = await openBus('in-process:', { world: quiet(), name: 'test' })
  await bus.client(fleet).state({ id: 1 })
  await bus.client(fleet).wake({ kind: 'x' })
  assert.deepEqual({ ...bus.counters }, { sent: 0, handled: 0, dropped: 2, overloaded: 0 })
})

void it('loses casts and fan-outs, not calls, under the lossy wrapper', async () => {
  const bus = await openBus('in-process:', { world: quiet(), name: 'test' })
  const heard: string[] = []
  await serveFleet(bus, {
    state: () => Promise.resolve(void heard.push('state')),
    wake: () => Promise.resolve(void heard.push('wake')),
  })
  const client = losingMessages(bus).client(fleet)
  await client.state({ id: 1 })
  await client.wake({ kind: 'x' })
  assert.equal(await client.add({ a: 1, b: 2 }), 3)
  assert.deepEqual(heard, [])
})

void it('refuses URLs that it does not know, without repeating credentials', async () => {
  await assert.rejects(
    openBus('amqp://user:hunter2@host', { world: quiet(), name: 'test' }),
    (error: Error) => !error.message.includes('hunter2'),
  )
})

void it('lives in virtual time: deadlines pass without real ones, and a crash silences its process', async () => {
  const simulation = createSimulation(1)
  const process = simulation.host('controller').boot()
  const bus = await openBus('in-process:', { world: process.world, name: 'test' })
  await serveFleet(bus, { slow: () => process.world.timers.sleep(3_600_000).then(() => 'much later') })
  const late = bus.client(fleet).slow(undefined)
  late.catch(() => {})
  await assert.rejects(simulation.complete(late), { code: 'timeout' })
  assert.equal(simulation.nowMs, 150)

  const never = bus.client(fleet).slow(undefined)
  let settled = false
  never.catch(() => {}).finally(() => (settled = true))
  process.crash()
  await simulation.run({})
  assert.equal(settled, false)
})

void it('infers arguments and results from the type of the topic', async () => {
  const topic = defineTopic<{
    wake: { kind: 'fanout'; args: { kind: string } }
    count: { kind: 'call'; args: { of: string }; result: number }
  }>('dcmanager', { wake: { kind: 'fanout' }, count: { kind: 'call', deadlineMs: 100 } })
  const bus = await openBus('in-process:', { world: quiet(), name: 'test' })
  await bus.serve(topic, { wake: async () => {}, count: async ({ of }) => of.length })
  const count: number = await bus.client(topic).count({ of: 'four' })
  assert.equal(count, 4)
  // @ts-expect-error a method that is not in the topic
  assert.equal(bus.client(topic).other, undefined)
  // @ts-expect-error the wrong arguments
  const wrong: Promise<void> = bus.client(topic).wake({ kinds: 'x' })
  await wrong
  // @ts-expect-error a call without a deadline is refused by the compiler
  assert.ok(defineTopic<{ ask: { kind: 'call'; args: undefined; result: string } }>('t', { ask: { kind: 'call' } }))
  assert.throws(() => defineTopic('has space', {}), /cannot name a topic/)
})
