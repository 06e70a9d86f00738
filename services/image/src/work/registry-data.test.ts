import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { openDatabase } from '@murmuration/data'
import { ApiError } from '@murmuration/http'
import { NetworkError, type HttpRequest } from '@murmuration/world'
import { createRegistryApp } from '../api/registry.ts'
import { DataRefused } from '../rules/refusals.ts'
import { createImageService, exposed } from '../service.ts'
import { ourselves } from '../store/caller.ts'
import { createDirectData } from '../store/direct.ts'
import { migrations } from '../store/migrations/index.ts'
import type { Schema } from '../store/schema.ts'
import { steppingWorld } from '../testing/engines.ts'
import { identityOf } from '../testing/test-site.ts'
import { createRegistryData } from './registry-data.ts'
import type { ByteStore, Stores } from './stores/stores.ts'
import { createTransfers } from './transfers.ts'

function inMemory(held: Map<string, Buffer>): Stores {
  const create = async (id: string) => {
    let bytes = Buffer.alloc(0)
    return {
      write: async (piece: Uint8Array) => void (bytes = Buffer.concat([bytes, piece])),
      commit: async () => void held.set(id, bytes),
      discard: async () => undefined,
    }
  }
  const store = { id: 'local', create, remove: async (id: string) => void held.delete(id), url: (id: string) => `file:///${id}` }
  return { default: store as unknown as ByteStore, find: () => undefined, ids: [] } as unknown as Stores
}

test('through the registry the data layer is the same, for whom the token says', async (t) => {
  const world = steppingWorld()
  const database = await openDatabase<Schema>('sqlite::memory:', { world, name: 'image' })
  t.after(() => database.close())
  await database.migrate(migrations)
  const direct = createDirectData(database, world, { storageBytes: 0, count: 0 })
  const config = {
    identity: { url: 'http://identity.test/v3' },
    image: { registryUrl: 'https://registry.test:9191' },
    tls: { caFile: '/nowhere' },
  }
  const app = await createRegistryApp({
    site: { world, config: config as never },
    tokens: { validate: async (token) => identityOf(token) },
    commands: exposed(direct),
    ready: async () => undefined,
  })
  const endpoint = await app.endpoint()
  let down = false
  let losing = ''
  let tokens = ['expired', 'service@services']
  const request = async (sent: HttpRequest) => {
    if (down) throw new NetworkError('refused', 'nobody there')
    const answer = await endpoint.inject(sent)
    if (losing === '' || !String(sent.body).includes(losing)) return answer
    losing = ''
    throw new NetworkError('reset', 'the connection broke')
  }
  const remote = createRegistryData({
    world: { ...world, net: { ...world.net, request } },
    config: config as never,
    session: {
      token: async () => tokens[0]!,
      invalidate: () => void (tokens = tokens.length > 1 ? tokens.slice(1) : tokens),
      endpointUrl: async () => undefined,
    },
  })
  const north = { isAdmin: false, owner: 'north', userId: 'u', token: 'member@north' }
  // Names and values are the caller's: what looks like something of the wire is none.
  const properties = { created_at: 'x', _type: 'datetime', _value: '2031-05-04T10:11:12', _error: 'x' }
  // The node's own token had expired: one more attempt with a new one.
  const made = await remote.image_create(north, {
    values: {
      status: 'queued',
      owner: 'north',
      disk_format: 'raw',
      container_format: 'bare',
      properties,
      tags: ['t'],
    },
  })
  assert.deepEqual(Object.fromEntries(made.properties.map(({ name, value }) => [name, value])), properties)
  assert.deepEqual(await remote.image_get(north, { image_id: made.id }), await direct.image_get(north, { image_id: made.id }))
  const filters = { deleted: false, created_at: 'gt:2000-01-01T00:00:00Z', properties }
  const listed = await remote.image_get_all(north, { filters, return_tag: true })
  assert.equal(listed.length, 1)
  await assert.rejects(remote.image_get_all(north, { filters: 5 as never }), { refusal: 'Invalid' })
  assert.deepEqual(listed, await direct.image_get_all(north, { filters: { deleted: false }, return_tag: true }))
  const south = { ...north, owner: 'north', token: 'member@south' }
  await assert.rejects(
    remote.image_get(south, { image_id: made.id }),
    (error) => error instanceof DataRefused && error.refusal === 'Forbidden',
  )
  const begin = { image_id: made.id, store: 'local', bytes: 5, from: 'queued', to: 'saving' } as const
  const formats = { disk_format: made.disk_format, container_format: made.container_format }
  // Judged by nothing, and by what the image is not any more.
  for (const [wrong, refusal] of [
    [undefined, 'Invalid'],
    [{ ...formats, disk_format: 'iso' }, 'Conflict'],
  ] as const)
    await assert.rejects(
      remote.data_begin(north, { ...begin, ...(wrong === undefined ? {} : { formats: wrong }) }),
      (error) => error instanceof DataRefused && error.refusal === refusal,
    )
  const row = await remote.data_begin(north, { ...begin, formats })
  assert.deepEqual(row, (await direct.data_of_image(ourselves, { image_id: made.id }))[0])
  await remote.data_extend(ourselves, { data_id: row.id, bytes: 6 })
  const facts = { size: 6, virtual_size: 6, checksum: 'c', os_hash_algo: 'sha512', os_hash_value: 'h' }
  const done = await remote.data_commit(ourselves, {
    data_id: row.id,
    facts,
    from: 'saving',
    to: 'active',
    location: { url: 'file:///x', metadata: { store: 'local' } },
  })
  assert.deepEqual([done.status, done.size, done.locations[0]?.metadata], ['active', 6, { store: 'local' }])
  await assert.rejects(
    remote.image_get({ ...north, token: 'nonsense' }, { image_id: made.id }),
    (error) => error instanceof ApiError && error.status === 401,
  )

  // The answer to a commit gets lost: what is written down stays, with its bytes.
  const held = new Map<string, Buffer>()
  const transfers = createTransfers({ world, data: remote, stores: inMemory(held), sizeCapBytes: 100 })
  const values = { status: 'queued', owner: 'north', disk_format: 'raw', container_format: 'bare' }
  const image = await remote.image_create(north, { values })
  losing = 'data_commit'
  const pieces = Readable.from([Buffer.from('bytes')])
  const uploaded = await transfers.upload({ caller: north, image, store: inMemory(held).default, announced: 5, pieces })
  assert.deepEqual([uploaded.status, uploaded.size, [...held.values()]], ['active', 5, [Buffer.from('bytes')]])

  // Ready is who can ask: neither without the registry, nor where it takes our account for no service, nor with its database away.
  await remote.ping()
  tokens = ['member@services']
  await assert.rejects(remote.ping(), (error) => error instanceof ApiError && error.status === 503)
  tokens = ['service@services']
  down = true
  await assert.rejects(remote.ping(), (error) => error instanceof ApiError && error.status === 503)
  await assert.rejects(remote.image_get(north, { image_id: made.id }), (error) => error instanceof ApiError && error.status === 503)
  down = false
  await database.close()
  await assert.rejects(remote.ping())
})

test('what would ask itself does not start', async () => {
  const config = { image: { dataApi: 'registry' }, roles: ['api', 'manager'] }
  await assert.rejects(createImageService({ config } as never), /runs the API only/)
})
