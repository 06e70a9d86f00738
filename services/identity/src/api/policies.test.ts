import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { policies } from '../policies.ts'
import { makeMember, roleId } from '../testing/people.ts'
import { startIdentity, type Caller, type TestIdentity } from '../testing/site.ts'

/** Attacks row 24: every operation × every kind of caller. */

let identity: TestIdentity
let admin: Caller
let callers: Record<string, Caller>
let ids: Record<string, string>

before(async () => {
  identity = await startIdentity()
  admin = await identity.admin()
  const signedIn = async (
    how: { role?: string },
    scope?: unknown,
    prepare?: (member: { id: string; projectId: string }) => Promise<unknown>,
  ) => {
    const member = await makeMember(admin, how)
    await prepare?.(member)
    const answer = await member.signIn(identity, scope)
    assert.equal(answer.status, 201)
    return identity.as(answer.headers['x-subject-token']!)
  }
  const onSystem = (role: string) => async (member: { id: string }) =>
    admin('PUT', `/v3/system/users/${member.id}/roles/${await roleId(admin, role)}`)
  const onDomain = (role: string) => async (member: { id: string }) =>
    admin('PUT', `/v3/domains/default/users/${member.id}/roles/${await roleId(admin, role)}`)
  callers = {
    'project reader': await signedIn({ role: 'reader' }),
    'project member': await signedIn({ role: 'member' }),
    'project configurator': await signedIn({ role: 'configurator' }),
    'project operator': await signedIn({ role: 'operator' }),
    'project manager': await signedIn({ role: 'manager' }),
    // An admin of one project is no admin of the cloud.
    'project admin': await signedIn({ role: 'admin' }),
    'domain admin': await signedIn({}, { domain: { id: 'default' } }, onDomain('admin')),
    'domain reader': await signedIn({}, { domain: { id: 'default' } }, onDomain('reader')),
    'system reader': await signedIn({}, { system: { all: true } }, onSystem('reader')),
    unscoped: await signedIn({ role: 'admin' }, 'unscoped'),
  }
  const victim = await makeMember(admin, { role: 'member' })
  const made = async (path: string, body: unknown, name: string) => String((await admin('POST', path, body)).body[name].id)
  ids = {
    user: victim.id,
    project: victim.projectId,
    group: await made('/v3/groups', { group: { name: 'g' } }, 'group'),
    role: await made('/v3/roles', { role: { name: 'r' } }, 'role'),
    other: await made('/v3/roles', { role: { name: 'o' } }, 'role'),
    domain: await made('/v3/domains', { domain: { name: 'd' } }, 'domain'),
    region: await made('/v3/regions', { region: { id: 'reg' } }, 'region'),
    service: await made('/v3/services', { service: { type: 't', name: 's' } }, 'service'),
  }
  ids['endpoint'] = await made(
    '/v3/endpoints',
    { endpoint: { service_id: ids['service'], interface: 'public', url: 'http://x' } },
    'endpoint',
  )
})
after(() => identity.stop())

/** Everything that changes something, with a body that would be accepted. */
const changes = (): [method: string, path: string, body?: unknown][] => {
  const { user, project, group, role, other, domain, region, service, endpoint } = ids
  const grants = ['projects/' + project, 'domains/' + domain, 'system'].flatMap((target) => [
    `${target}/users/${user}`,
    `${target}/groups/${group}`,
  ])
  const inherited = ['projects/' + project, 'domains/' + domain].flatMap((target) => [
    `${target}/users/${user}`,
    `${target}/groups/${group}`,
  ])
  return [
    ['POST', '/v3/users', { user: { name: 'n' } }],
    ['PATCH', `/v3/users/${user}`, { user: { password: 'x' } }],
    ['DELETE', `/v3/users/${user}`],
    ['POST', `/v3/users/${user}/password`, { user: { original_password: 'x', password: 'y' } }],
    ['POST', `/v3/users/${user}/application_credentials`, { application_credential: { name: 'n' } }],
    ['DELETE', `/v3/users/${user}/application_credentials/x`],
    ['POST', '/v3/groups', { group: { name: 'n' } }],
    ['PATCH', `/v3/groups/${group}`, { group: { name: 'n' } }],
    ['DELETE', `/v3/groups/${group}`],
    ['PUT', `/v3/groups/${group}/users/${user}`],
    ['DELETE', `/v3/groups/${group}/users/${user}`],
    ['POST', '/v3/projects', { project: { name: 'n' } }],
    ['PATCH', `/v3/projects/${project}`, { project: { enabled: false } }],
    ['DELETE', `/v3/projects/${project}`],
    ['POST', '/v3/domains', { domain: { name: 'n' } }],
    ['PATCH', `/v3/domains/${domain}`, { domain: { enabled: false } }],
    ['DELETE', `/v3/domains/${domain}`],
    ['POST', '/v3/roles', { role: { name: 'n' } }],
    ['PATCH', `/v3/roles/${role}`, { role: { name: 'n' } }],
    ['DELETE', `/v3/roles/${role}`],
    ['PUT', `/v3/roles/${role}/implies/${other}`],
    ['DELETE', `/v3/roles/${role}/implies/${other}`],
    ['POST', '/v3/regions', { region: { id: 'n' } }],
    ['PUT', '/v3/regions/n', { region: {} }],
    ['PATCH', `/v3/regions/${region}`, { region: {} }],
    ['DELETE', `/v3/regions/${region}`],
    ['POST', '/v3/services', { service: { type: 'n' } }],
    ['PATCH', `/v3/services/${service}`, { service: {} }],
    ['DELETE', `/v3/services/${service}`],
    ['POST', '/v3/endpoints', { endpoint: { service_id: service, interface: 'public', url: 'http://x' } }],
    ['PATCH', `/v3/endpoints/${endpoint}`, { endpoint: {} }],
    ['DELETE', `/v3/endpoints/${endpoint}`],
    ['DELETE', '/v3/auth/tokens'],
    ...grants.flatMap((path): [string, string][] => [
      ['PUT', `/v3/${path}/roles/${role}`],
      ['DELETE', `/v3/${path}/roles/${role}`],
    ]),
    ...inherited.flatMap((path): [string, string][] => [
      ['PUT', `/v3/OS-INHERIT/${path}/roles/${role}/inherited_to_projects`],
      ['DELETE', `/v3/OS-INHERIT/${path}/roles/${role}/inherited_to_projects`],
    ]),
  ]
}

