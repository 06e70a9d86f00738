import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createRealWorld, type World } from '@murmuration/world'
import { s3Keys, startS3, type S3Server } from '../../testing/s3-server.ts'
import { createStores, type ByteStore, type Stores } from './stores.ts'
import { StoreUnavailable } from './unavailable.ts'

let folder: string
let world: World
let s3: S3Server
let stores: Stores
const keysFile = (): string => join(folder, 'keys.json')
const configOf = (s3Url: string) => ({
  name: 'north',
  image: {
    stores: [
      { id: 'file', type: 'file', folder: join(folder, 'bytes') },
      { id: 's3', type: 's3', endpoint: s3Url, region: 'eu-1', bucket: 'images', prefix: 'north/' },
    ],
    stagingFolder: join(folder, 'staging'),
    s3CredentialsFile: keysFile(),
  },
})

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'image-stores-'))
  world = createRealWorld({ log: { level: 'silent' }, timersKeepAlive: true })
  s3 = await startS3('images')
  await world.files.write(keysFile(), JSON.stringify({ s3: s3Keys }))
  stores = await createStores(world, configOf(s3.url) as never)
})
after(async () => {
  stores.close()
  s3.close()
  await world.net.close()
  await rm(folder, { recursive: true })
})

const read = async (store: ByteStore, id: string, start: number, end: number): Promise<Buffer> => {
  const pieces: Uint8Array[] = []
  for await (const piece of store.read(id, { start, end })) pieces.push(piece)
  return Buffer.concat(pieces)
}
const all = async (pages: AsyncIterable<readonly string[] | string>): Promise<string[]> => {
  const found: string[] = []
  for await (const page of pages) found.push(...(typeof page === 'string' ? [page] : page))
  return found.toSorted()
}
const put = async (store: ByteStore, id: string, bytes: Uint8Array): Promise<void> => {
  const writer = await store.create(id)
  for (let at = 0; at < bytes.length; at += 100_000) await writer.write(bytes.subarray(at, at + 100_000))
  await writer.commit()
}

for (const name of ['file', 's3'])
  void describe(`what a store promises: ${name}`, { timeout: 60_000 }, () => {
    let store: ByteStore
    const bytes = randomBytes(300_000)
    before(async () => {
      store = stores.find(name)!
      // A folder in which nothing was ever written may as well be one that is not mounted: such a store says nothing.
      const id = world.random.uuid()
      await put(store, id, bytes)
      await store.remove(id)
    })

    void it('gives back what was committed, whole and in parts, and nothing before', async () => {
      const id = world.random.uuid()
      assert.equal(await store.size(id), undefined)
      const writer = await store.create(id)
      const piece = Buffer.from(bytes.subarray(0, 200_000))
      await writer.write(piece)
      piece.fill(0)
      await writer.write(bytes.subarray(200_000))
      assert.equal(await store.size(id), undefined)
      await writer.commit()
      await writer.discard()
      assert.equal(await store.size(id), bytes.length)
      assert.ok(bytes.equals(await read(store, id, 0, bytes.length - 1)))
      assert.ok(bytes.subarray(70_000, 140_001).equals(await read(store, id, 70_000, 140_000)))
      assert.ok(bytes.subarray(299_999).equals(await read(store, id, 299_999, 299_999)))
      assert.equal((await read(store, id, 0, -1)).length, 0)
      assert.ok(store.url(id).includes(id))
      await store.remove(id)
      await store.remove(id)
      assert.equal(await store.size(id), undefined)
    })

    void it('keeps an empty one too', async () => {
      const id = world.random.uuid()
      await put(store, id, new Uint8Array())
      assert.equal(await store.size(id), 0)
      await store.remove(id)
    })

    void it('leaves no trace of what was given up', async () => {
      const id = world.random.uuid()
      const writer = await store.create(id)
      await writer.write(bytes)
      await writer.discard()
      await writer.discard()
      assert.equal(await store.size(id), undefined)
      assert.deepEqual([await all(store.list()), await all(store.unfinished())], [[], []])
    })

    void it('writes two at once without mixing them, and refuses a name that is taken', async () => {
      const [one, other] = [world.random.uuid(), world.random.uuid()]
      await Promise.all([put(store, one, bytes), put(store, other, bytes.subarray(1))])
      assert.ok(bytes.equals(await read(store, one, 0, bytes.length - 1)))
      assert.equal(await store.size(other), bytes.length - 1)
      await assert.rejects(async () => put(store, one, bytes), { code: 'EEXIST' })
      assert.equal(await store.size(one), bytes.length)
      for (const id of [one, other]) await store.remove(id)
    })

    void it('lists all that it has, and only what is ours', async () => {
      const ids = Array.from({ length: 5 }, () => world.random.uuid()).toSorted()
      for (const id of ids) await put(store, id, bytes.subarray(0, 10))
      if (name === 's3') for (const key of ['other', 'north/notes.txt', `south/${ids[0]}`]) s3.objects.set(key, Buffer.from('x'))
      else await world.files.write(join(folder, 'bytes', 'notes.txt'), 'x')
      assert.deepEqual(await all(store.list()), ids)
      for (const id of ids) await store.remove(id)
      assert.deepEqual(await all(store.list()), [])
    })

    void it('takes no name that is not an id', async () => {
      for (const id of ['../../etc/passwd', '', 'a'.repeat(36)]) await assert.rejects(async () => store.size(id), /not an id/)
    })

    void it('tells what was begun and not ended, and removes it', async () => {
      const id = world.random.uuid()
      const writer = await store.create(id)
      // More than one part, so that a bucket knows of it.
      for (let part = 0; part < 9; part += 1) await writer.write(Buffer.alloc(1024 * 1024, part))
      for (let waited = 0; (await all(store.unfinished())).length === 0 && waited < 1000; waited += 1) await world.timers.sleep(5)
      assert.deepEqual(await all(store.unfinished()), [id])
      assert.deepEqual(await all(store.list()), [])
      await store.remove(id)
      assert.deepEqual(await all(store.unfinished()), [])
      await writer.discard().catch(() => undefined)
    })
  })

