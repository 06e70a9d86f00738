import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { startTestSite, type TestSite } from '@murmuration/image/testing'
import type { HttpRequest, HttpResponse, World } from '@murmuration/world'
import { exitCodes } from '../../exit.ts'
import { commandIn, ends, valueOf } from '../../testing/command.ts'

const projects: Readonly<Record<string, string>> = { south: 'south-id' }
const json = (status: number, value: unknown, headers = {}): HttpResponse => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: Buffer.from(JSON.stringify(value)),
})

/** The network of a caller: identity is as little as a command asks of it, the image service is the real one behind a real socket. */
function worldOf(world: World, imageUrl: string): World {
  const request = async (sent: HttpRequest): Promise<HttpResponse> => {
    const url = new URL(sent.url)
    if (url.host !== 'identity.test') return world.net.request(sent)
    if (url.pathname === '/v3/projects') {
      const id = projects[url.searchParams.get('name') ?? '']
      return json(200, { projects: id === undefined ? [] : [{ id }] })
    }
    const { user } = (JSON.parse(String(sent.body)) as { auth: { identity: { password: { user: { name: string } } } } }).auth.identity
      .password
    const endpoints = (where: string) => [{ interface: 'public', region: 'RegionOne', url: where }]
    const catalog = [
      { type: 'image', endpoints: endpoints(imageUrl) },
      { type: 'identity', endpoints: endpoints('http://identity.test/v3') },
    ]
    const token = { issued_at: '2030-01-01T00:00:00Z', expires_at: '2030-01-02T00:00:00Z', catalog }
    return json(201, { token }, { 'x-subject-token': user.name })
  }
  return { ...world, net: { ...world.net, request, stream: world.net.stream.bind(world.net) } }
}

/** The command as whoever it is: users of the test service are their tokens, `member@north-id`. */
async function commands(t: TestContext, site: TestSite) {
  const listening = await site.world.net.serve(
    { host: '127.0.0.1', port: 0 },
    site.service.apps.find(({ name }) => name === 'image')!.endpoint,
  )
  t.after(() => listening.close(0))
  const world = worldOf(site.world, `http://127.0.0.1:${listening.port}`)
  return (user: string) =>
    commandIn(t, { world, environment: { OS_AUTH_URL: 'http://identity.test', OS_USERNAME: user, OS_PASSWORD: 'x' } })
}

