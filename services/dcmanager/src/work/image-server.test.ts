import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { test, type TestContext } from 'node:test'
import { createRealWorld, type World } from '@murmuration/world'
import { parse } from 'yaml'
import { claimAbort } from '../store/claims.ts'
import { fromTables } from '../testing/everything.ts'
import { imageEndpoint } from './image-endpoint.ts'
import { createImageServer } from './image-server.ts'
import { createManager } from './manager.ts'
import { asker, openFleet, untilAborted, type Fleet } from './testing/fleet.ts'
import { freePorts } from './testing/test-site.ts'
import { waitForJob } from './wait-for-job.ts'

const installValues = { bmc_address: '127.201.0.9', bmc_username: 'admin', bmc_password: 'cGFzcw==', bootstrap_address: '127.201.1.2' }
const image = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251))

/** A fleet whose install.yml does `asBmc` with the URL that the BMC is told. */
async function fleetWith(t: TestContext, asBmc: (url: string, fleet: Fleet) => Promise<void>): Promise<Fleet> {
  const fleet: Fleet = await openFleet(
    t,
    async (playbook, spec) => {
      if (playbook !== 'install.yml') return {}
      const settings = parse(Buffer.from((await fleet.site.world.files.read(`${spec.cwd}/rvmc-config.yaml`))!).toString(), {
        customTags: [{ tag: '!unsafe', resolve: (text: string) => text }],
      }) as { image: string }
      await asBmc(settings.image, fleet)
      return spec.signal?.aborted === true ? untilAborted(spec) : {}
    },
    { ports: await freePorts('127.0.0.1', ['iso']) },
  )
  const folder = `${fleet.site.config.varFolder}/vault/software/26.09`
  await fleet.site.world.files.write(`${folder}/os.iso`, image)
  await fleet.site.world.files.write(`${folder}/os.sig`, 'x')
  const server = createImageServer(fleet.site, fleet.database)
  await server.start()
  t.after(() => server.stop())
  return fleet
}

async function run(t: TestContext, fleet: Fleet, jobId: string): Promise<void> {
  const manager = createManager(fleet.site, fleet.database)
  await manager.start()
  t.after(() => manager.stop())
  assert.ok(await waitForJob(fleet.site, fleet.database, jobId, 30_000), 'the job ends')
}

const get = async (url: string, headers: Record<string, string> = {}, method = 'GET') => {
  const answer = await fetch(url, { method, headers })
  return { status: answer.status, headers: answer.headers, data: Buffer.from(await answer.arrayBuffer()) }
}

test('an image is served to who knows its URL while it is installed, and not a moment longer', { timeout: 60_000 }, async (t) => {
  let known = ''
  let tables = ''
  const fleet = await fleetWith(t, async (url, { site, database }) => {
    known = url
    assert.match(url, new RegExp(`^http://127\\.0\\.0\\.1:${site.config.ports.iso}/iso/26\\.09/nodes/1/[\\w-]{43}/bootimage\\.iso$`))
    const whole = await get(url)
    assert.deepEqual([whole.status, whole.data.equals(image), whole.headers.get('accept-ranges')], [200, true, 'bytes'])
    const head = await get(url, {}, 'HEAD')
    assert.deepEqual([head.status, head.headers.get('content-length'), head.data.length], [200, '300000', 0])
    const part = await get(url, { range: 'bytes=70000-199999' })
    assert.deepEqual([part.status, part.headers.get('content-range')], [206, 'bytes 70000-199999/300000'])
    assert.ok(part.data.equals(image.subarray(70_000, 200_000)))
    const etag = whole.headers.get('etag')!
    assert.equal((await get(url, { range: 'bytes=0-0', 'if-range': etag })).status, 206)
    assert.equal((await get(url, { range: 'bytes=0-0', 'if-range': '"other"' })).status, 200)
    const beyond = await get(url, { range: 'bytes=300000-' })
    assert.deepEqual([beyond.status, beyond.headers.get('content-range')], [416, 'bytes */300000'])
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) assert.equal((await get(url, {}, method)).status, 405, method)

    const token = url.split('/')[7]!
    const other = createHash('sha256').update('guess').digest('base64url')
    for (const wrong of [
      url.replace(token, other),
      url.replace('/nodes/1/', '/nodes/2/'),
      url.replace('/nodes/1/', '/nodes/01/'),
      url.replace('/nodes/1/', '/nodes/9999999999/'),
      url.replace('/26.09/', '/26.03/'),
      url.replace('/26.09/', '/../'),
      url.replace('/26.09/', '/%2e%2e%2f26.09/'),
      url.replace('bootimage.iso', 'os.sig'),
      url.replace('/bootimage.iso', ''),
      `${url}?x=1`,
      `${url}/`,
      new URL('/', url).href,
      new URL('/iso/26.09/', url).href,
      new URL('/metrics', url).href,
    ])
      assert.equal((await get(wrong)).status, 404, wrong)
    tables = JSON.stringify(await fromTables(database))
  })
  const { row, jobId } = await fleet.add(['create', 'install'], { install_values: installValues })
  await run(t, fleet, jobId)
  assert.equal((await fleet.status(row.id)).deploy_status, 'install-complete', (await fleet.status(row.id)).error_description)
  assert.equal((await get(known)).status, 404, 'installed')
  assert.ok(!tables.includes(known.split('/')[7]!), 'the token is kept sealed')
})

