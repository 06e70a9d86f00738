import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { IdentityUnavailable } from '@murmuration/http'
import { createAuthority, Secret } from '@murmuration/trust'
import { createRealWorld, type World } from '@murmuration/world'
import { alone } from './alone.ts'
import { whyRenew } from './certificate.ts'
import { loadSiteConfig } from './config.ts'
import { openSite } from './open.ts'
import type { Site } from './site.ts'

interface Folder extends AsyncDisposable {
  readonly path: string
  readonly world: World
  open(file?: string): Promise<Site>
}

async function openFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), 'murmuration-site-'))
  const world = createRealWorld({ log: { level: 'silent' } })
  return {
    path,
    world,
    async open(file = 'name: north\nrole: system-controller\naddress: 127.0.0.9\n') {
      await world.files.write(join(path, 'site.yaml'), `${file}varFolder: ${path}\nports: {identity: 1}\n`)
      return openSite(world, await loadSiteConfig(world, join(path, 'site.yaml'), {}))
    },
    async [Symbol.asyncDispose]() {
      await world.net.close()
      await rm(path, { recursive: true, force: true })
    },
  }
}
const mode = async (...path: string[]): Promise<number> => (await stat(join(...path))).mode & 0o777

test('the first start of a controller makes keys, authority and certificate, the private ones 0600', async () => {
  await using folder = await openFolder()
  const site = await folder.open()
  for (const file of ['keys/keyring.json', 'ca/ca.key', 'tls/site.key']) assert.equal(await mode(folder.path, file), 0o600, file)
  const read = async (path: string) => new X509Certificate((await folder.world.files.read(path)) ?? '')
  const own = await read(site.config.tls.certFile)
  const root = await read(site.config.tls.caFile)
  assert.ok(own.verify(root.publicKey))
  assert.equal(own.checkIP('127.0.0.9'), '127.0.0.9')
  assert.equal(new X509Certificate(site.authority?.certificate ?? '').fingerprint256, root.fingerprint256)
  await site.close()

  const again = await folder.open()
  assert.equal((await read(again.config.tls.certFile)).fingerprint256, own.fingerprint256)
  assert.equal((await read(again.config.tls.caFile)).fingerprint256, root.fingerprint256)
  assert.notEqual(again.processId, site.processId)
  await again.close()
})

test('an authority that was there already issues under the same root', async () => {
  await using folder = await openFolder()
  await (await folder.open()).close()
  const site = await folder.open()
  const issued = await site.authority!.issue({ commonName: 'edge', addresses: ['127.0.0.3'], usage: 'both', lifetimeMs: 3_600_000 })
  assert.ok(new X509Certificate(issued.certificate).verify(new X509Certificate(site.authority!.certificate).publicKey))
  await site.close()
})

test('a site that moved to another address gets another certificate', async () => {
  await using folder = await openFolder()
  await (await folder.open()).close()
  const site = await folder.open('name: north\nrole: system-controller\naddress: 127.0.0.10\n')
  assert.equal(new X509Certificate((await folder.world.files.read(site.config.tls.certFile)) ?? '').checkIP('127.0.0.10'), '127.0.0.10')
  await site.close()
})

test('a subcloud makes no authority and no certificate: its bootstrap brings them', async () => {
  await using folder = await openFolder()
  const site = await folder.open("name: edge\nrole: subcloud\nregion: 'r1'\naddress: 127.0.0.3\n")
  assert.equal(site.authority, undefined)
  assert.deepEqual(await folder.world.files.list(join(folder.path, 'ca')), [])
  assert.equal(await folder.world.files.read(site.config.tls.certFile), undefined)
  await site.close()
})

