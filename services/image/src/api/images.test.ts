import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { testEngine } from '@murmuration/data/testing'
import { startTestSite, type CallOptions, type TestSite } from '../testing/test-site.ts'

async function start(t: TestContext, options: Parameters<typeof startTestSite>[0] = {}) {
  const site = await startTestSite(options)
  t.after(() => site.stop())
  return site
}
const me = 'member@north'
const admin = 'admin@admin'
const v21 = 'application/openstack-images-v2.1-json-patch'
const v20 = 'application/openstack-images-v2.0-json-patch'
const patch = (site: TestSite, id: string, operations: unknown, options: CallOptions & { as?: string } = {}) =>
  site.call(options.as ?? me, 'PATCH', `/v2/images/${id}`, { body: operations, headers: { 'content-type': v21 }, ...options })

test('versions are told without a token, and minor ones are the same API', async (t) => {
  const site = await start(t)
  const root = await site.call(undefined, 'GET', '/')
  assert.equal(root.status, 300)
  assert.deepEqual(
    root.body.versions.filter((one: { status: string }) => one.status === 'CURRENT').map((one: { id: string }) => one.id),
    ['v2.17'],
  )
  assert.equal(root.body.versions[0].links[0].href, 'http://image.test:9292/v2/')
  assert.equal((await site.call(undefined, 'GET', '/versions')).status, 200)
  assert.equal((await site.call(me, 'GET', '/v2.9/images')).status, 200)
  assert.equal((await site.call(undefined, 'GET', '/v2/images')).status, 401)
  const wrong = await site.call(me, 'PUT', '/v2/images')
  assert.deepEqual([wrong.status, wrong.headers['allow']], [405, 'GET, HEAD, POST'])

  // What is no version is answered with those that there are; a media type says it as well, and the whole path is behind it then.
  for (const [method, path, headers, status] of [
    ['GET', '/foo', {}, 300],
    ['GET', '/v1/images?limit=1', {}, 300],
    ['GET', '/v2.8/images', {}, 300],
    ['POST', '/v3/images', {}, 300],
    ['GET', '/images?limit=1', { accept: 'application/vnd.openstack.images-v2.9' }, 200],
    ['GET', '//images', { accept: 'application/vnd.openstack.images-v2' }, 200],
    ['GET', '/v2/images', { accept: 'application/vnd.openstack.images-v2' }, 404],
    ['GET', '/v2/images', { accept: 'application/vnd.openstack.images-v9' }, 300],
    ['GET', '/v2/foo', {}, 404],
    ['GET', '/v2', {}, 404],
    ['GET', '//v2.9//images', {}, 200],
    ['GET', '/healthcheck', {}, 200],
    ['GET', '/healthz', {}, 200],
  ] as const)
    assert.equal((await site.call(me, method, path, { headers })).status, status, `${method} ${path} ${JSON.stringify(headers)}`)
  assert.deepEqual((await site.call(undefined, 'DELETE', '/foo/bar', { body: 'x' })).body, root.body)
})

test('what every request may have: an id that is not too long, a body only where one is read', async (t) => {
  const site = await start(t)
  const { id } = await site.image(me)
  const image = `/v2/images/${id}`
  const long = { 'x-openstack-request-id': `req-${'x'.repeat(61)}` }
  for (const path of ['/v2/images', image]) assert.equal((await site.call(me, 'GET', path, { headers: long })).status, 431)
  assert.equal((await site.call(me, 'GET', image, { headers: { 'x-openstack-request-id': `req-${'x'.repeat(60)}` } })).status, 200)
  for (const [method, path] of [
    ['GET', image],
    ['GET', `${image}/file`],
    ['POST', `${image}/actions/deactivate`],
    ['PUT', `${image}/tags/x`],
    ['DELETE', `${image}/tags/x`],
    ['DELETE', image],
    ['GET', '/v2/schemas/image'],
  ] as const) {
    const answer = await site.call(me, method, path, { body: {} })
    assert.deepEqual([answer.status, /takes no body/.test(answer.body.message)], [400, true], `${method} ${path}`)
  }
  assert.equal((await site.call(me, 'GET', image)).status, 200)
})

