import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createIdentityService } from '@murmuration/identity'
import { loadSiteConfig, openSite, type Service, type Site } from '@murmuration/site'
import { createRealWorld, type Listening, type World } from '@murmuration/world'
import { freePort } from './testing/free-port.ts'
import { openstackClient, openstackCommand, readOpenrc, type OpenstackClient } from './testing/openstack.ts'

/**
 * The unmodified command-line client of the distribution against the identity service on a real port. Each call starts a
 * python (1.5 s), so a test tells one whole story.
 */

let world: World
let folder: string
let site: Site
let service: Service
let listening: Listening
let environment: Record<string, string>
let admin: OpenstackClient

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'openstack-identity-'))
  const port = await freePort()
  const file = join(folder, 'site.yaml')
  await writeFile(
    file,
    ['name: controller', 'role: system-controller', `varFolder: ${folder}`, 'address: 127.0.0.1', 'ports:', `  identity: ${port}`, ''].join(
      '\n',
    ),
  )
  world = createRealWorld({ log: { level: 'error' } })
  site = await openSite(world, await loadSiteConfig(world, file, {}))
  service = await createIdentityService(site)
  listening = await world.net.serve({ host: '127.0.0.1', port }, service.apps[0]!.endpoint)
  await service.start()
  environment = readOpenrc(await readFile(join(folder, 'openrc'), 'utf8'))
  admin = openstackClient(environment)
})

after(async () => {
  await listening?.close(0)
  await service?.stop()
  await site?.close()
  await world?.net.close()
  await rm(folder, { recursive: true, force: true })
})

const as = (user: string, password: string, project: string): OpenstackClient =>
  openstackClient({ ...environment, OS_USERNAME: user, OS_PASSWORD: password, OS_PROJECT_NAME: project })

const skip = existsSync(openstackCommand) ? false : `${openstackCommand} is not installed (Debian: python3-openstackclient)`

test('openrc is private and enough to get a token and the catalog', { skip }, async () => {
  assert.equal((await stat(join(folder, 'openrc'))).mode & 0o777, 0o600)
  const token = await admin.json<{ id: string; project_id: string; user_id: string; expires: string }>('token', 'issue')
  assert.ok(token.id.length > 100 && token.project_id.length === 32 && token.user_id.length === 32)
  const catalog = await admin.json<{ Name: string; Type: string; Endpoints: { region: string; interface: string; url: string }[] }[]>(
    'catalog',
    'list',
  )
  const byType = new Map(catalog.map((entry) => [entry.Type, entry]))
  assert.deepEqual([...byType.keys()].sort(), ['dcmanager', 'identity', 'image', 'platform'])
  const dcmanager = byType.get('dcmanager')!.Endpoints.find((endpoint) => endpoint.interface === 'public')!
  assert.equal(dcmanager.region, 'SystemController')
  assert.match(dcmanager.url, /\/v1\.0$/)
})

test('project, user, group and role assignments', { skip }, async () => {
  const project = await admin.json<{ id: string; name: string; domain_id: string }>('project', 'create', '--description', 'north', 'north')
  const user = await admin.json<{ id: string; name: string; email: string }>(
    'user',
    'create',
    '--project',
    'north',
    '--password',
    'wren-7-wren',
    '--email',
    'ann@example.org',
    'ann',
  )
  assert.deepEqual([project.domain_id, user.email], ['default', 'ann@example.org'])
  await admin.ok('role', 'add', '--user', 'ann', '--project', 'north', 'member')
  await admin.ok('group', 'create', 'ops')
  await admin.ok('group', 'add', 'user', 'ops', 'ann')
  await admin.ok('role', 'add', '--group', 'ops', '--project', 'north', '--inherited', 'operator')

  const direct = await admin.json<{ Role: string; User: string; Group: string; Project: string; Inherited: boolean }[]>(
    'role',
    'assignment',
    'list',
    '--project',
    'north',
    '--names',
  )
  assert.deepEqual(
    direct.map((row) => `${row.Role}: ${row.User || row.Group} on ${row.Project}${row.Inherited ? ' and below' : ''}`).sort(),
    ['member: ann@Default on north@Default', 'operator: ops@Default on north@Default and below'],
  )
  const effective = await admin.json<{ Role: string }[]>(
    'role',
    'assignment',
    'list',
    '--user',
    'ann',
    '--project',
    'north',
    '--effective',
    '--names',
  )
  assert.deepEqual(effective.map((row) => row.Role).sort(), ['member', 'reader'])

  const ann = as('ann', 'wren-7-wren', 'north')
  assert.equal((await ann.json<{ project_id: string }>('token', 'issue')).project_id, project.id)
  assert.match(await ann.refused('user', 'list'), /not authorized to perform the requested action.*HTTP 403/)

  await admin.ok('user', 'set', '--description', 'tends the north', 'ann')
  const shown = await admin.json<{ description: string; enabled: boolean; default_project_id: string }>('user', 'show', 'ann')
  assert.deepEqual([shown.description, shown.enabled, shown.default_project_id], ['tends the north', true, project.id])
})

