import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { startTestSite } from '../testing/test-site.ts'

const me = 'member@north'
const admin = 'admin@admin'
const bytes = randomBytes(300_000)
const twoStores = "image:\n  stores: ['local=file:images', 'second=file:second']\n"

async function start(t: TestContext, more = twoStores) {
  const site = await startTestSite({ more })
  t.after(() => site.stop())
  const show = async (id: string) => (await site.call(admin, 'GET', `/v2/images/${id}`)).body
  return {
    ...site,
    show,
    stage: (id: string, data: Uint8Array) => site.call(me, 'PUT', `/v2/images/${id}/stage`, { body: data }),
    bring: (id: string, body: object, as = me) => site.call(as, 'POST', `/v2/images/${id}/import`, { body }),
    /** The tasks of an image once all of them have ended. */
    async ended(id: string) {
      for (;;) {
        const { tasks } = (await site.call(me, 'GET', `/v2/images/${id}/tasks`)).body
        if (tasks.every(({ status }: { status: string }) => status === 'success' || status === 'failure')) return tasks
        await site.world.timers.sleep(20)
      }
    },
  }
}
const direct = { method: { name: 'glance-direct' } }

test('staged data is imported into all stores that were named, and nothing stays staged', async (t) => {
  const site = await start(t)
  const { id } = await site.image(me)
  assert.equal((await site.bring(id, direct)).status, 409, 'nothing is staged')
  assert.equal((await site.stage(id, bytes)).status, 204)
  assert.equal((await site.stage(id, bytes)).status, 409)
  assert.deepEqual([(await site.show(id)).status, (await site.show(id)).size], ['uploading', null])
  assert.equal((await site.call(me, 'GET', `/v2/images/${id}/file`)).status, 204)
  const accepted = await site.bring(id, { ...direct, all_stores: true })
  assert.deepEqual([accepted.status, accepted.bytes.length], [202, 0])
  assert.equal((await site.bring(id, direct)).status, 409)
  const [task] = await site.ended(id)
  assert.deepEqual([task.status, task.type, task.image_id, task.result], ['success', 'api_image_import', id, { image_id: id }])
  assert.match(task.updated_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/)
  const image = await site.show(id)
  assert.deepEqual([image.status, image.size, image.stores, image.virtual_size], ['active', bytes.length, 'local,second', bytes.length])
  assert.deepEqual(
    Object.keys(image).filter((key) => key.startsWith('os_glance')),
    [],
  )
  for (const prefer of ['local', 'second'])
    assert.ok(bytes.equals((await site.call(me, 'GET', `/v2/images/${id}/file?prefer=${prefer}`)).bytes))
  assert.equal((await site.call(me, 'GET', `/v2/images/${id}/file?prefer=third`)).status, 400)
  const rows = await site.database.query.selectFrom('image_data').select('state').orderBy('state').execute()
  assert.deepEqual(rows, [{ state: 'garbage' }, { state: 'stored' }, { state: 'stored' }])
  assert.equal((await site.bring(id, direct)).status, 409, 'active already')
})

test('an import that can not be done leaves an image that can be tried again', async (t) => {
  const site = await start(t)
  const { id } = await site.image(me, { disk_format: 'qcow2' })
  await site.stage(id, bytes)
  assert.equal((await site.bring(id, direct)).status, 202)
  const [task] = await site.ended(id)
  assert.equal(task.status, 'failure')
  assert.match(task.message, /it is not qcow2/)
  const image = await site.show(id)
  assert.deepEqual([image.status, image.size, image.checksum, image.os_glance_failed_import], ['queued', null, null, 'local'])
  assert.equal((await site.database.query.selectFrom('image_data').select('id').where('state', '!=', 'garbage').execute()).length, 0)
  await site.call(me, 'PATCH', `/v2/images/${id}`, {
    body: [{ op: 'replace', path: '/disk_format', value: 'raw' }],
    headers: { 'content-type': 'application/openstack-images-v2.1-json-patch' },
  })
  assert.equal((await site.stage(id, bytes)).status, 204)
  assert.equal((await site.bring(id, direct)).status, 202)
  await site.ended(id)
  assert.deepEqual([(await site.show(id)).status, (await site.show(id)).os_glance_failed_import], ['active', undefined])
})

test('an active image is copied into further stores, by administrators', async (t) => {
  const site = await start(t)
  const { id } = await site.image(me)
  const copy = { method: { name: 'copy-image' }, stores: ['second'] }
  assert.equal((await site.bring(id, copy, admin)).status, 409, 'not active')
  await site.upload(me, id, bytes)
  assert.equal((await site.bring(id, copy)).status, 403)
  assert.equal((await site.bring(id, { ...copy, stores: ['local'] }, admin)).status, 400)
  assert.equal((await site.bring(id, copy, admin)).status, 202)
  await site.ended(id)
  assert.deepEqual([(await site.show(id)).status, (await site.show(id)).stores], ['active', 'local,second'])
  assert.equal((await site.bring(id, { method: { name: 'copy-image' }, all_stores: true }, admin)).status, 202, 'nothing to do')
  assert.equal((await site.ended(id)).length, 1)
  assert.equal((await site.call(me, 'DELETE', `/v2/images/${id}`)).status, 204)
  assert.deepEqual(await site.files(), [])
})

