import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IdentityUnavailable, Unauthenticated } from '@murmuration/http'
import { generateSigningKey, signToken, type Revocation, type SigningKey, type TokenClaims } from '@murmuration/trust'
import type { KeystoneSession } from './keystone-session.ts'
import { openTestNet, reply, type Server, type TestNet } from './testing/servers.ts'
import { createKeystoneTokenValidator, createLocalTokenValidator } from './token-validator.ts'

const key = generateSigningKey('k1')
let made = 0
const claims = (more: Partial<TokenClaims> = {}): TokenClaims => {
  const jti = `token${made++}`
  return {
    jti,
    iatMs: Date.now(),
    expMs: Date.now() + 3_600_000,
    user: { id: 'u1', name: 'ana', domain: { id: 'default', name: 'Default' } },
    roles: [{ id: 'r1', name: 'admin' }],
    scope: { kind: 'project', id: 'p1', name: 'admin', domain: { id: 'default', name: 'Default' } },
    methods: ['password'],
    auditIds: [jti],
    issuer: 'here',
    sequence: 0,
    ...more,
  }
}
const tokenOf = (more: Partial<TokenClaims> = {}, by: SigningKey = key): string => signToken(claims(more), by)

/** An identity service whose trust the test writes. */
async function openIdentity(net: TestNet) {
  const state = { issuer: 'here', keys: [key], revocations: [] as Revocation[], head: undefined as number | undefined, status: 200 }
  const server: Server = await net.plain((request, response) => {
    const after = Number(new URL(request.url ?? '', 'http://x').searchParams.get('after'))
    const head = state.head ?? state.revocations.at(-1)?.sequence ?? 0
    reply(response, state.status, {
      issuer: state.issuer,
      keys: state.keys.map(({ id, publicKey }) => ({ id, publicKey })),
      sequence: head,
      more: false,
      revocations: state.revocations.filter((entry) => entry.sequence > (after > head ? 0 : after)),
    })
  })
  const session: KeystoneSession = { token: async () => 'service', invalidate: () => undefined, endpointUrl: async () => undefined }
  const validator = createLocalTokenValidator(net.world, { identityUrl: `http://127.0.0.1:${server.port}/v3`, session })
  const revoke = (entry: Partial<Revocation>): void =>
    void state.revocations.push({ sequence: state.revocations.length + 1, atMs: Date.now(), expiresAtMs: Date.now() + 7_200_000, ...entry })
  return { state, server, validator, revoke }
}

test('judges tokens by itself: one question for any number of tokens', async () => {
  await using net = await openTestNet()
  const { validator, server } = await openIdentity(net)
  const tokens = Array.from({ length: 20 }, () => tokenOf())
  const identities = await Promise.all(tokens.map((token) => validator.validate(token)))
  assert.equal(server.requests.length, 1)
  const { auditId, expiresAtMs, ...identity } = identities[0]!
  assert.deepEqual(identity, {
    userId: 'u1',
    userName: 'ana',
    userDomainId: 'default',
    userDomainName: 'Default',
    projectId: 'p1',
    projectName: 'admin',
    projectDomainId: 'default',
    projectDomainName: 'Default',
    systemScope: false,
    roles: ['admin'],
  })
  assert.match(auditId, /^token/)
  assert.ok(expiresAtMs > Date.now())
  assert.equal(await validator.validate(tokens[0]!), identities[0], 'the second time from the cache')
})

test('a revoked token is refused once knowledge is 5 s old, cached or not', async () => {
  await using net = await openTestNet()
  const { validator, revoke } = await openIdentity(net)
  const [theirs, other] = [tokenOf(), tokenOf({ user: { id: 'u2', name: 'b', domain: { id: 'default', name: 'Default' } } })]
  await validator.validate(theirs)
  await validator.validate(other)
  revoke({ userId: 'u1' })
  net.advance(5_001)
  await assert.rejects(validator.validate(theirs), Unauthenticated)
  assert.equal((await validator.validate(other)).userId, 'u2')
  const later = tokenOf({ sequence: 1 })
  assert.equal((await validator.validate(later)).userId, 'u1', 'a login after the revocation')
})

test('revocations add up: only what is new is asked for', async () => {
  await using net = await openTestNet()
  const { validator, revoke, server } = await openIdentity(net)
  const [one, two] = [claims(), claims()]
  const tokens = [one, two].map((each) => signToken(each, key))
  for (const token of tokens) await validator.validate(token)
  revoke({ auditId: one.jti })
  net.advance(5_001)
  await assert.rejects(validator.validate(tokens[0]!), Unauthenticated)
  revoke({ auditId: two.jti })
  net.advance(5_001)
  for (const token of tokens) await assert.rejects(validator.validate(token), Unauthenticated)
  assert.deepEqual(
    server.requests.map(({ url }) => url),
    ['/v3/murmuration/trust?after=0', '/v3/murmuration/trust?after=0', '/v3/murmuration/trust?after=1'],
  )
})

