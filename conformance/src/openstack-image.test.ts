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
import { openstackClient, openstackCommand, readOpenrc, type OpenstackClient } from './testing/openstack.ts'

/** The unmodified command-line client of the distribution against the image service on real ports, with identity and catalog of the site. */

let world: World
let folder: string
let site: Site
const services: Service[] = []
const listening: Listening[] = []
let admin: OpenstackClient

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'openstack-image-'))
  const [identity, image] = [await freePort(), await freePort()]
  const file = join(folder, 'site.yaml')
  await writeFile(
    file,
    `name: controller\nrole: system-controller\nvarFolder: ${folder}\naddress: 127.0.0.1\nports:\n  identity: ${identity}\n  image: ${image}\n`,
  )
  world = createRealWorld({ log: { level: 'error' } })
  site = await openSite(world, await loadSiteConfig(world, file, {}))
  for (const create of [createIdentityService, createImageService]) {
    const service = await create(site)
    services.push(service)
    for (const app of service.apps)
      for (const address of app.listen) if (address.tls === undefined) listening.push(await world.net.serve(address, app.endpoint))
    await service.start()
  }
  admin = openstackClient(readOpenrc(await readFile(join(folder, 'openrc'), 'utf8')))
})

after(async () => {
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
