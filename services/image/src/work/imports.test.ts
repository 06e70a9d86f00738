import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openDatabase } from '@murmuration/data'
import { crashEverywhere, runEachStepTwice, type Prepare } from '@murmuration/jobs/testing'
import { createRealWorld, type World } from '@murmuration/world'
import { ourselves } from '../store/caller.ts'
import { createDirectData } from '../store/direct.ts'
import { migrations } from '../store/migrations/index.ts'
import type { Schema } from '../store/schema.ts'
import { admin } from '../testing/engines.ts'
import { importJob } from './imports.ts'
import { createStores } from './stores/stores.ts'
import { createSweeper } from './sweeper.ts'
import { createTransfers } from './transfers.ts'

const bytes = Buffer.from('downloaded bytes')
const real = createRealWorld({ log: { level: 'silent' } })
const leftovers: (() => Promise<void>)[] = []
after(async () => {
  for (const remove of leftovers) await remove()
})

/** An import into two stores; `good` is what the source has to say. */
const prepare =
  (good: boolean): Prepare =>
  async (manual) => {
    const folder = await mkdtemp(join(tmpdir(), 'image-import-'))
    const world: World = {
      ...manual,
      net: {
        ...manual.net,
        resolve: async () => ['8.8.8.8'],
        stream: async () => ({
          status: good ? 200 : 404,
          headers: {},
          body: (async function* () {
            yield bytes
          })(),
          discard() {},
        }),
      },
    }
    const database = await openDatabase<Schema>('sqlite::memory:', { world: real, name: 'image' })
    await database.migrate(migrations)
    leftovers.push(async () => {
      await database.close()
      await rm(folder, { recursive: true, force: true })
    })
    const data = createDirectData(database, world, { storageBytes: 0, count: 0 })
    const file = (id: string) => ({ id, type: 'file', folder: join(folder, id) })
    const image = { stores: [file('one'), file('two')], stagingFolder: join(folder, 'staging'), s3CredentialsFile: '' }
    const stores = await createStores(world, { name: 'north', image } as never)
    const transfers = createTransfers({ world, data, stores, sizeCapBytes: 1_000_000 })
    const sources = { importSchemes: ['http'], importHosts: [], importPorts: [80], importNetworks: [] }
    const { id } = await data.image_create(admin, {
      values: { status: 'queued', owner: 'p', disk_format: 'raw', container_format: 'bare' },
    })
    return {
      database,
      kinds: [importJob({ data, stores, transfers, world, sources, sizeCapBytes: 1_000_000 })],
      async enqueue() {
        const begin = {
          image_id: id,
          method: 'web-download',
          stores: ['one', 'two'],
          all_must_succeed: true,
          uri: 'http://images.test/x',
        } as const
        await data.import_begin(admin, begin)
        return (await database.query.selectFrom('jobs').select('id').executeTakeFirstOrThrow()).id
      },
      async check() {
        await createSweeper(world, database, stores).sweep()
        const found = await data.image_get(ourselves, { image_id: id })
        const [task] = await data.task_get_all(admin, {})
        const rows = await database.query.selectFrom('image_data').select(['store', 'state']).orderBy('store').execute()
        const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
        // Bytes exactly where the image says that they are, and nowhere else.
        const places = good ? ['one', 'two'] : []
        assert.deepEqual([found.status, found.size, task?.status], good ? ['active', bytes.length, 'success'] : ['queued', null, 'failure'])
        assert.deepEqual(
          found.locations.map(({ metadata }) => metadata['store']),
          places,
        )
        assert.deepEqual(
          rows,
          places.map((store) => ({ store, state: 'stored' })),
        )
        assert.equal(files.length, places.length)
        assert.deepEqual(
          found.properties.map(({ name }) => name),
          good ? [] : ['os_glance_failed_import'],
        )
      },
    }
  }

test('an import survives the death of its process at every point, and each of its steps done twice', async () => {
  const points = await crashEverywhere(prepare(true))
  for (const step of ['download', 'store one', 'store two']) assert.ok(points.includes(`after the work of step ${step}`), points.join())
  await runEachStepTwice(prepare(true))
})

test('an import that fails leaves nothing, wherever its process dies', async () => {
  await crashEverywhere(prepare(false))
})
