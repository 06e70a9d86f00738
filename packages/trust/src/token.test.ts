import assert from 'node:assert/strict'
import { createPrivateKey, sign } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { flipBit } from './testing/memory-world.ts'
import { generateSigningKey, maxTokenLength, signToken, TokenInvalid, TokenTooLarge, verifyToken, type TokenClaims } from './token.ts'

const key = generateSigningKey('k1')
const nowMs = 1_800_000_000_000
const expectations = { issuer: 'site-a', nowMs }
const claims: TokenClaims = {
  jti: 'abc',
  iatMs: nowMs - 1000,
  expMs: nowMs + 3_600_000,
  user: { id: 'u1', name: 'Åsa', domain: { id: 'default', name: 'Default' } },
  roles: [{ id: 'r1', name: 'admin' }],
  scope: { kind: 'project', id: 'p1', name: 'admin', domain: { id: 'default', name: 'Default' } },
  methods: ['password'],
  auditIds: ['abc'],
  issuer: 'site-a',
  sequence: 7,
}
const refused = (reason: TokenInvalid['reason']) => (error: unknown) => error instanceof TokenInvalid && error.reason === reason

const named = fc.record({ id: fc.string(), name: fc.string() })
const domained = fc.record({ id: fc.string(), name: fc.string({ unit: 'grapheme' }), domain: named })
const anyClaims: fc.Arbitrary<TokenClaims> = fc.record(
  {
    jti: fc.string(),
    iatMs: fc.integer({ min: 0, max: nowMs }),
    expMs: fc.integer({ min: nowMs + 1, max: nowMs * 2 }),
    user: domained,
    roles: fc.array(named, { maxLength: 5 }),
    scope: fc.oneof(
      domained.map((project) => ({ kind: 'project' as const, ...project })),
      named.map((domain) => ({ kind: 'domain' as const, ...domain })),
      fc.constantFrom({ kind: 'system' as const }, { kind: 'unscoped' as const }),
    ),
    methods: fc.array(fc.string(), { maxLength: 3 }),
    auditIds: fc.array(fc.string(), { maxLength: 2 }),
    applicationCredential: fc.record({ id: fc.string(), restricted: fc.boolean() }),
    issuer: fc.constant('site-a'),
    sequence: fc.nat(),
  },
  { requiredKeys: ['jti', 'iatMs', 'expMs', 'user', 'roles', 'scope', 'methods', 'auditIds', 'issuer', 'sequence'] },
)

test('a token says what was signed', () => {
  fc.assert(
    fc.property(anyClaims, (wanted) => {
      assert.deepEqual(
        JSON.parse(JSON.stringify(verifyToken(signToken(wanted, key), [key], expectations))),
        JSON.parse(JSON.stringify(wanted)),
      )
    }),
    { numRuns: 100 },
  )
})

test('a token with any bit changed is refused', () => {
  const token = signToken(claims, key)
  for (let position = 0; position < token.length; position++)
    for (let bit = 0; bit < 8; bit++) assert.throws(() => verifyToken(flipBit(token, position, bit), [key], expectations), TokenInvalid)
})

test('a token cut or extended anywhere is refused', () => {
  const token = signToken(claims, key)
  for (let length = 0; length < token.length; length++)
    assert.throws(() => verifyToken(token.slice(0, length), [key], expectations), TokenInvalid)
  for (const tail of ['.', '=', 'A', ' ', '\n', '.A', '\u0000'])
    assert.throws(() => verifyToken(token + tail, [key], expectations), TokenInvalid)
})

test('no text makes the parser fail otherwise than with TokenInvalid', () => {
  const segment = fc.oneof(
    fc.string(),
    fc.json().map((text) => Buffer.from(text).toString('base64url')),
    fc.constant(''),
  )
  fc.assert(
    fc.property(
      fc.array(segment, { maxLength: 5 }).map((parts) => parts.join('.')),
      (text) => {
        assert.throws(() => verifyToken(text, [key], expectations), TokenInvalid)
      },
    ),
    { numRuns: 500 },
  )
})