void describe('S3', { timeout: 60_000 }, () => {
  let store: ByteStore
  before(() => (store = stores.find('s3')!))

  void it('writes what is large in parts, and reads it back', async () => {
    const id = world.random.uuid()
    const bytes = randomBytes(20 * 1024 * 1024)
    s3.seen.length = 0
    await put(store, id, bytes)
    assert.equal(s3.seen.filter((what) => what.includes('partNumber')).length, 3)
    assert.ok(bytes.equals(await read(store, id, 0, bytes.length - 1)))
    assert.ok(bytes.subarray(8_388_600, 8_388_620).equals(await read(store, id, 8_388_600, 8_388_619)))
    // Who has enough stops.
    for await (const piece of store.read(id, { start: 0, end: bytes.length - 1 })) if (piece.length > 0) break
    await store.remove(id)
  })

  void it('says that it can not be had, or that it is full; a moment of trouble nobody hears of', async () => {
    const id = world.random.uuid()
    let failures = 1
    s3.fail = (what) => (what.startsWith('PUT') && failures-- > 0 ? { status: 503, code: 'SlowDown' } : undefined)
    await put(store, id, Buffer.from('x'))
    assert.equal(await store.size(id), 1)
    s3.fail = () => ({ status: 403, code: 'AccessDenied' })
    await assert.rejects(store.size(id), StoreUnavailable)
    await assert.rejects(all(store.list()), StoreUnavailable)
    await assert.rejects(read(store, id, 0, 0), StoreUnavailable)
    // A bucket that is not there is no bucket that has lost everything.
    s3.fail = () => ({ status: 404, code: 'NoSuchBucket' })
    await assert.rejects(store.size(id), StoreUnavailable)
    s3.fail = () => 'cut'
    await assert.rejects(store.size(id), StoreUnavailable)
    s3.fail = (what) => (what.startsWith('PUT') ? { status: 507, code: 'XMinioStorageFull' } : undefined)
    await assert.rejects(put(store, world.random.uuid(), Buffer.from('x')), { code: 'ENOSPC' })
    s3.fail = undefined
    await store.remove(id)
  })

  void it('writes once what it was answered twice, or not at all', async () => {
    const bytes = randomBytes(9 * 1024 * 1024)
    const total = async (what: RegExp, trouble: 'cut' | 'lost'): Promise<number> => {
      const id = world.random.uuid()
      let times = 1
      s3.fail = (asked) => (what.test(asked) && times-- > 0 ? trouble : undefined)
      await put(store, id, bytes)
      assert.ok(bytes.equals(await read(store, id, 0, bytes.length - 1)))
      const left = (await all(store.unfinished())).length
      await store.removeUnfinished(id)
      assert.deepEqual([await store.size(id), await all(store.unfinished())], [bytes.length, []])
      await store.remove(id)
      return left
    }
    for (const what of [/^POST.*uploads/, /partNumber=2/, /^POST.*uploadId/, /^GET/]) assert.equal(await total(what, 'cut'), 0)
    for (const what of [/partNumber=2/, /^POST.*uploadId/]) assert.equal(await total(what, 'lost'), 0)
    assert.equal(await total(/^POST.*uploads/, 'lost'), 1)
  })

  void it('needs keys that nobody else can read', async () => {
    const file = keysFile()
    await world.files.write(file, JSON.stringify({ s3: s3Keys }), { mode: 0o644 })
    await assert.rejects(createStores(world, configOf(s3.url) as never), /open to others/)
    for (const text of ['{"s3": {}}', '{}', `{"s3": {"accessKeyId": "shown?"`]) {
      await world.files.write(file, text)
      await assert.rejects(
        createStores(world, configOf(s3.url) as never),
        (error: Error) => /0600/.test(error.message) && !error.message.includes('shown?'),
      )
    }
    await world.files.remove(file)
    await assert.rejects(createStores(world, configOf(s3.url) as never), /has no keys/)
    await world.files.write(file, JSON.stringify({ s3: { ...s3Keys, secretAccessKey: 'wrong' } }))
    const wrong = await createStores(world, configOf(s3.url) as never)
    await assert.rejects(wrong.find('s3')!.size(world.random.uuid()), StoreUnavailable)
    wrong.close()
    await world.files.write(file, JSON.stringify({ s3: s3Keys }))
  })
})
