import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { InjectOptions } from 'fastify'
import { Type } from 'typebox'
import { IdentityUnavailable, type Identity } from './identity.ts'
import { createPolicy, dcmanagerFaults, ApiError, readMultipart, type App } from './index.ts'
import { createFakeWorld, type FakeWorld } from './testing/fake-world.ts'
import { createTestApp, identityOf, roleTokens, rule } from './testing/test-app.ts'

const Thing = Type.Object(
  {
    name: Type.String({ minLength: 2, maxLength: 8 }),
    size: Type.Optional(Type.Integer({ minimum: 1, maximum: 10 })),
    password: Type.Optional(Type.String({ minLength: 12 })),
    kind: Type.Optional(Type.Enum(['a', 'b'])),
  },
  { additionalProperties: false },
)

/** The app that every row is tried on, and a count of what got through to the handlers. */
async function setUp(
  options: Parameters<typeof createTestApp>[0] = {},
): Promise<{ app: App; world: FakeWorld; reached: string[]; seen: { headers: unknown }[] }> {
  const { app, world } = await createTestApp(options)
  const reached: string[] = []
  const seen: { headers: unknown }[] = []
  app.addHook('preHandler', async (request) => {
    reached.push(`${request.method} ${request.url}`)
  })
  app.get(
    '/things',
    {
      config: { policy: 'thing:get' },
      schema: { querystring: Type.Object({ limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })) }) },
    },
    async (request) => ({
      limit: request.query.limit ?? null,
      who: request.identity.userId,
    }),
  )
  app.post('/things', { config: { policy: 'thing:change' }, schema: { body: Thing } }, async (request) => ({ name: request.body.name }))
  app.delete('/things/:id', { config: { policy: 'thing:change' } }, async () => null)
  app.post('/open', { config: { policy: 'public' } }, async (request) => {
    seen.push({ headers: { ...request.headers, raw: request.raw.rawHeaders } })
    return { got: request.body ?? null }
  })
  app.post('/forms', { config: { policy: 'public', stream: true } }, async (request) => {
    const form = await readMultipart(request, { maxParts: 4, maxFileBytes: 100 })
    return { fields: form.fields, files: Object.keys(form.files) }
  })
  return { app, world, reached, seen }
}

const until = async (world: FakeWorld, condition: () => boolean): Promise<void> => {
  while (!condition()) await world.advance(0)
}

const json = { 'content-type': 'application/json' }
const as = (token: string): Record<string, string> => ({ ...json, 'x-auth-token': token })

test('routes must say who may use them, in words that can be checked', async () => {
  const { app } = await createTestApp()
  assert.throws(() => app.get('/a', async () => 1), /GET \/a has no config.policy/)
  assert.throws(() => app.get('/b', { config: { policy: 'thing:typo' } }, async () => 1), /'thing:typo', which does not exist/)
  const bare = await createTestApp({ tokens: undefined as never })
  assert.throws(() => bare.app.get('/c', { config: { policy: 'authenticated' } }, async () => 1), /made without options.tokens/)
})

test('who may do what (attacks 24, 26)', async () => {
  const tokens = roleTokens(['reader', 'admin'])
  const { app, reached } = await setUp({ tokens })
  const status = async (method: 'GET' | 'POST' | 'DELETE', url: string, token?: string): Promise<number> =>
    (
      await app.inject({
        method,
        url,
        headers: token === undefined ? json : as(token),
        ...(method === 'POST' ? { payload: '{"name":"abc"}' } : {}),
      })
    ).statusCode
  assert.equal(await status('GET', '/things'), 401)
  assert.equal(await status('GET', '/things', 'nonsense'), 401)
  assert.equal(await status('GET', '/things', ''), 401)
  assert.equal(await status('POST', '/things', 'reader'), 403)
  assert.equal(await status('DELETE', '/things/1', 'reader'), 403)
  assert.deepEqual(reached, [])
  assert.equal(await status('GET', '/things', 'reader'), 200)
  assert.equal(await status('POST', '/things', 'admin'), 200)

  const before = tokens.asked.length
  const huge = await app.inject({ url: '/things', headers: { 'x-auth-token': 'A'.repeat(1024 * 1024) } })
  assert.equal(huge.statusCode, 401)
  assert.equal(tokens.asked.length, before, 'an oversized token costs no validation')
  assert.doesNotMatch(huge.body, /AAAA/)
})