test('an identity service restored from a backup is believed anew', async () => {
  await using net = await openTestNet()
  const { validator, revoke, state } = await openIdentity(net)
  revoke({ userId: 'gone' })
  revoke({ userId: 'u1' })
  const token = tokenOf()
  await assert.rejects(validator.validate(token), Unauthenticated)
  state.revocations.pop()
  net.advance(5_001)
  assert.equal((await validator.validate(token)).userId, 'u1')
})

test('without knowledge of at most 5 s nothing is accepted, cached or not', async () => {
  await using net = await openTestNet()
  const { validator, state } = await openIdentity(net)
  const token = tokenOf()
  await validator.validate(token)
  state.status = 503
  net.advance(4_000)
  assert.equal((await validator.validate(token)).userId, 'u1')
  net.advance(1_001)
  await assert.rejects(validator.validate(token), IdentityUnavailable)
  state.status = 200
  net.advance(300)
  assert.equal((await validator.validate(token)).userId, 'u1')
})

test('polls every 2 s once started, until stopped', async () => {
  await using net = await openTestNet()
  const { server } = await openIdentity(net)
  const polls: (() => void)[] = []
  const scheduled = new Set<() => void>()
  const after = (delayMs: number, fire: () => void) => {
    // Deadlines are shorter than the pause by the time that has gone by already.
    if (delayMs !== 2_000) return net.world.timers.after(delayMs, fire)
    polls.push(fire)
    scheduled.add(fire)
    return { cancel: () => void scheduled.delete(fire) }
  }
  const world = { ...net.world, timers: { ...net.world.timers, after } }
  const session: KeystoneSession = { token: async () => 'service', invalidate: () => undefined, endpointUrl: async () => undefined }
  const validator = createLocalTokenValidator(world, { identityUrl: `http://127.0.0.1:${server.port}/v3`, session })
  const polled = async (count: number): Promise<void> => {
    while (polls.length < count) await new Promise((resolve) => void setImmediate(resolve))
  }
  validator.start()
  validator.start()
  await polled(1)
  assert.equal(server.requests.length, 1)
  net.advance(2_000)
  polls[0]!()
  await polled(2)
  assert.equal(server.requests.length, 2)
  validator.stop()
  assert.ok(!scheduled.has(polls[1]!))
})

test('a key that is newer than what we know is asked for, forged ones not without end', async () => {
  await using net = await openTestNet()
  const { validator, state, server } = await openIdentity(net)
  await validator.validate(tokenOf())
  const fresh = generateSigningKey('k2')
  state.keys = [key, fresh]
  net.advance(300)
  assert.equal((await validator.validate(tokenOf({}, fresh))).userId, 'u1')
  const before = server.requests.length
  const forger = generateSigningKey('k3')
  for (let time = 0; time < 20; time++) await assert.rejects(validator.validate(tokenOf({}, forger)), Unauthenticated)
  assert.ok(server.requests.length - before <= 3, `${server.requests.length - before} questions`)
})

test('what is known without asking: nothing before it was verified, nor on knowledge that is too old', async () => {
  await using net = await openTestNet()
  const { validator, revoke, server } = await openIdentity(net)
  const [token, short] = [tokenOf(), tokenOf({ expMs: Date.now() + 3_000 })]
  assert.equal(validator.known?.(token), undefined)
  const identity = await validator.validate(token)
  await validator.validate(short)
  assert.equal(validator.known?.(token), identity)
  assert.equal(validator.known?.(tokenOf()), undefined, 'never seen')
  assert.equal(validator.known?.(`${token}x`), undefined)
  net.advance(3_001)
  assert.equal(validator.known?.(short), undefined, 'expired')
  assert.equal(validator.known?.(token), identity)
  revoke({ userId: 'u1' })
  net.advance(2_000)
  assert.equal(server.requests.length, 1)
  assert.equal(validator.known?.(token), undefined, 'nobody has asked for revocations for 5 s')
  await assert.rejects(validator.validate(token), Unauthenticated)
  assert.equal(validator.known?.(token), undefined, 'revoked')
})

test('a retired key and an expired token are refused though they were cached', async () => {
  await using net = await openTestNet()
  const { validator, state } = await openIdentity(net)
  const [short, old] = [tokenOf({ expMs: Date.now() + 10_000 }), tokenOf()]
  await validator.validate(short)
  await validator.validate(old)
  net.advance(10_001)
  await assert.rejects(validator.validate(short), Unauthenticated)
  assert.equal((await validator.validate(old)).userId, 'u1')
  state.keys = [generateSigningKey('k9')]
  net.advance(5_001)
  await assert.rejects(validator.validate(old), Unauthenticated)
})