test('what an import may not say', async (t) => {
  const site = await start(t)
  const { id } = await site.image(me)
  await site.stage(id, bytes)
  for (const [status, body] of [
    [400, {}],
    [400, { method: {} }],
    [400, { method: { name: 'by-magic' } }],
    [400, { ...direct, all_stores: true, stores: ['local'] }],
    [400, { ...direct, all_stores: 'yes' }],
    [409, { ...direct, stores: ['nowhere'] }],
  ] as const)
    assert.equal((await site.bring(id, body)).status, status, JSON.stringify(body))
  // Without formats: what to do depends on whether they can still be set.
  const bare = (await site.call(me, 'POST', '/v2/images', { body: {} })).body.id
  const early = await site.bring(bare, direct)
  assert.deepEqual([early.status, /Set them with PATCH/.test(early.body.message)], [409, true])
  assert.equal((await site.stage(bare, bytes)).status, 204)
  const late = await site.bring(bare, direct)
  assert.deepEqual([late.status, /delete the image, create it with both/.test(late.body.message)], [409, true])
  const locked = await site.call(me, 'PATCH', `/v2/images/${bare}`, {
    body: [{ op: 'replace', path: '/disk_format', value: 'raw' }],
    headers: { 'content-type': 'application/openstack-images-v2.1-json-patch' },
  })
  assert.deepEqual([locked.status, /Create an image with the right formats/.test(locked.body.message)], [403, true])
  assert.equal((await site.bring(id, direct, 'member@south')).status, 404)
  assert.equal((await site.bring(id, direct, 'reader@north')).status, 403)
  // An upload to the staging store that has not ended.
  const staging = await site.image(me)
  await site.database.query.updateTable('images').set({ status: 'uploading' }).where('id', '=', staging.id).execute()
  assert.equal((await site.bring(staging.id, direct)).status, 409)
  assert.equal((await site.show(staging.id)).status, 'uploading')
  // No store is the default one.
  assert.equal((await site.bring(id, { ...direct, stores: [] })).status, 202)
  await site.ended(id)
  assert.equal((await site.show(id)).stores, 'local')
  const alone = await start(t, '')
  const one = await alone.image(me)
  assert.equal((await alone.bring(one.id, { ...direct, all_stores_must_succeed: false })).status, 400)
})

test('stores and tasks are told to those who may know', async (t) => {
  const site = await start(t)
  assert.deepEqual((await site.call(me, 'GET', '/v2/info/stores')).body, { stores: [{ id: 'local', default: 'true' }, { id: 'second' }] })
  assert.equal((await site.call(me, 'GET', '/v2/info/stores/detail')).status, 403)
  assert.equal((await site.call(admin, 'GET', '/v2/info/stores/detail')).body.stores[1].type, 'file')
  assert.deepEqual((await site.call(me, 'GET', '/v2/info/import')).body['import-methods'].value, [
    'glance-direct',
    'web-download',
    'copy-image',
  ])
  const { id } = await site.image(me)
  await site.stage(id, bytes)
  await site.bring(id, direct)
  const [task] = await site.ended(id)
  assert.equal((await site.call(me, 'GET', '/v2/tasks')).status, 403)
  const listed = await site.call(admin, 'GET', '/v2/tasks?status=success')
  assert.deepEqual(
    [listed.body.tasks.length, listed.body.tasks[0].self, listed.body.tasks[0].input],
    [1, `/v2/tasks/${task.id}`, undefined],
  )
  const shown = await site.call(admin, 'GET', `/v2/tasks/${task.id}`)
  assert.equal(shown.body.input.import_req.method.name, 'glance-direct')
  for (const query of ['?limit=-1', '?marker=x', '?sort_key=message', '?sort_dir=up', '?status=odd'])
    assert.equal((await site.call(admin, 'GET', `/v2/tasks${query}`)).status, 400, query)
  const forbidden = await site.call(admin, 'DELETE', `/v2/tasks/${task.id}`)
  assert.deepEqual([forbidden.status, forbidden.headers['allow']], [405, 'GET, HEAD'])
})

test('an image leaves one store and stays in the others', async (t) => {
  const site = await start(t)
  const { id } = await site.image(me)
  await site.stage(id, bytes)
  await site.bring(id, { ...direct, all_stores: true })
  await site.ended(id)
  const leave = async (store: string, as = admin) => (await site.call(as, 'DELETE', `/v2/stores/${store}/${id}`)).status
  assert.deepEqual(
    [await leave('local', me), await leave('local', 'member@south'), await leave('nowhere'), await leave('local')],
    [403, 404, 409, 204],
  )
  assert.equal((await site.show(id)).stores, 'second')
  assert.deepEqual([await leave('local'), await leave('second')], [404, 403])
  assert.ok(bytes.equals((await site.call(me, 'GET', `/v2/images/${id}/file`)).bytes))
  assert.equal(await site.files().then((files) => files.filter((name) => name !== '').length >= 1), true)
  const queued = await site.image(me)
  assert.equal((await site.call(admin, 'DELETE', `/v2/stores/local/${queued.id}`)).status, 409)
  const alone = await start(t, '')
  assert.equal((await alone.call(admin, 'DELETE', `/v2/stores/local/${(await alone.image(me)).id}`)).status, 404)
  const locations = await site.call('service@services', 'GET', `/v2/images/${id}/locations`)
  assert.deepEqual(
    locations.body.map(({ metadata }: { metadata: object }) => metadata),
    [{ store: 'second' }],
  )
  assert.equal((await site.call(me, 'GET', `/v2/images/${id}/locations`)).status, 403)
})
