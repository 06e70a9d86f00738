import assert from 'node:assert/strict'
import { after, describe, it, test } from 'node:test'
import { eachEngine, testEngine } from '@murmuration/data/testing'
import { DataRefused } from '../rules/refusals.ts'
import { exposed } from '../service.ts'
import type { ImageData } from '../store/image-data.ts'
import { migrations } from '../store/migrations/index.ts'
import type { ImageDatabase, Schema } from '../store/schema.ts'
import { Moment } from '../wire/rpc.ts'
import { emptyDatabase, steppingWorld } from '../testing/engines.ts'
import { openRegistry, registryOver, type RegistryBench } from '../testing/registry-bench.ts'
import { furtherScenarios, ids, scenarios, setUp } from '../testing/scenarios.ts'

test('there are 41 scenarios', () => assert.equal(scenarios.length, 41))

eachEngine('the scenarios through POST /rpc', (engine) => {
  // One database for all of them, emptied in between: `engine` would make one for each.
  const leftovers: (() => Promise<void>)[] = []
  let database: ImageDatabase | undefined
  after(async () => {
    for (const remove of leftovers.reverse()) await remove()
  })
  for (const scenario of [...scenarios, ...furtherScenarios])
    void it(scenario.name, async () => {
      database ??= await testEngine(engine.engine, (remove) => void leftovers.push(remove)).open<Schema>(migrations)
      await emptyDatabase(database)
      const bench = await openRegistry(database)
      await setUp(bench)
      await scenario.run(bench, ids)
    })
})

