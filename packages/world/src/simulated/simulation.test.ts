import assert from 'node:assert/strict'
import { generateKeyPair, pbkdf2, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import Fastify from 'fastify'
import type { HttpResponse, World } from '../world.ts'
import { endpoint } from '../testing/world-contract.ts'
import { createSimulation, SimulationStuck, type ChildStep, type SeededRandom, type Simulation } from './index.ts'

const ok = () => Promise.resolve({ status: 200, body: 'ok' })
const ask = (world: World, deadlineMs = 1_000): Promise<string> =>
  world.net.request({ method: 'GET', url: 'http://10.0.0.2:80/', deadlineMs }).then(
    (response) => String(response.status),
    (error: { code: string }) => error.code,
  )

/** Two hosts; `b` answers on 10.0.0.2:80. */
async function pair(simulation: Simulation, answer: Parameters<typeof endpoint>[0] = ok) {
  const a = simulation.host('a').boot()
  const b = simulation.host('b').boot()
  const listening = await simulation.complete(b.world.net.serve({ host: '10.0.0.2', port: 80 }, endpoint(answer)))
  return { a, b, listening }
}

function* playbook(random: SeededRandom): Generator<ChildStep> {
  yield { waitMs: random.between(1, 500) }
  yield { line: 'ok' }
}

/** A fleet that does a little of everything. */
async function story(seed: number): Promise<Simulation> {
  const simulation = createSimulation(seed)
  simulation.network.setDefault({ loss: 0.1, duplicate: 0.1, delayMs: [1, 300] })
  simulation.onProcess((_spec, { random }) => playbook(random))
  const app = Fastify()
  app.get('/', () => Promise.resolve({ hello: 'world' }))
  for (const name of ['x', 'y', 'z']) {
    const { world } = simulation.host(name).boot()
    await simulation.complete(
      world.net.serve(
        { host: name, port: 80 },
        {
          handle() {},
          async inject({ url }): Promise<HttpResponse> {
            const answer = await app.inject(new URL(url).pathname)
            return { status: answer.statusCode, headers: {}, body: new Uint8Array(answer.rawPayload) }
          },
        },
      ),
    )
    void (async () => {
      for (let round = 0; ; round += 1) {
        await world.timers.sleep(world.random.int(100))
        const target = ['x', 'y', 'z'][world.random.int(3)]
        const outcome = await world.net.request({ method: 'GET', url: `http://${target}/`, deadlineMs: 400 }).then(
          (response) => response.status,
          (error: Error) => error.message,
        )
        world.log.info('asked', { target, outcome, round })
        await world.files.append('/log', `${outcome}\n`)
        const child = await world.processes.start({ command: 'play', args: [], env: {} })
        await child.done
      }
    })()
  }
  const y = simulation.host('y')
  simulation.at(3_000, 'y crashes', () => y.processes[0]?.crash())
  simulation.at(5_000, 'cut', () => simulation.network.partition('x', 'z', { oneWay: true }))
  await simulation.run({ untilMs: 20_000 })
  return simulation
}

void describe('simulation', () => {
  void it('tells the same story for the same seed, and another one for another', async () => {
    const first = await story(7)
    const second = await story(7)
    assert.deepEqual(first.trace.lines, second.trace.lines)
    assert.equal(first.trace.hash, second.trace.hash)
    assert.ok(first.trace.lines.length > 200, 'something happened')
    assert.notEqual((await story(8)).trace.hash, first.trace.hash)
  })

  void it('gives the same story when simulations run at once', async () => {
    const alone = (await story(7)).trace.hash
    const hashes = await Promise.all([story(7), story(9), story(7)].map(async (simulation) => (await simulation).trace.hash))
    assert.equal(hashes[0], alone)
    assert.equal(hashes[2], alone)
  })

  void it('jumps over time in which nothing happens', async () => {
    const simulation = createSimulation(1)
    const { world } = simulation.host('a').boot()
    const started = performance.now()
    await simulation.complete(world.timers.sleep(365 * 86_400_000))
    assert.equal(simulation.nowMs, 365 * 86_400_000)
    assert.ok(performance.now() - started < 1_000)
  })

  void it('waits for ticks, immediates and the thread pool before time goes on', async () => {
    const simulation = createSimulation(1)
    const { world } = simulation.host('a').boot()
    const at: number[] = []
    const work = (async () => {
      await world.timers.sleep(10)
      for (let round = 0; round < 50; round += 1) {
        await new Promise((resolve) => setImmediate(resolve))
        await new Promise<void>((resolve) => process.nextTick(resolve))
        for (let hop = 0; hop < 50; hop += 1) await Promise.resolve()
      }
      at.push(world.clock.monotonicMs())
      await promisify(pbkdf2)('secret', randomBytes(8), 20_000, 32, 'sha256')
      await promisify(generateKeyPair)('ed25519')
      await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])
      at.push(world.clock.monotonicMs())
    })()
    const ticking = (async () => {
      for (;;) await world.timers.sleep(1)
    })()
    await simulation.complete(Promise.race([work, ticking]))
    assert.deepEqual(at, [10, 10])
  })

  void it('says what is still waited for when it is stuck', async () => {
    const simulation = createSimulation(1)
    const { a, b } = await pair(simulation, () => new Promise(() => {}))
    await assert.rejects(simulation.complete(new Promise(() => {})), /nothing is left to happen/)
    void ask(a.world, 60_000)
    await simulation.run({ untilMs: simulation.nowMs + 100 })
    b.pause()
    const stuck = await simulation.run({ until: () => false, untilMs: simulation.nowMs + 100 }).catch((error: unknown) => error)
    assert.ok(stuck instanceof SimulationStuck)
    assert.match(stuck.message, /seed 1 .*\n.*b\/main#1: is paused\n.*is answering #1 GET[^\n]*\n.*a\/main#1: deadline of #1/)
    const busy = async (): Promise<void> => {
      for (;;) await a.world.timers.sleep(1)
    }
    void busy()
    await assert.rejects(simulation.run({ until: () => false, maxEvents: 100 }), /more than 100 events/)
  })

  void it('orders what happens at one instant by the seed, but within one process by its making', async () => {
    const orders = new Set<string>()
    for (let seed = 0; seed < 20; seed += 1) {
      const simulation = createSimulation(seed)
      const order: string[] = []
      for (const name of ['a', 'b']) {
        const { world } = simulation.host(name).boot()
        for (const index of [1, 2]) world.timers.after(10, () => order.push(`${name}${index}`))
      }
      await simulation.run({})
      assert.ok(order.indexOf('a1') < order.indexOf('a2') && order.indexOf('b1') < order.indexOf('b2'))
      orders.add(order.join(' '))
    }
    assert.deepEqual([...orders].sort(), ['a1 a2 b1 b2', 'b1 b2 a1 a2'])
  })

  void it('moves the wall clock without touching durations', async () => {
    const simulation = createSimulation(1)
    const host = simulation.host('a')
    const { world } = host.boot()
    const [wall, monotonic] = [world.clock.nowMs(), world.clock.monotonicMs()]
    host.stepClock(-3_600_000)
    assert.equal(world.clock.nowMs() - wall, -3_600_000)
    host.skewClock(1_000)
    await simulation.complete(world.timers.sleep(10_000))
    assert.equal(world.clock.nowMs() - wall, -3_600_000 + 10_010)
    assert.equal(world.clock.monotonicMs() - monotonic, 10_000)
    assert.equal(simulation.host('b').boot().world.clock.nowMs() - wall, 10_000, 'other hosts have their own')
  })
})

