import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createIdentityService } from '@murmuration/identity'
import { createImageService } from '@murmuration/image'
import { loadSiteConfig, openSite, type Service, type Site } from '@murmuration/site'
import { createRealWorld, type Listening, type World } from '@murmuration/world'
import { freePort } from './testing/free-port.ts'
import { openstackCommand, readOpenrc, type OpenstackClient } from './testing/openstack.ts'
import { startPythonClients, type PythonClients } from './testing/python-clients.ts'

/** The unmodified command-line clients of the distribution (reference image §1.16) against the image service on real ports, with identity and catalog of the site. */

let world: World
let folder: string
let site: Site
const services: Service[] = []
const listening: Listening[] = []
let clients: PythonClients
let admin: OpenstackClient
let glance: OpenstackClient

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'openstack-image-'))
  const [identity, image, registry] = [await freePort(), await freePort(), await freePort()]
  const file = join(folder, 'site.yaml')
  await writeFile(
    file,
    `name: controller\nrole: system-controller\nvarFolder: ${folder}\naddress: 127.0.0.1\nports:\n  identity: ${identity}\n  image: ${image}\n  imageRegistry: ${registry}\nimage:\n  stores: ['local=file:images', 'second=file:second']\n  importPorts: [80, 443, ${identity}]\n  importNetworks: [127.0.0.0/8]\n`,
  )
  world = createRealWorld({ log: { level: 'error' } })
  site = await openSite(world, await loadSiteConfig(world, file, {}))
  for (const create of [createIdentityService, createImageService]) {
    const service = await create(site)
    services.push(service)
    for (const app of service.apps)
      for (const address of app.listen)
        if (address.tls === undefined || app.name === 'image-registry') listening.push(await world.net.serve(address, app.endpoint))
    await service.start()
  }
  clients = startPythonClients(readOpenrc(await readFile(join(folder, 'openrc'), 'utf8')), folder)
  admin = clients.openstack
  glance = clients.glance
})

after(async () => {
  clients?.stop()
  await Promise.all(listening.map((one) => one.close(0)))
  for (const service of services.toReversed()) await service.stop()
  await site?.close()
  await world?.net.close()
  await rm(folder, { recursive: true, force: true })
})

const skip = existsSync(openstackCommand) ? false : `${openstackCommand} is not installed (Debian: python3-openstackclient)`

interface Shown {
  readonly id: string
  readonly name: string
  readonly status: string
  readonly size: number | null
  readonly checksum: string | null
  readonly visibility: string
  readonly properties: Readonly<Record<string, string>>
}

const filesIn = async (where: string): Promise<string[]> =>
  (await readdir(where, { recursive: true, withFileTypes: true }).catch(() => [])).filter((one) => one.isFile()).map((one) => one.name)

test('an image goes up, comes back the same, and leaves nothing behind', { skip }, async () => {
  const bytes = randomBytes(3_000_000)
  const source = join(folder, 'source.raw')
  await writeFile(source, bytes)
  const created = await admin.json<Shown>(
    'image',
    'create',
    '--disk-format',
    'raw',
    '--container-format',
    'bare',
    '--file',
    source,
    'north',
  )
  const shown = await admin.json<Shown>('image', 'show', 'north')
  assert.equal(shown.id, created.id)
  assert.equal(shown.status, 'active')
  assert.equal(shown.size, bytes.length)
  assert.equal(shown.checksum, createHash('md5').update(bytes).digest('hex'))
  assert.equal(shown.properties['os_hash_value'], createHash('sha512').update(bytes).digest('hex'))
  assert.equal((await filesIn(join(folder, 'images'))).length, 1)

  const back = join(folder, 'back.raw')
  await admin.ok('image', 'save', '--file', back, 'north')
  assert.ok(bytes.equals(await readFile(back)))

  const listed = await admin.json<{ ID: string; Name: string; Status: string }[]>('image', 'list')
  assert.deepEqual(listed, [{ ID: created.id, Name: 'north', Status: 'active' }])
  await admin.ok('image', 'delete', 'north')
  assert.deepEqual(await admin.json('image', 'list'), [])
  assert.match(await admin.refused('image', 'show', 'north'), /No Image found for north|Could not find resource/)
  assert.deepEqual(await filesIn(join(folder, 'images')), [])
})

