import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestSite } from '../../testing/test-site.ts'

const admin = 'admin@admin'
const me = 'member@north'
const root = '/v2/metadefs/namespaces'

test('definitions of metadata, from a namespace to its last tag', async (t) => {
  const site = await startTestSite()
  t.after(() => site.stop())
  const call = async (method: string, path: string, body?: unknown, as = admin, headers: Readonly<Record<string, string>> = {}) => {
    const answer = await site.call(as, method, path, { headers, ...(body === undefined ? {} : { body }) })
    return { ...answer, is: answer.status }
  }
  const cpu = { title: 'CPU', type: 'string', enum: ['a', 'b'] }
  const made = await call('POST', root, {
    namespace: 'OS::Compute::Test',
    display_name: 'Test',
    visibility: 'public',
    properties: { cpu },
    objects: [{ name: 'board', required: ['slots'], properties: { slots: { title: 'Slots', type: 'integer', minimum: 1 } } }],
    tags: [{ name: 'edge' }],
    resource_type_associations: [
      { name: 'OS::Glance::Image', prefix: 'hw_' },
      { name: 'OS::Nova::Flavor', prefix: 'hw:' },
    ],
  })
  assert.deepEqual([made.is, made.headers['location']], [201, '/v2/metadefs/namespaces/OS%3A%3ACompute%3A%3ATest'])
  assert.equal((await call('POST', root, { namespace: 'OS::Compute::Test' })).is, 409)
  const path = `${root}/OS::Compute::Test`
  const shown = (await call('GET', path, undefined, me)).body
  assert.deepEqual([shown.namespace, shown.owner, shown.protected, shown.properties], ['OS::Compute::Test', 'admin', false, { cpu }])
  assert.deepEqual(shown.objects[0].properties.slots.minimum, 1)
  const forFlavors = (await call('GET', `${path}?resource_type=OS::Nova::Flavor`)).body
  assert.deepEqual([Object.keys(forFlavors.properties), forFlavors.objects[0].required], [['hw:cpu'], ['hw:slots']])
  assert.equal((await call('GET', `${path}/properties/hw_cpu?resource_type=OS::Glance::Image`)).body.name, 'hw_cpu')

  // What would be lost is refused; what an answer has beside it may come back.
  const copy = { ...shown, namespace: 'OS::Compute::Copy' }
  assert.equal((await call('POST', root, copy)).is, 201)
  assert.equal((await call('DELETE', `${root}/OS::Compute::Copy`)).is, 204)
  for (const [method, at, wrong] of [
    ['POST', root, { namespace: 'x', lost: 1 }],
    ['POST', root, { namespace: 'x', objects: [{ name: 'o', lost: 1 }] }],
    ['PUT', path, { namespace: 'OS::Compute::Test', lost: 1 }],
    ['POST', `${path}/objects`, { name: 'o', lost: 1 }],
    ['PUT', `${path}/objects/board`, { name: 'board', lost: 1 }],
    ['PUT', `${path}/tags/edge`, { name: 'edge', lost: 1 }],
    ['POST', `${path}/tags`, { tags: [{ name: 'edge', lost: 1 }] }],
    ['POST', `${path}/tags`, { tags: [], lost: 1 }],
    ['POST', `${path}/resource_types`, { name: 'OS::New', lost: 1 }],
  ] as const) {
    const refused = await call(method, at, wrong)
    assert.deepEqual([refused.is, /lost/.test(refused.body.message)], [400, true], `${method} ${at}`)
  }

  // A private one of others is told like one that is not there.
  await call('POST', root, { namespace: 'hidden', owner: 'south' })
  const [hidden, absent] = [await call('GET', `${root}/hidden`, undefined, me), await call('GET', `${root}/absent`, undefined, me)]
  assert.deepEqual([hidden.is, absent.is], [404, 404])
  assert.equal(JSON.stringify(hidden.body).replaceAll('hidden', 'absent'), JSON.stringify(absent.body))
  assert.equal((await call('GET', `${root}?marker=hidden`, undefined, me)).is, 404)
  const listed = (await call('GET', `${root}?resource_types=OS::Nova::Flavor&limit=1`, undefined, 'reader@south')).body
  assert.deepEqual(
    [listed.namespaces.length, listed.namespaces[0].resource_type_associations.length, listed.schema],
    [1, 2, '/v2/schemas/metadefs/namespaces'],
  )
  assert.match(listed.next, /marker=OS%3A%3ACompute%3A%3ATest/)
  for (const query of ['limit=x', 'sort_key=id', 'sort_dir=up', 'visibility=odd'])
    assert.equal((await call('GET', `${root}?${query}`)).is, 400, query)

  for (const [body, is] of [
    [{ name: 'p' }, 400],
    [{ name: 'p', title: 'P' }, 400],
    [{ name: 'p', title: 'P', type: 'odd' }, 400],
    [{ name: 'p', title: 'P', type: 'string', minimum: 'x' }, 400],
    [{ name: 'p', title: 'P', type: 'string', exec: 'x' }, 400],
    [{ name: 'x'.repeat(81), title: 'P', type: 'string' }, 400],
    [{ name: 'p', title: 'P', type: 'string', pattern: '(a+)+$' }, 201],
    [{ name: 'p', title: 'P', type: 'string' }, 409],
  ] as const)
    assert.equal((await call('POST', `${path}/properties`, body)).is, is, JSON.stringify(body))
  assert.equal((await call('PUT', `${path}/properties/p`, { name: 'q', title: 'Q', type: 'string' })).body.name, 'q')
  assert.deepEqual(Object.keys((await call('GET', `${path}/properties`)).body.properties).toSorted(), ['cpu', 'q'])
  assert.deepEqual([(await call('DELETE', `${path}/properties/q`)).is, (await call('GET', `${path}/properties/q`)).is], [204, 404])

  const object = await call('POST', `${path}/objects`, { name: 'bus/1' })
  assert.deepEqual([object.is, object.body.self], [201, '/v2/metadefs/namespaces/OS%3A%3ACompute%3A%3ATest/objects/bus%2F1'])
  assert.equal((await call('PUT', object.body.self, { name: 'bus', description: 'd' })).body.description, 'd')
  assert.equal((await call('DELETE', `${path}/objects`)).is, 204)
  assert.deepEqual((await call('GET', `${path}/objects`)).body.objects, [])

  assert.equal((await call('POST', `${path}/tags/far`)).is, 201)
  assert.equal((await call('PUT', `${path}/tags/far`, { name: 'near' })).body.name, 'near')
  const more = await call('POST', `${path}/tags`, { tags: [{ name: 'x' }] }, admin, { 'x-openstack-append': 'true' })
  assert.deepEqual(
    [more.is, (await call('GET', `${path}/tags?sort_key=name&sort_dir=asc`)).body.tags.map(({ name }: { name: string }) => name)],
    [201, ['edge', 'near', 'x']],
  )
  await call('POST', `${path}/tags`, { tags: [{ name: 'only' }] })
  assert.deepEqual((await call('GET', `${path}/tags`)).body.tags.length, 1)

  assert.equal((await call('POST', `${path}/resource_types`, { name: 'OS::New' })).is, 201)
  assert.ok((await call('GET', '/v2/metadefs/resource_types')).body.resource_types.some(({ name }: { name: string }) => name === 'OS::New'))
  assert.equal((await call('DELETE', `${path}/resource_types/OS::New`)).is, 204)

  await call('PUT', path, { namespace: 'OS::Compute::Test', protected: true })
  for (const what of ['', '/tags', '/tags/only', '/properties', '/properties/cpu', '/objects', '/resource_types/OS::Nova::Flavor'])
    assert.equal((await call('DELETE', path + what)).is, 403, what)
  await call('PUT', path, { namespace: 'OS::Compute::Test', protected: false })
  assert.equal((await call('DELETE', path)).is, 204)
  assert.equal((await call('GET', path)).is, 404)
  for (const name of [
    'namespace',
    'namespaces',
    'object',
    'objects',
    'property',
    'properties',
    'tag',
    'tags',
    'resource_type',
    'resource_types',
  ])
    assert.equal((await call('GET', `/v2/schemas/metadefs/${name}`)).is, 200, name)
})
