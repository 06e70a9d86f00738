import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { makeMember, roleId } from '../testing/people.ts'
import { onEachEngine } from '../testing/engines.ts'
import { startIdentity, type Caller, type TestIdentity } from '../testing/site.ts'

let identity: TestIdentity
let admin: Caller
onEachEngine(
  'resources',
  async (url) => {
    identity = await startIdentity({ url })
    admin = await identity.admin()
  },
  () => identity.stop(),
  suite,
)

function suite(): void {
  test('every resource: create, show, list, change, refuse a taken name, delete', async () => {
    const kinds = [
      { one: 'user', many: 'users', change: { email: 'a@b' } },
      { one: 'group', many: 'groups', change: { description: 'x' } },
      { one: 'project', many: 'projects', change: { description: 'x', tags: ['a', 'b'] } },
      { one: 'domain', many: 'domains', change: { enabled: false } },
      { one: 'role', many: 'roles', change: { description: 'x' } },
    ]
    for (const { one, many, change } of kinds) {
      const name = `a ${one} Ünï`
      const created = await admin('POST', `/v3/${many}`, { [one]: { name, colour: 'green' } })
      assert.equal(created.status, 201, one)
      const made = created.body[one]
      assert.deepEqual([made.name, made.colour, made.links.self], [name, 'green', `http://identity.test:5000/v3/${many}/${made.id}`])
      const again = await admin('POST', `/v3/${many}`, { [one]: { name } })
      assert.deepEqual([again.status, again.body.error.title], [409, 'Conflict'], one)
      assert.match(
        again.body.error.message,
        new RegExp(`^Conflict occurred attempting to store ${one} - Duplicate entry found with name ${name}`),
      )
      const listed = (await admin('GET', `/v3/${many}?name=${encodeURIComponent(name)}`)).body[many]
      assert.deepEqual(
        listed.map((row: { id: string }) => row.id),
        [made.id],
      )
      const changed = await admin('PATCH', `/v3/${many}/${made.id}`, { [one]: { ...change, colour: null } })
      assert.equal(changed.status, 200, JSON.stringify(changed.body))
      const shown = (await admin('GET', `/v3/${many}/${made.id}`)).body[one]
      assert.deepEqual(shown, changed.body[one])
      for (const [member, value] of Object.entries(change)) assert.deepEqual(shown[member], value)
      assert.equal('colour' in shown, false)
      assert.equal((await admin('DELETE', `/v3/${many}/${made.id}`)).status, 204)
      const gone = await admin('GET', `/v3/${many}/${made.id}`)
      assert.deepEqual(gone.body, { error: { code: 404, message: `Could not find ${one}: ${made.id}.`, title: 'Not Found' } })
      assert.equal((await admin('DELETE', `/v3/${many}/${made.id}`)).status, 404)
      assert.equal((await admin('PATCH', `/v3/${many}/${made.id}`, { [one]: {} })).status, 404)
    }
  })

  test('parallel creations of one name: one wins', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => admin('POST', '/v3/projects', { project: { name: 'only-one' } })))
    assert.deepEqual(
      answers.map((answer) => answer.status).toSorted((a, b) => a - b),
      [201, ...Array.from({ length: 9 }, () => 409)],
    )
  })

  test('pages follow links.next and hold everything once, in order', async () => {
    for (let i = 0; i < 7; i++) await admin('POST', '/v3/groups', { group: { name: `page-${i}` } })
    const names: string[] = []
    let path: string | undefined = '/v3/groups?limit=3'
    while (path !== undefined) {
      const { body } = await admin('GET', path)
      names.push(...body.groups.map((group: { name: string }) => group.name))
      path = body.links.next === null ? undefined : String(body.links.next).replace('http://identity.test:5000', '')
      assert.ok(names.length < 50)
    }
    assert.deepEqual(names, names.toSorted())
    assert.equal(new Set(names).size, names.length)
    assert.ok(names.length >= 7)
    const odd = (await admin('GET', '/v3/groups?name=who?me&limit=1')).body.links.self
    assert.equal(odd, 'http://identity.test:5000/v3/groups?name=who?me&limit=1')
  })

  test('limits, markers and filters of a hostile kind are 400 or empty', async () => {
    for (const limit of ['0', '-1', '1000000000', '1e9', 'x', '1&limit=2'])
      assert.equal((await admin('GET', `/v3/users?limit=${limit}`)).status, 400, limit)
    for (const marker of ['x', 'WyIrc29ydCwrIiwxXQ', '%00', '[]'])
      assert.equal((await admin('GET', `/v3/users?limit=1&marker=${marker}`)).status, 400, marker)
    assert.deepEqual((await admin('GET', `/v3/users?name=${encodeURIComponent("' or 1=1 --")}`)).body.users, [])
    assert.deepEqual((await admin('GET', '/v3/users?name=(a%2B)%2B%24')).body.users, [])
  })

  test('enabled as Keystone reads it', async () => {
    await admin('POST', '/v3/users', { user: { name: 'sleeper', enabled: false } })
    const names = async (query: string) => (await admin('GET', `/v3/users?${query}`)).body.users.map((user: { name: string }) => user.name)
    assert.deepEqual(await names('enabled=false'), ['sleeper'])
    assert.deepEqual(await names('enabled=0&name=sleeper'), ['sleeper'])
    assert.deepEqual(await names('enabled=True&name=sleeper'), [])
  })

  test('a domain: in use it stays, disabled it keeps its users out, deleted it takes all with it', async () => {
    const { domain } = (await admin('POST', '/v3/domains', { domain: { name: 'guests' } })).body
    const { project } = (await admin('POST', '/v3/projects', { project: { name: 'p', domain_id: domain.id } })).body
    const { user } = (
      await admin('POST', '/v3/users', {
        user: { name: 'guest', domain_id: domain.id, password: 'guest-1', default_project_id: project.id },
      })
    ).body
    await admin('PUT', `/v3/projects/${project.id}/users/${user.id}/roles/${await roleId(admin, 'member')}`)
    const enter = () =>
      identity.call('POST', '/v3/auth/tokens', {
        auth: {
          identity: { methods: ['password'], password: { user: { name: 'guest', domain: { name: 'guests' }, password: 'guest-1' } } },
        },
      })
    const token = (await enter()).headers['x-subject-token']!
    assert.equal((await admin('DELETE', `/v3/domains/${domain.id}`)).status, 403)
    assert.equal((await admin('PATCH', `/v3/domains/${domain.id}`, { domain: { enabled: false } })).status, 200)
    assert.equal((await identity.as(token)('GET', '/v3/auth/projects')).status, 401)
    assert.equal((await enter()).status, 401)
    await admin('PATCH', `/v3/domains/${domain.id}`, { domain: { enabled: true } })
    assert.equal((await enter()).status, 201)
    assert.equal((await identity.as(token)('GET', '/v3/auth/projects')).status, 401)

    await admin('PATCH', `/v3/domains/${domain.id}`, { domain: { enabled: false } })
    assert.equal((await admin('DELETE', `/v3/domains/${domain.id}`)).status, 204)
    assert.equal((await admin('GET', `/v3/users/${user.id}`)).status, 404)
    assert.equal((await admin('GET', `/v3/projects/${project.id}`)).status, 404)
    assert.equal((await admin('GET', `/v3/role_assignments?user.id=${user.id}`)).body.role_assignments.length, 0)
    for (const [method, body] of [['DELETE'], ['PATCH', { domain: { enabled: false } }]] as const)
      assert.equal((await admin(method, '/v3/domains/default', body)).status, 403)
  })

  test('projects stand in a tree: depth, leaves, enabled children, one domain', async () => {
    const make = async (name: string, parent?: string) =>
      admin('POST', '/v3/projects', { project: { name, ...(parent === undefined ? {} : { parent_id: parent }) } })
    let parent = (await make('level-1')).body.project
    const top = parent
    for (let level = 2; level <= 4; level++) parent = (await make(`level-${level}`, parent.id)).body.project
    const deepest = await make('level-5', parent.id)
    const tooDeep = deepest.status === 201 ? await make('level-6', deepest.body.project.id) : deepest
    assert.equal(tooDeep.status, 403)
    assert.equal((await admin('DELETE', `/v3/projects/${top.id}`)).status, 403)
    assert.equal((await admin('PATCH', `/v3/projects/${top.id}`, { project: { enabled: false } })).status, 403)
    assert.equal((await make('x', 'f'.repeat(32))).status, 404)
    const { domain } = (await admin('POST', '/v3/domains', { domain: { name: 'elsewhere' } })).body
    const across = await admin('POST', '/v3/projects', { project: { name: 'x', domain_id: domain.id, parent_id: top.id } })
    assert.equal(across.status, 400)
  })

  test('assignments: direct, by group, inherited, implied; listed as they are and as they work', async () => {
    const member = await makeMember(admin, { role: 'manager' })
    const { group } = (await admin('POST', '/v3/groups', { group: { name: 'team' } })).body
    await admin('PUT', `/v3/groups/${group.id}/users/${member.id}`)
    const { project: child } = (await admin('POST', '/v3/projects', { project: { name: 'child', parent_id: member.projectId } })).body
    const operator = await roleId(admin, 'operator')
    const inherited = `/v3/OS-INHERIT/projects/${member.projectId}/groups/${group.id}/roles/${operator}/inherited_to_projects`
    assert.equal((await admin('HEAD', inherited)).status, 404)
    assert.equal((await admin('PUT', inherited)).status, 204)
    assert.equal((await admin('PUT', inherited)).status, 204)
    assert.equal((await admin('HEAD', inherited)).status, 204)
    assert.equal((await admin('GET', inherited)).status, 204)

    const list = async (query: string) =>
      (await admin('GET', `/v3/role_assignments?include_names&${query}`)).body.role_assignments.map(
        (entry: { role: { name: string }; scope: { project?: { name: string }; 'OS-INHERIT:inherited_to'?: string } }) =>
          `${entry.role.name} on ${entry.scope.project?.name}${entry.scope['OS-INHERIT:inherited_to'] === undefined ? '' : ' and below'}`,
      )
    const own = `project-${member.name.split('-')[1]}`
    assert.deepEqual(await list(`user.id=${member.id}`), [`manager on ${own}`])
    assert.deepEqual(await list(`group.id=${group.id}`), [`operator on ${own} and below`])
    const effective = await list(`user.id=${member.id}&effective`)
    assert.deepEqual(effective.toSorted(), [`manager on ${own}`, `member on ${own}`, 'operator on child', `reader on ${own}`])
    assert.deepEqual(await list(`user.id=${member.id}&effective&scope.project.id=${child.id}`), ['operator on child'])
    assert.equal((await list(`effective&role.id=${operator}`)).length, 1)
    assert.equal((await list(`scope.project.id=${member.projectId}&include_subtree=true`)).length, 2)

    const [entry] = (await admin('GET', `/v3/role_assignments?user.id=${member.id}&effective&role.id=${operator}`)).body.role_assignments
    assert.match(entry.links.assignment, /OS-INHERIT\/projects\/.*inherited_to_projects$/)
    assert.match(entry.links.membership, new RegExp(`/groups/${group.id}/users/${member.id}$`))

    const inChild = await identity.signIn(member.name, member.password, { project: { id: child.id } })
    assert.deepEqual(
      inChild.body.token.roles.map((role: { name: string }) => role.name),
      ['operator'],
    )
    const here = await identity.signIn(member.name, member.password, { project: { id: member.projectId } })
    assert.deepEqual(
      here.body.token.roles.map((role: { name: string }) => role.name),
      ['manager', 'member', 'reader'],
    )
    assert.deepEqual(
      (await identity.as(here.headers['x-subject-token']!)('GET', '/v3/auth/projects')).body.projects
        .map((project: { name: string }) => project.name)
        .toSorted(),
      ['child', own].toSorted(),
    )
    assert.equal((await admin('DELETE', inherited)).status, 204)
    assert.equal((await admin('DELETE', inherited)).status, 404)
    assert.equal((await identity.signIn(member.name, member.password, { project: { id: child.id } })).status, 401)
  })

  test('an assignment of things that are not there is 404', async () => {
    const member = await makeMember(admin, {})
    const reader = await roleId(admin, 'reader')
    const none = '0'.repeat(32)
    for (const path of [
      `/v3/projects/${none}/users/${member.id}/roles/${reader}`,
      `/v3/projects/${member.projectId}/users/${none}/roles/${reader}`,
      `/v3/projects/${member.projectId}/groups/${none}/roles/${reader}`,
      `/v3/projects/${member.projectId}/users/${member.id}/roles/${none}`,
      `/v3/domains/${member.projectId}/users/${member.id}/roles/${reader}`,
      `/v3/system/users/${none}/roles/${reader}`,
    ])
      for (const method of ['PUT', 'HEAD', 'DELETE']) assert.equal((await admin(method, path)).status, 404, `${method} ${path}`)
  })

  test('implied roles: no circles; taking an implication away ends the tokens that lived by it', async () => {
    const [prior, implied] = [await roleId(admin, 'configurator'), await roleId(admin, 'operator')]
    const path = `/v3/roles/${prior}/implies/${implied}`
    assert.equal((await admin('PUT', path)).status, 201)
    assert.equal((await admin('HEAD', path)).status, 200)
    assert.equal((await admin('PUT', `/v3/roles/${implied}/implies/${prior}`)).status, 403)
    assert.equal((await admin('PUT', `/v3/roles/${prior}/implies/${prior}`)).status, 403)
    const member = await makeMember(admin, { role: 'configurator' })
    const answer = await member.signIn(identity)
    assert.deepEqual(
      answer.body.token.roles.map((role: { name: string }) => role.name),
      ['configurator', 'operator'],
    )
    const inference = (await admin('GET', `/v3/roles/${prior}/implies`)).body.role_inference
    assert.deepEqual(
      inference.implies.map((role: { name: string }) => role.name),
      ['operator'],
    )
    assert.equal((await admin('DELETE', path)).status, 204)
    assert.equal((await identity.as(answer.headers['x-subject-token']!)('GET', '/v3/auth/projects')).status, 401)
    assert.equal((await admin('DELETE', path)).status, 404)
  })

  test('the default roles are immutable until that is lifted', async () => {
    const id = await roleId(admin, 'member')
    const refused = await admin('DELETE', `/v3/roles/${id}`)
    assert.deepEqual([refused.status, refused.body.error.title], [403, 'Forbidden'])
    assert.equal((await admin('PATCH', `/v3/roles/${id}`, { role: { name: 'x' } })).status, 403)
    assert.equal((await admin('PATCH', `/v3/roles/${id}`, { role: { description: 'y', options: { immutable: false } } })).status, 200)
    assert.equal((await admin('PATCH', `/v3/roles/${id}`, { role: { options: { immutable: true } } })).status, 200)
  })

  test('user options are kept; what would promise a protection that is not here is refused', async () => {
    const ask = async (options: unknown) =>
      admin('POST', '/v3/users', { user: { name: `o-${identity.site.world.random.uuid()}`, options } })
    assert.deepEqual((await ask({ ignore_password_expiry: true, multi_factor_auth_rules: [['password']] })).body.user.options, {
      ignore_password_expiry: true,
      multi_factor_auth_rules: [['password']],
    })
    for (const options of [{ multi_factor_auth_enabled: true }, { unheard_of: 1 }, { lock_password: 'yes' }, []])
      assert.equal((await ask(options)).status, 400, JSON.stringify(options))
    const member = await makeMember(admin, { role: 'member' })
    await admin('PATCH', `/v3/users/${member.id}`, { user: { options: { lock_password: true } } })
    const caller = identity.as((await member.signIn(identity)).headers['x-subject-token']!)
    const change = { user: { original_password: member.password, password: 'x' } }
    assert.equal((await caller('POST', `/v3/users/${member.id}/password`, change)).status, 400)
  })

  test('no answer shows a password or a hash', async () => {
    const { user } = (await admin('POST', '/v3/users', { user: { name: 'quiet', password: 'sesame-open', email: 'q@x' } })).body
    for (const path of [`/v3/users/${user.id}`, '/v3/users', `/v3/users?name=quiet`]) {
      const text = JSON.stringify((await admin('GET', path)).body)
      assert.ok(!text.includes('sesame') && !text.includes('argon2') && !text.includes('password_hash'), path)
    }
    const refused = await admin('POST', '/v3/users', { user: { name: 'quiet', password: 'sesame-open' } })
    assert.ok(!JSON.stringify(refused.body).includes('sesame'))
    const invalid = await admin('POST', '/v3/users', { user: { name: 5, password: 'sesame-open' } })
    assert.equal(invalid.status, 400)
    assert.match(invalid.body.error.message, /Invalid input for field '?user\.name/)
    assert.ok(!JSON.stringify(invalid.body).includes('sesame'))
  })

  test('catalog: regions in use stay, circles and unknown parts are refused, addresses are addresses', async () => {
    await admin('POST', '/v3/regions', { region: { id: 'north', parent_region_id: 'RegionOne' } })
    assert.equal((await admin('PATCH', '/v3/regions/RegionOne', { region: { parent_region_id: 'north' } })).status, 400)
    assert.equal((await admin('POST', '/v3/regions', { region: { id: 'north' } })).status, 409)
    assert.equal((await admin('DELETE', '/v3/regions/RegionOne')).status, 403)
    const { service } = (await admin('POST', '/v3/services', { service: { type: 'dns', name: 'd' } })).body
    const endpoint = (wish: object) =>
      admin('POST', '/v3/endpoints', { endpoint: { service_id: service.id, interface: 'public', url: 'http://x/$(tenant_id)s', ...wish } })
    assert.equal((await endpoint({ region_id: 'nowhere' })).status, 404)
    assert.equal((await endpoint({ service_id: 'nothing' })).status, 404)
    assert.equal((await endpoint({ interface: 'secret' })).status, 400)
    for (const url of ['', 'x', 'javascript:alert(1)', 'http://a b']) assert.equal((await endpoint({ url })).status, 400, url)
    // OSSA-2014-029: nothing in an address is expanded.
    assert.equal((await endpoint({ region_id: 'north' })).body.endpoint.url, 'http://x/$(tenant_id)s')
    const entry = (await admin('GET', '/v3/auth/catalog')).body.catalog.find((one: { type: string }) => one.type === 'dns')
    assert.equal(entry.endpoints[0].url, 'http://x/$(tenant_id)s')
    await admin('PATCH', `/v3/services/${service.id}`, { service: { enabled: false } })
    assert.ok(!(await admin('GET', '/v3/auth/catalog')).body.catalog.some((one: { type: string }) => one.type === 'dns'))
  })

  test('malformed bodies and paths are never our fault', async () => {
    const paths = ['/v3/users', '/v3/groups', '/v3/projects', '/v3/domains', '/v3/roles', '/v3/regions', '/v3/services', '/v3/endpoints']
    const value = fc.oneof(
      fc.json(),
      fc.constantFrom('{"user":{"name":"a\\u0000"}}', '{"user":{"name":"\\ud800"}}', '{"role":{"name":"  "}}', '[', 'nul'),
    )
    const segment = fc.oneof(fc.string({ maxLength: 20 }), fc.constantFrom('%00', '..', '%2e%2e', '%ff', "'", '%'))
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), value, segment, async (path, body, id) => {
        const created = await admin('POST', path, body)
        assert.ok(created.status < 500, `POST ${path} ${body}: ${created.status}`)
        const url = `${path}/${id.startsWith('%') ? id : encodeURIComponent(id)}`
        for (const method of ['GET', 'PATCH', 'DELETE']) {
          const answer = await admin(method, url, method === 'PATCH' ? body : undefined)
          assert.ok(answer.status < 500, `${method} ${url} ${body}: ${answer.status}`)
        }
      }),
      { numRuns: 80 },
    )
  })

  // Attacks row 1.
  test('prototype names in a body are refused and change nothing', async () => {
    for (const body of [
      '{"user":{"name":"x","__proto__":{"admin":true}}}',
      '{"user":{"name":"x","constructor":{"prototype":{"admin":true}}}}',
    ])
      assert.equal((await admin('POST', '/v3/users', body)).status, 400)
    assert.equal(({} as { admin?: boolean }).admin, undefined)
  })

  test('discovery: / lists versions with 300, /v3 shows one, the Host header can not smuggle text in', async () => {
    const root = await identity.call('GET', '/')
    assert.deepEqual([root.status, root.body.versions.values[0].id], [300, 'v3.14'])
    const v3 = await identity.call('GET', '/v3/')
    assert.deepEqual([v3.status, v3.body.version.links[0].href], [200, 'http://identity.test:5000/v3/'])
    const odd = await identity.call('GET', '/v3', undefined, { host: 'x"><script>' })
    assert.ok(!JSON.stringify(odd.body).includes('script'))
    assert.equal((await identity.call('PUT', '/v3')).status, 405)
    assert.equal((await identity.call('GET', '/v2.0/tokens')).status, 404)
  })
}
