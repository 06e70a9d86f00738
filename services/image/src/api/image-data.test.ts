import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { startTestSite } from '../testing/test-site.ts'

async function start(t: TestContext, options: Parameters<typeof startTestSite>[0] = {}) {
  const site = await startTestSite(options)
  t.after(() => site.stop())
  return site
}
const me = 'member@north'
const bytes = randomBytes(300_000)

test('what goes up comes down: whole, in ranges, with its digests', async (t) => {
  const site = await start(t)
  const { id } = await site.image(me, { name: 'one' })
  assert.equal((await site.call(me, 'GET', `/v2/images/${id}/file`)).status, 204)
  assert.equal((await site.upload(me, id, bytes)).status, 204)
  const { body } = await site.call(me, 'GET', `/v2/images/${id}`)
  assert.equal(body.status, 'active')
  assert.equal(body.size, bytes.length)
  assert.equal(body.checksum, createHash('md5').update(bytes).digest('hex'))
  assert.equal(body.os_hash_algo, 'sha512')
  assert.equal(body.os_hash_value, createHash('sha512').update(bytes).digest('hex'))

  const empty = await site.image(me)
  assert.equal((await site.upload(me, empty.id, new Uint8Array())).status, 204)
  assert.equal((await site.call(me, 'GET', `/v2/images/${empty.id}/file`)).status, 204)

  const whole = await site.call(me, 'GET', `/v2/images/${id}/file`)
  assert.equal(whole.status, 200)
  assert.ok(bytes.equals(whole.bytes))
  assert.equal(whole.headers['content-md5'], body.checksum)
  assert.equal(whole.headers['content-length'], String(bytes.length))

  const ranged = (range: string) => site.call(me, 'GET', `/v2/images/${id}/file`, { headers: { range } })
  for (const [range, from, to] of [
    ['bytes=0-0', 0, 0],
    ['bytes=100000-200000', 100_000, 200_000],
    ['bytes=299990-', 299_990, 299_999],
    ['bytes=-10', 299_990, 299_999],
    ['bytes=299999-999999999', 299_999, 299_999],
  ] as const) {
    const part = await ranged(range)
    assert.equal(part.status, 206, range)
    assert.equal(part.headers['content-range'], `bytes ${from}-${to}/300000`)
    assert.ok(bytes.subarray(from, to + 1).equals(part.bytes), range)
  }
  assert.equal((await ranged('bytes=0-1,5-6')).status, 400)
  for (const range of ['bytes=300000-', 'bytes=5-4', 'bytes=-0', 'lines=1-2', 'bytes=a-b', 'bytes=-'])
    assert.equal((await ranged(range)).status, 416, range)
})

test('an upload is refused before it writes anything, and leaves the image as it was', async (t) => {
  const site = await start(t, { more: 'image:\n  sizeCapBytes: 200000\n' })
  const { id } = await site.image(me)
  const bare = await site.call(me, 'POST', '/v2/images', { body: { name: 'no formats' } })
  assert.equal((await site.upload(me, bare.body.id, bytes)).status, 400)
  assert.equal((await site.upload(me, id, bytes, { 'content-type': 'application/json' })).status, 415)
  assert.equal((await site.upload(me, id, bytes)).status, 413)
  assert.equal((await site.upload(me, id, Buffer.from('x'), { 'x-openstack-image-size': 'many' })).status, 400)
  assert.equal((await site.upload(me, id, Buffer.from('xyz'), { 'x-openstack-image-size': '2' })).status, 400)
  assert.equal((await site.upload(me, id, Buffer.from('xyz'), { 'x-openstack-image-size': '4' })).status, 400)
  const nowhere = await site.upload(me, id, Buffer.from('xyz'), { 'x-image-meta-store': 'nowhere' })
  assert.deepEqual([nowhere.status, /These are there: local\./.test(nowhere.body.message)], [400, true])
  assert.equal((await site.upload('reader@north', id, Buffer.from('xyz'))).status, 403)
  assert.equal((await site.upload('member@south', id, Buffer.from('xyz'))).status, 404)
  const { body } = await site.call(me, 'GET', `/v2/images/${id}`)
  assert.deepEqual([body.status, body.size, body.checksum], ['queued', null, null])
  assert.deepEqual(await site.files(), [])
  assert.deepEqual(await site.database.query.selectFrom('image_data').selectAll().execute(), [])
  assert.equal((await site.upload(me, id, Buffer.from('xyz'))).status, 204)
  assert.equal((await site.upload(me, id, Buffer.from('xyz'))).status, 409)
})

test('of two uploads one wins, and the bytes of the other are gone', async (t) => {
  const site = await start(t)
  const { id } = await site.image(me)
  const answers = await Promise.all([site.upload(me, id, bytes), site.upload(me, id, bytes)])
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [204, 409],
  )
  assert.equal((await site.files()).length, 1)
  const rows = await site.database.query.selectFrom('image_data').select(['state', 'bytes']).execute()
  assert.deepEqual(rows, [{ state: 'stored', bytes: bytes.length }])
})

