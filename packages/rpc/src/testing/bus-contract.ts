import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { createRealWorld, type World } from '@murmuration/world'
import type { CountingBus } from '../bus.ts'
import { maxMessageBytes } from '../codec.ts'
import { RpcError, RpcTimeout } from '../errors.ts'
import { defineTopic } from '../topic.ts'

interface Fleet {
  add: { kind: 'call'; args: { a: number; b: number }; result: number }
  slow: { kind: 'call'; args: undefined; result: string }
  state: { kind: 'cast'; args: { id: number } }
  wake: { kind: 'fanout'; args: { kind: string } }
}
export const fleet = defineTopic<Fleet>('fleet', {
  add: { kind: 'call', deadlineMs: 2_000 },
  slow: { kind: 'call', deadlineMs: 150 },
  state: { kind: 'cast' },
  wake: { kind: 'fanout' },
})

const probe = defineTopic<{ ping: { kind: 'call'; args: undefined; result: string } }>('probe', {
  ping: { kind: 'call', deadlineMs: 2_000 },
})

/** Serves the topic with what a test cares about; the rest does nothing. */
export function serveFleet(
  bus: CountingBus,
  handlers: Partial<Parameters<typeof bus.serve<Fleet>>[1]>,
  options?: { maxInFlight?: number; maxWaiting?: number },
): ReturnType<CountingBus['serve']> {
  return bus.serve(
    fleet,
    {
      add: ({ a, b }) => Promise.resolve(a + b),
      slow: () => Promise.resolve('done'),
      state: () => Promise.resolve(),
      wake: () => Promise.resolve(),
      ...handlers,
    },
    options,
  )
}

/** Resolves when `condition` holds; the test's own time limit bounds it. */
export async function until(world: World, condition: () => boolean): Promise<void> {
  while (!condition()) await world.timers.sleep(2)
}

const fails = (code: string) => (error: unknown) => {
  assert.ok(error instanceof RpcError, String(error))
  assert.equal(error.code, code, error.message)
  return true
}

