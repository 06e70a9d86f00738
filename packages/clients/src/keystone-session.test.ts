import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '@murmuration/trust'
import { NetworkError } from '@murmuration/world'
import { SiteAnswerRefused } from './answer.ts'
import {
  AuthenticationFailed,
  createKeystoneSession,
  type Credentials,
  type KeystoneSession,
  type SessionOptions,
} from './keystone-session.ts'
import { keystone, openTestNet, reply, type Server, type TestNet } from './testing/servers.ts'

const sessionAt = (net: TestNet, server: Server, more: Partial<Credentials> = {}, options: SessionOptions = {}): KeystoneSession =>
  createKeystoneSession(
    net.world,
    {
      authUrl: `http://127.0.0.1:${server.port}/v3`,
      userName: 'dcmanager',
      userDomainName: 'Default',
      password: new Secret('secret'),
      projectName: 'services',
      projectDomainName: 'Default',
      ...more,
    },
    options,
  )

test('any number of callers at once costs one authentication', async () => {
  await using net = await openTestNet()
  const server = await net.plain(keystone())
  const session = sessionAt(net, server)
  const tokens = await Promise.all(Array.from({ length: 50 }, () => session.token(5_000)))
  assert.deepEqual([...new Set(tokens)], ['token-1'])
  assert.equal(await session.token(5_000), 'token-1')
  assert.equal(server.requests.length, 1)
  assert.deepEqual(JSON.parse(server.requests[0]!.text).auth.scope, { project: { name: 'services', domain: { name: 'Default' } } })
})

test('renews 300 to 480 s before the end, each session at its own time', async () => {
  await using net = await openTestNet()
  const server = await net.plain(keystone({ lifetimeMs: 3_600_000 }))
  const sessions = Array.from({ length: 20 }, () => sessionAt(net, server))
  await Promise.all(sessions.map((session) => session.token(5_000)))
  const renewed = async (): Promise<number> => {
    const before = server.requests.length
    await Promise.all(sessions.map((session) => session.token(5_000)))
    return server.requests.length - before
  }
  net.advance(3_600_000 - 490_000)
  assert.equal(await renewed(), 0)
  net.advance(95_000)
  const halfway = await renewed()
  assert.ok(halfway > 0 && halfway < 20, `${halfway} of 20 after half of the time`)
  net.advance(96_000)
  assert.equal(halfway + (await renewed()), 20)
})

test('a clock that is hours away, here or there, changes nothing', async () => {
  await using net = await openTestNet()
  const server = await net.plain(keystone({ nowMs: () => Date.now() - 7_200_000 }))
  const session = sessionAt(net, server)
  assert.equal(await session.token(5_000), 'token-1')
  net.advance(1_800_000)
  assert.equal(await session.token(5_000), 'token-1')
})

test('a token shorter than the margin still serves half its life', async () => {
  await using net = await openTestNet()
  const server = await net.plain(keystone({ lifetimeMs: 60_000 }))
  const session = sessionAt(net, server)
  await session.token(5_000)
  net.advance(25_000)
  assert.equal(await session.token(5_000), 'token-1')
  net.advance(6_000)
  assert.equal(await session.token(5_000), 'token-2')
})

test('invalidate drops the token that was refused, not the newer one that others have got', async () => {
  await using net = await openTestNet()
  const server = await net.plain(keystone())
  const session = sessionAt(net, server)
  const first = await session.token(5_000)
  session.invalidate(first)
  assert.equal(await session.token(5_000), 'token-2')
  session.invalidate(first)
  assert.equal(await session.token(5_000), 'token-2')
  session.invalidate()
  assert.equal(await session.token(5_000), 'token-3')
})

test('a refusal is told apart from a failure, and says nothing secret', async () => {
  await using net = await openTestNet()
  const server = await net.plain(keystone({ password: 'other' }))
  await assert.rejects(sessionAt(net, server).token(5_000), (error: unknown) => {
    assert.ok(error instanceof AuthenticationFailed)
    assert.ok(!error.message.includes('secret'))
    return true
  })
  server.handle = (_, response) => reply(response, 503)
  await assert.rejects(sessionAt(net, server).token(5_000), SiteAnswerRefused)
})

test('a changed password is used at the next authentication', async () => {
  await using net = await openTestNet()
  const server = await net.plain(keystone({ password: 'new' }))
  let password = 'old'
  const session = sessionAt(net, server, { password: async () => new Secret(password) })
  await assert.rejects(session.token(5_000), AuthenticationFailed)
  password = 'new'
  assert.equal(await session.token(5_000), 'token-1')
})

test('a caller with little time gives up; the authentication goes on for the others', async () => {
  await using net = await openTestNet()
  const answer = keystone()
  const arrived = Promise.withResolvers<() => void>()
  const server = await net.plain((request, response) => arrived.resolve(() => answer(request, response)))
  const session = sessionAt(net, server)
  const patient = session.token(10_000)
  await assert.rejects(session.token(20), (error: unknown) => error instanceof NetworkError && error.code === 'timeout')
  const release = await arrived.promise
  release()
  assert.equal(await patient, 'token-1')
  assert.equal(server.requests.length, 1)
})

test('finds endpoints by type, interface and region', async () => {
  await using net = await openTestNet()
  const endpoint = (kind: string, region: string) => ({ interface: kind, region, url: `http://${region}/${kind}`, id: 'x', extra: true })
  const catalog = [
    { type: 'dcmanager', name: 'dcmanager', endpoints: [endpoint('public', 'RegionOne'), endpoint('internal', 'SystemController')] },
  ]
  const session = sessionAt(net, await net.plain(keystone({ catalog })))
  assert.equal(await session.endpointUrl('dcmanager', { interface: 'internal' }, 5_000), 'http://SystemController/internal')
  assert.equal(await session.endpointUrl('dcmanager', { interface: 'public', region: 'RegionOne' }, 5_000), 'http://RegionOne/public')
  assert.equal(await session.endpointUrl('dcmanager', { interface: 'public', region: 'other' }, 5_000), undefined)
  assert.equal(await session.endpointUrl('image', { interface: 'public' }, 5_000), undefined)
})

test('without catalog it asks for none', async () => {
  await using net = await openTestNet()
  const server = await net.plain(keystone())
  await sessionAt(net, server, {}, { catalog: false }).token(5_000)
  assert.equal(server.requests[0]?.url, '/v3/auth/tokens?nocatalog')
})

const good = { issued_at: '2026-01-01T00:00:00Z', expires_at: '2026-01-01T01:00:00Z' }
for (const [what, body, headers] of [
  ['no token header', { token: good }, {}],
  ['no JSON', '<html>', { 'x-subject-token': 't' }],
  ['no token', {}, { 'x-subject-token': 't' }],
  ['a lifetime that runs backwards', { token: { issued_at: good.expires_at, expires_at: good.issued_at } }, { 'x-subject-token': 't' }],
  ['times that are none', { token: { issued_at: 'x', expires_at: 'y' } }, { 'x-subject-token': 't' }],
  ['a catalog of texts', { token: { ...good, catalog: ['x'] } }, { 'x-subject-token': 't' }],
  ['a catalog without end', { token: { ...good, catalog: Array.from({ length: 1_001 }, () => ({})) } }, { 'x-subject-token': 't' }],
] as const) {
  test(`refuses an answer with ${what}`, async () => {
    await using net = await openTestNet()
    const server = await net.plain((_, response) => reply(response, 201, body, headers))
    await assert.rejects(sessionAt(net, server).token(5_000), SiteAnswerRefused)
  })
}
