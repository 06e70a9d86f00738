import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Unauthenticated, type TokenValidator } from '@murmuration/http'
import { enqueue } from '@murmuration/jobs'
import { recordChanges } from '../store/changes.ts'
import { writeAlarms } from '../store/alarms.ts'
import { queued } from '../store/operations.ts'
import { apiBench } from '../testing/api-bench.ts'
import { fakeTokens } from '../testing/fake-site.ts'
import { until } from '../testing/audit-fixture.ts'
import { createChangeFeed, type ChangeFeed } from '../work/change-feed.ts'
import { logPathOf } from '../work/playbooks/output-log.ts'
import { addAlarmRoutes } from './alarms.ts'
import { addChangeRoutes } from './changes.ts'
import { addNotificationRoutes } from './notifications.ts'
import { addOperationRoutes } from './operations.ts'

async function open(t: TestContext, tokens: TokenValidator = fakeTokens) {
  let feed: ChangeFeed | undefined
  const bench = await apiBench(t, {
    more: ({ site, database }) => {
      feed = createChangeFeed(site, database)
      return [
        (app) => addAlarmRoutes(app, { database }),
        (app) => addNotificationRoutes(app, { site, database }),
        (app) => addOperationRoutes(app, { site, database }),
        (app) => addChangeRoutes(app, { site: { ...site, tokens }, feed: feed! }),
      ]
    },
  })
  await feed!.start()
  t.after(() => feed!.stop())
  return { ...bench, feed: feed! }
}

test('alarms: the counts of every subcloud, newest first, with the name where the field expects it', async (t) => {
  const { add, call, database, site } = await open(t)
  await add(1)
  await add(2)
  const counts = { critical_alarms: -1, major_alarms: -1, minor_alarms: -1, warnings: -1, cloud_status: 'disabled' }
  const atFirst = (await call('GET', '/v1.0/alarms/')).json.alarm_summary as Record<string, unknown>[]
  assert.deepEqual(
    atFirst.map((each) => ({ ...each, uuid: undefined })),
    [
      { region_name: 'subcloud2', uuid: undefined, ...counts },
      { region_name: 'subcloud1', uuid: undefined, ...counts },
    ],
  )
  const alarms = { critical_alarms: 1, major_alarms: 2, minor_alarms: 3, warnings: 4, cloud_status: 'critical' as const }
  await database.transaction((tx) => writeAlarms(tx, site.world, [{ subcloudId: 1, alarms }]))
  const { status, json } = await call('GET', '/v1.0/alarms/', { token: 'reader@services' })
  assert.equal(status, 200)
  const [row] = json.alarm_summary
  assert.deepEqual(Object.keys(row), ['region_name', 'uuid', 'critical_alarms', 'major_alarms', 'minor_alarms', 'warnings', 'cloud_status'])
  const first = json.alarm_summary.find((each: { critical_alarms: number }) => each.critical_alarms === 1)
  const { json: subcloud } = await call('GET', '/v1.0/subclouds/1')
  assert.equal(first.region_name, subcloud.name)
  assert.equal(first.cloud_status, 'critical')
})

test('notifications: known events request audits of managed subclouds, others are ignored, the body is checked', async (t) => {
  const { add, call, database } = await open(t)
  await add(1)
  await add(2)
  await database.query.updateTable('subclouds').set({ management_state: 'managed' }).where('id', '=', 2).execute()
  const flags = async () =>
    (await database.query.selectFrom('subcloud_audits').selectAll().orderBy('subcloud_id').execute()).map((row) => [
      row.software_audit_requested,
      row.kubernetes_audit_requested,
      row.kube_rootca_update_audit_requested,
      row.firmware_audit_requested,
    ])
  const ignored = await call('POST', '/v1.0/notifications', { json: { events: ['something-else', 'constructor'] } })
  assert.deepEqual([ignored.status, ignored.text], [200, 'null'])
  const before = await flags()
  assert.deepEqual(before[1], [0, 0, 0, 0])
  const known = await call('POST', '/v1.0/notifications', {
    json: { events: ['platform-upgrade-completed', 'k8s-upgrade-completed', 'kube-rootca-update-completed'] },
    token: 'configurator@services',
  })
  assert.deepEqual([known.status, known.text], [200, 'null'])
  assert.deepEqual((await flags())[1], [1, 1, 1, 0])
  assert.deepEqual((await flags())[0], before[0])
  for (const json of [{}, { events: 'x' }, { events: [1] }, [], { events: Array.from({ length: 101 }, () => 'x') }])
    assert.equal((await call('POST', '/v1.0/notifications', { json })).status, 400, JSON.stringify(json))
  for (const token of ['reader@admin', 'operator@services', 'admin@other', '@admin'])
    assert.equal((await call('POST', '/v1.0/notifications', { json: { events: [] }, token })).status, 403, token)
  assert.equal((await call('POST', '/v1.0/notifications', { json: { events: [] }, token: null })).status, 401)
})

