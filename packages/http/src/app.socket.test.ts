import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { createRealWorld } from '@murmuration/world'
import { readMultipart, sendEvents, type ServerEvent } from './index.ts'
import { createFakeWorld, type FakeWorld } from './testing/fake-world.ts'
import { createTestApp } from './testing/test-app.ts'

const real = createRealWorld({ log: { level: 'error' } })
after(() => real.net.close())

/** The app behind a real listener; its own timers stand still until the test moves them. */
async function listen(world: FakeWorld = createFakeWorld()) {
  const { app } = await createTestApp({ world })
  let reached = 0
  app.addHook('preHandler', async () => void reached++)
  app.post('/open', { config: { policy: 'public' } }, async (request) => ({ got: request.body ?? null }))
  app.post('/forms', { config: { policy: 'public', stream: true } }, async (request) => (await readMultipart(request)).fields)
  app.get('/quick', { config: { policy: 'public' } }, async () => ({}))
  app.post('/guarded', { config: { policy: 'authenticated' } }, async () => ({}))
  const streams: { cursor: string | undefined; signal: AbortSignal }[] = []
  const big = 'x'.repeat(64 * 1024)
  app.get('/flood', { config: { policy: 'public' } }, (_, reply) =>
    sendEvents(
      reply,
      async function* (cursor, signal): AsyncGenerator<ServerEvent> {
        streams.push({ cursor, signal })
        for (let id = 1; ; id++) yield { id: String(id), event: 'change', data: { big } }
      },
      { maxBufferedBytes: 512 * 1024 },
    ),
  )
  const listening = await real.net.serve({ host: '127.0.0.1', port: 0 }, await app.endpoint())
  const stop = async (): Promise<void> => {
    await app.close()
    await listening.close(0)
  }
  return { app, world, port: listening.port, stop, streams, reached: () => reached }
}

/** What comes back on a connection until it ends. */
function talk(port: number, text: string): { socket: Socket; all: Promise<string> } {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.write(text)
  socket.on('data', (chunk) => chunks.push(chunk))
  const all = new Promise<string>((resolve) => {
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
  })
  return { socket, all }
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => void setImmediate(resolve))
}

test('requests that two servers would read differently are refused and the connection ends (attacks 4)', async (t) => {
  const server = await listen()
  t.after(server.stop)
  const head = 'POST /open HTTP/1.1\r\nHost: x\r\n'
  const smuggled = 'GET /quick HTTP/1.1\r\nHost: x\r\n\r\n'
  for (const request of [
    `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    `${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}${smuggled}`,
    `${head}X-Long: a\r\n folded\r\nContent-Length: 2\r\n\r\n{}${smuggled}`,
    `${head}Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n${smuggled}`,
    `${head}Transfer-Encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n${smuggled}`,
    `${head}Content-Length : 2\r\n\r\n{}${smuggled}`,
    `${head}X\0: 1\r\nContent-Length: 2\r\n\r\n{}`,
    `${head}hOST: y\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}`,
  ]) {
    const answer = await talk(server.port, request).all
    assert.match(answer, /^HTTP\/1\.1 400 /, JSON.stringify(request.slice(30, 120)))
    assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1, 'nothing smuggled is answered')
  }
  assert.equal(server.reached(), 0)
})

test('a body shorter than it said never reaches the handler (attacks 4)', async (t) => {
  const server = await listen()
  t.after(server.stop)
  const { socket, all } = talk(server.port, 'POST /open HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{}')
  await until(() => server.world.lines.length >= 0 && socket.bytesWritten > 0)
  socket.end()
  await all
  assert.equal(server.reached(), 0)
})

test('a slow body ends in 408, forms included, while others are served (attacks 5)', async (t) => {
  const server = await listen()
  t.after(server.stop)
  const slow = talk(server.port, 'POST /open HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{')
  const form = talk(
    server.port,
    'POST /forms HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100\r\n\r\n--b',
  )
  await until(() => server.reached() === 1)
  const other = await real.net.request({ method: 'GET', url: `http://127.0.0.1:${server.port}/quick`, deadlineMs: 5000 })
  assert.equal(other.status, 200)
  await server.world.advance(30_000)
  assert.match(await slow.all, /^HTTP\/1\.1 408 [^]*connection: close[^]*within 30 seconds/i)
  await server.world.advance(120_000)
  assert.match(await form.all, /^HTTP\/1\.1 408 /)
})

test('too much is refused before it is read, or where the limit is (attacks 3, 6)', async (t) => {
  const server = await listen()
  t.after(server.stop)
  const declared = await talk(server.port, `POST /open HTTP/1.1\r\nHost: x\r\nContent-Length: ${200 * 1024 * 1024}\r\n\r\n"`).all
  assert.match(declared, /^HTTP\/1\.1 413 [^]*connection: close/i)
  const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`
  const chunked = await talk(server.port, `POST /open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(17)}`).all
  assert.match(chunked, /^HTTP\/1\.1 413 /)
  assert.equal(server.reached(), 0)
})

test('an early refusal of a large body ends the connection instead of reading on', async (t) => {
  const server = await listen()
  t.after(server.stop)
  for (const [target, status] of [
    ['POST /nothing', 404],
    ['PUT /open', 405],
    ['POST /guarded', 401],
  ] as const) {
    const answer = await talk(server.port, `${target} HTTP/1.1\r\nHost: x\r\nContent-Length: ${200 * 1024 * 1024}\r\n\r\n"`).all
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} [^]*connection: close`, 'i'))
  }
})

test('a change-stream client that never reads is cut at the limit (attacks 37)', async (t) => {
  const server = await listen()
  t.after(server.stop)
  const socket = connect(server.port, '127.0.0.1')
  socket.pause()
  socket.on('error', () => undefined)
  socket.write('GET /flood HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 41\r\n\r\n')
  await until(() => server.streams[0]?.signal.aborted === true)
  assert.equal(server.streams[0]?.cursor, '41')
  socket.destroy()
})

test('a real connection loses forged headers too', async (t) => {
  const server = await listen()
  t.after(server.stop)
  const response = await real.net.request({
    method: 'GET',
    url: `http://127.0.0.1:${server.port}/metrics`,
    headers: { 'x-forwarded-for': '192.0.2.1' },
    deadlineMs: 5000,
  })
  assert.equal(response.status, 401)
})