test('a token that is known is judged without waiting, by the same rules', async () => {
  const slow = roleTokens(['reader', 'admin'])
  const known = (token: string): Identity | undefined => (token === 'reader' ? identityOf({ roles: ['reader'] }) : undefined)
  const { app } = await createTestApp({ tokens: { ...slow, known } })
  app.get('/v1/things', { config: { policy: 'thing:get' } }, async (request) => ({ by: request.identity.userId }))
  app.post('/v1/things', { config: { policy: 'thing:change' } }, async () => ({ changed: true }))
  const ask = (method: 'GET' | 'POST', token: string) => app.inject({ method, url: '/v1/things', headers: { 'x-auth-token': token } })
  assert.deepEqual((await ask('GET', 'reader')).json(), { by: 'u1' })
  const refused = await ask('POST', 'reader')
  assert.equal(refused.statusCode, 403)
  assert.match(refused.body, /thing:change/)
  assert.deepEqual(slow.asked, [])
  assert.deepEqual((await ask('POST', 'admin')).json(), { changed: true })
  assert.equal((await ask('GET', 'nobody')).statusCode, 401)
  assert.deepEqual(slow.asked, ['admin', 'nobody'])
})

test('401 names the identity service, and repeats no token', async () => {
  const { app } = await setUp({ identityUrl: 'http://192.0.2.1:5000/v3' })
  const response = await app.inject({ url: '/things', headers: { 'x-auth-token': 'secret-token' } })
  assert.equal(response.headers['www-authenticate'], 'Keystone uri="http://192.0.2.1:5000/v3"')
  assert.doesNotMatch(response.body, /secret-token/)
})

test('headers that claim an identity are gone before anybody sees them (attacks 25)', async () => {
  const { app, seen } = await setUp()
  const forged = [
    'X-Roles',
    'X-User-Id',
    'X-User-Name',
    'X-Is-Admin-Project',
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'Forwarded',
    'X-Identity-Status',
    'X-Service-Roles',
    'X-Service-Identity-Status',
    'X-Project-Id',
    'X-Tenant-Id',
    'X-Domain-Id',
    'X_User_Id',
    'OpenStack-System-Scope',
    'X-Role',
    'X-Tenant',
    'X-Real-IP',
  ]
  const headers = Object.fromEntries(forged.map((name) => [name, 'admin']))
  await app.inject({
    method: 'POST',
    url: '/open',
    headers: { ...headers, 'X-Custom': 'kept', 'X-Auth-Token': 'kept', 'X-Service-Token': 'kept', 'X-Userland': 'kept' },
  })
  const text = JSON.stringify(seen).toLowerCase()
  for (const name of forged) assert.doesNotMatch(text, new RegExp(`"${name.toLowerCase()}"`), name)
  for (const name of ['x-custom', 'x-auth-token', 'x-service-token', 'x-userland']) assert.match(text, new RegExp(`"${name}"`))
  assert.equal(
    (await app.inject({ url: '/things', headers: { 'x-roles': 'admin', 'x-user-id': 'root', 'x-identity-status': 'Confirmed' } }))
      .statusCode,
    401,
  )
})

