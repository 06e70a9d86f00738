import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { s3Keys, startS3, type S3Server } from '../testing/s3-server.ts'
import { startTestSite, type TestSite } from '../testing/test-site.ts'
import { removeOrphans } from '../work/orphans.ts'
import { createStores } from '../work/stores/stores.ts'

const me = 'member@north'
const admin = 'admin@north'
const bytes = randomBytes(300_000)
let folder: string
let keysFile: string
let s3: S3Server
let site: TestSite

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'image-far-'))
  keysFile = join(folder, 'keys.json')
  await writeFile(keysFile, JSON.stringify({ far: s3Keys }), { mode: 0o600 })
  s3 = await startS3('images')
  const stores = `['local=file:images', 'far=s3:${s3.url}/images/north']`
  site = await startTestSite({ more: `image:\n  stores: ${stores}\n  s3CredentialsFile: ${keysFile}\n` })
})
afterEach(() => (s3.fail = undefined))
after(async () => {
  await site.stop()
  s3.close()
  await rm(folder, { recursive: true })
})

const far = { 'x-image-meta-store': 'far' }
const download = (id: string, headers: Record<string, string> = {}) => site.call(me, 'GET', `/v2/images/${id}/file?prefer=far`, { headers })
async function stored(data: Uint8Array, ...stores: string[]): Promise<string> {
  const { id } = await site.image(me)
  const [first = 'far', ...others] = stores
  assert.equal((await site.upload(me, id, data, { 'x-image-meta-store': first })).status, 204)
  for (const store of others) assert.equal((await ended(id, { method: { name: 'copy-image' }, stores: [store] })).status, 'success')
  return id
}
/** An import, to its end. */
async function ended(id: string, body: object): Promise<{ status: string; message: string }> {
  assert.equal((await site.call(admin, 'POST', `/v2/images/${id}/import`, { body })).status, 202)
  for (;;) {
    const { tasks } = (await site.call(me, 'GET', `/v2/images/${id}/tasks`)).body
    const task = tasks.find(({ status }: { status: string }) => status !== 'success')
    if (task === undefined || task.status === 'failure') return task ?? tasks[0]
    await site.world.timers.sleep(20)
  }
}
const show = async (id: string) => (await site.call(me, 'GET', `/v2/images/${id}`)).body

test('an image goes from store to store, also an empty one', async () => {
  for (const data of [bytes, new Uint8Array()])
    for (const [from, to] of [
      ['far', 'local'],
      ['local', 'far'],
    ] as const) {
      const id = await stored(data, from, to)
      assert.equal((await site.call(admin, 'DELETE', `/v2/stores/${from}/${id}`)).status, 204)
      const { stores, size, status } = await show(id)
      assert.deepEqual([stores, size, status], [to, data.length, 'active'])
      const answer = await download(id)
      assert.ok(answer.status === (data.length === 0 ? 204 : 200) && Buffer.from(answer.bytes).equals(data))
    }
})

test('a store that fails is told, with a reason, and nothing of it is kept; where another store has the bytes, it goes on', async () => {
  const [once, twice] = [await stored(bytes, 'far'), await stored(bytes, 'local', 'far')]
  const troubles = [
    [{ status: 500, code: 'InternalError' }, /store far .* an error/],
    [{ status: 403, code: 'AccessDenied' }, /keys/],
    [{ status: 404, code: 'NoSuchBucket' }, /bucket/],
    ['cut', /reached/],
    ['page', /far can not be used now/],
  ] as const
  for (const [trouble, reason] of troubles)
    for (const kind of ['GET', 'HEAD', 'PUT']) {
      s3.fail = (what) => (what.startsWith(kind) ? trouble : undefined)
      const { id } = await site.image(me)
      const answer = kind === 'PUT' ? await site.upload(me, id, bytes, far) : await download(once, { range: 'bytes=5-9' })
      assert.deepEqual([answer.status, answer.headers['content-range']], [503, undefined], `${kind} ${JSON.stringify(trouble)}`)
      assert.match(answer.body.message, kind === 'HEAD' && trouble !== 'cut' ? /store far/ : reason)
      const other = await download(twice)
      assert.ok(other.status === 200 && bytes.equals(other.bytes))
      s3.fail = undefined
      assert.equal((await site.upload(me, id, bytes, far)).status, 204)
    }
  await rm(keysFile)
  assert.match((await download(once)).body.message, /its keys can not be read/)
  assert.deepEqual([(await download(once)).status, (await download(twice)).status], [503, 200])
  await writeFile(keysFile, JSON.stringify({ far: s3Keys }), { mode: 0o600 })
  assert.ok(bytes.equals((await download(once)).bytes))
})

test('a download that breaks off in one store goes on there, or in another one, at the byte where it was', async () => {
  const [once, twice] = [await stored(bytes, 'far'), await stored(bytes, 'local', 'far')]
  s3.fail = (what) => (what.startsWith('GET') ? { cutAfter: 70_000 } : undefined)
  for (const id of [once, twice]) assert.ok(bytes.equals((await download(id)).bytes))
  assert.ok(bytes.subarray(1_000, 200_000).equals((await download(twice, { range: 'bytes=1000-199999' })).bytes))
  let answers = 0
  s3.fail = (what) =>
    what.startsWith('GET') ? (answers++ === 0 ? { cutAfter: 70_000 } : { status: 403, code: 'AccessDenied' }) : undefined
  assert.ok(bytes.equals((await download(twice)).bytes))
  // Deleted while it is on the way: that is the reason, and no fault.
  s3.fail = () => (void site.call(me, 'DELETE', `/v2/images/${once}`), { status: 503, code: 'SlowDown' })
  assert.equal((await download(once)).status, 404)
})

test('a store that is down keeps an import from it only, where not all must succeed', async () => {
  s3.fail = () => ({ status: 403, code: 'AccessDenied' })
  for (const mustSucceed of [true, false]) {
    const { id } = await site.image(me)
    await site.call(me, 'PUT', `/v2/images/${id}/stage`, { body: bytes })
    const import_ = { method: { name: 'glance-direct' }, stores: ['far', 'local'], all_stores_must_succeed: mustSucceed }
    const { status, message } = await ended(id, import_)
    const { os_glance_failed_import: failed, ...image } = await show(id)
    const told = [status, image.status, image.stores ?? '', failed]
    assert.deepEqual(told, mustSucceed ? ['failure', 'queued', '', 'far,local'] : ['success', 'active', 'local', 'far'])
    if (mustSucceed) assert.match(message, /^far: The store far .* keys/)
  }
})

test("a bucket that two sites were given is the first one's: the other writes nothing there, and removes nothing", async () => {
  const id = await stored(bytes, 'far')
  const [row] = await site.database.query.selectFrom('image_data').selectAll().where('image_id', '=', id).execute()
  const orphan = site.world.random.uuid()
  s3.objects.set(`north/${orphan}`, Buffer.from('x'))
  const south = await createStores(site.world, { ...site.site.config, name: 'south' })
  const store = south.find('far')!
  await assert.rejects(store.create(orphan), /belongs to another site .* 'north': give this one a prefix/)
  assert.equal(await removeOrphans(site.world, site.database, 'south', store), 0)
  assert.equal(await removeOrphans(site.world, site.database, 'north', store), 1)
  assert.deepEqual([await store.size(orphan), await store.size(row!.id)], [undefined, bytes.length])
  south.close()
})
