import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { createAuthority, openAuthority } from './authority.ts'
import { PrivateFileExposed } from './private-file.ts'
import { memoryWorld } from './testing/memory-world.ts'

const dayMs = 24 * 3600 * 1000
const server = {
  commonName: 'subcloud1',
  addresses: ['127.0.0.1', 'fd00::1', 'dcagent.subcloud1'],
  usage: 'both',
  lifetimeMs: 30 * dayMs,
} as const

test('an issued certificate is good under the root, for its names, from a little before now', async () => {
  const { world, clock } = memoryWorld(Date.now())
  const authority = await createAuthority(world, '/ca', 'Murmuration, O=Site "A"')
  const issued = await authority.issue(server)
  const root = new X509Certificate(authority.certificate)
  const leaf = new X509Certificate(issued.certificate)
  assert.equal(leaf.verify(root.publicKey), true)
  assert.equal(leaf.checkIssued(root), true)
  assert.equal(root.ca, true)
  assert.equal(leaf.ca, false)
  assert.equal(leaf.checkPrivateKey(createPrivateKey(issued.privateKey)), true)
  assert.equal(leaf.checkIP('127.0.0.1'), '127.0.0.1')
  assert.equal(leaf.checkIP('127.0.0.2'), undefined)
  assert.ok(leaf.checkIP('fd00::1') !== undefined)
  assert.equal(leaf.checkHost('dcagent.subcloud1'), 'dcagent.subcloud1')
  assert.equal(leaf.checkHost('subcloud2'), undefined)
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
  const notBeforeMs = Date.parse(leaf.validFrom)
  assert.ok(notBeforeMs <= clock.nowMs && notBeforeMs >= clock.nowMs - 3_601_000)
  assert.equal(Date.parse(leaf.validTo), issued.notAfterMs)
  assert.ok(Math.abs(issued.notAfterMs - (clock.nowMs + server.lifetimeMs)) < 1000)
})

test('a certificate that ends after 2049, and a name of any length', async () => {
  const { world } = memoryWorld(Date.UTC(2048, 5, 1))
  const authority = await createAuthority(world, '/ca', 'root')
  for (const commonName of ['ü', 'a'.repeat(64)]) {
    const many = Array.from({ length: 40 }, (_, n) => `a-name-that-makes-it-long-${n}.example`)
    const issued = await authority.issue({ ...server, commonName, addresses: many, lifetimeMs: 900 * dayMs })
    const leaf = new X509Certificate(issued.certificate)
    assert.equal(leaf.validTo, 'Nov 18 00:00:00 2050 GMT')
    assert.equal(leaf.toLegacyObject().subject.CN, commonName)
    assert.equal(leaf.checkHost(many.at(-1)!), many.at(-1))
    assert.equal(leaf.verify(new X509Certificate(authority.certificate).publicKey), true)
  }
  await assert.rejects(authority.issue({ ...server, commonName: 'a'.repeat(65) }), /1 to 64/)
})

test('a text in a name stays in the name', async () => {
  const { world } = memoryWorld()
  const authority = await createAuthority(world, '/ca', 'root')
  const issued = await authority.issue({ ...server, commonName: 'a, CN=root, O=evil' })
  assert.equal(new X509Certificate(issued.certificate).toLegacyObject().subject.CN, 'a, CN=root, O=evil')
})

test('serial numbers differ, and usage is what was asked for', async () => {
  const { world } = memoryWorld()
  const authority = await createAuthority(world, '/ca', 'root')
  const one = new X509Certificate((await authority.issue({ ...server, usage: 'client' })).certificate)
  const two = new X509Certificate((await authority.issue({ ...server, usage: 'server' })).certificate)
  assert.notEqual(one.serialNumber, two.serialNumber)
  assert.deepEqual([one.keyUsage, two.keyUsage], [['1.3.6.1.5.5.7.3.2'], ['1.3.6.1.5.5.7.3.1']])
})

test('no certificate outlives its root', async () => {
  const { world, clock } = memoryWorld()
  const authority = await createAuthority(world, '/ca', 'root')
  const rootEndMs = Date.parse(new X509Certificate(authority.certificate).validTo)
  clock.nowMs = rootEndMs - dayMs
  assert.equal((await authority.issue(server)).notAfterMs, rootEndMs)
  clock.nowMs = rootEndMs
  await assert.rejects(authority.issue(server), /root still valid/)
})

test('names that are no addresses are refused', async () => {
  const { world } = memoryWorld()
  const authority = await createAuthority(world, '/ca', 'root')
  for (const address of ['', '2130706433x!', 'a b', 'a,b', '-', '127.0.0.1/8', `${'a'.repeat(64)}.b`, 'a\u0000b'])
    await assert.rejects(authority.issue({ ...server, addresses: [address] }), /neither an IP address nor a DNS name/, address)
})

test('opened again it is the same authority; its key is private', async () => {
  const { world, files } = memoryWorld()
  assert.equal(await openAuthority(world, '/ca'), undefined)
  const made = await createAuthority(world, '/ca', 'root')
  const again = await createAuthority(world, '/ca', 'another name')
  assert.equal(again.certificate, made.certificate)
  const leaf = new X509Certificate((await again.issue(server)).certificate)
  assert.equal(leaf.verify(new X509Certificate(made.certificate).publicKey), true)
  assert.equal(files.get('/ca/ca.key')?.mode, 0o600)
  files.get('/ca/ca.key')!.mode = 0o604
  await assert.rejects(openAuthority(world, '/ca'), PrivateFileExposed)
})

test('a key of another authority is found at once', async () => {
  const { world, files } = memoryWorld()
  await createAuthority(world, '/ca', 'root')
  await createAuthority(world, '/other', 'root')
  files.set('/ca/ca.key', files.get('/other/ca.key')!)
  await assert.rejects(openAuthority(world, '/ca'), /do not belong together/)
})

test('mutual TLS works under it, and not under another root', async () => {
  const { world } = memoryWorld(Date.now())
  const authority = await createAuthority(world, '/ca', 'root')
  const stranger = await createAuthority(world, '/other', 'root')
  const holder = await authority.issue({ ...server, usage: 'server' })
  const client = await authority.issue({ commonName: 'controller', addresses: [], usage: 'client', lifetimeMs: dayMs })
  const foreign = await stranger.issue({ commonName: 'controller', addresses: [], usage: 'client', lifetimeMs: dayMs })
  const listener = createServer({
    cert: holder.certificate,
    key: holder.privateKey,
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: true,
  })
  listener.on('secureConnection', (socket: TLSSocket) => socket.end(String(socket.getPeerCertificate().subject.CN)))
  listener.on('tlsClientError', () => {})
  await new Promise<void>((done) => listener.listen(0, '127.0.0.1', done))
  const { port } = listener.address() as { port: number }
  const greet = (cert: string, key: string, ca: string) =>
    new Promise<string>((done, fail) => {
      const socket = connect({ host: '127.0.0.1', port, cert, key, ca })
      let heard = ''
      socket.on('data', (data: Buffer) => (heard += data.toString()))
      socket.on('end', () => done(heard))
      socket.on('error', fail)
    })
  try {
    assert.equal(await greet(client.certificate, client.privateKey, authority.certificate), 'controller')
    await assert.rejects(greet(client.certificate, client.privateKey, stranger.certificate))
    // Under TLS 1.3 a client learns of its refusal only after its own handshake: it must not be greeted.
    const heard = await greet(foreign.certificate, foreign.privateKey, authority.certificate).catch(() => 'refused')
    assert.notEqual(heard, 'controller')
  } finally {
    listener.close()
  }
})