test('hostile JSON is refused before the handler (attacks 1, 2, 3)', async () => {
  const { app, reached } = await setUp()
  const hostile: [string | Buffer, number][] = [
    ['{"__proto__":{"isAdmin":true}}', 400],
    ['{"constructor":{"prototype":{"isAdmin":true}}}', 400],
    ["__import__('os').system('id')", 400],
    ['${process.exit(1)}', 400],
    ['['.repeat(100_000), 400],
    [`{${Array.from({ length: 50_000 }, (_, i) => `"${i}":0`).join(',')}}`, 400],
    ['{"a":1e999}', 400],
    ['{"a":"\\ud800"}', 400],
    ['\ufeff{}', 400],
    ['{"a":1,"a":2}', 400],
    [Buffer.from([0x22, 0xff, 0x22]), 400],
    [`"${'x'.repeat(1024 * 1024)}"`, 413],
  ]
  for (const [payload, status] of hostile) {
    const response = await app.inject({ method: 'POST', url: '/open', headers: json, payload })
    assert.equal(response.statusCode, status, String(payload).slice(0, 40))
    assert.equal(response.json<{ error: { code: number } }>().error.code, status)
  }
  assert.deepEqual(reached, [])
  assert.equal(({} as { isAdmin?: unknown }).isAdmin, undefined)
})

test('compressed and foreign bodies are refused (attacks 6)', async () => {
  const { app, reached } = await setUp()
  for (const headers of [
    { ...json, 'content-encoding': 'gzip' },
    { ...json, 'content-encoding': 'br' },
    { 'content-type': 'application/octet-stream' },
    { 'content-type': 'application/json; charset=utf-16' },
    { 'content-type': 'multipart/form-data; boundary=x' },
  ]) {
    assert.equal((await app.inject({ method: 'POST', url: '/open', headers, payload: '{}' })).statusCode, 415)
  }
  assert.deepEqual(reached, [])
  assert.equal(
    (await app.inject({ method: 'POST', url: '/open', headers: { ...json, 'content-encoding': 'identity' }, payload: '{}' })).statusCode,
    200,
  )
})

test('hostile forms are refused, JSON serves as well (attacks 7)', async () => {
  const { app } = await setUp()
  const form = (body: string): { method: 'POST'; url: string; headers: Record<string, string>; payload: string } => ({
    method: 'POST',
    url: '/forms',
    headers: { 'content-type': 'multipart/form-data; boundary=b' },
    payload: body,
  })
  const part = (name: string, text: string): string => `--b\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`
  assert.deepEqual((await app.inject(form(`${part('a', '1')}--b--\r\n`))).json(), { fields: { a: '1' }, files: [] })
  for (const body of [
    part('a', '1'),
    `${part('a', '1')}${part('a', '2')}--b--`,
    `${part('a', '1').repeat(50_000)}--b--`,
    `${part('__proto__', '1')}--b--`,
    '',
  ]) {
    assert.equal((await app.inject(form(body))).statusCode, 400, body.slice(0, 80))
  }
  assert.deepEqual(
    (await app.inject({ method: 'POST', url: '/forms', headers: json, payload: '{"a":"x","n":5,"b":true,"v":{"k":[1]},"z":null}' })).json(),
    {
      fields: { a: 'x', n: '5', b: 'true', v: '{"k":[1]}' },
      files: [],
    },
  )
  assert.equal((await app.inject({ method: 'POST', url: '/forms', headers: json, payload: '[1]' })).statusCode, 400)
  assert.equal((await app.inject({ method: 'POST', url: '/forms', headers: json, payload: '{"a":1,"a":2}' })).statusCode, 400)
  assert.equal(
    (await app.inject({ method: 'POST', url: '/forms', headers: { 'content-type': 'text/xml' }, payload: '<x/>' })).statusCode,
    415,
  )
})