test('an image is made with defaults, and shows them all', async (t) => {
  const site = await start(t)
  const answer = await site.call(me, 'POST', '/v2/images', { body: { name: 'one', tags: ['a', 'b', 'a'], arch: 'arm64' } })
  assert.equal(answer.status, 201)
  const { body } = answer
  assert.equal(answer.headers['location'], `/v2/images/${body.id}`)
  assert.equal(answer.headers['openstack-image-import-methods'], 'glance-direct,web-download,copy-image')
  assert.match(body.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  const { id, created_at: _created, updated_at: _updated, ...rest } = body
  assert.deepEqual(rest, {
    arch: 'arm64',
    name: 'one',
    status: 'queued',
    visibility: 'shared',
    protected: false,
    os_hidden: false,
    owner: 'north',
    disk_format: null,
    container_format: null,
    min_disk: 0,
    min_ram: 0,
    size: null,
    virtual_size: null,
    checksum: null,
    os_hash_algo: null,
    os_hash_value: null,
    tags: ['a', 'b'],
    self: `/v2/images/${id}`,
    file: `/v2/images/${id}/file`,
    schema: '/v2/schemas/image',
  })
})

test('what a new image may not have is refused, and nothing is stored', async (t) => {
  const site = await start(t)
  const refused: [number, unknown][] = [
    ...[
      'direct_url',
      'self',
      'file',
      'schema',
      'stores',
      'checksum',
      'size',
      'virtual_size',
      'status',
      'created_at',
      'updated_at',
      'os_hash_algo',
      'os_hash_value',
      'location',
      'locations',
      'deleted',
      'deleted_at',
      'os_glance_import_task',
      'os_glance',
    ].map((key): [number, unknown] => [403, { [key]: 'x' }]),
    [403, { owner: 'south' }],
    [403, { visibility: 'public' }],
    [400, []],
    [400, 'null'],
    [400, { id: 'not-a-uuid' }],
    [400, { name: 7 }],
    [400, { name: 'x'.repeat(256) }],
    [400, { name: 'x\u{1FFF2}' }],
    [400, { visibility: 'secret' }],
    [400, { disk_format: 'floppy' }],
    [400, { container_format: 'bag' }],
    [400, { min_disk: -1 }],
    [400, { min_ram: 2 ** 31 }],
    [400, { min_disk: 2 ** 63 }],
    [400, { protected: 'yes' }],
    [400, { tags: ['x'.repeat(256)] }],
    [400, { tags: 'x' }],
    [400, { extra: 5 }],
    [400, { ['k'.repeat(256)]: 'v' }],
    [400, { ['\u{10020}']: 'v' }],
    [400, '{"__proto__": {"x": "y"}}'],
    [400, '{"name": "a", "name": "b"}'],
    [400, '{"name": '],
    [413, Object.fromEntries(Array.from({ length: 129 }, (_, i) => [`p${i}`, 'v']))],
    [413, { tags: Array.from({ length: 129 }, (_, i) => `t${i}`) }],
  ]
  for (const [status, body] of refused)
    assert.equal((await site.call(me, 'POST', '/v2/images', { body })).status, status, JSON.stringify(body).slice(0, 80))
  assert.equal((await site.call('reader@north', 'POST', '/v2/images', { body: {} })).status, 403)
  assert.deepEqual(await site.database.query.selectFrom('images').select('id').execute(), [])
  const id = '7d5a3a52-0f63-4f0c-9b0e-0c6d0d6a4b11'
  assert.equal((await site.call(admin, 'POST', '/v2/images', { body: { id, owner: 'south', visibility: 'public' } })).body.owner, 'south')
  assert.equal((await site.call(me, 'POST', '/v2/images', { body: { id } })).status, 409)
  assert.equal(({} as Record<string, unknown>)['x'], undefined)
})

test('whose image it is not: it does not exist, with the same words', async (t) => {
  const site = await start(t)
  const { id } = await site.image(me)
  const unknown = '00000000-0000-4000-8000-000000000000'
  for (const [method, path] of [
    ['GET', ''],
    ['PATCH', ''],
    ['DELETE', ''],
    ['GET', '/file'],
    ['PUT', '/file'],
    ['PUT', '/tags/x'],
    ['DELETE', '/tags/x'],
    ['GET', '/members'],
    ['POST', '/members'],
    ['GET', '/members/south'],
    ['PUT', '/members/south'],
    ['DELETE', '/members/south'],
    ['POST', '/actions/deactivate'],
    ['POST', '/actions/reactivate'],
  ] as const) {
    const body =
      method === 'PATCH'
        ? []
        : path === '/members' && method === 'POST'
          ? { member: 'm' }
          : method === 'PUT' && path.startsWith('/members')
            ? { status: 'accepted' }
            : undefined
    const ask = (of: string) =>
      site.call('member@south', method, `/v2/images/${of}${path}`, {
        ...(body === undefined ? {} : { body }),
        ...(method === 'PATCH' ? { headers: { 'content-type': v21 } } : {}),
      })
    const [theirs, nobodys] = [await ask(id), await ask(unknown)]
    assert.deepEqual([theirs.status, nobodys.status], [404, 404], `${method} ${path}`)
    assert.equal(JSON.stringify(theirs.body).replaceAll(id, unknown), JSON.stringify(nobodys.body))
  }
})

test('changes: both media types, all or nothing, and what may not be touched', async (t) => {
  const site = await start(t)
  const { id } = await site.image(me, { arch: 'arm', other: 'x' })
  const typed = (type: string) => site.call(me, 'PATCH', `/v2/images/${id}`, { body: [], headers: { 'content-type': type } })
  for (const type of ['application/json', '', 'none']) {
    const wrong = await typed(type)
    assert.deepEqual([wrong.status, wrong.headers['accept-patch']], [415, `${v21}, ${v20}`], type)
  }
  assert.equal((await typed(v21)).status, 200)

  const done = await patch(site, id, [
    { op: 'replace', path: '/name', value: 'two' },
    { op: 'add', path: '/arch', value: 'x86' },
    { op: 'add', path: '/a~1b~0c', value: 'odd' },
    { op: 'remove', path: '/other' },
    { op: 'replace', path: '/tags', value: ['t', 's', 't'] },
    { op: 'replace', path: '/min_ram', value: 64 },
  ])
  assert.equal(done.status, 200)
  assert.deepEqual(
    [done.body.name, done.body.arch, done.body['a/b~c'], done.body.other, done.body.tags, done.body.min_ram],
    ['two', 'x86', 'odd', undefined, ['t', 's'], 64],
  )
  const old = await site.call(me, 'PATCH', `/v2/images/${id}`, {
    body: [
      { replace: '/name', value: 'three' },
      { add: '/new', value: 'n' },
    ],
    headers: { 'content-type': v20 },
  })
  assert.deepEqual([old.body.name, old.body.new], ['three', 'n'])
  for (const body of [[{ add: '/arch', value: 'y' }], [{ add: '/name', value: 'y' }]])
    assert.equal((await site.call(me, 'PATCH', `/v2/images/${id}`, { body, headers: { 'content-type': v20 } })).status, 409)

  const refused: [number, unknown][] = [
    [409, [{ op: 'replace', path: '/missing', value: 'x' }]],
    [409, [{ op: 'remove', path: '/missing' }]],
    [
      409,
      [
        { op: 'replace', path: '/name', value: 'half' },
        { op: 'remove', path: '/missing' },
      ],
    ],
    [403, [{ op: 'remove', path: '/name' }]],
    ...[
      'id',
      'status',
      'checksum',
      'size',
      'virtual_size',
      'created_at',
      'updated_at',
      'self',
      'file',
      'schema',
      'direct_url',
      'os_hash_algo',
      'os_hash_value',
      'location',
      'deleted',
      'deleted_at',
      'os_glance_x',
      'locations',
      'locations/0',
      'locations/-',
    ].map((key): [number, unknown] => [403, [{ op: 'add', path: `/${key}`, value: 'x' }]]),
    [403, [{ op: 'replace', path: '/owner', value: 'south' }]],
    [403, [{ op: 'replace', path: '/visibility', value: 'public' }]],
    [400, {}],
    [400, ['x']],
    [400, [{ op: 'test', path: '/name', value: 'three' }]],
    [400, [{ op: 'move', from: '/name', path: '/x' }]],
    [400, [{ op: 'add', path: 'name', value: 'x' }]],
    [400, [{ op: 'add', path: '/', value: 'x' }]],
    [400, [{ op: 'add', path: '/a/', value: 'x' }]],
    [400, [{ op: 'add', path: '/a//b', value: 'x' }]],
    [400, [{ op: 'add', path: '/a/b', value: 'x' }]],
    [400, [{ op: 'add', path: '/a~2', value: 'x' }]],
    [400, [{ op: 'add', path: '/a~', value: 'x' }]],
    [400, [{ op: 'add', path: '/a' }]],
    [400, [{ op: 'add', path: '/a', value: 1 }]],
    [400, [{ op: 'add', path: '/a', value: '\u{1F2AA}' }]],
    [400, [{ op: 'replace', path: '/disk_format', value: 'floppy' }]],
    [400, Array.from({ length: 10_000 }, () => ({ op: 'add', path: '/a', value: 'x' }))],
    [413, Array.from({ length: 130 }, (_, i) => ({ op: 'add', path: `/p${i}`, value: 'x' }))],
  ]
  const before = (await site.call(me, 'GET', `/v2/images/${id}`)).body
  for (const [status, body] of refused) assert.equal((await patch(site, id, body)).status, status, JSON.stringify(body).slice(0, 90))
  assert.equal((await patch(site, id, [], { as: 'reader@north' })).status, 403)
  assert.deepEqual((await site.call(me, 'GET', `/v2/images/${id}`)).body, before)
  assert.equal(
    (
      await patch(
        site,
        id,
        [
          { op: 'replace', path: '/owner', value: 'south' },
          { op: 'replace', path: '/visibility', value: 'public' },
        ],
        { as: admin },
      )
    ).body.owner,
    'south',
  )
  // Readable for all now, but not theirs.
  assert.equal((await patch(site, id, [{ op: 'replace', path: '/name', value: 'x' }])).status, 403)
})

test('changes at the same time keep what each of them wrote', async (t) => {
  // A server that answers later: what one request has read another one changes meanwhile.
  const leftovers: (() => Promise<void>)[] = []
  t.after(async () => {
    for (const remove of leftovers.reverse()) await remove()
  })
  const engine = testEngine('redis', (remove) => void leftovers.push(remove))
  const site = await startTestSite({ dataUrl: await engine.freshUrl() })
  leftovers.push(() => site.stop())
  const { id } = await site.image(me, { gone: 'x', kept: 'x' })
  const at = ['a', 'b', 'c', 'd', 'e', 'f']
  const changes = [...at.map((key) => ({ op: 'add', path: `/${key}`, value: key })), { op: 'remove', path: '/gone' }]
  const answers = await Promise.all(changes.map((change) => patch(site, id, [change])))
  assert.ok(answers.every(({ status }) => status === 200))
  const { body } = await site.call(me, 'GET', `/v2/images/${id}`)
  assert.deepEqual([...at.map((key) => body[key]), body.kept, body.gone], [...at, 'x', undefined])
})

test('formats are fixed once bytes were judged by them', async (t) => {
  const site = await start(t)
  const { id } = await site.image(me)
  await site.upload(me, id, Buffer.from('bytes'))
  assert.equal((await patch(site, id, [{ op: 'replace', path: '/disk_format', value: 'iso' }])).status, 403)
  assert.equal((await patch(site, id, [{ op: 'replace', path: '/name', value: 'x' }])).status, 200)
  // While an import judges them, too: its verdict is of the format that it read.
  for (const status of ['saving', 'uploading', 'importing'] as const) {
    const { id: busy } = await site.image(me)
    await site.database.query.updateTable('images').set({ status }).where('id', '=', busy).execute()
    for (const change of [
      { path: '/disk_format', value: 'qcow2' },
      { path: '/container_format', value: null },
    ])
      assert.equal((await patch(site, busy, [{ op: 'replace', ...change }])).status, 403, `${status} ${change.path}`)
  }
})

test('protected, deactivated, reactivated, deleted', async (t) => {
  const site = await start(t)
  const { id } = await site.image(me, { protected: true })
  const act = (verb: string, as = me) => site.call(as, 'POST', `/v2/images/${id}/actions/${verb}`)
  assert.equal((await act('deactivate')).status, 403, 'nothing to take out of use')
  await site.upload(me, id, Buffer.from('bytes'))
  assert.equal((await act('deactivate')).status, 204)
  assert.equal((await act('deactivate')).status, 204)
  assert.equal((await site.call(me, 'GET', `/v2/images/${id}/file`)).status, 403)
  assert.equal((await site.call(admin, 'GET', `/v2/images/${id}/file`)).status, 200)
  assert.equal((await act('reactivate')).status, 204)
  assert.equal((await site.call(me, 'GET', `/v2/images/${id}/file`)).status, 200)
  assert.equal((await site.call(me, 'DELETE', `/v2/images/${id}`)).status, 403)
  await patch(site, id, [{ op: 'replace', path: '/protected', value: false }])
  assert.equal((await site.call('reader@north', 'DELETE', `/v2/images/${id}`)).status, 403)
  assert.equal((await site.call(me, 'DELETE', `/v2/images/${id}`)).status, 204)
  assert.equal((await site.call(me, 'DELETE', `/v2/images/${id}`)).status, 404)
  assert.deepEqual(await site.files(), [])
})

test('sharing: the owner asks, the member answers', async (t) => {
  const site = await start(t)
  const { id } = await site.image(me, { name: 'ours' })
  const south = 'member@south'
  const members = `/v2/images/${id}/members`
  const added = await site.call(me, 'POST', members, { body: { member: 'south' } })
  assert.deepEqual([added.status, added.body.status, added.body.image_id, added.body.schema], [200, 'pending', id, '/v2/schemas/member'])
  assert.equal((await site.call(me, 'POST', members, { body: { member: 'south' } })).status, 409)
  assert.equal((await site.call(me, 'POST', members, { body: {} })).status, 400)
  assert.equal((await site.call(south, 'POST', members, { body: { member: 'west' } })).status, 403)
  await site.call(me, 'POST', members, { body: { member: 'west' } })
  const listOf = async (as: string, query = '') => (await site.call(as, 'GET', `/v2/images${query}`)).body.images.length
  assert.equal(await listOf(south), 0)
  assert.equal(await listOf(south, '?member_status=pending'), 1)
  assert.equal((await site.call(south, 'GET', `/v2/images/${id}`)).status, 200)
  const set = (as: string, status: string, of = 'south') => site.call(as, 'PUT', `${members}/${of}`, { body: { status } })
  assert.equal((await set(me, 'accepted')).status, 403)
  assert.equal((await set(south, 'maybe')).status, 400)
  assert.equal((await set(south, 'accepted', 'west')).status, 403)
  assert.equal((await set(south, 'accepted')).body.status, 'accepted')
  assert.equal((await set(admin, 'accepted')).status, 200)
  assert.equal(await listOf(south), 1)
  assert.equal(await listOf(south, '?visibility=shared'), 1)
  assert.equal((await site.call(me, 'GET', members)).body.members.length, 2)
  assert.deepEqual(
    (await site.call(south, 'GET', members)).body.members.map((one: { member_id: string }) => one.member_id),
    ['south'],
  )
  assert.equal((await site.call(south, 'GET', `${members}/west`)).status, 404)
  assert.equal((await site.call(south, 'DELETE', `${members}/south`)).status, 403)
  assert.equal((await site.call(me, 'DELETE', `${members}/south`)).status, 204)
  assert.equal((await site.call(me, 'DELETE', `${members}/south`)).status, 404)
  assert.equal((await site.call(south, 'GET', `/v2/images/${id}`)).status, 404)
  await patch(site, id, [{ op: 'replace', path: '/visibility', value: 'private' }])
  for (const [method, path] of [
    ['GET', ''],
    ['POST', ''],
  ] as const)
    assert.equal((await site.call(me, method, `${members}${path}`, method === 'POST' ? { body: { member: 'x' } } : {})).status, 403)
  // One that nobody could be is told like one that is not there, not that somebody else may see it.
  await patch(site, id, [{ op: 'replace', path: '/visibility', value: 'community' }])
  assert.equal((await site.call(south, 'GET', `${members}/south`)).status, 404)
})

test('lists: pages, links, filters, and what they refuse', async (t) => {
  const site = await start(t)
  for (let i = 0; i < 30; i += 1)
    await site.image(me, {
      name: `n${String(i).padStart(2, '0')}`,
      tags: i % 2 === 0 ? ['even', `t${i}`] : [],
      ...(i === 7 ? { os_hidden: true } : {}),
      ...(i === 8 ? { arch: 'arm' } : {}),
    })
  await site.image('member@south', { name: 'theirs', visibility: 'community' })
  const list = (query: string, as = me) => site.call(as, 'GET', `/v2/images${query}`)
  const names = async (query: string) => (await list(query)).body.images.map(({ name }: { name: string }) => name)
  const first = (await list('')).body
  assert.equal(first.images.length, 25)
  assert.equal(first.first, '/v2/images')
  assert.equal(first.schema, '/v2/schemas/images')
  assert.match(first.next, /^\/v2\/images\?marker=[0-9a-f-]{36}$/)
  for (const query of ['?limit=7&sort=name:asc', '?limit=7&sort_key=name&sort_key=status&sort_dir=asc&sort_dir=desc']) {
    const seen: string[] = []
    for (let path: string | undefined = query; path !== undefined;) {
      const page: { images: { name: string }[]; next?: string } = (await list(path)).body
      seen.push(...page.images.map(({ name }) => name))
      path = page.next?.slice('/v2/images'.length)
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 30 }, (_, i) => `n${String(i).padStart(2, '0')}`).filter((name) => name !== 'n07'),
      query,
    )
  }
  assert.deepEqual(await names('?tag=even&tag=t4'), ['n04'])
  assert.deepEqual(await names('?os_hidden=true'), ['n07'])
  assert.deepEqual(await names('?arch=arm'), ['n08'])
  assert.deepEqual(await names('?arch=mips'), [])
  assert.deepEqual(await names('?name=in:n01,"n02"&sort=name:asc'), ['n01', 'n02'])
  assert.deepEqual(await names('?visibility=community'), ['theirs'])
  assert.deepEqual(await names('?name=n03&created_at=gt:2000-01-01T00:00:00Z&size_min=0'), [])
  assert.deepEqual(await names('?name=n03&created_at=gt:2000-01-01T00:00:00Z'), ['n03'])
  assert.deepEqual(await names('?name=n03&created_at=lt:2000-01-01T00:00:00Z'), [])
  assert.deepEqual(await names('?name=n03&status=queued&disk_format=raw&owner=north&protected=false'), ['n03'])
  assert.deepEqual((await list('?limit=0')).body.images, [])
  assert.equal((await list('?sort_key=name&sort_key=size&sort_dir=asc')).body.images[0].name, 'n00')
  for (const query of [
    '?limit=-1',
    '?limit=x',
    '?limit=1e9',
    '?marker=nobody',
    '?sort=owner',
    '?sort=name:up',
    '?sort=name&sort_key=name',
    '?sort_key=name&sort_dir=asc&sort_dir=desc',
    '?name=a:b',
    '?name=in:"a',
    '?visibility=secret',
    '?member_status=x',
    '?os_hidden=maybe',
    '?protected=1',
    '?created_at=gt:yesterday',
    '?created_at=xx:2030-01-01',
    '?size_min=lots',
    '?changes-since=2030-01-01T00:00:00Z',
    '?sort=name,name',
    '?deleted=true',
  ])
    assert.equal((await list(query)).status, 400, query)
  const other = await site.image('member@south', { name: 'secret', visibility: 'private' })
  assert.equal((await list(`?marker=${other.id}`)).status, (await list('?marker=00000000-0000-4000-8000-000000000000')).status)
})

test('schemas tell clients what is an attribute', async (t) => {
  const site = await start(t)
  for (const name of ['image', 'images', 'member', 'members', 'task', 'tasks']) {
    const { status, body } = await site.call(me, 'GET', `/v2/schemas/${name}`)
    assert.deepEqual([status, body.name], [200, name])
  }
  const { body } = await site.call(me, 'GET', '/v2/schemas/image')
  assert.deepEqual(body.additionalProperties, { type: 'string' })
  assert.equal(body.properties.architecture.is_base, false)
  const { id: _id, ...shown } = await site.image(me)
  for (const key of Object.keys(shown)) assert.ok(Object.hasOwn(body.properties, key), key)
  assert.equal((await site.call(me, 'GET', '/v2/schemas/nothing')).status, 404)
  assert.equal((await site.call(me, 'GET', '/v2/info/stores')).status, 404)
  assert.deepEqual((await site.call(me, 'GET', '/v2/info/usage')).body.usage.image_count_total, { limit: -1, usage: 1 })
})
