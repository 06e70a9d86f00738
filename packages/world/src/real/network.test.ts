import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { HttpRequest, HttpResponse, World } from '../world.ts'
import { createRealWorld } from './index.ts'
import { Pools } from './pools.ts'

const quiet = (network: Parameters<typeof createRealWorld>[0] = {}) =>
  createRealWorld({ log: { level: 'silent' }, timersKeepAlive: true, ...network })
const get = (world: World, url: string, more: Partial<HttpRequest> = {}): Promise<HttpResponse> =>
  world.net.request({ method: 'GET', url, deadlineMs: 5_000, ...more })
const handler = (handle: (request: IncomingMessage, response: ServerResponse) => void) => ({
  handle,
  inject: () => Promise.reject(new Error('not used here')),
})

const folder = mkdtempSync(join(tmpdir(), 'world-tls-'))
after(() => rmSync(folder, { recursive: true }))
const path = (name: string): string => join(folder, name)
const text = (name: string): string => readFileSync(path(name), 'utf8')
const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })

function makeAuthority(name: string): void {
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '30',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.pem`,
  )
}
function makeCertificate(name: string, authority: string, days: number): void {
  openssl(
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    `/CN=${name}`,
    '-addext',
    'subjectAltName=IP:127.0.0.1,DNS:site.test',
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.csr`,
  )
  openssl(
    'x509',
    '-req',
    '-in',
    `${name}.csr`,
    '-CA',
    `${authority}.pem`,
    '-CAkey',
    `${authority}.key`,
    '-CAcreateserial',
    '-days',
    String(days),
    '-copy_extensions',
    'copy',
    '-out',
    `${name}.pem`,
  )
}