test('every verb of openstack image', { skip }, async () => {
  const source = join(folder, 'small.raw')
  await writeFile(source, 'small')
  await admin.ok('project', 'create', 'friends')
  const friends = await admin.json<{ id: string }>('project', 'show', 'friends')
  const image = (...args: string[]) => admin.ok('image', ...args)
  const show = (name: string) =>
    admin.json<Shown & { tags: string[]; min_disk: number; protected: boolean; os_hidden?: boolean }>('image', 'show', name)

  const create = [
    '--disk-format',
    'raw',
    '--container-format',
    'bare',
    '--min-disk',
    '2',
    '--property',
    'hw_rng_model=virtio',
    '--tag',
    'edge',
  ]
  await image('create', ...create, '--shared', '--file', source, 'a verb')
  const made = await show('a verb')
  assert.deepEqual([made.status, made.min_disk, made.tags, made.properties['hw_rng_model']], ['active', 2, ['edge'], 'virtio'])
  await image('set', '--name', 'verb', '--tag', 'arm', '--property', 'os_distro=debian', '--min-ram', '64', '--protected', 'a verb')
  const changed = await show('verb')
  assert.deepEqual([changed.tags.toSorted(), changed.properties['os_distro'], changed.protected], [['arm', 'edge'], 'debian', true])
  assert.match(await admin.refused('image', 'delete', 'verb'), /protected|403/)
  await image('unset', '--tag', 'arm', '--property', 'os_distro', 'verb')
  assert.deepEqual([(await show('verb')).tags, (await show('verb')).properties['os_distro']], [['edge'], undefined])

  await image('add', 'project', 'verb', 'friends')
  const member = async () => (await admin.json<Record<string, string>[]>('image', 'member', 'list', 'verb'))[0]
  assert.deepEqual([(await member())?.['Member ID'], (await member())?.['Status']], [friends.id, 'pending'])
  await image('set', '--accept', '--project', friends.id, 'verb')
  // The client gives the image away with it.
  await image('set', '--project', 'admin', 'verb')
  assert.equal((await member())?.['Status'], 'accepted')
  await image('remove', 'project', 'verb', 'friends')
  assert.equal(await member(), undefined)

  await image('set', '--deactivate', 'verb')
  assert.equal((await show('verb')).status, 'deactivated')
  await image('set', '--activate', '--hidden', '--unprotected', 'verb')
  const listed = async (...args: string[]) => (await admin.json<{ Name: string }[]>('image', 'list', ...args)).map(({ Name }) => Name)
  assert.deepEqual(await listed(), [])
  assert.deepEqual(await listed('--hidden'), ['verb'])
  await image('set', '--unhidden', '--community', 'verb')
  assert.deepEqual(await listed('--community', '--tag', 'edge', '--sort', 'name:asc', '--property', 'hw_rng_model=virtio'), ['verb'])
  await image('set', '--public', 'verb')
  for (let at = 0; at < 3; at += 1) await image('create', '--disk-format', 'raw', '--container-format', 'bare', `page ${at}`)
  assert.equal((await listed('--limit', '2')).length, 2)
  assert.deepEqual((await listed()).length, 4)
  await image('delete', 'verb', 'page 0', 'page 1', 'page 2')
  assert.match(await admin.refused('image', 'set', '--name', 'x', 'verb'), /No Image found|not find/i)
  await image('create', '--disk-format', 'qcow2', '--container-format', 'bare', 'mislabelled')
  assert.match(
    await admin.refused('image', 'create', '--disk-format', 'qcow2', '--container-format', 'bare', '--file', source, 'wrong'),
    /415|does not match/,
  )
  assert.deepEqual(await listed('--name', 'wrong'), [])
  await image('delete', 'mislabelled')
})

