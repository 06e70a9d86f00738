import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { makeMember, roleId } from '../testing/people.ts'
import { startIdentity, type Answer, type Caller, type TestIdentity } from '../testing/site.ts'

/** Privilege never grows along delegation (OSSA-2026-005, 2020-003/004/005): the whole way of a credential. */

let identity: TestIdentity
let admin: Caller
before(async () => {
  identity = await startIdentity()
  admin = await identity.admin()
})
after(() => identity.stop())

type Member = Awaited<ReturnType<typeof makeMember>>
const own = (member: Member, rest = '') => `/v3/users/${member.id}/application_credentials${rest}`
const callerOf = async (answer: Promise<Answer> | Answer): Promise<Caller> => {
  const { status, headers, body } = await answer
  assert.equal(status, 201, JSON.stringify(body))
  return identity.as(headers['x-subject-token']!)
}
const enter = (credential: { id: string; secret: string }, scope?: unknown) =>
  identity.call('POST', '/v3/auth/tokens', {
    auth: {
      identity: { methods: ['application_credential'], application_credential: { id: credential.id, secret: credential.secret } },
      ...(scope === undefined ? {} : { scope }),
    },
  })
const rescope = (token: string, scope?: unknown) =>
  identity.call('POST', '/v3/auth/tokens', {
    auth: { identity: { methods: ['token'], token: { id: token } }, ...(scope === undefined ? {} : { scope }) },
  })
const rolesOf = (answer: Answer): string[] => answer.body.token.roles.map((role: { name: string }) => role.name)

async function make(by: Caller, member: Member, wish: object) {
  const answer = await by('POST', own(member), { application_credential: wish })
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body.application_credential as { id: string; secret: string; roles: { name: string }[]; expires_at: string | null }
}

test('the secret is told once; the credential has the roles that were asked for, and only in its project', async () => {
  const member = await makeMember(admin, { role: 'member' })
  const caller = await callerOf(member.signIn(identity))
  const credential = await make(caller, member, { name: 'robot', roles: [{ name: 'reader' }] })
  assert.deepEqual(
    credential.roles.map((role) => role.name),
    ['reader'],
  )
  assert.ok(credential.secret.length >= 64)
  const shown = await caller('GET', own(member, `/${credential.id}`))
  assert.equal(shown.body.application_credential.secret, undefined)
  assert.equal(JSON.stringify((await caller('GET', own(member))).body).includes(credential.secret), false)

  const token = await enter(credential)
  assert.deepEqual(rolesOf(token), ['reader'])
  assert.deepEqual(token.body.token.application_credential, { id: credential.id, name: 'robot', restricted: true })
  assert.equal((await enter({ ...credential, secret: 'wrong' })).status, 401)
  const elsewhere = [
    { system: { all: true } },
    'unscoped',
    { project: { name: 'admin', domain: { id: 'default' } } },
    { domain: { id: 'default' } },
  ]
  for (const scope of elsewhere) assert.equal((await enter(credential, scope)).status, 401)
  const byName = await identity.call('POST', '/v3/auth/tokens', {
    auth: {
      identity: {
        methods: ['application_credential'],
        application_credential: { name: 'robot', user: { name: member.name, domain: { id: 'default' } }, secret: credential.secret },
      },
    },
  })
  assert.equal(byName.status, 201)
})

test('no role that the asking token lacks, whatever the user has elsewhere', async () => {
  const member = await makeMember(admin, { role: 'reader' })
  await admin('PUT', `/v3/system/users/${member.id}/roles/${await roleId(admin, 'admin')}`)
  const caller = await callerOf(member.signIn(identity))
  for (const role of ['admin', 'member', 'no-such-role']) {
    const answer = await caller('POST', own(member), { application_credential: { name: 'more', roles: [{ name: role }] } })
    assert.equal(answer.status, 403, role)
  }
  const byId = await caller('POST', own(member), {
    application_credential: { name: 'more', roles: [{ id: await roleId(admin, 'admin') }] },
  })
  assert.equal(byId.status, 403)
  const system = await callerOf(identity.signIn(member.name, member.password, { system: { all: true } }))
  assert.equal((await system('POST', own(member), { application_credential: { name: 'more' } })).status, 400)
})

test('nobody makes credentials for another user, not even an administrator', async () => {
  const [one, two] = [await makeMember(admin, { role: 'member' }), await makeMember(admin, { role: 'member' })]
  const caller = await callerOf(one.signIn(identity))
  assert.equal((await caller('POST', own(two), { application_credential: { name: 'x' } })).status, 403)
  assert.equal((await admin('POST', own(two), { application_credential: { name: 'x' } })).status, 403)
  // A credential of somebody else under the own path is not there.
  const theirs = await make(await callerOf(two.signIn(identity)), two, { name: 'theirs' })
  assert.equal((await caller('GET', own(one, `/${theirs.id}`))).status, 404)
  assert.equal((await caller('DELETE', own(one, `/${theirs.id}`))).status, 404)
  assert.equal((await caller('GET', own(two, `/${theirs.id}`))).status, 403)
})