/** Reference image §2.6. */
void describe('the transport', () => {
  const stub = (run: (kwargs: Readonly<Record<string, unknown>>) => unknown, optional: readonly string[] = []) => ({
    signature: { required: [], optional },
    run: async (_: unknown, kwargs: Readonly<Record<string, unknown>>) => run(kwargs),
  })
  class StrangeError extends Error {
    override name = 'StrangeError'
  }
  const ran: string[] = []
  const open = (): Promise<RegistryBench> =>
    registryOver(steppingWorld(), {
      one: stub(() => (ran.push('one'), 1)),
      nothing: stub(() => null),
      text: stub(() => 'x'),
      echo: stub(({ value }) => value, ['value']),
      moment: stub(({ value }) => (value instanceof Moment ? value : 'no moment'), ['value']),
      bad: stub(() => {
        throw new DataRefused('ValueError', 'no value')
      }),
      strange: stub(() => {
        throw new StrangeError('secret detail')
      }),
    })
  const clsOf = (entry: { _error?: { cls: string } }): string | undefined => entry._error?.cls

  void it('answers what commands answer, in order, errors among them', async () => {
    const { post } = await open()
    const commands = ['one', 'nothing', 'text', 'bad', 'strange', 'one'].map((command) => ({ command }))
    const { status, body } = await post(commands)
    assert.equal(status, 200)
    assert.deepEqual(body.slice(0, 3), [1, null, 'x'])
    assert.equal(clsOf(body[3]), 'builtins.ValueError')
    assert.equal(clsOf(body[4]), 'glance.common.exception.RPCError')
    assert.match(body[4]._error.val, /^StrangeError/)
    assert.doesNotMatch(body[4]._error.val, /secret/)
    assert.equal(body[5], 1)
    assert.deepEqual((await post([])).body, [])
  })

  void it('judges all commands before any is run', async () => {
    const { post } = await open()
    ran.length = 0
    for (const [status, body] of [
      [404, [{ command: 'one' }, { command: 'unknown' }]],
      [404, [{ command: '__class__' }]],
      [404, [{ command: 'constructor' }]],
      [404, [{ command: 'toString' }]],
      [400, [{ command: 'one' }, 'x']],
      [400, [{ command: 'one' }, { kwargs: {} }]],
      [400, [{ command: 7 }]],
      [400, [{ command: 'one', kwargs: [1] }]],
      [400, [{ command: 'one', kwargs: 'x' }]],
      [400, {}],
      [400, ''],
      [400, '[{"command": "one"'],
      [400, '[{"command": "one", "kwargs": {"__proto__": {}}}]'],
      [400, Array.from({ length: 1_001 }, () => ({ command: 'one' }))],
    ] as const)
      assert.equal((await post(body)).status, status, JSON.stringify(body).slice(0, 60))
    assert.deepEqual(ran, [])
  })

  void it('takes no argument that a command does not have, and none of null', async () => {
    const { post } = await open()
    const { body } = await post([
      { command: 'one', kwargs: { more: 1 } },
      { command: 'one', kwargs: { context: {} } },
      { command: 'one', kwargs: { session: {} } },
      { command: 'one', kwargs: null },
    ])
    for (const entry of body) assert.equal(clsOf(entry), 'builtins.TypeError')
  })

  void it('refuses arguments of another kind: no filter is dropped, and nothing is written unconditionally', async () => {
    const ran: string[] = []
    const data = new Proxy({}, { get: (_, name) => async () => void ran.push(String(name)) }) as ImageData
    const { post } = await registryOver(steppingWorld(), exposed(data))
    const all = { command: 'image_get_all' }
    const odd = [
      ...['yes', 1, [], {}].map((value) => ({ ...all, kwargs: { is_public: value } })),
      ...['maybe', '', 5, true, ['all']].map((value) => ({ ...all, kwargs: { member_status: value } })),
      ...['x', [1]].map((value) => ({ ...all, kwargs: { filters: value } })),
      ...['name', [null], {}].map((value) => ({ ...all, kwargs: { sort_key: value } })),
      { command: 'image_get', kwargs: { image_id: null } },
      { command: 'image_get', kwargs: { image_id: { _type: 'datetime', _value: '2031-05-04T10:11:12' } } },
      { command: 'image_member_find', kwargs: { image_id: 5 } },
      { command: 'image_update', kwargs: { image_id: ids.A, values: {}, from_state: 5 } },
      { command: 'image_update', kwargs: { image_id: ids.A, values: [] } },
      { command: 'image_tag_set_all', kwargs: { image_id: ids.A, tags: 'text' } },
      { command: 'metadef_tag_create_tags', kwargs: { namespace_name: 'n', tag_list: '' } },
      { command: 'task_get_all', kwargs: { sort_dir: 5 } },
    ]
    for (const [index, entry] of (await post(odd)).body.entries())
      assert.equal(clsOf(entry), 'glance.common.exception.Invalid', JSON.stringify(odd[index]))
    assert.deepEqual(ran, [])
    await post([{ ...all, kwargs: { is_public: null, member_status: null, filters: null, sort_key: ['name'], limit: null, marker: null } }])
    assert.deepEqual(ran, ['image_get_all'])
  })

  void it('brings times over unchanged, without a zone, from 1900 on', async () => {
    const { post } = await open()
    const times = ['1900-01-01T00:00:00', '2031-05-04T10:11:12.000250', '2031-05-04T10:11:12']
    for (const value of times) {
      const sent = { _type: 'datetime', _value: value }
      const { body } = await post([{ command: 'moment', kwargs: { value: sent } }])
      assert.deepEqual(body[0], sent)
    }
    const zoned = await post([{ command: 'moment', kwargs: { value: { _type: 'datetime', _value: '2031-05-04T12:11:12+02:00' } } }])
    assert.deepEqual(zoned.body[0], { _type: 'datetime', _value: '2031-05-04T10:11:12' })
    const other = { _type: 'planet', _value: 'mars' }
    assert.deepEqual((await post([{ command: 'echo', kwargs: { value: other } }])).body[0], other)
  })

  void it('is for services that ask for somebody, and believes no header', async () => {
    const { post } = await open()
    const status = async (headers: Record<string, string>): Promise<number> => (await post([{ command: 'one' }], headers)).status
    assert.equal(await status({}), 200)
    assert.equal(await status({ 'x-auth-token': '' }), 401)
    assert.equal(await status({ 'x-auth-token': 'nonsense' }), 401)
    assert.equal(await status({ 'x-service-token': '' }), 401)
    assert.equal(await status({ 'x-service-token': 'nonsense' }), 401)
    assert.equal(await status({ 'x-service-token': 'member@services' }), 403)
    assert.equal(await status({ 'x-service-token': 'admin@admin' }), 403)
    assert.equal(await status({ 'x-service-token': '', 'x-roles': 'admin', 'x-identity-status': 'Confirmed' }), 401)
  })
})
