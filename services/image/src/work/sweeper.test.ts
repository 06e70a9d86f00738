import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { timestamp } from '@murmuration/data'
import type { FileWriter } from '@murmuration/world'
import { failData } from '../store/data.ts'
import { startTestSite } from '../testing/test-site.ts'
import { createStores } from './stores/stores.ts'
import { createSweeper } from './sweeper.ts'

const me = 'member@north'
/** Writers of processes that died, as far as anybody knows: their descriptors are closed after the tests. */
const left: FileWriter[] = []
after(() => Promise.all(left.map((writer) => writer.discard())))

async function start(t: TestContext, options: Parameters<typeof startTestSite>[0] = {}) {
  const site = await startTestSite({ ...options, idle: true })
  t.after(() => site.stop())
  const stores = await createStores(site.world, site.site.config)
  return { ...site, stores, sweeper: createSweeper(site.world, site.database, stores) }
}
type Started = Awaited<ReturnType<typeof start>>

const rows = (site: Started) => site.database.query.selectFrom('image_data').selectAll().execute()
const statusOf = async (site: Started, id: string): Promise<string> =>
  (await site.call('admin@admin', 'GET', `/v2/images/${id}`)).body.status
/** The state that a process which died while it wrote leaves. */
async function halfWritten(site: Started, leaseUntilMs: number) {
  const { id } = await site.image(me)
  const dataId = site.world.random.uuid()
  const now = timestamp(site.world.clock.nowMs())
  await site.database.query.updateTable('images').set({ status: 'saving' }).where('id', '=', id).execute()
  await site.database.query
    .insertInto('image_data')
    .values({
      id: dataId,
      image_id: id,
      owner: 'north',
      store: 'local',
      state: 'writing',
      bytes: 1000,
      lease_until: timestamp(leaseUntilMs),
      created_at: now,
      updated_at: now,
    })
    .execute()
  const writer = await site.stores.default.create(dataId)
  await writer.write(randomBytes(500))
  left.push(writer)
  return { id, dataId }
}

test('a writer that died gives its claim back, and nothing of it is left', async (t) => {
  const site = await start(t)
  const { id } = await halfWritten(site, site.world.clock.nowMs() - 1)
  const alive = await halfWritten(site, site.world.clock.nowMs() + 60_000)
  assert.equal((await site.files()).length, 2)
  assert.deepEqual(await site.sweeper.sweep(), { abandoned: 1, garbage: 1, stuck: 0 })
  assert.deepEqual(await site.sweeper.prove(), { orphans: 0, missing: 0 })
  assert.deepEqual(await Promise.all([statusOf(site, id), statusOf(site, alive.id)]), ['queued', 'saving'])
  assert.deepEqual(
    (await rows(site)).map((row) => row.id),
    [alive.dataId],
  )
  assert.equal((await site.files()).length, 1)
  assert.equal((await site.upload(me, id, Buffer.from('again'))).status, 204)
})

test('bytes that nobody has written down are removed, whole or half written', async (t) => {
  const site = await start(t)
  const kept = await site.image(me)
  await site.upload(me, kept.id, randomBytes(1000))
  const [whole, half] = [site.world.random.uuid(), site.world.random.uuid()]
  const writer = await site.stores.default.create(whole)
  await writer.write(randomBytes(10))
  await writer.commit()
  const begun = await site.stores.staging.create(half)
  await begun.write(randomBytes(10))
  left.push(begun)
  await site.world.files.write(join(site.folder, 'images', 'README'), 'not ours')
  // Begun twice: one of them is what the image has.
  const [row] = await rows(site)
  const second = await site.world.files.create(join(site.folder, 'images', row!.id.slice(0, 2), row!.id))
  left.push(second)
  assert.equal((await site.files()).length, 5)
  assert.deepEqual(await site.sweeper.prove(), { orphans: 3, missing: 0 })
  assert.equal((await site.files()).length, 2)
  assert.equal((await site.call(me, 'GET', `/v2/images/${kept.id}/file`)).bytes.length, 1000)
})

test('where the database knows none of the bytes, it is a wrong one: they are left alone', async (t) => {
  const site = await start(t)
  const { id } = await site.image(me)
  await site.upload(me, id, randomBytes(1000))
  const [row] = await rows(site)
  await site.database.query.deleteFrom('image_data').execute()
  assert.deepEqual(await site.sweeper.prove(), { orphans: 0, missing: 0 })
  await site.database.query.insertInto('image_data').values(row!).execute()
  assert.equal((await site.call(me, 'GET', `/v2/images/${id}/file`)).bytes.length, 1000)
})

