import assert from 'node:assert/strict'
import { connect, type AddressInfo } from 'node:net'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { startTestSite } from '../testing/test-site.ts'

const me = 'member@north'
const patch = 'application/openstack-images-v2.1-json-patch'

test('hostile requests end in a refusal that names what is wrong, and leave nothing (attacks 4, 6, 7, 22, 38)', async (t) => {
  const site = await startTestSite()
  t.after(() => site.stop())
  const { id } = await site.image(me, { name: 'north' })
  const list = async (query: string, as = me) => (await site.call(as, 'GET', `/v2/images?${query}`)).status

  // 6, 7: data is octets, as they are.
  const bomb = { 'content-encoding': 'gzip' }
  assert.equal((await site.upload(me, id, new Uint8Array(10), bomb)).status, 415)
  assert.equal((await site.call(me, 'PUT', `/v2/images/${id}/stage`, { body: new Uint8Array(10), headers: bomb })).status, 415)
  for (const type of ['multipart/form-data; boundary=x', 'text/plain', 'application/x-www-form-urlencoded']) {
    assert.equal((await site.upload(me, id, Buffer.from('--x\r\n'), { 'content-type': type })).status, 415, type)
    const created = await site.call(me, 'POST', '/v2/images', { body: '--x\r\n', headers: { 'content-type': type } })
    assert.ok(created.status === 415 || created.status === 400, `${type}: ${created.status}`)
  }

  // 22: patches.
  const change = (operations: unknown) =>
    site.call(me, 'PATCH', `/v2/images/${id}`, { body: operations, headers: { 'content-type': patch } })
  for (const [operation, status] of [
    [{ op: 'test', path: '/name', value: 'north' }, 400],
    [{ op: 'copy', from: '/name', path: '/x' }, 400],
    [{ op: 'add', path: '/a~2b', value: 'x' }, 400],
    [{ op: 'add', path: '/os_glance_import_task', value: 'x' }, 403],
    [{ op: 'replace', path: '/status', value: 'active' }, 403],
    [{ op: 'replace', path: '/owner', value: 'south' }, 403],
    [{ op: 'add', path: '/locations/-', value: { url: 'file:///etc/passwd', metadata: {} } }, 403],
    [{ op: 'add', path: '/__proto__', value: 'x' }, 400],
    [{ op: 'add', path: '/constructor', value: 'x' }, 400],
  ] as const)
    assert.equal((await change([operation])).status, status, JSON.stringify(operation))
  assert.equal((await change(Array.from({ length: 10_000 }, () => ({ op: 'add', path: '/x', value: 'y' })))).status, 400)
  assert.equal(({} as Record<string, unknown>)['x'], undefined)

  // 38: lists.
  const foreign = await site.image('member@south', { visibility: 'private' })
  for (const query of [
    'limit=-1',
    'limit=1.5',
    'limit=0x10',
    'limit=',
    `marker=${foreign.id}`,
    'marker=nobody',
    'marker=' + 'x'.repeat(100),
    'sort_key=os_hash_value',
    'sort_key=__proto__',
    'sort=name:asc:desc',
    'sort_dir=asc&sort_dir=desc&sort_key=name',
    `sort=${'name,'.repeat(50)}`,
    'name=in:"a',
    'name=like:x',
    'size_min=9e99',
    'created_at=gt:now',
    'created_at=ge:2030-01-01T00:00:00Z',
    'visibility=all%00',
    'member_status=odd',
    'os_hidden=maybe',
    'protected=1',
    'changes-since=2030-01-01T00:00:00Z',
    '__proto__=x',
    'constructor=x',
    'name=a?b&limit=-1',
    Array.from({ length: 201 }, (_, at) => `p${at}=x`).join('&'),
  ])
    assert.equal(await list(query), 400, query)
  assert.equal(await list('limit=0'), 200)
  assert.equal(await list('limit=999999999999'), 200)
  const startMs = performance.now()
  const hostile = ['(a+)+$', '%', '_', '*', "' or 1=1 --", '\\', '.*'.repeat(1_000), `in:${'"a",'.repeat(3_000)}"b"`]
  for (const text of hostile)
    for (const name of ['name', 'tag', 'owner', 'hw_any']) {
      const answer = await site.call(me, 'GET', `/v2/images?${name}=${encodeURIComponent(text)}`)
      assert.ok(
        answer.status === 400 || (answer.status === 200 && answer.body.images.length === 0),
        `${name}=${text.slice(0, 20)}: ${answer.status}`,
      )
    }
  assert.ok(performance.now() - startMs < 10_000)
  assert.deepEqual(await site.files(), [])
  const { body } = await site.call(me, 'GET', `/v2/images/${id}`)
  assert.deepEqual([body.status, body.name, body.owner], ['queued', 'north', 'north'])
})