test('what clients do and Fastify would refuse (stack-notes §4.3)', async () => {
  const { app } = await setUp()
  const ok = async (options: InjectOptions): Promise<void> => {
    const response = await app.inject(options)
    assert.equal(response.statusCode, 200, response.body)
  }
  await ok({ method: 'DELETE', url: '/things/1', headers: as('admin') })
  await ok({ method: 'POST', url: '/open', headers: json })
  await ok({ method: 'POST', url: '/open', payload: Buffer.from('{"a":1}') })
  await ok({ method: 'POST', url: '/open', headers: { 'content-type': 'application/openstack-images-v2.1-json-patch' }, payload: '[]' })
  await ok({ url: '/things/', headers: as('reader') })
  await ok({ url: '//things', headers: as('reader') })
  await ok({ method: 'DELETE', url: `/things/${'n'.repeat(4000)}`, headers: as('admin') })
  assert.equal((await app.inject({ method: 'DELETE', url: '/things/1', headers: as('admin') })).body, 'null')

  const wrong = await app.inject({ method: 'PUT', url: '/things/1/' })
  assert.equal(wrong.statusCode, 405)
  assert.equal(wrong.headers.allow, 'DELETE')
  assert.equal((await app.inject({ url: '/nothing' })).statusCode, 404)
  assert.equal((await app.inject({ url: '/things/%zz' })).statusCode, 400)
  for (const [method, url] of [
    ['DELETE', '/things/a%00b'],
    ['GET', '/things?name=%00'],
  ] as const)
    assert.equal((await app.inject({ method, url, headers: as('admin') })).statusCode, 400, url)
  await ok({ url: '/things?name=%2500', headers: as('reader') })
  assert.equal(
    (await app.inject({ method: 'OPTIONS', url: '/things', headers: { origin: 'http://evil' } })).headers['access-control-allow-origin'],
    undefined,
  )
})

test('refusals name the field and the remedy, and repeat no secret', async () => {
  const { app } = await setUp()
  const refusal = async (payload: unknown): Promise<string> => {
    const response = await app.inject({ method: 'POST', url: '/things', headers: as('admin'), payload: JSON.stringify(payload) })
    assert.equal(response.statusCode, 400)
    return response.json<{ error: { message: string } }>().error.message
  }
  assert.equal(await refusal({}), "Invalid input for field 'name': 'name' is a required property.")
  assert.equal(await refusal({ name: 5 }), "Invalid input for field 'name': 5 is not of type 'string'.")
  assert.equal(
    await refusal({ name: 'abc', x: 1, y: 2 }),
    "Invalid request body: Additional properties are not allowed ('x', 'y' were unexpected).",
  )
  assert.equal(
    await refusal({ name: 'a', size: 11 }),
    "Invalid input for field 'name': 'a' is too short (at least 2 characters); Invalid input for field 'size': 11 is greater than the maximum of 10.",
  )
  assert.equal(await refusal({ name: 'abc', kind: 'c' }), "Invalid input for field 'kind': 'c' is not one of ['a', 'b'].")
  assert.equal(
    await refusal({ name: 'abc', password: 'hunter2' }),
    "Invalid input for field 'password': the given value is too short (at least 12 characters).",
  )
  assert.equal(await refusal([]), "Invalid request body: [] is not of type 'object'.")
  assert.equal(
    (await app.inject({ method: 'POST', url: '/things', headers: as('admin') })).json<{ error: { message: string } }>().error.message,
    'This operation needs a JSON body.',
  )
})

test('limits out of range are refused, naming the parameter (attacks 38)', async () => {
  const { app } = await setUp()
  for (const limit of ['0', '-1', '1e9', 'x', '1;drop']) {
    const response = await app.inject({ url: `/things?limit=${limit}`, headers: as('reader') })
    assert.equal(response.statusCode, 400, limit)
    assert.match(response.body, /query parameter 'limit'/)
  }
  assert.equal((await app.inject({ url: '/things?limit=10', headers: as('reader') })).json<{ limit: number }>().limit, 10)
})