test('glance judges by the schemas of the server, and finds what it needs', { skip }, async () => {
  const source = join(folder, 'glance.raw')
  await writeFile(source, 'glance')
  const id = (text: string): string => /\| id +\| ([0-9a-f-]{36}) /.exec(text)?.[1] ?? ''
  const field = (text: string, name: string): string | undefined => new RegExp(`\\| ${name} +\\| (.*?) +\\|`).exec(text)?.[1]
  const bare = ['--disk-format', 'raw', '--container-format', 'bare']
  const made = id(await glance.ok('image-create', '--name', 'g', ...bare, '--property', 'arch=arm64', '--file', source))
  assert.match(made, /^[0-9a-f-]{36}$/)
  assert.equal(field(await glance.ok('image-show', made), 'status'), 'active')
  await glance.ok('image-update', made, '--name', 'gg', '--remove-property', 'arch')
  await glance.ok('image-tag-update', made, 'tagged')
  await glance.ok('image-tag-delete', made, 'tagged')
  const back = join(folder, 'glance.back')
  await glance.ok('image-download', made, '--file', back)
  assert.equal(await readFile(back, 'utf8'), 'glance')
  await glance.ok('member-create', made, 'someone')
  await glance.ok('member-update', made, 'someone', 'accepted')
  assert.match(await glance.ok('member-list', '--image-id', made), /accepted/)
  await glance.ok('member-delete', made, 'someone')
  await glance.ok('image-deactivate', made)
  await glance.ok('image-reactivate', made)
  assert.match(await glance.ok('image-list', '--limit', '5'), /gg/)
  await glance.ok('schema-refresh').catch(() => '')
  assert.match(await glance.ok('import-info'), /web-download/)
  assert.match(await glance.ok('stores-info'), /second/)
  assert.match(await glance.ok('usage'), /image_count_total/)

  // Staged, imported into both stores, and taken out of one.
  const settled = async (image: string): Promise<string> => {
    for (;;) {
      const status = field(await glance.ok('image-show', image), 'status') ?? ''
      if (status !== 'importing') return status
    }
  }
  const staged = id(await glance.ok('image-create', '--name', 's', ...bare))
  await glance.ok('image-stage', staged, '--file', source)
  await glance.ok('image-import', staged, '--import-method', 'glance-direct', '--all-stores', 'True')
  assert.equal(await settled(staged), 'active')
  assert.match(await glance.ok('image-tasks', staged), /success/)
  await glance.ok('stores-delete', '--store', 'second', staged)
  assert.equal(field(await glance.ok('image-show', staged), 'stores'), 'local')
  await glance.ok('image-import', staged, '--import-method', 'copy-image', '--stores', 'second')
  const fetched = id(await glance.ok('image-create', '--name', 'w', ...bare))
  const uri = `http://127.0.0.1:${site.config.ports.identity}/v3`
  assert.match(
    await glance.refused('image-import', fetched, '--import-method', 'web-download', '--uri', 'http://10.0.0.1/x'),
    /400|409|not allowed/,
  )
  await glance.ok('image-import', fetched, '--import-method', 'web-download', '--uri', uri)
  assert.equal(await settled(fetched), 'active')
  assert.match(await glance.ok('task-list'), /success/)

  for (const args of [
    ['md-namespace-create', 'OS::Test', '--visibility', 'public'],
    ['md-namespace-show', 'OS::Test'],
    ['md-namespace-update', 'OS::Test', '--description', 'words'],
    ['md-property-create', 'OS::Test', '--name', 'p', '--title', 'P', '--schema', '{"type": "string"}'],
    ['md-property-list', 'OS::Test'],
    ['md-property-show', 'OS::Test', 'p'],
    ['md-property-update', 'OS::Test', 'p', '--name', 'q', '--title', 'Q', '--schema', '{"type": "string"}'],
    ['md-property-delete', 'OS::Test', 'q'],
    [
      'md-object-create',
      'OS::Test',
      '--name',
      'o',
      '--schema',
      '{"description": "d", "properties": {"x": {"title": "X", "type": "string"}}}',
    ],
    ['md-object-list', 'OS::Test'],
    ['md-object-show', 'OS::Test', 'o'],
    ['md-object-property-show', 'OS::Test', 'o', 'x'],
    ['md-object-delete', 'OS::Test', 'o'],
    ['md-tag-create', 'OS::Test', '--name', 't'],
    ['md-tag-create-multiple', 'OS::Test', '--names', 'a,b', '--delim', ','],
    ['md-tag-list', 'OS::Test'],
    ['md-tag-show', 'OS::Test', 'a'],
    ['md-tag-update', 'OS::Test', 'a', '--name', 'c'],
    ['md-tag-delete', 'OS::Test', 'c'],
    ['md-namespace-tags-delete', 'OS::Test'],
    ['md-resource-type-associate', 'OS::Test', '--name', 'OS::Nova::Flavor'],
    ['md-namespace-resource-type-list', 'OS::Test'],
    ['md-resource-type-list'],
    ['md-resource-type-deassociate', 'OS::Test', 'OS::Nova::Flavor'],
    ['md-namespace-list'],
    ['md-namespace-delete', 'OS::Test'],
  ])
    await glance.ok(...args)
  assert.match(await glance.refused('md-namespace-show', 'OS::Test'), /404|not found/i)
  await glance.ok('image-delete', made, staged, fetched)
  assert.match(await glance.refused('image-show', made), /404|No image found/)
})