test('refuses what is forged, foreign, from the future, cut or huge (attacks 26)', async () => {
  await using net = await openTestNet()
  const { validator } = await openIdentity(net)
  const good = tokenOf()
  const [head = '', body = '', signature = ''] = good.split('.')
  const none = Buffer.from('{"alg":"none","kid":"k1"}').toString('base64url')
  for (const token of [
    tokenOf({ issuer: 'elsewhere' }),
    tokenOf({ expMs: Date.now() - 1 }),
    tokenOf({ iatMs: Date.now() + 600_000 }),
    tokenOf({}, generateSigningKey('k1')),
    good.slice(0, -4),
    `${head}.${body}.`,
    `${none}.${body}.${signature}`,
    `${none}.${body}.`,
    '',
    'x'.repeat(1024 * 1024),
  ]) {
    await assert.rejects(validator.validate(token), Unauthenticated)
  }
})

const keystoneToken = (more: object = {}) => ({
  token: {
    user: { id: 'u1', name: 'ana', domain: { id: 'default', name: 'Default' } },
    project: { id: 'p1', name: 'admin', domain: { id: 'default', name: 'Default' } },
    roles: [{ id: 'r1', name: 'reader' }],
    audit_ids: ['a1'],
    expires_at: new Date(Date.now() + 3_600_000).toISOString(),
    issued_at: new Date().toISOString(),
    methods: ['password'],
    ...more,
  },
})

async function openKeystone(net: TestNet) {
  const state: { status: number; body: unknown } = { status: 200, body: keystoneToken() }
  const server = await net.plain((_, response) => reply(response, state.status, state.body))
  const session: KeystoneSession = { token: async () => 'service', invalidate: () => undefined, endpointUrl: async () => undefined }
  const validator = createKeystoneTokenValidator(net.world, { identityUrl: `http://127.0.0.1:${server.port}/v3`, session })
  return { state, server, validator }
}

test('external: asks Keystone once for a token, and again after 5 s', async () => {
  await using net = await openTestNet()
  const { validator, server, state } = await openKeystone(net)
  const all = await Promise.all(Array.from({ length: 20 }, () => validator.validate('gAAAA-1')))
  assert.equal(server.requests.length, 1)
  assert.equal(server.requests[0]?.headers['x-subject-token'], 'gAAAA-1')
  assert.equal(server.requests[0]?.headers['x-auth-token'], 'service')
  assert.deepEqual([all[0]?.userName, all[0]?.projectName, all[0]?.roles, all[0]?.systemScope], ['ana', 'admin', ['reader'], false])
  state.status = 404
  net.advance(4_000)
  await validator.validate('gAAAA-1')
  net.advance(1_001)
  await assert.rejects(validator.validate('gAAAA-1'), Unauthenticated)
  assert.equal(server.requests.length, 2)
})

test('external: system and domain scopes', async () => {
  await using net = await openTestNet()
  const { validator, state } = await openKeystone(net)
  state.body = keystoneToken({ project: undefined, system: { all: true } })
  assert.equal((await validator.validate('one')).systemScope, true)
  state.body = keystoneToken({ project: undefined, domain: { id: 'd1', name: 'Edge' } })
  assert.equal((await validator.validate('two')).domainName, 'Edge')
})

for (const [what, status, body, refusal] of [
  ['Keystone is down', 503, {}, IdentityUnavailable],
  ['our own account is refused', 401, {}, IdentityUnavailable],
  ['the answer has another shape', 200, { token: { user: 'ana' } }, IdentityUnavailable],
  ['the token has expired', 200, keystoneToken({ expires_at: '2020-01-01T00:00:00Z' }), Unauthenticated],
  ['the end of the token can not be read', 200, keystoneToken({ expires_at: 'soon' }), Unauthenticated],
] as const) {
  test(`external: ${what}`, async () => {
    await using net = await openTestNet()
    const { validator, state } = await openKeystone(net)
    Object.assign(state, { status, body })
    await assert.rejects(validator.validate('t'), refusal)
  })
}

test('external: a token that would break the header never leaves', async () => {
  await using net = await openTestNet()
  const { validator, server } = await openKeystone(net)
  for (const token of ['a b', 'a\r\nX-Roles: admin', 'ü', '', 'x'.repeat(20_000)])
    await assert.rejects(validator.validate(token), Unauthenticated)
  assert.equal(server.requests.length, 0)
})