test('failures inside tell a request id and nothing else (attacks 34)', async () => {
  const { app, world } = await createTestApp()
  const failures: Record<string, [unknown, number]> = {
    bug: [new TypeError('cannot read /srv/secret.pem of undefined'), 500],
    text: ['select * from users', 500],
    nothing: [undefined, 500],
    down: [Object.assign(new Error('select secret'), { name: 'DatabaseError', kind: 'unavailable' }), 503],
    slow: [Object.assign(new Error('select secret'), { name: 'DatabaseError', kind: 'timeout' }), 503],
    full: [Object.assign(new Error('select secret'), { name: 'DatabaseError', kind: 'full' }), 507],
    unique: [Object.assign(new Error('select secret'), { name: 'DatabaseError', kind: 'unique' }), 500],
    disk: [Object.assign(new Error('ENOSPC: no space left, write /var/secret'), { code: 'ENOSPC' }), 507],
    files: [Object.assign(new Error('EMFILE: open /var/secret'), { code: 'EMFILE' }), 503],
    identity: [new IdentityUnavailable(), 503],
    marker: [Object.assign(new Error('The marker is bad.'), { name: 'InvalidMarker' }), 400],
    yaml: [Object.assign(new Error('a tab'), { name: 'YamlRefused', line: 7 }), 400],
    busy: [Object.assign(new Error('another operation is in progress: subcloud.install'), { name: 'SubjectBusy' }), 409],
    rpc: [Object.assign(new Error('manager.add did not answer'), { name: 'RpcTimeout', code: 'timeout' }), 503],
    statusCode: [Object.assign(new Error('secret'), { statusCode: 404 }), 500],
    own: [new ApiError(500, 'unableToX', 'Unable to create subcloud'), 500],
  }
  app.get('/fail/:how', { config: { policy: 'public' } }, async (request) => {
    const { how } = request.params as { how: string }
    const failure = failures[how] as [unknown, number]
    throw failure[0]
  })
  for (const [how, [, status]] of Object.entries(failures)) {
    const response = await app.inject({ url: `/fail/${how}` })
    assert.equal(response.statusCode, status, how)
    assert.doesNotMatch(response.body, /secret|select|at .*\.ts|\/var/, how)
    if (status === 503) assert.equal(response.headers['retry-after'], '5')
    if (status >= 500 && !['identity', 'own'].includes(how))
      assert.ok(response.body.includes(String(response.headers['x-openstack-request-id'])), how)
  }
  assert.match((await app.inject({ url: '/fail/own' })).body, /Unable to create subcloud/)
  assert.match((await app.inject({ url: '/fail/yaml' })).body, /line 7/)
  const logged = world.lines.find((line) => line.level === 'error' && String(line.fields['error']).includes('TypeError'))
  assert.ok(logged, 'the log has what the answer has not')
  assert.match(await app.metrics.metrics(), /http_requests_in_flight\{service="test"\} 0/)
})

test('validators that can not reach identity answer 503, other rejections 401', async () => {
  const { app } = await setUp({ tokens: { validate: () => Promise.reject(new IdentityUnavailable()) } })
  const response = await app.inject({ url: '/things', headers: as('reader') })
  assert.equal(response.statusCode, 503)
  assert.equal(response.headers['retry-after'], '5')
})

test('a validator that rejects with nothing admits nobody', async () => {
  const { app, reached } = await setUp({ tokens: { validate: () => Promise.reject(undefined) } })
  assert.equal((await app.inject({ url: '/things', headers: as('reader') })).statusCode, 500)
  const thrower = await setUp({
    tokens: {
      validate: () => {
        throw new Error('/var/secret')
      },
    },
  })
  assert.equal((await thrower.app.inject({ url: '/things', headers: as('reader') })).statusCode, 500)
  assert.deepEqual([...reached, ...thrower.reached], [])
})