test('nobody but an administrator of the cloud changes anything', async () => {
  for (const [kind, caller] of Object.entries(callers))
    for (const [method, path, body] of changes()) assert.equal((await caller(method, path, body)).status, 403, `${kind}: ${method} ${path}`)
})

test('nobody changes anything without a token', async () => {
  for (const [method, path, body] of changes()) assert.equal((await identity.call(method, path, body)).status, 401, `${method} ${path}`)
})

test('the list of changes above is complete: every route that changes something is in it', async () => {
  const { paths } = (await identity.call('GET', '/openapi.json')).body as { paths: Record<string, Record<string, unknown>> }
  assert.ok(Object.keys(paths).length > 30)
  const covered = changes().map(([method, path]) => ({ method, path }))
  for (const [path, operations] of Object.entries(paths))
    for (const method of Object.keys(operations).map((name) => name.toUpperCase())) {
      if (['GET', 'HEAD', 'OPTIONS'].includes(method) || (method === 'POST' && path === '/v3/auth/tokens')) continue
      const pattern = new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`)
      assert.ok(
        covered.some((one) => one.method === method && pattern.test(one.path)),
        `${method} ${path} is not tested`,
      )
    }
})

test('reading: the system reader sees all, a domain reader their domain, others themselves', async () => {
  const lists = [
    '/v3/users',
    '/v3/projects',
    '/v3/groups',
    '/v3/domains',
    '/v3/roles',
    '/v3/services',
    '/v3/endpoints',
    '/v3/role_assignments',
  ]
  for (const path of lists) {
    assert.equal((await callers['system reader']!('GET', path)).status, 200, path)
    for (const kind of ['project reader', 'project member', 'project admin', 'project operator', 'unscoped'])
      assert.equal((await callers[kind]!('GET', path)).status, 403, `${kind} ${path}`)
  }
  const inDomain = callers['domain reader']!
  await admin('POST', '/v3/users', { user: { name: 'foreigner', domain_id: ids['domain'] } })
  const seen = (await inDomain('GET', '/v3/users')).body.users as { domain_id: string }[]
  assert.ok(seen.length > 0 && seen.every((user) => user.domain_id === 'default'))
  assert.equal((await inDomain('GET', `/v3/users?domain_id=${ids['domain']}`)).status, 403)
  const foreigner = (await admin('GET', '/v3/users?name=foreigner')).body.users[0].id
  assert.equal((await inDomain('GET', `/v3/users/${foreigner}`)).status, 403)
})

// Attacks row 23.
test('a guessed id and an invented one get the same answer', async () => {
  const caller = callers['project member']!
  for (const [kind, id] of Object.entries(ids)) {
    if (!['user', 'project', 'group', 'domain', 'service', 'endpoint'].includes(kind)) continue
    const real = await caller('GET', `/v3/${kind}s/${id}`)
    const invented = await caller('GET', `/v3/${kind}s/${'0'.repeat(32)}`)
    assert.equal(real.status, 403)
    assert.deepEqual([invented.status, invented.body], [real.status, real.body])
  }
  const own = await admin('GET', `/v3/users/${ids['user']}/application_credentials/${'0'.repeat(32)}`)
  assert.equal(own.status, 404)
})

test('users see themselves', async () => {
  const member = await makeMember(admin, { role: 'reader' })
  const caller = identity.as((await member.signIn(identity)).headers['x-subject-token']!)
  for (const path of ['', '/groups', '/projects', '/application_credentials'])
    assert.equal((await caller('GET', `/v3/users/${member.id}${path}`)).status, 200, path)
  assert.equal((await caller('GET', `/v3/role_assignments?user.id=${member.id}`)).status, 200)
  assert.equal((await caller('GET', `/v3/role_assignments?user.id=${ids['user']}`)).status, 403)
  assert.equal((await caller('GET', `/v3/projects/${member.projectId}`)).status, 200)
  assert.equal((await caller('GET', `/v3/users/${ids['user']}`)).status, 403)
})

test('the service account may read what validators need; members may not', async () => {
  const password = new TextDecoder().decode(await identity.site.world.files.read(identity.site.config.identity.servicePasswordFile)).trim()
  const service = identity.as((await identity.signIn('dcmanager', password)).headers['x-subject-token']!)
  assert.equal((await service('GET', '/v3/murmuration/trust')).status, 200)
  for (const [kind, caller] of Object.entries(callers)) assert.equal((await caller('GET', '/v3/murmuration/trust')).status, 403, kind)
})

test('every rule says what it is for', () => {
  for (const rule of policies) assert.ok(rule.description.length > 5, rule.name)
  assert.equal(new Set(policies.map((rule) => rule.name)).size, policies.length)
})