test('each service has a database of its own', async () => {
  await using folder = await openFolder()
  const site = await folder.open()
  const [one, other] = [await site.openDatabase('one'), await site.openDatabase('other')]
  await one.query.schema.createTable('t').addColumn('a', 'integer').execute()
  await other.query.schema.createTable('t').addColumn('a', 'integer').execute()
  assert.deepEqual(
    (await folder.world.files.list(join(folder.path, 'data'))).filter((name) => name.endsWith('.db')),
    ['one.db', 'other.db'],
  )
  await one.close()
  await other.close()
  await site.close()
})

test('a password file that is missing, or open to others, is told with the remedy', async () => {
  await using folder = await openFolder()
  const site = await folder.open()
  await assert.rejects(site.session.token(1_000), /secrets\/service-password: write it there \(mode 0600\)/)
  await folder.world.files.write(site.config.identity.servicePasswordFile, 'hunter2\n')
  await chmod(site.config.identity.servicePasswordFile, 0o644)
  await assert.rejects(site.session.token(1_000), (error: Error) => /chmod 600/.test(error.message) && !error.message.includes('hunter2'))
  await assert.rejects(site.tokens.validate('a.b.c'), IdentityUnavailable)
  await site.close()
})

test('when a certificate has to be made anew', async () => {
  await using folder = await openFolder()
  const dayMs = 24 * 3_600_000
  const authority = await createAuthority(folder.world, join(folder.path, 'a'), 'a')
  const other = await createAuthority(folder.world, join(folder.path, 'b'), 'b')
  const nowMs = folder.world.clock.nowMs()
  const make = async (days: number, from = authority) => {
    const issued = await from.issue({ commonName: 'x', addresses: ['127.0.0.1', 'fd00::2'], usage: 'both', lifetimeMs: days * dayMs })
    return { certificate: Buffer.from(issued.certificate), key: Buffer.from(issued.privateKey), root: authority.certificate }
  }
  const why = (current: Parameters<typeof whyRenew>[0], addresses = ['127.0.0.1']) => whyRenew(current, addresses, nowMs)
  const good = await make(365)
  assert.equal(why(good), undefined)
  assert.equal(why(good, ['127.0.0.1', 'fd00::2']), undefined)
  assert.equal(why(await make(29)), 'it ends soon')
  assert.equal(why(await make(365, other)), 'it is under another authority')
  assert.equal(why({ ...good, key: (await make(365)).key }), 'its key is another one')
  assert.equal(why(good, ['127.0.0.2']), 'it does not name 127.0.0.2')
  assert.equal(why({ ...good, certificate: Buffer.from('x') }), 'it can not be read')
})

test('processes that start for the first time at once share keys, authority and certificate', async () => {
  await using folder = await openFolder()
  const sites = await Promise.all(Array.from({ length: 6 }, () => folder.open()))
  const sealed = sites.map((site) => site.keyring.seal(new Secret('tweet'), 'test'))
  for (const site of sites) for (const text of sealed) assert.equal(site.keyring.open(text, 'test').reveal(), 'tweet')
  assert.equal(new Set(sites.map((site) => site.authority?.certificate.trim())).size, 1)
  const { certFile, keyFile } = sites[0]!.config.tls
  const read = async (path: string) => Buffer.from((await folder.world.files.read(path)) ?? '')
  const current = { certificate: await read(certFile), key: await read(keyFile), root: sites[0]!.authority!.certificate }
  assert.equal(whyRenew(current, ['127.0.0.9'], Date.now()), undefined)
  assert.deepEqual(
    (await folder.world.files.list(folder.path)).filter((name) => name.includes('lock')),
    [],
  )
  for (const site of sites) await site.close()
})

test('a process that died while it held the lock does not stop the others', async () => {
  await using folder = await openFolder()
  const lock = join(folder.path, 'x.lock')
  await folder.world.files.write(join(lock, 'since'), String(Date.now() - 31_000))
  assert.equal(await alone(folder.world, lock, async () => 'done'), 'done')
  await assert.rejects(
    alone(folder.world, lock, () => Promise.reject(new Error('no'))),
    /no/,
  )
  assert.equal(await alone(folder.world, lock, async () => 'again'), 'again')
})