async function rawServer(t: { after(then: () => void): void }, onConnection: (socket: Socket) => void): Promise<string> {
  const server: Server = createTcpServer(onConnection)
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

void describe('real network', { timeout: 30_000 }, () => {
  void it('stops reading an endless answer at maxResponseBytes', async (t) => {
    const world = quiet()
    t.after(() => world.net.close())
    let writtenBytes = 0
    const cut = Promise.withResolvers<void>()
    const url = await rawServer(t, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
      const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
      const more = (): void => {
        while (socket.write(chunk)) writtenBytes += chunk.length
      }
      socket.on('drain', more).on('close', () => cut.resolve())
      more()
    })
    await assert.rejects(get(world, url, { maxResponseBytes: 100_000 }), { code: 'too-large' })
    await cut.promise
    assert.ok(writtenBytes < 20_000_000, 'the sender was cut off')
  })

  void it('counts the whole exchange against the deadline, also a body that trickles', async (t) => {
    const world = quiet()
    t.after(() => world.net.close())
    const url = await rawServer(t, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n')
      const drip = setInterval(() => socket.write('x'), 10)
      socket.on('close', () => clearInterval(drip))
    })
    await assert.rejects(get(world, url, { deadlineMs: 150 }), { code: 'timeout' })
  })

  void it('ends the bytes of a stream that stalls or breaks, and cuts a sender that nobody reads', async (t) => {
    const world = quiet()
    t.after(() => world.net.close())
    const read = async (url: string, stallMs: number, most: number): Promise<number> => {
      const { body } = await world.net.stream({ method: 'GET', url, deadlineMs: 5_000, stallMs, address: '127.0.0.1' })
      let size = 0
      for await (const piece of body) if ((size += piece.length) >= most) break
      return size
    }
    const head = 'HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n'
    const stalls = await rawServer(t, (socket) => socket.write(`${head}x`))
    await assert.rejects(read(stalls, 100, Infinity), { code: 'timeout' })
    const breaks = await rawServer(t, (socket) => socket.once('data', () => socket.end(`${head}x`)))
    await assert.rejects(read(breaks, 5_000, Infinity), { code: 'reset' })
    let writtenBytes = 0
    const cut = Promise.withResolvers<void>()
    const endless = await rawServer(t, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      const more = (): void => {
        while (socket.write('x'.repeat(0x4000))) writtenBytes += 0x4000
      }
      socket.on('drain', more).on('close', () => cut.resolve())
      more()
    })
    assert.ok((await read(endless, 5_000, 100_000)) >= 100_000)
    await cut.promise
    assert.ok(writtenBytes < 20_000_000, 'the sender was cut off')
  })

  void it('sends pieces as they come, ends with what they throw, and does not wait for a receiver that stalls', async (t) => {
    const world = quiet()
    t.after(() => world.net.close())
    const put = (url: string, body: AsyncIterable<Uint8Array>, stallMs = 5_000) =>
      world.net.stream({ method: 'PUT', url, body, deadlineMs: 5_000, stallMs })
    async function* pieces(count: number): AsyncGenerator<Uint8Array> {
      for (let n = 0; n < count; n += 1) yield Buffer.alloc(0x10000)
    }
    const server = createHttpServer((request, response) => {
      let size = 0
      request.on('data', (chunk: Buffer) => (size += chunk.length)).on('end', () => response.end(String(size)))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.closeAllConnections())
    t.after(() => server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const { body } = await put(url, pieces(32))
    assert.equal(Buffer.concat(await Array.fromAsync(body)).toString(), String(32 * 0x10000))
    async function* breaking(): AsyncGenerator<Uint8Array> {
      yield* pieces(1)
      throw new Error('the disk is gone')
    }
    await assert.rejects(put(url, breaking()), { message: 'the disk is gone' })
    const deaf = await rawServer(t, (socket) => socket.pause())
    await assert.rejects(put(deaf, pieces(10_000), 200), { code: 'timeout' })
    const refuses = await rawServer(t, (socket) => socket.end('HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'))
    assert.equal((await put(refuses, pieces(1))).status, 413)
  })

  void it('tells broken connections from broken manners', async (t) => {
    const world = quiet()
    t.after(() => world.net.close())
    await assert.rejects(get(world, await rawServer(t, (socket) => socket.once('data', () => socket.destroy()))), { code: 'reset' })
    await assert.rejects(get(world, await rawServer(t, (socket) => socket.end('220 smtp ready\r\n'))), { code: 'protocol' })
  })

  void it('keeps connections, does not follow redirects, and repeats nothing by itself', async (t) => {
    const world = quiet()
    t.after(() => world.net.close())
    const seen: string[] = []
    let connections = 0
    const server = createHttpServer((request, response) => {
      seen.push(request.url ?? '')
      if (request.url === '/cut') request.socket.destroy()
      else response.writeHead(302, { location: '/elsewhere' }).end()
    })
    server.on('connection', () => (connections += 1))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.closeAllConnections())
    t.after(() => server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    assert.equal((await get(world, `${url}/a`)).status, 302)
    for (let round = 0; round < 9; round += 1) await get(world, `${url}/a`)
    seen.length = 0
    // The pool opens a second one for a request that comes in the same turn as the answer before it; never more.
    assert.ok(connections <= 2, String(connections))
    await assert.rejects(get(world, `${url}/cut`), { code: 'reset' })
    assert.deepEqual(seen, ['/cut'])
  })

  void it('keeps no connection after a one-off request', async (t) => {
    const world = quiet()
    t.after(() => world.net.close())
    let open = 0
    const listening = await world.net.serve(
      { host: '127.0.0.1', port: 0 },
      handler((request, response) => {
        open += 1
        request.socket.once('close', () => (open -= 1))
        response.end(String(request.headers.connection))
      }),
    )
    t.after(() => listening.close(10))
    const answer = await get(world, `http://127.0.0.1:${listening.port}/`, { oneOff: true })
    assert.equal(Buffer.from(answer.body).toString(), 'close')
    while (open > 0) await world.timers.sleep(1)
  })

  void it('keeps a bounded number of pools, by origin and identity content', async () => {
    const pools = new Pools({ maxPools: 3, maxConnectionsPerPool: 1, keepAliveMs: 1, certificateCheckMs: 1, maxServerConnections: 1 })
    const first = pools.for('https://a', { ca: 'one' })
    assert.equal(pools.for('https://a', { ca: 'one' }), first, 'same content, same pool')
    assert.notEqual(pools.for('https://a', { ca: 'two' }), first)
    pools.for('https://b', undefined)
    pools.for('https://a', { ca: 'one' })
    pools.for('https://c', undefined)
    assert.equal(pools.size, 3)
    assert.equal(pools.for('https://a', { ca: 'one' }), first, 'the one used lately stayed')
    await pools.close()
  })

  void it('never puts the query, headers or body into an error', async () => {
    const world = quiet()
    const failure = await get(world, 'http://127.0.0.1:1/path?token=hunter2', {
      headers: { 'x-auth-token': 'hunter2' },
      body: 'hunter2',
      method: 'POST',
    }).catch((error: Error) => error)
    assert.ok(failure instanceof Error && !JSON.stringify([failure.message, failure.stack]).includes('hunter2'))
    const malformed = await get(world, 'http://127.0.0.1:1/', { headers: { 'x-auth-token': 'hunter2\r\nx: y' } }).catch(
      (error: Error) => error,
    )
    assert.ok(malformed instanceof Error && !malformed.message.includes('hunter2'))
  })
})