test('request ids go out, and come in when they are well-formed', async () => {
  const { app } = await createTestApp()
  app.get('/ids', { config: { policy: 'public' } }, async (request) => ({ id: request.requestId, global: request.globalRequestId ?? null }))
  const id = 'req-0b1f6d1c-9f0a-4c57-8a0a-0f4b2f6f0001'
  const good = await app.inject({ url: '/ids', headers: { 'X-OpenStack-Request-ID': id } })
  assert.match(String(good.headers['x-openstack-request-id']), /^req-[0-9a-f-]{36}$/)
  assert.deepEqual(good.json(), { id: good.headers['x-openstack-request-id'], global: id })
  assert.equal(
    (await app.inject({ url: '/ids', headers: { 'X-OpenStack-Request-ID': `${id}\u001b[31m` } })).json<{ global: unknown }>().global,
    null,
  )
  for (const url of ['/nothing', '/%zz']) assert.match(String((await app.inject({ url })).headers['x-openstack-request-id']), /^req-/)
})

test('one line a request and one for the audit, without bodies and query values, on one line (attacks 35)', async () => {
  const { app, world } = await setUp()
  await app.inject({ method: 'DELETE', url: '/things/a%0d%0aFAKE?token=hunter2&%1b[31m=1', headers: as('admin') })
  await app.inject({ method: 'POST', url: '/things', headers: as('admin'), payload: '{"name":"abc","password":"correct horse battery"}' })
  await app.inject({ url: '/things', headers: as('reader') })
  await app.inject({ url: `/nothing/${'t'.repeat(200)}` })
  await app.inject({ url: '/%zz' })
  const of = (message: string): Readonly<Record<string, unknown>>[] =>
    world.lines.filter((line) => line.message === message).map((line) => line.fields)
  assert.equal(of('request').length, 5)
  const audit = of('audit')
  assert.equal(audit.length, 2)
  assert.equal(audit[0]?.['route'], '/things/:id')
  assert.equal(audit[0]?.['userId'], 'user-admin')
  assert.equal(audit[0]?.['status'], 200)
  assert.equal(audit[0]?.['tokenAuditId'], 'audit-1')
  assert.equal((audit[0]?.['query'] as string[] | undefined)?.[0], 'token')
  const text = JSON.stringify(world.lines)
  assert.doesNotMatch(text, /hunter2|correct horse|tttttttttt/)
  // eslint-disable-next-line no-control-regex -- they are what must not be there
  assert.doesNotMatch(JSON.stringify(world.lines.map((line) => Object.values(line.fields))), /[\u0000-\u001f\u2028]/)
})

test('a route with policy in-handler that never asks keeps its answer', async () => {
  const { app } = await createTestApp()
  app.get('/asks', { config: { policy: 'in-handler' } }, async (request) => {
    request.authorize('thing:get', { id: 1 })
    return { secret: 'for readers' }
  })
  app.get('/forgets', { config: { policy: 'in-handler' } }, async () => ({ secret: 'for readers' }))
  app.get('/unknown', { config: { policy: 'in-handler' } }, async (request) => request.authorize('no:such'))
  assert.equal((await app.inject({ url: '/asks', headers: as('reader') })).statusCode, 200)
  assert.equal((await app.inject({ url: '/unknown', headers: as('admin') })).statusCode, 403)
  const forgot = await app.inject({ url: '/forgets', headers: as('reader') })
  assert.equal(forgot.statusCode, 500)
  assert.doesNotMatch(forgot.body, /for readers/)
})

test('a route parameter is the target of its rule', async () => {
  const world = createFakeWorld()
  const policy = await createPolicy(world, [rule('self', 'user_id:%(user_id)s')])
  const { app } = await createTestApp({ world, policy })
  app.get('/users/:user_id', { config: { policy: 'self' } }, async () => ({}))
  assert.equal((await app.inject({ url: '/users/user-reader', headers: as('reader') })).statusCode, 200)
  assert.equal((await app.inject({ url: '/users/user-admin', headers: as('reader') })).statusCode, 403)
})