test('notifications: auditors forget what the controller said before they can find the request, which stands when none hears', async (t) => {
  const requested: number[] = []
  const bench = await apiBench(t, {
    more: ({ site, database }) => {
      const trigger = async (): Promise<never> => {
        const { count } = await database.query
          .selectFrom('subcloud_audits')
          .select((eb) => eb.fn.countAll<number>().as('count'))
          .where('software_audit_requested', '=', 1)
          .executeTakeFirstOrThrow()
        requested.push(count)
        throw new Error('nobody hears')
      }
      const deaf = { ...site, bus: { ...site.bus, client: () => ({ trigger }) as never } }
      return [(app) => addNotificationRoutes(app, { site: deaf, database })]
    },
  })
  await bench.add(1)
  await bench.database.query.updateTable('subclouds').set({ management_state: 'managed' }).execute()
  const { status } = await bench.call('POST', '/v1.0/notifications', { json: { events: ['platform-upgrade-completed'] } })
  assert.equal(status, 200)
  assert.deepEqual(requested, [0, 1], 'told before and after the request is written')
})

test('operations: what ran, its steps and the end of its output; inputs stay inside; ids of others are not found', async (t) => {
  const { add, call, database, site } = await open(t)
  await add(1)
  await add(2)
  const { json: list } = await call('GET', '/v1.0/subclouds/1/operations?limit=5')
  assert.equal(list.operations.length, 1)
  const [operation] = list.operations
  assert.equal(operation.kind, 'subcloud.add')
  assert.equal(operation.state, 'queued')
  assert.ok(!('input' in operation))
  assert.deepEqual(operation['log-tail'], [])
  await site.world.files.write(
    logPathOf(site.config.varFolder, operation.id),
    Array.from({ length: 300 }, (_, n) => `line ${n}\n`).join(''),
  )
  const { json: shown } = await call('GET', `/v1.0/subclouds/1/operations/${operation.id}?lines=3`, { token: 'reader@admin' })
  assert.deepEqual(shown['log-tail'], ['line 297', 'line 298', 'line 299'])
  assert.equal((await call('GET', `/v1.0/subclouds/2/operations/${operation.id}`)).status, 404)
  assert.equal((await call('GET', '/v1.0/subclouds/1/operations/..%2F..%2Fetc%2Fpasswd')).status, 404)
  assert.equal((await call('GET', '/v1.0/subclouds/77/operations')).status, 404)
  assert.equal((await call('GET', '/v1.0/subclouds/1/operations?limit=0')).status, 400)
  assert.equal((await call('GET', `/v1.0/subclouds/1/operations/${operation.id}?lines=1e9`)).status, 400)
  const other = await database.transaction((tx) =>
    enqueue(tx, site.world, queued('subcloud.delete'), { subject: 'subcloud:9', exclusiveKey: null, input: {} }),
  )
  assert.equal((await call('GET', `/v1.0/subclouds/1/operations/${other}`)).status, 404)
})

