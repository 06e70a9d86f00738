import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { addressProblem, readSource, shownSource } from '../rules/import-source.ts'
import { startTestSite, type TestSite } from '../testing/test-site.ts'

const me = 'member@north'
const bytes = randomBytes(200_000)

const rules = { importSchemes: ['http', 'https'], importHosts: [], importPorts: [80, 443, 8443], importNetworks: [] }

test('what leads to no public host is refused by its looks (attacks 12)', () => {
  for (const uri of [
    'http://127.0.0.1/x',
    'http://169.254.169.254/latest/meta-data',
    'http://10.0.0.1/',
    'http://172.16.3.4/',
    'http://192.168.1.1/',
    'http://100.64.0.1/',
    'http://0/',
    'http://0.0.0.0/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0177.0.0.1/',
    'http://127.1/',
    'http://134744072/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[2002:7f00:1::]/',
    'http://[2001:db8::1]/',
    'http://[fe80::1]/',
    'http://[fd00::1]/',
    'http://[fec0::1]/',
    'http://[ff02::1]/',
    'http://user@images.example/x',
    'http://user:secret@images.example/x',
    'http://images.example@127.0.0.1/',
    'http://127。0。0。1/',
    'http://images.example\\@127.0.0.1/',
    'http://images.example\t.evil/',
    'http://ımages.example/',
    'http://%31%32%37.0.0.1/',
    'http:///x',
    'http:images.example',
    'http://[::1',
  ]) {
    const problem = readSource(uri, rules)
    assert.ok(typeof problem === 'string' && /host not allowed|only URLs/.test(problem), `${uri}: ${String(problem)}`)
    assert.ok(!problem.includes('secret'))
  }
  for (const uri of ['file:///etc/passwd', 'ftp://images.example/x', 'gopher://images.example/', 'x', ''])
    assert.match(String(readSource(uri, rules)), /only URLs with http or https|characters/)
  assert.match(String(readSource('http://images.example:22/', rules)), /port 22 is not allowed/)
  assert.match(String(readSource(`http://images.example/${'x'.repeat(2_048)}`, rules)), /characters/)
  for (const uri of ['http://8.8.8.8/x', 'https://images.example/a%20b?c=d', 'HTTPS://Images.Example:8443/x', 'http://[2606:4700::1111]/'])
    assert.ok(readSource(uri, rules) instanceof URL, uri)
})

test('what the operator allows, and no more', () => {
  const hosts = { ...rules, importHosts: ['images.example', '*.mirror.example'] }
  for (const uri of ['http://images.example/', 'http://a.b.mirror.example/']) assert.ok(readSource(uri, hosts) instanceof URL, uri)
  for (const uri of ['http://other.example/', 'http://mirror.example/', 'http://evilmirror.example/', 'http://images.example.evil/'])
    assert.match(String(readSource(uri, hosts)), /host not allowed/)
  const inside = { importNetworks: ['10.1.0.0/16', 'fd00:1::/64'] }
  assert.equal(addressProblem('10.1.2.3', inside), undefined)
  assert.equal(addressProblem('fd00:1::5', inside), undefined)
  for (const address of ['10.2.0.1', 'fd00:2::1', '::ffff:10.1.2.3', 'no address'])
    assert.match(String(addressProblem(address, inside)), /not allowed/)
  assert.equal(shownSource('https://h/x?X-Signature=abc#d'), 'https://h/x?…')
})