void describe('simulated network', () => {
  void it('cuts one direction: the request arrives, its answer does not', async () => {
    let served = 0
    const simulation = createSimulation(1)
    const { a } = await pair(simulation, () => {
      served += 1
      return ok()
    })
    simulation.network.partition('b', 'a', { oneWay: true })
    assert.equal(await simulation.complete(ask(a.world)), 'timeout')
    assert.equal(served, 1)
    simulation.network.heal('a', 'b')
    simulation.network.partition('a', 'b', { oneWay: true })
    assert.equal(await simulation.complete(ask(a.world)), 'timeout')
    assert.equal(served, 1)
    simulation.network.healAll()
    assert.equal(await simulation.complete(ask(a.world)), '200')
  })

  void it('repeats requests', async () => {
    let served = 0
    const simulation = createSimulation(1)
    const { a } = await pair(simulation, () => {
      served += 1
      return ok()
    })
    simulation.network.setLink('a', 'b', { duplicate: 1 })
    assert.equal(await simulation.complete(ask(a.world)), '200')
    await simulation.run({})
    assert.equal(served, 2)
  })

  void it('loses as often as it is told', async () => {
    const simulation = createSimulation(1)
    const { a } = await pair(simulation)
    simulation.network.setLink('a', 'b', { loss: 0.3 })
    const outcomes = await simulation.complete(Promise.all(Array.from({ length: 500 }, () => ask(a.world))))
    const lost = outcomes.filter((outcome) => outcome === 'timeout').length
    assert.ok(lost > 100 && lost < 200, String(lost))
  })

  void it('delays within the range of the link', async () => {
    const simulation = createSimulation(1)
    const { a } = await pair(simulation)
    simulation.network.setDefault({ delayMs: [100, 100], slowdown: 2 })
    const start = simulation.nowMs
    await simulation.complete(ask(a.world))
    assert.equal(simulation.nowMs - start, 400)
  })

  void it('keeps the loopback of each host to itself', async () => {
    const simulation = createSimulation(1)
    const { a, b } = await pair(simulation)
    await simulation.complete(b.world.net.serve({ host: '127.0.0.1', port: 81 }, endpoint(ok)))
    const url = 'http://127.0.0.1:81/'
    assert.equal((await simulation.complete(b.world.net.request({ method: 'GET', url, deadlineMs: 10 }))).status, 200)
    await assert.rejects(simulation.complete(a.world.net.request({ method: 'GET', url, deadlineMs: 10 })), { code: 'refused' })
    await assert.rejects(simulation.complete(a.world.net.request({ method: 'GET', url: 'http://nobody/', deadlineMs: 10 })), {
      code: 'dns',
    })
  })
})