/** What every bus promises. `open` gives a further member of the same bus. */
export function busContract(name: string, open: (world: World) => Promise<CountingBus>): void {
  void describe(`bus contract: ${name}`, { timeout: 20_000 }, () => {
    const world = createRealWorld({ log: { level: 'silent' }, timersKeepAlive: true })
    let one: CountingBus
    let two: CountingBus
    beforeEach(async () => {
      one = await open(world)
      two = await open(world)
    })
    afterEach(async () => {
      await one.close()
      await two.close()
    })

    void it('answers a call, with the context of the caller', async () => {
      const seen: unknown[] = []
      await serveFleet(one, {
        add({ a, b }, { requestId, userId }) {
          seen.push(requestId, userId)
          return Promise.resolve(a + b)
        },
      })
      assert.equal(await two.client(fleet).add({ a: 2, b: 3 }, { requestId: 'req-1', userId: 'u' }), 5)
      assert.deepEqual(seen, ['req-1', 'u'])
    })

    void it('keeps the code of a refusal, and the reason of a defect to itself', async () => {
      await serveFleet(one, {
        add: () => Promise.reject(new RpcError('subcloud-busy', 'subcloud1 is busy')),
        slow: () => Promise.reject(new Error('password is hunter2')),
      })
      const client = two.client(fleet)
      await assert.rejects(client.add({ a: 1, b: 1 }), { code: 'subcloud-busy', message: 'subcloud1 is busy' })
      await assert.rejects(client.slow(undefined), (error: RpcError) => fails('internal')(error) && !error.message.includes('hunter2'))
    })

    void it('fails at once when nobody serves', async () => {
      await assert.rejects(one.client(fleet).add({ a: 1, b: 1 }), fails('unavailable'))
    })

    void it('ends a call at its deadline and tells the handler', async () => {
      const told = Promise.withResolvers<unknown>()
      await serveFleet(one, {
        slow: (_args, { signal }) =>
          new Promise((resolve) => {
            signal.addEventListener('abort', () => {
              told.resolve((signal.reason as RpcError).code)
              resolve('too late')
            })
          }),
      })
      const failure = await two
        .client(fleet)
        .slow(undefined)
        .catch((error: unknown) => error)
      assert.ok(failure instanceof RpcTimeout)
      assert.equal(await told.promise, 'timeout')
    })

    void it('cancels a call and tells the handler', async () => {
      const told = Promise.withResolvers<unknown>()
      const started = Promise.withResolvers<void>()
      await serveFleet(one, {
        add: (_args, { signal }) =>
          new Promise((resolve) => {
            signal.addEventListener('abort', () => {
              told.resolve((signal.reason as RpcError).code)
              resolve(0)
            })
            started.resolve()
          }),
      })
      const giveUp = new AbortController()
      const call = two.client(fleet).add({ a: 1, b: 1 }, { signal: giveUp.signal })
      await started.promise
      giveUp.abort()
      await assert.rejects(call, fails('cancelled'))
      assert.equal(await told.promise, 'cancelled')
    })

    void it('shares casts between servers and gives a fan-out to each', async () => {
      const casts: string[] = []
      const wakes: string[] = []
      for (const [who, bus] of [
        ['one', one],
        ['two', two],
      ] as const) {
        await serveFleet(bus, {
          state: ({ id }) => Promise.resolve(void casts.push(`${who}:${id}`)),
          wake: ({ kind }) => Promise.resolve(void wakes.push(`${who}:${kind}`)),
        })
      }
      const client = two.client(fleet)
      for (let id = 0; id < 40; id += 1) await client.state({ id })
      await client.wake({ kind: 'audit' })
      await until(world, () => casts.length === 40 && wakes.length === 2)
      assert.deepEqual(wakes.sort(), ['one:audit', 'two:audit'])
      assert.deepEqual(new Set(casts.map((cast) => cast.split(':')[1])).size, 40)
      assert.equal(new Set(casts.map((cast) => cast.split(':')[0])).size, 2, 'both servers took some')
    })

    void it('passes JSON and nothing else', async () => {
      const seen: unknown[] = []
      await serveFleet(one, { wake: (args) => Promise.resolve(void seen.push(args)) })
      const client = two.client(fleet)
      const sent = { kind: 'audit', at: new Date(0), nested: { list: [1, null] } }
      await client.wake(sent)
      await until(world, () => seen.length === 1)
      assert.deepEqual(seen, [{ kind: 'audit', at: '1970-01-01T00:00:00.000Z', nested: { list: [1, null] } }])
      const circular: { kind: string; self?: unknown } = { kind: 'x' }
      circular.self = circular
      await assert.rejects(client.wake(circular), fails('not-json'))
      await assert.rejects(client.wake((() => {}) as unknown as { kind: string }), fails('not-json'))
      await assert.rejects(client.wake({ kind: 'x'.repeat(maxMessageBytes) }), fails('too-large'))
    })

    void it('keeps to maxInFlight, lets some wait and refuses the rest', async () => {
      let running = 0
      let most = 0
      const gate = Promise.withResolvers<void>()
      await serveFleet(
        one,
        {
          add: async ({ a }) => {
            running += 1
            most = Math.max(most, running)
            await gate.promise
            running -= 1
            return a
          },
        },
        { maxInFlight: 2, maxWaiting: 3 },
      )
      const client = two.client(fleet)
      const outcomes: string[] = []
      const calls = Array.from({ length: 8 }, (_, a) =>
        client.add({ a, b: 0 }).then(
          () => outcomes.push('done'),
          (error: RpcError) => outcomes.push(error.code),
        ),
      )
      await until(world, () => outcomes.length === 3)
      assert.deepEqual(outcomes, ['overloaded', 'overloaded', 'overloaded'])
      gate.resolve()
      await Promise.all(calls)
      assert.equal(most, 2)
      assert.equal(outcomes.filter((outcome) => outcome === 'done').length, 5)
      assert.equal(one.counters.overloaded, 3)
    })

    void it('does not start a waiting call whose caller gave up', async () => {
      const started: number[] = []
      const gate = Promise.withResolvers<void>()
      await serveFleet(
        one,
        {
          add: async ({ a }) => {
            started.push(a)
            await gate.promise
            return a
          },
        },
        { maxInFlight: 1 },
      )
      const client = two.client(fleet)
      const giveUp = new AbortController()
      const first = client.add({ a: 1, b: 0 })
      const second = client.add({ a: 2, b: 0 }, { signal: giveUp.signal })
      await until(world, () => started.length === 1)
      giveUp.abort()
      await assert.rejects(second, fails('cancelled'))
      const third = client.add({ a: 3, b: 0 })
      // A question that takes the same way after the cancellation: once it is answered, the cancellation has been heard.
      await one.serve(probe, { ping: () => Promise.resolve('pong') })
      await two.client(probe).ping(undefined)
      gate.resolve()
      assert.deepEqual(await Promise.all([first, third]), [1, 3])
      assert.deepEqual(started, [1, 3])
    })

    void it('stops: waits for what runs, refuses what comes, leaves the rest to the other server', async () => {
      const gate = Promise.withResolvers<void>()
      const started = Promise.withResolvers<void>()
      const serving = await serveFleet(one, {
        add: async () => {
          started.resolve()
          await gate.promise
          return 1
        },
      })
      const client = two.client(fleet)
      const call = client.add({ a: 0, b: 0 })
      await started.promise
      let stopped = false
      const stop = serving.stop().then(() => (stopped = true))
      await serveFleet(two, { add: () => Promise.resolve(2) })
      assert.equal(await client.add({ a: 0, b: 0 }), 2)
      assert.equal(stopped, false)
      gate.resolve()
      assert.equal(await call, 1)
      await stop
    })

    void it('fails what is pending when it is closed', async () => {
      const started = Promise.withResolvers<void>()
      const gate = Promise.withResolvers<number>()
      await serveFleet(one, {
        add: () => {
          started.resolve()
          return gate.promise
        },
      })
      const call = two.client(fleet).add({ a: 1, b: 1 })
      await started.promise
      await two.close()
      await assert.rejects(call, fails('unavailable'))
      await assert.rejects(two.client(fleet).add({ a: 1, b: 1 }), fails('unavailable'))
      gate.resolve(1)
    })

    void it('does not mistake inherited names for methods', async () => {
      await serveFleet(one, {})
      const other = defineTopic<{ toString: { kind: 'call'; args: undefined; result: string } }>('fleet', {
        toString: { kind: 'call', deadlineMs: 1_000 },
      })
      await assert.rejects(two.client(other).toString(undefined), fails('unavailable'))
    })
  })
}