test('an image whose bytes are lost is not active any more, unless another store has them', async (t) => {
  const site = await start(t)
  const { id } = await site.image(me)
  await site.upload(me, id, randomBytes(1000))
  const [row] = await rows(site)
  await site.stores.default.remove(row!.id)
  assert.equal((await site.call(me, 'GET', `/v2/images/${id}/file`)).status, 404)
  assert.deepEqual(await site.sweeper.prove(), { orphans: 0, missing: 1 })
  assert.equal(await statusOf(site, id), 'deactivated')
  assert.deepEqual(await site.sweeper.sweep(), { abandoned: 0, garbage: 1, stuck: 0 })
  assert.deepEqual(await site.sweeper.prove(), { orphans: 0, missing: 0 })
  assert.deepEqual(await rows(site), [])
  const again = await site.call(me, 'POST', `/v2/images/${id}/actions/reactivate`)
  assert.deepEqual([again.status, await statusOf(site, id)], [409, 'deactivated'], 'there is nothing to be active with')
})

test('a store whose folder is not mounted has lost nothing', async (t) => {
  const site = await start(t)
  const { id } = await site.image(me)
  await site.upload(me, id, randomBytes(1000))
  const [folder, away] = [join(site.folder, 'images'), join(site.folder, 'away')]
  await site.world.files.rename(folder, away)
  assert.deepEqual(await site.sweeper.prove(), { orphans: 0, missing: 0 })
  assert.equal((await site.call(me, 'GET', `/v2/images/${id}/file`)).status, 503)
  await site.world.files.rename(away, folder)
  assert.equal((await site.call(me, 'GET', `/v2/images/${id}/file`)).bytes.length, 1000)
})

test('garbage that can not be removed now keeps no other from it', async (t) => {
  const site = await start(t)
  const at = timestamp(site.world.clock.nowMs())
  const { id } = await site.image(me)
  const left = { image_id: id, owner: 'north', bytes: 1, state: 'garbage', lease_until: null, created_at: at, updated_at: at } as const
  const elsewhere = Array.from({ length: 250 }, (_, n) => ({ ...left, id: `0-${String(n).padStart(3, '0')}`, store: 'not configured now' }))
  const here = { ...left, id: site.world.random.uuid().replace(/^./, 'f'), store: 'local' }
  await site.database.query
    .insertInto('image_data')
    .values([...elsewhere, here])
    .execute()
  assert.equal((await site.sweeper.sweep()).garbage, 1)
  assert.equal((await rows(site)).length, 250)
})

test('an image that waits for nobody is queued again', async (t) => {
  const site = await start(t)
  const { id } = await site.image(me)
  const old = timestamp(site.world.clock.nowMs() - 3_600_000)
  await site.database.query.updateTable('images').set({ status: 'saving', updated_at: old }).where('id', '=', id).execute()
  assert.deepEqual(await site.sweeper.sweep(), { abandoned: 0, garbage: 0, stuck: 1 })
  assert.equal(await statusOf(site, id), 'queued')
})

test('tasks whose time is over go, all of them; others stay', async (t) => {
  const site = await start(t)
  const [over, later] = [timestamp(site.world.clock.nowMs() - 1), timestamp(site.world.clock.nowMs() + 60_000)]
  const ended = {
    type: 'import',
    owner: 'north',
    status: 'success',
    expires_at: over,
    created_at: over,
    updated_at: over,
    deleted: 0,
  } as const
  const old = Array.from({ length: 450 }, (_, n) => ({ ...ended, id: `old-${n}` }))
  await site.database.query
    .insertInto('tasks')
    .values([...old, { ...ended, id: 'fresh', expires_at: later }, { ...ended, id: 'alive', status: 'processing' }])
    .execute()
  assert.equal(await site.sweeper.expire(), 450)
  const { tasks } = (await site.call('admin@admin', 'GET', '/v2/tasks')).body
  assert.deepEqual(tasks.map(({ id }: { id: string }) => id).toSorted(), ['alive', 'fresh'])
})

test('an upload whose claim was taken for dead does not become active, and leaves nothing', async (t) => {
  let onWrite: (() => Promise<void>) | undefined
  const site = await start(t, {
    world: (real) => ({
      ...real,
      files: {
        ...real.files,
        create: async (path, how) => {
          const writer = await real.files.create(path, how)
          return { ...writer, write: async (piece) => (await onWrite?.(), (onWrite = undefined), await writer.write(piece)) }
        },
      },
    }),
  })
  const { id } = await site.image(me)
  onWrite = async () => {
    const [row] = await rows(site)
    await site.database.transaction((tx) => failData(tx, site.world, { data_id: row!.id, from: 'saving', to: 'queued' }))
  }
  assert.equal((await site.upload(me, id, randomBytes(100_000))).status, 409)
  assert.equal(await statusOf(site, id), 'queued')
  assert.deepEqual([await rows(site), await site.files()], [[], []])
})