test('uploads that two servers would read differently are refused and leave nothing (attacks 4)', async (t) => {
  const site = await startTestSite()
  t.after(() => site.stop())
  const { endpoint } = site.service.apps.find(({ name }) => name === 'image')!
  const server = createServer((request, response) => endpoint.handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { id } = await site.image(me)
  const raw = (headers: string, body: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
      let answer = ''
      socket.on('data', (chunk) => (answer += String(chunk)))
      socket.on('close', () => resolve(answer))
      socket.on('error', () => undefined)
      socket.end(
        `PUT /v2/images/${id}/file HTTP/1.1\r\nhost: x\r\nx-auth-token: ${me}\r\ncontent-type: application/octet-stream\r\nconnection: close\r\n${headers}\r\n\r\n${body}`,
      )
    })
  const smuggled = `GET /v2/images HTTP/1.1\r\nhost: x\r\n\r\n`
  for (const [headers, body] of [
    ['content-length: 5\r\ntransfer-encoding: chunked', `0\r\n\r\n${smuggled}`],
    ['content-length: 5\r\ncontent-length: 6', 'abcde'],
    ['transfer-encoding: chunked\r\ntransfer-encoding: identity', `0\r\n\r\n${smuggled}`],
    ['content-length: 3\r\n folded: x', 'abc'],
    ['transfer-encoding: chunked', 'zz\r\nabc\r\n0\r\n\r\n'],
    ['content-length: 10', 'abc'],
  ] as const) {
    const answer = await raw(headers, body)
    assert.ok(answer === '' || answer.startsWith('HTTP/1.1 400'), `${headers}: ${answer.slice(0, 60)}`)
    assert.equal(answer.split('HTTP/1.1 ').length <= 2, true, 'one answer at most')
    // The claim of one that had begun is given back.
    while ((await site.call(me, 'GET', `/v2/images/${id}`)).body.status !== 'queued') await new Promise(setImmediate)
  }
  assert.deepEqual(await site.files(), [])
  assert.equal((await site.upload(me, id, Buffer.from('abc'))).status, 204)
})

test('what breaks below tells an id and nothing else, and comes back by itself (attacks 34)', async (t) => {
  let broken: string | undefined
  const failing = <A extends unknown[], R>(work: (...args: A) => R) =>
    ((...args: A) => {
      if (broken !== undefined) throw Object.assign(new Error(`${broken}: open '/secret/place/images'`), { code: broken })
      return work(...args)
    }) as (...args: A) => R
  const site = await startTestSite({
    world: (real) => ({
      ...real,
      files: {
        ...real.files,
        create: failing(real.files.create.bind(real.files)),
        size: failing(real.files.size.bind(real.files)),
        stream: failing(real.files.stream.bind(real.files)),
      },
    }),
  })
  t.after(() => site.stop())
  const { id } = await site.image(me)
  const silent = (answer: { status: number; body: unknown; headers: Readonly<Record<string, string>> }) => {
    const told = JSON.stringify(answer.body)
    assert.ok(!/secret|place|select |insert |sqlite|at .*\.ts|node_modules/i.test(told), told)
    assert.match(answer.headers['x-openstack-request-id'] ?? '', /^req-/)
    return answer.status
  }
  for (const [code, status] of [
    ['ENOSPC', 413],
    ['EMFILE', 503],
    ['EIO', 500],
    ['EACCES', 500],
  ] as const) {
    broken = code
    assert.equal(silent(await site.upload(me, id, Buffer.from('abc'))), status, code)
    broken = undefined
    assert.equal((await site.call(me, 'GET', `/v2/images/${id}`)).body.status, 'queued', code)
  }
  assert.equal((await site.upload(me, id, Buffer.from('abc'))).status, 204)
  broken = 'EIO'
  assert.ok([404, 500, 503].includes(silent(await site.call(me, 'GET', `/v2/images/${id}/file`))))
  broken = undefined
  assert.equal((await site.call(me, 'GET', `/v2/images/${id}/file`)).status, 200)
  await site.database.close()
  for (const [method, path] of [
    ['GET', '/v2/images'],
    ['GET', `/v2/images/${id}`],
    ['DELETE', `/v2/images/${id}`],
  ] as const)
    assert.ok(silent(await site.call(me, method, path)) >= 500)
})