test('/healthz names what is not ready, also what does not answer, and asks at most twice a second', async () => {
  let healthy = false
  let asked = 0
  const { app, world } = await createTestApp({
    ready: {
      database: async () => {
        asked++
        if (!healthy) throw new Error('connect /var/secret.sock')
      },
      bus: () => (healthy ? Promise.resolve() : new Promise(() => undefined)),
    },
  })
  const first = app.inject({ url: '/healthz' })
  const second = app.inject({ url: '/healthz' })
  await until(world, () => asked > 0)
  await world.advance(2000)
  const response = await first
  assert.equal(response.statusCode, 503)
  assert.deepEqual(response.json(), { status: 'unavailable', service: 'test', not_ready: ['database', 'bus'] })
  assert.equal((await second).statusCode, 503)
  assert.equal(asked, 1)
  healthy = true
  await world.advance(600)
  assert.equal((await app.inject({ url: '/healthz' })).statusCode, 200)
})

test('a lone check is named by what failed', async () => {
  const { app } = await createTestApp({ ready: () => Promise.reject(Object.assign(new Error('x'), { name: 'DatabaseError' })) })
  assert.deepEqual((await app.inject({ url: '/healthz' })).json<{ not_ready: string[] }>().not_ready, ['database'])
})

test('/metrics is open to this machine only, and counts by route', async () => {
  const { app } = await setUp()
  await app.inject({ url: '/things', headers: as('reader') })
  await app.inject({ url: '/no/such/path/1' })
  const local = await app.inject({ url: '/metrics' })
  assert.match(local.body, /http_request_duration_seconds_count\{service="test",method="GET",route="\/things",status="200"\} 1/)
  assert.match(local.body, /route="\(none\)",status="404"/)
  assert.match(local.body, /nodejs_eventloop_lag_p99_seconds/)
  assert.equal((await app.inject({ url: '/metrics', remoteAddress: '192.0.2.7' })).statusCode, 401)
  assert.equal((await app.inject({ url: '/metrics', remoteAddress: '192.0.2.7', headers: as('reader') })).statusCode, 200)
  assert.equal((await app.inject({ url: '/metrics', headers: { 'x-forwarded-for': '192.0.2.7' } })).statusCode, 401)
})

test('/openapi.json comes from the schemas that validate, with their names and the rules', async () => {
  const { app } = await createTestApp()
  app.addSchema({ $id: 'Thing', type: 'object', properties: { name: { type: 'string' } }, required: ['name'] })
  app.post('/typed', { config: { policy: 'thing:change' }, schema: { body: { $ref: 'Thing#' } } }, async () => ({}))
  assert.equal((await app.inject({ method: 'POST', url: '/typed', headers: as('admin'), payload: '{}' })).statusCode, 400)
  const document = (await app.inject({ url: '/openapi.json' })).json<{
    components: { schemas: object }
    paths: Record<string, { post: Record<string, unknown> }>
  }>()
  assert.deepEqual(Object.keys(document.components.schemas), ['Thing'])
  assert.equal(document.paths['/typed']?.post['x-policy'], 'thing:change')
  assert.equal(document.paths['/healthz'], undefined)
})

test('the endpoint of a simulated network speaks bytes', async () => {
  const { app } = await createTestApp({ faults: dcmanagerFaults })
  app.post('/echo', { config: { policy: 'public', stream: true } }, async (request, reply) =>
    reply.header('set-cookie', ['a=1', 'b=2']).type('application/octet-stream').send(request.body),
  )
  const endpoint = await app.endpoint()
  const body = new Uint8Array([0, 255, 128, 10])
  const response = await endpoint.inject({ method: 'POST', url: 'http://192.0.2.1:8119/echo?x=%2F', body, deadlineMs: 1000 })
  assert.equal(response.status, 200)
  assert.deepEqual(response.body, body)
  assert.equal(response.headers['set-cookie'], 'a=1, b=2')
  assert.equal((await endpoint.inject({ method: 'GET', url: 'http://192.0.2.1', deadlineMs: 1000 })).status, 404)
  assert.equal((await endpoint.inject({ method: 'GET', url: 'http://192.0.2.1//healthz/', deadlineMs: 1000 })).status, 200)
})