/** Signed rightly, with a header or payload of the attacker's choice (as if a key had leaked into an older, laxer signer). */
function forge(header: unknown, payload: unknown): string {
  const encode = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
  const signed = `${encode(header)}.${encode(payload)}`
  return `${signed}.${sign(null, Buffer.from(signed), createPrivateKey(key.privateKey)).toString('base64url')}`
}

test('only the one header is accepted', () => {
  const good = { alg: 'EdDSA', typ: 'JWT', kid: 'k1' }
  assert.equal(verifyToken(forge(good, claims), [key], expectations).jti, 'abc')
  const bad = [
    { ...good, alg: 'none' },
    { ...good, alg: 'HS256' },
    { ...good, alg: 'eddsa' },
    { ...good, crit: ['exp'] },
    { ...good, jwk: {} },
    { alg: 'EdDSA', kid: 'k1' },
    { ...good, kid: '../../etc/passwd' },
    { ...good, kid: 1 },
    [],
    null,
    'EdDSA',
  ]
  for (const header of bad) assert.throws(() => verifyToken(forge(header, claims), [key], expectations), refused('malformed'))
})

test('alg none without a signature is malformed', () => {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const unsigned = `${encode({ alg: 'none', typ: 'JWT', kid: 'k1' })}.${encode(claims)}.`
  assert.throws(() => verifyToken(unsigned, [key], expectations), refused('malformed'))
})

test('a payload of another shape is refused though signed', () => {
  const header = { alg: 'EdDSA', typ: 'JWT', kid: 'k1' }
  const bad = [
    null,
    [],
    'x',
    {},
    { ...claims, expMs: '9' },
    { ...claims, expMs: 1.5 },
    { ...claims, roles: ['admin'] },
    { ...claims, scope: { kind: 'galaxy' } },
    { ...claims, user: null },
    { ...claims, sequence: undefined },
    { ...claims, applicationCredential: { id: 'x' } },
  ]
  for (const payload of bad) assert.throws(() => verifyToken(forge(header, payload), [key], expectations), refused('malformed'))
})

test('time, issuer and key decide', () => {
  const token = signToken(claims, key)
  assert.throws(() => verifyToken(token, [key], { ...expectations, nowMs: claims.expMs }), refused('expired'))
  assert.equal(verifyToken(token, [key], { ...expectations, nowMs: claims.expMs - 1 }).jti, 'abc')
  const early = { ...expectations, nowMs: claims.iatMs - 500 }
  assert.throws(() => verifyToken(token, [key], early), refused('not-yet-valid'))
  assert.equal(verifyToken(token, [key], { ...early, leewayMs: 500 }).jti, 'abc')
  assert.throws(() => verifyToken(token, [key], { ...expectations, nowMs: claims.expMs, leewayMs: 60_000 }), refused('expired'))
  assert.throws(() => verifyToken(token, [key], { ...expectations, issuer: 'site-b' }), refused('wrong-issuer'))
  const stranger = generateSigningKey('k1')
  assert.throws(() => verifyToken(token, [stranger], expectations), refused('bad-signature'))
  assert.throws(() => verifyToken(token, [generateSigningKey('k2')], expectations), refused('unknown-key'))
})

test('several verification keys: a rotation logs nobody out', () => {
  const next = generateSigningKey('k2')
  for (const signer of [key, next]) assert.equal(verifyToken(signToken(claims, signer), [next, key], expectations).jti, 'abc')
})

test('what no header could carry is not signed and not parsed', () => {
  const many = { ...claims, roles: Array.from({ length: 400 }, (_, i) => ({ id: `role-${i}`, name: 'x'.repeat(40) })) }
  assert.throws(() => signToken(many, key), TokenTooLarge)
  const started = performance.now()
  assert.throws(() => verifyToken('a'.repeat(50_000_000), [key], expectations), refused('malformed'))
  assert.ok(performance.now() - started < 50)
  assert.ok(maxTokenLength < 16_384)
})