test('operations of a subcloud that was deleted are found by its id, as long as they are kept', async (t) => {
  const { add, call, database } = await open(t)
  await add(1)
  await database.query.updateTable('jobs').set({ state: 'done', exclusive_key: null }).execute()
  assert.equal((await call('DELETE', '/v1.0/subclouds/1')).status, 200)
  await database.query.deleteFrom('subclouds').execute()
  const { status, json } = await call('GET', '/v1.0/subclouds/1/operations')
  assert.equal(status, 200)
  assert.deepEqual(json.operations.map((each: { kind: string }) => each.kind).toSorted(), ['subcloud.add', 'subcloud.delete'])
  assert.equal((await call('GET', `/v1.0/subclouds/1/operations/${json.operations[0].id}`)).status, 200)
  assert.equal((await call('GET', '/v1.0/subclouds/subcloud1/operations')).status, 404, 'a name may be another one by now')
  for (const unknown of ['2', '99999999999999999999', '-1']) {
    assert.equal((await call('GET', `/v1.0/subclouds/${unknown}/operations`)).status, 404, unknown)
    assert.equal((await call('GET', `/v1.0/subclouds/${unknown}/operations/${json.operations[0].id}`)).status, 404, unknown)
  }
})

/** Over a real socket: what a client of the stream sees. */
async function streaming(t: TestContext, tokens?: TokenValidator) {
  const bench = await open(t, tokens)
  const { site, app } = bench
  const listening = await site.world.net.serve({ host: '127.0.0.1', port: 0 }, await app.endpoint())
  t.after(() => listening.close(0))
  const url = `http://127.0.0.1:${listening.port}/v1.0/changes/subclouds`
  const connect = async (headers: Record<string, string> = {}, query = '') => {
    const ending = new AbortController()
    t.after(() => ending.abort())
    const response = await fetch(url + query, {
      headers: { 'x-auth-token': 'reader@admin', accept: 'text/event-stream', ...headers },
      signal: ending.signal,
    })
    const stream = { response, text: '', ended: false, close: () => ending.abort() }
    const reading = (async () => {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) stream.text += chunk
    })()
    reading.catch(() => undefined).finally(() => (stream.ended = true))
    return stream
  }
  const write = (description: string) =>
    bench.database.transaction((tx) => recordChanges(tx, site.world, [{ subcloudId: 1, kind: 'updated', columns: { description } }]))
  return { ...bench, connect, write, url }
}

test('changes: server-sent events that a client resumes by header or query, and forged cursors refused (attacks 37)', async (t) => {
  const { connect, write } = await streaming(t)
  const first = await connect()
  assert.equal(first.response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  await until(() => first.text.includes('event: ready'), 'the first event')
  await write('one')
  await until(() => first.text.includes('"description":"one"'), 'the change')
  const ids = [...first.text.matchAll(/^id: (.+)$/gm)].map((match) => match[1]!)
  first.close()
  await write('two <script>\n')
  for (const [headers, query] of [
    [{ 'last-event-id': ids.at(-1)! }, ''],
    [{}, `?after=${ids.at(-1)}`],
  ] as const) {
    const resumed = await connect(headers, query)
    await until(() => resumed.text.includes('event: subcloud.updated'), 'what was missed')
    assert.ok(!resumed.text.includes('"one"') && resumed.text.includes('"description":"two <script>\\n"'), resumed.text)
    resumed.close()
  }
  for (const forged of ['x', '999999-0', `${ids.at(-1)}0`]) {
    assert.equal((await connect({ 'last-event-id': forged })).response.status, 400, forged)
    assert.equal((await connect({}, `?after=${forged}`)).response.status, 400, forged)
  }
  assert.equal((await connect({ 'x-auth-token': 'member@admin' })).response.status, 403)
  assert.equal((await connect({ 'x-auth-token': 'nobody' })).response.status, 401)
})

test('changes: a token that is revoked ends its stream', async (t) => {
  let revoked = false
  const tokens: TokenValidator = {
    validate: (token) => (revoked ? Promise.reject(new Unauthenticated()) : fakeTokens.validate(token)),
  }
  const { connect, feed } = await streaming(t, tokens)
  const stream = await connect()
  await until(() => stream.text.includes('event: ready'), 'the stream')
  revoked = true
  await until(() => stream.ended, 'its end')
  assert.equal(feed.readers, 0)
})