test('an installation that is being aborted serves nothing more', { timeout: 60_000 }, async (t) => {
  const statuses: number[] = []
  const fleet = await fleetWith(t, async (url, { desk }) => {
    statuses.push((await get(url)).status)
    await claimAbort(desk, asker, () => '', 1)
    statuses.push((await get(url)).status)
  })
  const { jobId } = await fleet.add(['create', 'install'], { install_values: installValues })
  await run(t, fleet, jobId)
  assert.deepEqual(statuses, [200, 404])
})

test('a reader that is slow costs a few pieces, and one that goes costs nothing more', { timeout: 60_000 }, async (t) => {
  const real = createRealWorld({ log: { level: 'silent' } })
  let pieces = 0
  let closed = false
  async function* stream(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        pieces += 1
        yield new Uint8Array(65_536)
      }
    } finally {
      closed = true
    }
  }
  const world: World = { ...real, files: { ...real.files, stream } }
  const size = 8 * 2 ** 30
  const endpoint = imageEndpoint(world, async () => [{ path: '/x', start: 0, sizeBytes: size }])
  const listening = await real.net.serve({ host: '127.0.0.1', port: 0 }, endpoint)
  t.after(() => listening.close(0))
  const socket = connect(listening.port, '127.0.0.1')
  socket.pause()
  socket.write(`GET /iso/26.09/nodes/1/${'t'.repeat(43)}/bootimage.iso HTTP/1.1\r\nhost: x\r\n\r\n`)
  const settled = async (): Promise<number> => {
    for (let before = -1; before !== pieces || pieces === 0;) {
      before = pieces
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    return pieces
  }
  // What fits into the sockets of both sides.
  const held = await settled()
  assert.ok(held < 400, `${held} pieces`)
  socket.destroy()
  while (!closed) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.ok(pieces < held + 10)
})

test('a second manager of the machine waits for the port, and takes it when the first has gone', { timeout: 60_000 }, async (t) => {
  const fleet = await openFleet(t, undefined, { ports: await freePorts('127.0.0.1', ['iso']) })
  const { world } = fleet.site
  // Ten seconds pass in ten milliseconds.
  const timers = { ...world.timers, after: (_delayMs: number, fire: () => void) => world.timers.after(10, fire) }
  const first = createImageServer(fleet.site, fleet.database)
  const second = createImageServer({ ...fleet.site, world: { ...world, timers } }, fleet.database)
  await first.start()
  await second.start()
  const url = `http://127.0.0.1:${fleet.site.config.ports.iso}/`
  assert.equal((await get(url, { connection: 'close' })).status, 404)
  await first.stop()
  const answers = async (): Promise<boolean> => (await get(url, { connection: 'close' }).catch(() => undefined))?.status === 404
  while (!(await answers())) await new Promise((resolve) => setTimeout(resolve, 5))
  await second.stop()
  assert.equal(await answers(), false)
})