void describe('real TLS', { timeout: 30_000 }, () => {
  makeAuthority('ca')
  makeAuthority('stranger')
  makeCertificate('first', 'ca', 5)
  makeCertificate('renewed', 'ca', 20)
  makeCertificate('client', 'ca', 5)
  makeCertificate('foreign', 'stranger', 5)

  void it("asks for certificates of both sides, and tells when the other side's ends", async (t) => {
    const world = quiet()
    const listening = await world.net.serve(
      { host: '127.0.0.1', port: 0, tls: { certFile: path('first.pem'), keyFile: path('first.key'), clientCaFile: path('ca.pem') } },
      handler((_request, response) => response.end('hello')),
    )
    t.after(() => listening.close(10))
    t.after(() => world.net.close())
    const url = `https://127.0.0.1:${listening.port}/`
    const good = { ca: text('ca.pem'), cert: text('client.pem'), key: text('client.key') }

    const answer = await get(world, url, { tls: good })
    assert.equal(Buffer.from(answer.body).toString(), 'hello')
    const days = ((answer.peerCertificateNotAfterMs ?? 0) - world.clock.nowMs()) / 86_400_000
    assert.ok(days > 4.9 && days < 5.1, String(days))
    await get(world, url, { tls: { ...good, serverName: 'site.test' } })
    // To a pinned address the certificate must still be for the name.
    const pinned = (name: string) => {
      const named = url.replace('127.0.0.1', name)
      return world.net.stream({ method: 'GET', url: named, deadlineMs: 5_000, stallMs: 5_000, address: '127.0.0.1', tls: good })
    }
    const reached = await pinned('site.test')
    assert.equal(reached.status, 200)
    reached.discard()
    await assert.rejects(pinned('other.test'), { code: 'tls' })

    const refused = async (tls: HttpRequest['tls']) => {
      const failure = await get(world, url, tls === undefined ? {} : { tls }).catch((error: { code: string }) => error)
      // A refusal of our certificate may reach us as an alert or, when it is late, as a broken connection.
      assert.ok('code' in failure && ['tls', 'reset'].includes(failure.code), JSON.stringify(failure))
    }
    await refused(undefined)
    await refused({ ca: good.ca })
    await refused({ ...good, ca: text('stranger.pem') })
    await refused({ ...good, cert: text('foreign.pem'), key: text('foreign.key') })
    await refused({ ...good, serverName: 'other.test' })
    await refused({ ...good, cert: 'no certificate' })
    // One connector serves every origin of an identity: what one of them is asked for must not be what the other is checked by.
    const second = await world.net.serve(
      { host: '127.0.0.1', port: 0, tls: { certFile: path('renewed.pem'), keyFile: path('renewed.key'), clientCaFile: path('ca.pem') } },
      handler((_request, response) => response.end('other')),
    )
    t.after(() => second.close(10))
    const other = await get(world, `https://127.0.0.1:${second.port}/`, { tls: good })
    assert.equal(Buffer.from(other.body).toString(), 'other')
    assert.ok((other.peerCertificateNotAfterMs ?? 0) > (answer.peerCertificateNotAfterMs ?? 0))
  })

  void it('takes a renewed certificate without a restart, and stays with the old one while the files do not fit', async (t) => {
    const lines: string[] = []
    const world = createRealWorld({
      log: { destination: { write: (line) => void lines.push(line) } },
      timersKeepAlive: true,
      network: { certificateCheckMs: 10, keepAliveMs: 1 },
    })
    copyFileSync(path('first.pem'), path('live.pem'))
    copyFileSync(path('first.key'), path('live.key'))
    const listening = await world.net.serve(
      { host: '127.0.0.1', port: 0, tls: { certFile: path('live.pem'), keyFile: path('live.key') } },
      handler((_request, response) => response.setHeader('connection', 'close').end()),
    )
    t.after(() => listening.close(10))
    t.after(() => world.net.close())
    const tls = { ca: text('ca.pem') }
    const endsInDays = async () => {
      const answer = await get(world, `https://127.0.0.1:${listening.port}/`, { tls })
      return Math.round(((answer.peerCertificateNotAfterMs ?? 0) - world.clock.nowMs()) / 86_400_000)
    }
    assert.equal(await endsInDays(), 5)
    copyFileSync(path('renewed.pem'), path('live.pem'))
    while (!lines.some((line) => line.includes('not usable yet'))) await world.timers.sleep(5)
    assert.equal(await endsInDays(), 5)
    copyFileSync(path('renewed.key'), path('live.key'))
    while (!lines.some((line) => line.includes('certificate reloaded'))) await world.timers.sleep(5)
    assert.equal(await endsInDays(), 20)
  })

  void it('says at start that files are missing or do not belong together', async () => {
    const world = quiet()
    const serve = (certFile: string, keyFile: string) =>
      world.net.serve(
        { host: '127.0.0.1', port: 0, tls: { certFile: path(certFile), keyFile: path(keyFile) } },
        handler(() => {}),
      )
    await assert.rejects(serve('first.pem', 'client.key'), /client\.key is not the key of the certificate in .*first\.pem/)
    await assert.rejects(serve('nowhere.pem', 'client.key'), { code: 'ENOENT' })
  })
})