void describe('web-download', () => {
  let site: TestSite
  let port = 0
  let redirectPort = 0
  /** What names lead to; each look takes the next. */
  const names = new Map<string, string[][]>()
  let seen: { url: string; headers: IncomingHttpHeaders }[] = []
  const answers: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
    '/image': (_, response) => response.end(bytes),
    '/moved': (_, response) => response.writeHead(302, { location: '/image' }).end(),
    '/hops': (_, response) => response.writeHead(307, { location: '/hops' }).end(),
    '/to-file': (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    '/to-private': (_, response) => response.writeHead(302, { location: 'http://10.0.0.1/' }).end(),
    '/to-hex': (_, response) => response.writeHead(302, { location: `http://0x7f000001:${port}/image` }).end(),
    '/to-port': (_, response) => response.writeHead(302, { location: `http://127.0.0.1:${redirectPort}/image` }).end(),
    '/endless': (_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      }
      response.on('drain', more)
      more()
    },
    '/too-large': (_, response) => response.writeHead(200, { 'content-length': 10_000_000 }).write('x'),
    '/short': (_, response) => {
      response.writeHead(200, { 'content-length': 1000 }).write('x')
      setImmediate(() => response.destroy())
    },
    '/packed': (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
    '/missing': (_, response) => response.writeHead(404).end(),
  }
  const server = createServer((request, response) => {
    seen.push({ url: request.url ?? '', headers: request.headers })
    answers[(request.url ?? '').split('?')[0]!]!(request, response)
  })

  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
    redirectPort = port === 65_535 ? port - 1 : port + 1
    site = await startTestSite({
      more: `image:\n  sizeCapBytes: 1000000\n  importPorts: [${port}, 80]\n  importNetworks: [127.0.0.0/8]\n  locations: shown\n  stores: ['local=file:images', 'second=file:second']\n`,
      world: (real) => ({
        ...real,
        timers: {
          ...real.timers,
          sleep: (_delayMs, signal) => real.timers.sleep(1, signal),
          after: (delayMs, fire) => real.timers.after(Math.min(delayMs, 20_000), fire),
        },
        net: {
          ...real.net,
          serve: real.net.serve.bind(real.net),
          stream: (request) => real.net.stream(request),
          async resolve(name, deadlineMs) {
            const answers = names.get(name)
            if (answers === undefined) return real.net.resolve(name, deadlineMs)
            return (answers.length > 1 ? answers.shift() : answers[0]) ?? []
          },
        },
      }),
    })
  })
  after(async () => {
    await site.stop()
    server.closeAllConnections()
    server.close()
  })

  const bring = (id: string, uri: unknown) =>
    site.call(me, 'POST', `/v2/images/${id}/import`, { body: { method: { name: 'web-download', uri } } })
  async function brought(uri: string, attributes: object = {}) {
    seen = []
    const { id } = await site.image(me, { ...attributes })
    const accepted = await bring(id, uri)
    assert.equal(accepted.status, 202, JSON.stringify(accepted.body))
    for (;;) {
      const { tasks } = (await site.call(me, 'GET', `/v2/images/${id}/tasks`)).body
      if (tasks[0].status === 'success' || tasks[0].status === 'failure')
        return { id, task: tasks[0], image: (await site.call(me, 'GET', `/v2/images/${id}`)).body }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const local = (path: string): string => `http://127.0.0.1:${port}${path}`

  void test('brings the bytes, over redirects that are allowed, and tells nothing of ours', async () => {
    const { id, task, image } = await brought(local('/moved?signature=s3cret'))
    assert.deepEqual([task.status, image.status, image.size], ['success', 'active', bytes.length])
    assert.ok(bytes.equals((await site.call(me, 'GET', `/v2/images/${id}/file`)).bytes))
    assert.ok(!JSON.stringify(task).includes('s3cret'))
    assert.deepEqual(
      seen.map(({ url }) => url),
      ['/moved?signature=s3cret', '/image'],
    )
    for (const { headers } of seen)
      for (const name of ['x-auth-token', 'authorization', 'cookie', 'referer']) assert.equal(headers[name], undefined)
  })

  void test('refuses before anything is promised what must not be reached', async () => {
    const { id } = await site.image(me)
    names.set('inside.example', [['10.0.0.5']])
    names.set('half.example', [['127.0.0.1', '10.0.0.5']])
    for (const uri of [
      `http://10.0.0.1:${port}/`,
      `http://inside.example:${port}/`,
      `http://half.example:${port}/`,
      'http://127.0.0.1:23/',
      undefined,
      5,
    ]) {
      const answer = await bring(id, uri)
      assert.equal(answer.status, 400, String(uri))
    }
    assert.equal((await site.call(me, 'GET', `/v2/images/${id}`)).body.status, 'queued')
  })

  void test('connects to the address that was judged, whatever the name says next', async () => {
    // Public at the API, then here, then somewhere private: only the second look counts for the connection.
    names.set('rebinding.example', [['127.0.0.1'], ['127.0.0.1'], ['10.0.0.5']])
    const { image } = await brought(`http://rebinding.example:${port}/image`)
    assert.equal(image.status, 'active')
    assert.equal(seen[0]!.headers.host, `rebinding.example:${port}`)
    names.set('turned.example', [['127.0.0.1'], ['10.0.0.5']])
    const turned = await brought(`http://turned.example:${port}/image`)
    assert.deepEqual([turned.task.status, turned.image.status, seen.length], ['failure', 'queued', 0])
    assert.match(turned.task.message, /10\.0\.0\.5 is not a public address/)
  })

  void test('what goes wrong is told, the image can be tried again, and no byte stays', async () => {
    const kept = (await site.files()).length
    for (const [path, why, requests] of [
      ['/hops', /more than 3 redirects/, 4],
      ['/to-file', /only URLs with http or https/, 1],
      ['/to-private', /host not allowed|port 80/, 1],
      ['/to-hex', /not written in its usual form/, 1],
      ['/to-port', /port \d+ is not allowed/, 1],
      ['/endless', /larger than 1000000 bytes/, 1],
      ['/too-large', /larger than 1000000 bytes/, 1],
      ['/packed', /compressed/, 1],
      ['/missing', /status 404/, 1],
      ['/short', /broke/, 3],
    ] as const) {
      const { task, image } = await brought(local(path))
      assert.deepEqual([task.status, image.status, image.size, image.os_glance_failed_import], ['failure', 'queued', null, 'local'], path)
      assert.match(task.message, why, path)
      assert.equal(seen.length, requests, path)
    }
    const wrong = await brought(local('/image'), { disk_format: 'qcow2' })
    assert.match(wrong.task.message, /it is not qcow2/)
    const rows = await site.database.query.selectFrom('image_data').select('id').where('state', 'in', ['writing', 'staged']).execute()
    assert.deepEqual(rows, [])
    // What is garbage now goes with the next sweep; only the last one was whole for a moment.
    assert.ok((await site.files()).length <= kept + 1)
  })

  void test('a location is fetched, and must have the digest that it is said to have (attacks 15, 21)', async () => {
    const settled = async (id: string) => {
      for (;;) {
        const [task] = (await site.call(me, 'GET', `/v2/images/${id}/tasks`)).body.tasks
        if (task.status === 'success' || task.status === 'failure')
          return { task, image: (await site.call(me, 'GET', `/v2/images/${id}`)).body }
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    const set = (id: string, body: object, as = me) => site.call(as, 'POST', `/v2/images/${id}/locations`, { body })
    const digest = { os_hash_algo: 'sha512', os_hash_value: createHash('sha512').update(bytes).digest('hex') }
    const { id } = await site.image(me)
    for (const url of [
      'file:///etc/passwd',
      'filesystem:///etc/passwd',
      'rbd://other/pool/image',
      'swift+https://a:b@c/d',
      `http://u:p@127.0.0.1:${port}/image`,
    ]) {
      const answer = await set(id, { url })
      assert.equal(answer.status, 400, url)
      assert.ok(!JSON.stringify(answer.body).includes('u:p'))
    }
    for (const validation_data of [{ ...digest, os_hash_algo: 'md5' }, { ...digest, os_hash_value: 'abc' }, {}])
      assert.equal((await set(id, { url: local('/image'), validation_data })).status, 400)
    assert.deepEqual(
      [(await set(id, { url: local('/image') }, 'reader@north')).status, (await set(id, { url: local('/image') }, 'member@south')).status],
      [403, 404],
    )
    assert.equal((await set(id, { url: local('/image'), validation_data: { ...digest, os_hash_value: '0'.repeat(128) } })).status, 202)
    const lied = await settled(id)
    assert.deepEqual([lied.task.type, lied.task.status, lied.image.status], ['location_import', 'failure', 'queued'])
    assert.match(lied.task.message, /digest/)
    const other = await site.image(me)
    assert.equal((await set(other.id, { url: local('/image'), validation_data: digest }, 'service@services')).status, 202)
    assert.equal((await set(other.id, { url: local('/image') })).status, 409)
    assert.equal((await settled(other.id)).image.os_hash_value, digest.os_hash_value)
  })

  void test('where it is allowed, PATCH sets a location and takes one away; the owner sees them', async () => {
    const patch = (id: string, body: object[], as = me) =>
      site.call(as, 'PATCH', `/v2/images/${id}`, { body, headers: { 'content-type': 'application/openstack-images-v2.1-json-patch' } })
    const add = (value: unknown, path = '/locations/-') => ({ op: 'add', path, value })
    const { id } = await site.image(me, { visibility: 'community' })
    const url = local('/image')
    for (const [body, status] of [
      [[add({ url: 'file:///etc/passwd', metadata: {} })], 400],
      [[add({ metadata: {} })], 400],
      [[add({ url, metadata: {} }), { op: 'replace', path: '/name', value: 'x' }], 400],
      [[add({ url, metadata: {} }, '/locations/x')], 400],
      [[{ op: 'replace', path: '/locations', value: [] }], 403],
      [[{ op: 'replace', path: '/locations', value: [{ url }, { url }] }], 400],
      [[{ op: 'remove', path: '/locations/0' }], 403],
    ] as const)
      assert.equal((await patch(id, [...body])).status, status, JSON.stringify(body))
    assert.equal((await patch(id, [add({ url, metadata: {} })], 'member@south')).status, 403)
    assert.equal((await patch(id, [{ op: 'remove', path: '/locations/0' }], 'admin@admin')).status, 400, 'there is none')
    const { body: begun } = await patch(id, [{ op: 'replace', path: '/locations', value: [{ url, metadata: {} }] }])
    assert.deepEqual([begun.status, begun.locations], ['importing', []])
    const show = async (as: string) => (await site.call(as, 'GET', `/v2/images/${id}`)).body
    while ((await show(me)).status === 'importing') await new Promise((resolve) => setTimeout(resolve, 5))
    const { status, locations } = await show(me)
    assert.deepEqual([status, locations.length, locations[0].metadata], ['active', 1, { store: 'local' }])
    assert.equal((await show('member@south')).locations, undefined)
    assert.equal((await patch(id, [add({ url, metadata: {} })])).status, 409, 'copies are made by imports')
    const admin = 'admin@admin'
    assert.equal((await patch(id, [{ op: 'remove', path: '/locations/0' }])).status, 403)
    assert.equal((await patch(id, [{ op: 'remove', path: '/locations/0' }], admin)).status, 403, 'the last one stays')
    await site.call(admin, 'POST', `/v2/images/${id}/import`, { body: { method: { name: 'copy-image' }, stores: ['second'] } })
    while ((await show(me)).locations.length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
    while ((await show(me)).os_glance_importing_to_stores) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.deepEqual((await patch(id, [{ op: 'remove', path: '/locations/1' }], admin)).body.locations.length, 1)
  })

  void test('an old task imports a new image', async () => {
    const begin = (body: object, as = 'admin@admin') => site.call(as, 'POST', '/v2/tasks', { body })
    const input = { import_from: local('/image'), import_from_format: 'raw', image_properties: { name: 'by task', hw_disk_bus: 'virtio' } }
    assert.equal((await begin({ type: 'import', input }, me)).status, 403)
    for (const body of [
      { type: 'export', input },
      { type: 'import' },
      { type: 'import', input: { ...input, import_from: 'http://10.0.0.1/' } },
      { type: 'import', input: { ...input, image_properties: { status: 'active' } } },
      { type: 'import', input: { ...input, image_properties: { name: 'of no format', disk_format: null } } },
    ])
      assert.ok([400, 403].includes((await begin(body)).status), JSON.stringify(body))
    assert.deepEqual((await site.call('admin@admin', 'GET', '/v2/images?name=of no format')).body.images, [])
    const { status, headers, body } = await begin({ type: 'import', input })
    assert.deepEqual([status, headers['location'], body.type], [201, `/v2/tasks/${body.id}`, 'import'])
    for (;;) {
      const task = (await site.call('admin@admin', 'GET', `/v2/tasks/${body.id}`)).body
      if (task.status === 'pending' || task.status === 'processing') await new Promise((resolve) => setTimeout(resolve, 5))
      else {
        assert.equal(task.status, 'success')
        assert.equal((await site.call('admin@admin', 'GET', `/v2/images/${task.result.image_id}`)).body.name, 'by task')
        return
      }
    }
  })
})
