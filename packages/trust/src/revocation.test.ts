import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRevoked, type Revocation } from './revocation.ts'
import type { TokenClaims } from './token.ts'

const claims: TokenClaims = {
  jti: 'own',
  iatMs: 1_000_000,
  expMs: 5_000_000,
  user: { id: 'u', name: 'u', domain: { id: 'ud', name: 'ud' } },
  roles: [
    { id: 'r1', name: 'member' },
    { id: 'r2', name: 'reader' },
  ],
  scope: { kind: 'project', id: 'p', name: 'p', domain: { id: 'pd', name: 'pd' } },
  methods: ['token', 'password'],
  auditIds: ['own', 'parent'],
  applicationCredential: { id: 'ac', restricted: true },
  issuer: 'site',
  sequence: 10,
}
const entry = (members: Partial<Revocation>): Revocation => ({ sequence: 11, atMs: 1_000_001, expiresAtMs: 9_000_000, ...members })

test('each member matches its own thing and nothing else', () => {
  const hits: Partial<Revocation>[] = [
    { auditId: 'own' },
    { auditChainId: 'parent' },
    { userId: 'u' },
    { projectId: 'p' },
    { domainId: 'ud' },
    { domainId: 'pd' },
    { roleId: 'r2' },
    { applicationCredentialId: 'ac' },
    { userId: 'u', projectId: 'p' },
  ]
  for (const members of hits) assert.equal(isRevoked(claims, [entry(members)]), true, JSON.stringify(members))
  const misses: Partial<Revocation>[] = [
    { auditId: 'parent' },
    { auditChainId: 'own' },
    { userId: 'p' },
    { projectId: 'u' },
    { domainId: 'p' },
    { roleId: 'r3' },
    { applicationCredentialId: 'x' },
    { userId: 'u', projectId: 'other' },
    { userId: 'other', projectId: 'p' },
  ]
  for (const members of misses) assert.equal(isRevoked(claims, [entry(members)]), false, JSON.stringify(members))
})

test('an entry that names nothing revokes nothing', () => {
  assert.equal(isRevoked(claims, [entry({})]), false)
})

test('only what came after the token counts, whatever the clocks say', () => {
  assert.equal(isRevoked(claims, [entry({ userId: 'u', sequence: 10 })]), false)
  assert.equal(isRevoked(claims, [entry({ userId: 'u', sequence: 11, atMs: 0 })]), true)
})

test('a database restored from a backup still revokes: time decides where it is beyond doubt', () => {
  assert.equal(isRevoked(claims, [entry({ userId: 'u', sequence: 3, atMs: claims.iatMs + 60_001 })]), true)
  assert.equal(isRevoked(claims, [entry({ userId: 'u', sequence: 3, atMs: claims.iatMs + 60_000 })]), false)
})

test('one matching entry among many is enough', () => {
  assert.equal(isRevoked(claims, [entry({ userId: 'a' }), entry({ userId: 'b' }), entry({ userId: 'u' })]), true)
  assert.equal(isRevoked(claims, []), false)
})