test('an API node without a database works through the registry, over TLS and with a service token', { skip }, async () => {
  const port = await freePort()
  const file = join(folder, 'node.yaml')
  const { ports } = site.config
  await writeFile(
    file,
    `name: controller\nrole: system-controller\nvarFolder: ${folder}\naddress: 127.0.0.1\nroles: [api]\nports:\n  identity: ${ports.identity}\n  image: ${port}\n  imageRegistry: ${ports.imageRegistry}\nimage:\n  dataApi: registry\n  stores: ['local=file:images', 'second=file:second']\n`,
  )
  const opened = await openSite(world, await loadSiteConfig(world, file, {}))
  const none = (): never => assert.fail('a node of the registry opens no database')
  const node = await createImageService({ ...opened, openDatabase: none })
  const [app] = node.apps
  const listens = await world.net.serve({ host: '127.0.0.1', port }, app!.endpoint)
  try {
    const token = await admin.ok('token', 'issue', '-f', 'value', '-c', 'id')
    const ask = async (method: string, path: string, body?: string | Uint8Array, as = token) => {
      const answer = await world.net.request({
        method,
        url: `http://127.0.0.1:${port}/v2/images${path}`,
        headers: { 'x-auth-token': as, 'content-type': typeof body === 'string' ? 'application/json' : 'application/octet-stream' },
        ...(body === undefined ? {} : { body }),
        deadlineMs: 30_000,
      })
      return { status: answer.status, text: Buffer.from(answer.body).toString() }
    }
    const made = await ask('POST', '', JSON.stringify({ name: 'far', disk_format: 'raw', container_format: 'bare' }))
    assert.equal(made.status, 201, made.text)
    const { id } = JSON.parse(made.text) as { id: string }
    assert.equal((await ask('PUT', `/${id}/file`, Buffer.from('bytes'))).status, 204)
    assert.equal((await ask('GET', `/${id}/file`)).text, 'bytes')
    assert.equal((await admin.json<Shown>('image', 'show', 'far')).status, 'active', 'the other node sees it')
    assert.equal((await ask('GET', `/${id}`, undefined, 'forged')).status, 401)
    // The registry itself wants to know that a service asks.
    const ca = (await readFile(site.config.tls.caFile)).toString()
    const direct = await world.net.request({
      method: 'POST',
      url: `https://127.0.0.1:${ports.imageRegistry}/rpc`,
      headers: { 'x-auth-token': token, 'content-type': 'application/json' },
      body: JSON.stringify([{ command: 'image_get_all' }]),
      deadlineMs: 30_000,
      tls: { ca },
    })
    assert.equal(direct.status, 401)
    assert.equal((await ask('DELETE', `/${id}`)).status, 204)
    assert.deepEqual(await filesIn(join(folder, 'images')), [])
  } finally {
    await listens.close(0)
    await node.stop()
    await opened.close()
  }
})