test('application credential: created once, signs in, is deleted', { skip }, async () => {
  const ann = as('ann', 'wren-7-wren', 'north')
  const made = await ann.json<{ id: string; secret: string; roles: string; unrestricted: boolean }>(
    'application',
    'credential',
    'create',
    '--role',
    'reader',
    'robot',
  )
  assert.equal(made.unrestricted, false)
  const robot = openstackClient({
    OS_AUTH_URL: environment['OS_AUTH_URL']!,
    OS_AUTH_TYPE: 'v3applicationcredential',
    OS_APPLICATION_CREDENTIAL_ID: made.id,
    OS_APPLICATION_CREDENTIAL_SECRET: made.secret,
    OS_IDENTITY_API_VERSION: '3',
  })
  assert.ok((await robot.json<{ id: string }>('token', 'issue')).id.length > 100)
  const listed = await ann.json<{ Name: string }[]>('application', 'credential', 'list')
  assert.deepEqual(
    listed.map((row) => row.Name),
    ['robot'],
  )
  await ann.ok('application', 'credential', 'delete', 'robot')
})

test('password: set by its owner and by the administrator', { skip }, async () => {
  const ann = as('ann', 'wren-7-wren', 'north')
  await ann.ok('user', 'password', 'set', '--original-password', 'wren-7-wren', '--password', 'finch-8-finch')
  await admin.ok('user', 'set', '--password', 'robin-9-robin', 'ann')
  assert.match(await as('ann', 'finch-8-finch', 'north').refused('token', 'issue'), /HTTP 401/)
  const now = as('ann', 'robin-9-robin', 'north')
  await now.ok('token', 'issue')
  await admin.ok('role', 'remove', '--user', 'ann', '--project', 'north', 'member')
  assert.match(await now.refused('token', 'issue'), /HTTP 401/)
})

test('domain, region, service and endpoint', { skip }, async () => {
  await admin.ok('domain', 'create', '--description', 'guests', 'guests')
  await admin.ok('role', 'create', 'birdwatcher')
  await admin.ok('role', 'delete', 'birdwatcher')
  assert.match(await admin.refused('domain', 'delete', 'guests'), /disable it first.*HTTP 403/)
  await admin.ok('domain', 'set', '--disable', 'guests')
  await admin.ok('domain', 'delete', 'guests')

  await admin.ok('region', 'create', '--description', 'far', 'far')
  const created = await admin.json<{ id: string }>('service', 'create', '--name', 'nest', '--description', 'x', 'object-store')
  const endpoint = await admin.json<{ id: string; url: string }>(
    'endpoint',
    'create',
    '--region',
    'far',
    'nest',
    'public',
    'http://127.0.0.1:8080/v1',
  )
  await admin.ok('endpoint', 'set', '--url', 'http://127.0.0.1:8081/v1', endpoint.id)
  const listed = await admin.json<{ URL: string; 'Service Type': string }[]>('endpoint', 'list', '--service', 'nest')
  assert.deepEqual(
    listed.map((row) => [row.URL, row['Service Type']]),
    [['http://127.0.0.1:8081/v1', 'object-store']],
  )
  await admin.ok('service', 'delete', created.id)
  await admin.ok('region', 'delete', 'far')
})

test('what is deleted is gone', { skip }, async () => {
  await admin.ok('user', 'delete', 'ann')
  await admin.ok('group', 'delete', 'ops')
  await admin.ok('project', 'delete', 'north')
  assert.match(await admin.refused('user', 'show', 'ann'), /No user with a name or ID of 'ann' exists/)
})