test('an upload to an image that is deleted meanwhile is gone, with its bytes', async (t) => {
  // The image goes away while the first bytes are written.
  let onWrite: (() => Promise<void>) | undefined
  const site = await start(t, {
    world: (real) => ({
      ...real,
      files: {
        ...real.files,
        create: async (path) => {
          const sink = await real.files.create(path)
          return { ...sink, write: async (piece) => (await onWrite?.(), (onWrite = undefined), await sink.write(piece)) }
        },
      },
    }),
  })
  const { id } = await site.image(me)
  onWrite = async () => assert.equal((await site.call(me, 'DELETE', `/v2/images/${id}`)).status, 204)
  assert.equal((await site.upload(me, id, bytes)).status, 410)
  assert.deepEqual(await site.files(), [])
  assert.deepEqual(await site.database.query.selectFrom('image_data').selectAll().execute(), [])
  assert.equal((await site.call(me, 'GET', `/v2/images/${id}`)).status, 404)
})

/** 1,000 with `npm run stress:images`. */
const uploads = Number(process.env['IMAGE_UPLOADS'] ?? 100)

test(`${uploads} uploads at the edge of a quota never go over it (attacks 20)`, async (t) => {
  const site = await start(t, { more: `image:\n  storageQuotaBytes: ${uploads * 1_000}\n` })
  const ids: string[] = []
  for (let made = 0; made < uploads; made += 1) ids.push((await site.image(me)).id)
  const part = randomBytes(10_000)
  const answers = await Promise.all(ids.map((id) => site.upload(me, id, part)))
  const count = (status: number): number => answers.filter((answer) => answer.status === status).length
  assert.equal(count(204), uploads / 10)
  assert.equal(count(413), uploads - uploads / 10)
  assert.equal((await site.files()).length, uploads / 10)
  // What is deleted is free again, exactly.
  const won = ids[answers.findIndex((answer) => answer.status === 204)]!
  await site.call(me, 'DELETE', `/v2/images/${won}`)
  const again = await site.image(me)
  assert.equal((await site.upload(me, again.id, randomBytes(10_001))).status, 413)
  assert.equal((await site.upload(me, again.id, part)).status, 204)
})

test('a full disk is told, and the image can be tried again', async (t) => {
  let full = true
  const site = await start(t, {
    world: (real) => ({
      ...real,
      files: {
        ...real.files,
        create: async (path) => {
          const sink = await real.files.create(path)
          const failing = async () => Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' }))
          return full ? { ...sink, write: failing } : sink
        },
      },
    }),
  })
  const { id } = await site.image(me)
  assert.equal((await site.upload(me, id, bytes)).status, 413)
  assert.deepEqual(await site.files(), [])
  full = false
  assert.equal((await site.upload(me, id, bytes)).status, 204)
})

/** The smallest qcow2 that says of itself what it must; 64 KiB clusters. */
function qcow2(change: (header: Buffer) => void = () => undefined): Buffer {
  const bytes = Buffer.alloc(4 * 65_536)
  bytes.write('QFI\xfb', 'latin1')
  bytes.writeUInt32BE(3, 4)
  bytes.writeUInt32BE(16, 20)
  bytes.writeBigUInt64BE(1_048_576n, 24)
  bytes.writeUInt32BE(1, 36)
  bytes.writeBigUInt64BE(65_536n, 40)
  bytes.writeBigUInt64BE(131_072n, 48)
  bytes.writeUInt32BE(1, 56)
  bytes.writeUInt32BE(4, 96)
  bytes.writeUInt32BE(104, 100)
  change(bytes)
  return bytes
}

test('bytes must be what they are called, and lead nowhere', async (t) => {
  const site = await start(t)
  const image = async (attributes: object) => (await site.image(me, { disk_format: 'qcow2', ...attributes })).id
  const good = await image({})
  assert.equal((await site.upload(me, good, qcow2())).status, 204)
  assert.equal((await site.call(me, 'GET', `/v2/images/${good}`)).body.virtual_size, 1_048_576)
  const refused: [number, Buffer][] = [
    [415, Buffer.from('no disk at all')],
    [415, Buffer.alloc(1_000_000)],
    [415, qcow2((header) => header.writeBigUInt64BE(200n, 8))],
    [415, qcow2((header) => header.writeBigUInt64BE(4n, 72))],
    [415, qcow2((header) => header.writeBigUInt64BE(1n << 63n, 24))],
  ]
  for (const [status, bytes] of refused) {
    const id = await image({})
    const answer = await site.upload(me, id, bytes)
    assert.equal(answer.status, status)
    assert.equal((await site.call(me, 'GET', `/v2/images/${id}`)).body.status, 'queued')
  }
  assert.equal((await site.files()).length, 1)
  const raw = await image({ disk_format: 'raw' })
  assert.equal(
    (
      await site.upload(
        me,
        raw,
        qcow2((header) => header.writeBigUInt64BE(4n, 72)),
      )
    ).status,
    204,
  )
  assert.equal((await site.call(me, 'GET', `/v2/images/${raw}`)).body.virtual_size, 262_144, 'raw stays raw, whatever it holds')
  const ova = await image({ container_format: 'ova', disk_format: 'vmdk' })
  assert.equal((await site.upload(me, ova, Buffer.from('packed'))).status, 204)
})