void describe('simulated processes', () => {
  void it('drops every continuation of what crashed, and starts again beside the same disk', async () => {
    const simulation = createSimulation(1)
    const host = simulation.host('a')
    const first = host.boot()
    const did: string[] = []
    void (async () => {
      await first.world.files.write('/kept', 'yes')
      for (;;) {
        await first.world.timers.sleep(10)
        did.push('first')
      }
    })()
    await simulation.run({ until: () => did.length === 3 })
    first.crash()
    await simulation.run({ untilMs: simulation.nowMs + 1_000 })
    assert.equal(did.length, 3)
    assert.equal(first.state, 'dead')

    const second = host.boot()
    assert.equal(Buffer.from((await simulation.complete(second.world.files.read('/kept')))!).toString(), 'yes')
    assert.notEqual(second.world.random.uuid(), first.world.random.uuid())
    assert.deepEqual(
      host.processes.map((process) => process.name),
      ['a/main#2'],
    )
    // Nothing that the dead one starts ever comes back.
    let came = false
    for (const work of [first.world.timers.sleep(1), first.world.files.read('/kept'), ask(first.world)])
      void work.finally(() => (came = true))
    await simulation.run({ untilMs: simulation.nowMs + 1_000 })
    assert.equal(came, false)
  })

  void it('resets or silences what a crashed server was answering', async () => {
    const outcomes = new Set<string>()
    for (let seed = 0; seed < 20; seed += 1) {
      const simulation = createSimulation(seed)
      const { a, b } = await pair(simulation, () => new Promise(() => {}))
      simulation.at(simulation.nowMs + 50, 'crash', () => b.crash())
      outcomes.add(await simulation.complete(ask(a.world)))
      assert.equal(await simulation.complete(ask(a.world)), 'refused', 'its endpoint is gone')
    }
    assert.deepEqual([...outcomes].sort(), ['reset', 'timeout'])
  })

  void it('tells the harness of a crash', () => {
    const process = createSimulation(1).host('a').boot()
    let told = 0
    process.onCrash(() => (told += 1))
    process.crash()
    process.crash()
    assert.equal(told, 1)
  })

  void it('pauses: nothing runs, nothing is lost, and what was due comes at once afterwards', async () => {
    const simulation = createSimulation(1)
    const { a, b } = await pair(simulation)
    const fired: number[] = []
    b.world.timers.after(50, () => fired.push(simulation.nowMs))
    b.world.timers.after(5_000, () => fired.push(simulation.nowMs))
    const cancelled = b.world.timers.after(60, () => fired.push(-1))
    const start = simulation.nowMs
    b.pause()
    const asked = ask(a.world, 3_000)
    await simulation.run({ untilMs: start + 1_000 })
    assert.deepEqual(fired, [])
    b.resume()
    cancelled.cancel()
    assert.equal(await simulation.complete(asked), '200')
    await simulation.run({})
    assert.deepEqual(fired, [start + 1_000, start + 5_000])
  })
})