test('murmur image: every verb against a live service', async (t) => {
  const site = await startTestSite({ more: `image:\n  stores: ['local=file:images', 'second=file:second']\n` })
  t.after(() => site.stop())
  const as = await commands(t, site)
  const north = as('member@north-id')
  const south = as('member@south-id')
  const file = join(site.folder, 'source')
  const bytes = Buffer.concat([Buffer.from('conectix'), randomBytes(2_000_000)])
  await writeFile(file, bytes)
  const shown = async (...words: string[]) =>
    JSON.parse((await north('image', 'show', ...words, '-f', 'json')).out) as Record<string, unknown>

  await t.test('create: from a file, from what is piped in, and without bytes', async () => {
    await assert.rejects(north('image', 'create', 'x', '--public', '--private'), ends(exitCodes.usage, /--public and --private can not/))
    await assert.rejects(north('image', 'create', 'x', '--property', 'novalue'), ends(exitCodes.usage, /give name=value/))
    await assert.rejects(
      north('image', 'create', 'x', '--file', join(site.folder, 'nothing')),
      ends(exitCodes.usage, /there is no such file/),
    )
    const options = ['--min-disk', '2', '--min-ram', '64', '--tag', 'edge', 'b', '--property', 'os_distro=debian', 'note=a=b', '--shared', '--protected'] // prettier-ignore
    const made = await north('image', 'create', 'base', '--file', file, '--disk-format', 'raw', '--store', 'second', ...options)
    const fields = ['status', 'size', 'min_disk', 'min_ram', 'os_distro', 'note', 'visibility', 'protected', 'stores', 'owner']
    assert.deepEqual(fields.map((field) => valueOf(made, field)), ['active', String(bytes.length), '2', '64', 'debian', 'a=b', 'shared', 'true', 'second', 'north-id']) // prettier-ignore

    t.mock.getter(process, 'stdin', () => Object.assign(Readable.from([bytes.subarray(0, 10), bytes.subarray(10)]), { isTTY: false }))
    const piped = await north('image', 'create', 'piped', '--file', '-', '--disk-format', 'raw')
    assert.equal(valueOf(piped, 'checksum'), valueOf(made, 'checksum'))
    t.mock.restoreAll()

    // What calls itself a VHD and is none is refused, and leaves no empty image.
    await assert.rejects(north('image', 'create', 'wrong', '--file', file), ends(exitCodes.refused, /HTTP 415/))
    assert.equal((await north('image', 'list', '--name', 'wrong', '-f', 'value')).out.trim(), '')
    const empty = await north('image', 'create', 'empty', '--hidden', '--id', '6f3d7a52-0f63-4f0c-9b0e-0c6d0d6a4b11')
    assert.deepEqual(['id', 'status', 'os_hidden', 'disk_format'].map((field) => valueOf(empty, field)), ['6f3d7a52-0f63-4f0c-9b0e-0c6d0d6a4b11', 'queued', 'true', 'raw']) // prettier-ignore
    assert.equal(valueOf(await north('image', 'upload', 'empty', '--file', file), 'status'), 'active')
  })

  await t.test('list, show: filters are the service’s own, hidden images are found by name', async () => {
    const names = async (...words: string[]) => (await north('image', 'list', ...words, '-f', 'value', '-c', 'name')).out.trim().split('\n')
    assert.deepEqual((await names()).toSorted(), ['base', 'piped'])
    assert.deepEqual(await names('--sort', 'name:desc', '--limit', '1'), ['piped'])
    assert.deepEqual(await names('--tag', 'edge', 'b', '--property', 'os_distro=debian', '--status', 'active', '--visibility', 'shared'), ['base']) // prettier-ignore
    assert.deepEqual(await names('--hidden'), ['empty'])
    assert.match((await north('image', 'list', '-d')).out, /\| stores .*\n.*\n(.*\| (second|local) .*\n){2}/)
    assert.equal((await shown('empty'))['id'], '6f3d7a52-0f63-4f0c-9b0e-0c6d0d6a4b11')
    await assert.rejects(north('image', 'show', 'nobody'), ends(exitCodes.notFound, /There is no image nobody/))
    await north('image', 'create', 'piped')
    await assert.rejects(north('image', 'show', 'piped'), ends(exitCodes.conflict, /Several images are called piped.*-.*, .*-/))
  })

  await t.test('set, unset, deactivate, reactivate', async () => {
    await assert.rejects(north('image', 'set', 'base'), ends(exitCodes.usage, /Nothing to change/))
    const changed = await north('image', 'set', 'base', '--name', 'base-2', '--property', 'a/b=1', 'note=new', '--tag', 'c', 'b', '--unprotected', '--min-ram', '8') // prettier-ignore
    assert.deepEqual(['name', 'a/b', 'note', 'tags', 'protected', 'min_ram'].map((field) => valueOf(changed, field)), ['base-2', '1', 'new', 'b, c, edge', 'false', '8']) // prettier-ignore
    await assert.rejects(north('image', 'unset', 'base-2', '--tag', 'nothing'), ends(exitCodes.notFound, /no tag nothing/))
    const less = await north('image', 'unset', 'base-2', '--property', 'a/b', '--tag', 'c')
    assert.deepEqual([valueOf(less, 'a/b'), valueOf(less, 'tags')], [undefined, 'b, edge'])
    await north('image', 'deactivate', 'base-2')
    await assert.rejects(north('image', 'save', 'base-2', '--file', join(site.folder, 'saved')), ends(exitCodes.refused, /deactivated/))
    await north('image', 'reactivate', 'base-2')
    // Of a 403 the code tells whether it is about who asks.
    await assert.rejects(north('image', 'set', 'base-2', '--disk-format', 'iso'), ends(exitCodes.refused, /right formats/))
    await assert.rejects(north('image', 'set', 'base-2', '--public'), ends(exitCodes.authentication, /publicize_image/))
  })

  await t.test('save: whole and verified, or nothing', async () => {
    const saved = join(site.folder, 'saved')
    assert.match((await north('image', 'save', 'base-2', '--file', saved)).err, /2000008 bytes, sha512 verified/)
    assert.ok((await readFile(saved)).equals(bytes))
    await north('image', 'create', 'bare')
    await assert.rejects(north('image', 'save', 'bare', '--file', `${saved}-2`), ends(exitCodes.notFound, /has no data: it is queued/))
    await assert.rejects(readFile(`${saved}-2`), { code: 'ENOENT' })
    const typo = join(site.folder, 'typo')
    await assert.rejects(north('image', 'save', 'base-2', '--file', join(typo, 'x')), ends(exitCodes.usage, /no folder .*typo/))
    await assert.rejects(readdir(typo), { code: 'ENOENT' })
  })

  await t.test('import --file and --copy with --wait; tasks, stores, usage', async () => {
    await assert.rejects(north('image', 'import', 'bare', '--copy', '--uri', 'x'), ends(exitCodes.usage, /Give one of/))
    const imported = await north('image', 'import', 'bare', '--file', file, '--store', 'local', '--wait')
    assert.deepEqual(['status', 'stores'].map((field) => valueOf(imported, field)), ['active', 'local']) // prettier-ignore
    const copied = await as('admin@north-id')('image', 'import', 'bare', '--copy', '--all-stores', '--wait')
    assert.equal(valueOf(copied, 'stores'), 'local,second')
    assert.match((await north('image', 'tasks', 'bare', '-f', 'value', '-c', 'type', 'status')).out, /^(api_image_import success\n){2}$/)
    await north('image', 'create', 'remote')
    await assert.rejects(north('image', 'import', 'remote', '--uri', 'http://127.0.0.1/x'), ends(exitCodes.refused, /HTTP 40/))
    assert.equal((await north('image', 'stores', '-f', 'value')).out, 'local - true false\nsecond - false false\n')
    assert.match((await north('image', 'usage', '-f', 'value')).out, /^image_count_total -1 6$/m)
  })

  await t.test('member add, list, accept, reject, remove', async () => {
    assert.equal(valueOf(await north('image', 'member', 'add', 'base-2', 'south'), 'member'), 'south-id')
    await assert.rejects(north('image', 'member', 'add', 'base-2', 'south'), ends(exitCodes.conflict, /already a member/))
    const mine = (await shown('base-2'))['id'] as string
    for (const [verb, status, seen] of [
      ['accept', 'accepted', true],
      ['reject', 'rejected', false],
      ['reset', 'pending', false],
    ] as const) {
      // prettier-ignore
      assert.equal(valueOf(await south('image', 'member', verb, mine), 'status'), status)
      assert.equal((await south('image', 'list', '-f', 'value', '-c', 'id')).out.includes(mine), seen)
    }
    assert.match((await north('image', 'member', 'list', 'base-2', '-f', 'value')).out, /^south-id pending /)
    await north('image', 'member', 'remove', 'base-2', 'south')
    await assert.rejects(south('image', 'show', mine), ends(exitCodes.notFound, /There is no image/))
  })

  await t.test('delete: from one store, and wholly', async () => {
    await assert.rejects(north('image', 'delete', 'bare'), ends(exitCodes.usage, /no terminal.*--yes/s))
    await as('admin@north-id')('image', 'delete', 'bare', '--store', 'second', '--yes')
    assert.equal((await shown('bare'))['stores'], 'local')
    await assert.rejects(north('image', 'delete', 'bare', 'nobody', '--yes'), ends(exitCodes.notFound, /nobody/))
    assert.match(
      (await north('image', 'delete', 'bare', 'base-2', 'empty', '--yes')).err,
      /bare is deleted.\n.*base-2 is deleted.\n.*empty is deleted/,
    )
  })
})