test('a restricted credential makes no credentials, deletes none, and is not rescoped', async () => {
  const member = await makeMember(admin, { role: 'member' })
  const credential = await make(await callerOf(member.signIn(identity)), member, { name: 'restricted' })
  const robot = await callerOf(enter(credential))
  assert.equal((await robot('POST', own(member), { application_credential: { name: 'child' } })).status, 403)
  assert.equal((await robot('DELETE', own(member, `/${credential.id}`))).status, 403)
  for (const scope of [undefined, 'unscoped', { project: { id: member.projectId } }, { system: { all: true } }])
    assert.equal((await rescope(robot.token, scope)).status, 403)
})

test('an unrestricted one does, but never with more roles, another project or a later end', async () => {
  const member = await makeMember(admin, { role: 'member' })
  const caller = await callerOf(member.signIn(identity))
  const expires = new Date(Date.now() + 30 * 60_000).toISOString().slice(0, 19)
  const parent = await make(caller, member, { name: 'parent', unrestricted: true, roles: [{ name: 'reader' }], expires_at: expires })
  const robot = await callerOf(enter(parent))
  assert.equal((await robot('POST', own(member), { application_credential: { name: 'child', roles: [{ name: 'member' }] } })).status, 403)
  const child = await make(robot, member, { name: 'child', unrestricted: true })
  assert.deepEqual(
    child.roles.map((role) => role.name),
    ['reader'],
  )
  assert.equal(child.expires_at!.slice(0, 19), expires)

  assert.equal((await rescope(robot.token, { system: { all: true } })).status, 403)
  assert.equal((await rescope(robot.token, 'unscoped')).status, 403)
  const again = await rescope(robot.token, { project: { id: member.projectId } })
  assert.deepEqual([again.status, rolesOf(again)], [201, ['reader']])
  // The chain ends with the credential, not with the token's hour.
  assert.ok(Date.parse(again.body.token.expires_at) <= Date.parse(`${expires}Z`))
  identity.shift.ms += 31 * 60_000
  assert.equal((await enter(parent)).status, 401)
  assert.equal((await robot('GET', '/v3/auth/projects')).status, 401)
  identity.shift.ms -= 31 * 60_000
})

test('it has no more than its user still has', async () => {
  const member = await makeMember(admin, { role: 'member' })
  const operator = await roleId(admin, 'operator')
  await admin('PUT', `/v3/projects/${member.projectId}/users/${member.id}/roles/${operator}`)
  const credential = await make(await callerOf(member.signIn(identity)), member, { name: 'wide' })
  const before = await enter(credential)
  assert.deepEqual(rolesOf(before), ['member', 'operator', 'reader'])
  await admin('DELETE', `/v3/projects/${member.projectId}/users/${member.id}/roles/${operator}`)
  assert.equal((await (await callerOf(before))('GET', '/v3/auth/projects')).status, 401)
  assert.deepEqual(rolesOf(await enter(credential)), ['member', 'reader'])
  // A role that comes later is not the credential's.
  await admin('PUT', `/v3/projects/${member.projectId}/users/${member.id}/roles/${await roleId(admin, 'configurator')}`)
  assert.deepEqual(rolesOf(await enter(credential)), ['member', 'reader'])
  await admin('PATCH', `/v3/users/${member.id}`, { user: { enabled: false } })
  assert.equal((await enter(credential)).status, 401)
})

test('deleting it ends its tokens, and only its', async () => {
  const member = await makeMember(admin, { role: 'member' })
  const caller = await callerOf(member.signIn(identity))
  const credential = await make(caller, member, { name: 'short' })
  const robot = await callerOf(enter(credential))
  assert.equal((await caller('DELETE', own(member, `/${credential.id}`))).status, 204)
  assert.equal((await robot('GET', '/v3/auth/projects')).status, 401)
  assert.equal((await enter(credential)).status, 401)
  assert.equal((await caller('GET', '/v3/auth/projects')).status, 200)
  assert.equal((await caller('DELETE', own(member, `/${credential.id}`))).status, 404)
})

test('what is not enforced is not accepted; names are unique per user', async () => {
  const member = await makeMember(admin, { role: 'member' })
  const caller = await callerOf(member.signIn(identity))
  const ask = async (wish: object) => (await caller('POST', own(member), { application_credential: wish })).status
  assert.equal(await ask({ name: 'a', access_rules: [{ service: 'image', path: '/', method: 'GET' }] }), 400)
  assert.equal(await ask({ name: 'a', expires_at: '2001-01-01T00:00:00' }), 400)
  assert.equal(await ask({ name: 'a', expires_at: 'tomorrow' }), 400)
  assert.equal(await ask({ name: 'a', roles: [] }), 400)
  assert.equal(await ask({ name: ' ' }), 400)
  assert.equal(await ask({ name: 'a', secret: 'own secret' }), 201)
  assert.equal(await ask({ name: 'a' }), 409)
})