void describe('simulated children', () => {
  const start = (world: World, signal?: AbortSignal) =>
    world.processes.start({ command: 'play', args: [], env: {}, ...(signal === undefined ? {} : { signal }) })

  void it('follows its script, in virtual time, and lets it clean up when it is ended', async () => {
    const simulation = createSimulation(1)
    const { world } = simulation.host('a').boot()
    const told: string[] = []
    simulation.onProcess(() =>
      (function* () {
        try {
          yield { line: 'one' }
          yield { waitMs: 60_000 }
          told.push('the site is configured')
          yield { waitMs: 60_000 }
        } finally {
          told.push('cleaned up')
        }
      })(),
    )
    const giveUp = new AbortController()
    const child = await simulation.complete(start(world, giveUp.signal))
    await simulation.run({ untilMs: 61_000 })
    assert.deepEqual(told, ['the site is configured'])
    giveUp.abort()
    assert.deepEqual(await simulation.complete(child.done), { code: null, signal: 'SIGTERM', reason: 'aborted' })
    assert.deepEqual(told, ['the site is configured', 'cleaned up'])
  })

  for (const orphans of ['killed', 'survive'] as const) {
    void it(`goes with its parent's crash as the option says: ${orphans}`, async () => {
      const simulation = createSimulation(1, { orphans })
      const parent = simulation.host('a').boot()
      let finished = false
      const lines: string[] = []
      simulation.onProcess(() =>
        (function* () {
          yield { waitMs: 1_000 }
          yield { line: 'still here' }
          finished = true
        })(),
      )
      const spec = { command: 'play', args: [], env: {}, onLine: (_stream: string, line: string) => lines.push(line) }
      await simulation.complete(parent.world.processes.start(spec))
      parent.crash()
      await simulation.run({})
      assert.equal(finished, orphans === 'survive')
      assert.deepEqual(lines, [], 'nobody reads it any more')
    })
  }
})

void describe('simulated disks', () => {
  void it('fails operations as told', async () => {
    const simulation = createSimulation(1)
    const host = simulation.host('a')
    const { world } = host.boot()
    host.onDisk((operation) => (operation === 'write' ? 'ENOSPC' : undefined))
    await assert.rejects(simulation.complete(world.files.write('/x', 'data')), { code: 'ENOSPC' })
    assert.equal(await simulation.complete(world.files.read('/x')), undefined)
    host.onDisk(undefined)
    await simulation.complete(world.files.write('/x', 'data'))
  })

  void it('leaves a write whole or absent after a crash, an append perhaps torn', async () => {
    const writes = new Set<string>()
    const appends = new Set<string>()
    for (let seed = 0; seed < 60; seed += 1) {
      const simulation = createSimulation(seed)
      const host = simulation.host('a')
      const first = host.boot()
      void first.world.files.write('/whole', '0123456789')
      void first.world.files.append('/torn', '0123456789')
      first.crash()
      const { world } = host.boot()
      const text = async (path: string) => Buffer.from((await simulation.complete(world.files.read(path))) ?? '').toString()
      writes.add(await text('/whole'))
      appends.add(await text('/torn'))
    }
    assert.deepEqual([...writes].sort(), ['', '0123456789'])
    assert.ok(appends.size > 4, 'torn in several places')
    for (const part of appends) assert.ok('0123456789'.startsWith(part))
  })
})
