import assert from 'node:assert/strict'
import { chmod, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createLocalTokenValidator } from '@murmuration/clients'
import { Unauthenticated } from '@murmuration/http'
import { Secret, verifyToken } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import { defaultLimits } from './rules/limits.ts'
import { createIdentityService } from './service.ts'
import type { IdentityTables } from './store/schema.ts'
import { startIdentity, makeTestSite } from './testing/site.ts'
import { createSigningKeys } from './work/signing-keys.ts'
import { resealSecrets, rotateSigningKey } from './work/secrets.ts'
import { keepHouse } from './work/housekeeping.ts'
import { createPasswords } from './work/passwords.ts'

const mode = async (path: string) => (await stat(path)).mode & 0o777

test('the first start writes openrc and the service password, both 0600; nothing else on disk holds them', async () => {
  const identity = await startIdentity()
  try {
    assert.ok(identity.adminPassword.length >= 32)
    const service = (await readFile(join(identity.folder, 'secrets/service-password'), 'utf8')).trim()
    assert.equal(await mode(join(identity.folder, 'openrc')), 0o600)
    assert.equal(await mode(join(identity.folder, 'secrets/service-password')), 0o600)
    assert.equal((await identity.signIn('dcmanager', service)).status, 201)
    assert.equal((await identity.signIn('platform', service)).body.token.project.name, 'services')
    const files = (await readdir(identity.folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    for (const file of files) {
      const path = join(file.parentPath, file.name)
      const bytes = await readFile(path)
      if (file.name !== 'openrc') assert.ok(!bytes.includes(identity.adminPassword), path)
      if (file.name !== 'service-password') assert.ok(!bytes.includes(service), path)
      assert.ok(!bytes.includes('BEGIN PRIVATE KEY'), path)
    }
  } finally {
    await identity.stop()
  }
})

test('a second start changes nothing: same passwords, same ids, same issuer; tokens live on', async () => {
  const made = await makeTestSite()
  const first = await startIdentity({ on: made })
  const token = (await first.signIn('admin', first.adminPassword)).headers['x-subject-token']!
  const before = await first.as(token)('GET', '/v3/role_assignments?include_names')
  const catalog = await first.as(token)('GET', '/v3/auth/catalog')
  await first.stop()
  const second = await startIdentity({ on: made })
  assert.deepEqual((await second.as(token)('GET', '/v3/role_assignments?include_names')).body, before.body)
  assert.deepEqual((await second.as(token)('GET', '/v3/auth/catalog')).body, catalog.body)
  assert.equal(second.adminPassword, first.adminPassword)
  await second.stop()
  await made.remove()
})

test('processes that start at once agree on one bootstrap, and on the passwords in the files', async () => {
  const made = await makeTestSite()
  const all = await Promise.all(Array.from({ length: 3 }, () => startIdentity({ on: made })))
  const openrc = /OS_PASSWORD='([^']+)'/.exec(await readFile(join(made.folder, 'openrc'), 'utf8'))![1]!
  const service = (await readFile(join(made.folder, 'secrets/service-password'), 'utf8')).trim()
  for (const one of all) {
    assert.equal((await one.signIn('admin', openrc)).status, 201)
    assert.equal((await one.signIn('dcmanager', service)).status, 201)
  }
  const admin = await all[0]!.admin()
  assert.equal((await admin('GET', '/v3/roles')).body.roles.length, 7)
  // A revocation by one counts at the others at once: they share the database.
  const token = (await all[1]!.signIn('admin', openrc)).headers['x-subject-token']!
  assert.equal((await all[2]!.as(token)('GET', '/v3/auth/projects')).status, 200)
  await all[1]!.as(token)('DELETE', '/v3/auth/tokens', undefined, { 'x-subject-token': token })
  for (const one of all) assert.equal((await one.as(token)('GET', '/v3/auth/projects')).status, 401)
  for (const one of all) await one.stop()
  await made.remove()
})

test('a subcloud takes the passwords that it is handed', async () => {
  const made = await makeTestSite({ config: { role: 'subcloud', region: 'subcloud1', services: ['identity', 'platform'] } })
  const write = async (name: string, text: string) => {
    await made.site.world.files.write(join(made.folder, name), text)
    return join(made.folder, name)
  }
  const adminPasswordFile = await write('admin-password', 'it\'s # a "pass" $word\n')
  await write('secrets/service-password', 'of the controller\n')
  Object.assign(made.site.config.identity, { adminPasswordFile })
  const identity = await startIdentity({ on: made })
  assert.equal((await identity.signIn('admin', 'it\'s # a "pass" $word')).status, 201)
  assert.equal((await identity.signIn('dcmanager', 'of the controller')).status, 201)
  const admin = identity.as((await identity.signIn('admin', 'it\'s # a "pass" $word')).headers['x-subject-token']!)
  assert.deepEqual(
    (await admin('GET', '/v3/regions')).body.regions.map((region: { id: string }) => region.id),
    ['subcloud1'],
  )
  await identity.stop()

  // The controller hands out a new one: the next start takes it over, and the old one is void.
  await write('secrets/service-password', 'a newer one\n')
  const again = await startIdentity({ on: made })
  assert.equal((await again.signIn('dcmanager', 'a newer one')).status, 201)
  assert.equal((await again.signIn('dcmanager', 'of the controller')).status, 401)
  await again.stop()
  await made.remove()
})

test('a password file that others can read, or that is missing, stops the start', async () => {
  const made = await makeTestSite()
  await made.site.world.files.write(join(made.folder, 'secrets/service-password'), 'open to all')
  await chmod(join(made.folder, 'secrets/service-password'), 0o644)
  await assert.rejects(createIdentityService(made.site), /0644.*chmod 600/)
  await chmod(join(made.folder, 'secrets/service-password'), 0o600)
  Object.assign(made.site.config.identity, { adminPasswordFile: join(made.folder, 'nowhere') })
  await assert.rejects(createIdentityService(made.site), /nowhere is missing or empty/)
  await made.remove()
})

test("the site's own addresses follow its configuration; what an operator added stays", async () => {
  const made = await makeTestSite()
  const first = await startIdentity({ on: made })
  const admin = await first.admin()
  await admin('POST', '/v3/services', { service: { type: 'dns', name: 'd' } })
  await first.stop()
  Object.assign(made.site.config, { address: 'fd00::5' })
  const second = await startIdentity({ on: made })
  const { catalog } = (await second.as(admin.token)('GET', '/v3/auth/catalog')).body as {
    catalog: { type: string; endpoints: { url: string }[] }[]
  }
  assert.deepEqual(
    catalog.map((service) => service.type),
    ['dcmanager', 'dns', 'identity', 'platform'],
  )
  assert.deepEqual([...new Set(catalog.flatMap((service) => service.endpoints.map((endpoint) => endpoint.url)))].sort(), [
    'http://[fd00::5]:5000/v3',
    'http://[fd00::5]:6385/v1',
    'http://[fd00::5]:8119/v1.0',
  ])
  await second.stop()
  await made.remove()
})

test('a new signing key logs nobody out, and the old one ends with its last token', async () => {
  const made = await makeTestSite()
  const identity = await startIdentity({ on: made })
  const admin = await identity.admin()
  const signedBy = async () => {
    const token = (await identity.signIn('admin', identity.adminPassword)).headers['x-subject-token']!
    return (JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()) as { kid: string }).kid
  }
  const published = async () => (await (await identity.admin())('GET', '/v3/murmuration/trust')).body.keys.length
  const oldKey = await signedBy()
  await rotateSigningKey(made.site)
  assert.equal(await published(), 2)
  // Published first: validators know it before the first token bears it.
  assert.equal(await signedBy(), oldKey)
  made.shift.ms += 16_000
  assert.notEqual(await signedBy(), oldKey)
  assert.equal((await admin('GET', '/v3/users')).status, 200)
  made.shift.ms += defaultLimits.tokenLifetimeMs + 120_000
  assert.equal(await published(), 1)
  await identity.stop()
  await made.remove()
})

test('a rotated keyring: after resealing the old key can go, and the site still starts', async () => {
  const made = await makeTestSite()
  const first = await startIdentity({ on: made })
  await first.stop()
  await made.site.keyring.rotate()
  await resealSecrets(made.site)
  await made.site.keyring.retire()
  const second = await startIdentity({ on: made })
  assert.equal((await second.signIn('admin', second.adminPassword)).status, 201)
  await second.stop()
  await made.remove()
})

test('housekeeping: expired revocations and keys go, the number never goes back, an old signing key is replaced', async () => {
  const made = await makeTestSite()
  const identity = await startIdentity({ on: made })
  const admin = await identity.admin()
  const sequence = async () => (await (await identity.admin())('GET', '/v3/murmuration/trust')).body.sequence as number
  for (let i = 0; i < 3; i++) {
    const { user } = (await admin('POST', '/v3/users', { user: { name: `u${i}` } })).body
    await admin('DELETE', `/v3/users/${user.id}`)
  }
  const before = await sequence()
  const db = await made.site.openDatabase<IdentityTables>('identity')
  const { world, keyring } = made.site
  const parts = { world, db, keyring, limits: defaultLimits, keys: createSigningKeys(world, keyring, db, defaultLimits) }
  made.shift.ms += defaultLimits.signingKeyAgeMs + 60_000
  await keepHouse(parts)
  assert.equal((await db.query.selectFrom('revocations').selectAll().execute()).length, 1)
  assert.equal(await sequence(), before)
  assert.equal((await db.query.selectFrom('signing_keys').selectAll().execute()).length, 2)
  await keepHouse(parts)
  assert.equal((await db.query.selectFrom('signing_keys').selectAll().execute()).length, 2)
  made.shift.ms += defaultLimits.tokenLifetimeMs + 120_000
  await keepHouse(parts)
  assert.equal((await db.query.selectFrom('signing_keys').selectAll().execute()).length, 1)
  await db.close()
  await identity.stop()
  await made.remove()
})

test('a validator in another service refuses a revoked token within 5 s, and knows a new key in time', async () => {
  const identity = await startIdentity()
  const { world } = identity.site
  const admin = await identity.admin()
  const validatorWorld: World = {
    ...world,
    net: {
      ...world.net,
      request: async (request) => {
        const answer = await identity.call(request.method, new URL(request.url).pathname, undefined, request.headers)
        return { status: answer.status, headers: answer.headers, body: new TextEncoder().encode(JSON.stringify(answer.body)) }
      },
    },
  }
  const session = { token: async () => admin.token, invalidate: () => undefined, endpointUrl: async () => undefined }
  const validator = createLocalTokenValidator(validatorWorld, { identityUrl: 'http://identity.test:5000/v3', session })
  const token = (await identity.signIn('admin', identity.adminPassword)).headers['x-subject-token']!
  assert.deepEqual((await validator.validate(token)).roles, ['admin', 'manager', 'member', 'reader'])
  await admin('DELETE', '/v3/auth/tokens', undefined, { 'x-subject-token': token })
  identity.shift.ms += 5_001
  await assert.rejects(validator.validate(token), Unauthenticated)
  validator.stop()
  await identity.stop()
})

test('what the trust document says is enough to check a token, and nothing more than public', async () => {
  const identity = await startIdentity()
  const admin = await identity.admin()
  const trust = (await admin('GET', '/v3/murmuration/trust')).body
  assert.deepEqual(Object.keys(trust).sort(), ['issuer', 'keys', 'more', 'revocations', 'sequence'])
  const claims = verifyToken(admin.token, trust.keys, { issuer: trust.issuer, nowMs: Date.now() })
  assert.equal(claims.user.name, 'admin')
  assert.ok(!JSON.stringify(trust).includes('PRIVATE'))
  const before = trust.sequence
  await admin('PATCH', `/v3/users/${claims.user.id}`, { user: { password: identity.adminPassword } })
  const later = identity.as((await identity.signIn('admin', identity.adminPassword)).headers['x-subject-token']!)
  const news = (await later('GET', `/v3/murmuration/trust?after=${before}`)).body
  assert.deepEqual(
    news.revocations.map((entry: { userId: string }) => entry.userId),
    [claims.user.id],
  )
  assert.deepEqual((await later('GET', `/v3/murmuration/trust?after=${news.sequence}`)).body.revocations, [])
  // A number that we never gave: our database is older than theirs.
  assert.equal((await later('GET', '/v3/murmuration/trust?after=999')).body.revocations.length, 1)
  assert.equal((await later('GET', '/v3/OS-REVOKE/events')).body.events[0].user_id, claims.user.id)
  await identity.stop()
})

test('hashes of Keystone are verified and replaced by today’s at the next sign-in', async () => {
  const made = await makeTestSite()
  const identity = await startIdentity({ on: made })
  const admin = await identity.admin()
  const { user } = (await admin('POST', '/v3/users', { user: { name: 'from-keystone', password: 'x' } })).body
  const db = await made.site.openDatabase<IdentityTables>('identity')
  const bcrypt = await import('@node-rs/bcrypt')
  const old = await bcrypt.hash('tweet-1', { cost: 4 })
  await db.query.updateTable('users').set({ password_hash: old }).where('id', '=', user.id).execute()
  assert.equal((await identity.signIn('from-keystone', 'tweet-2')).status, 401)
  assert.equal((await identity.signIn('from-keystone', 'tweet-1')).status, 201)
  const row = await db.query.selectFrom('users').select('password_hash').where('id', '=', user.id).executeTakeFirstOrThrow()
  assert.match(row.password_hash!, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  assert.equal((await identity.signIn('from-keystone', 'tweet-1')).status, 201)
  await db.close()
  await identity.stop()
  await made.remove()
})

test('guesses that are hashed all at once still count before a right one among them is accepted', async () => {
  const identity = await startIdentity({ limits: { lockoutFailures: 3, hashConcurrency: 40 } })
  const admin = await identity.admin()
  await admin('POST', '/v3/users', { user: { name: 'target', password: 'right' } })
  const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => identity.signIn('target', i === 39 ? 'right' : `wrong-${i}`)))
  assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [401])
  await identity.stop()
})

test('passwords: own and foreign hashes, wrong ones, damaged ones', async () => {
  const made = await makeTestSite()
  const passwords = createPasswords(made.site.world, { hashConcurrency: 2, hashQueue: 2 })
  const hash = await passwords.hash(new Secret('correct'))
  assert.equal(await passwords.verify(new Secret('correct'), hash), true)
  assert.equal(await passwords.verify(new Secret('Correct'), hash), false)
  assert.equal(passwords.isOutdated(hash), false)
  assert.equal(passwords.isOutdated(hash.replace('t=2', 't=1')), true)
  // passlib's scrypt, as Keystone stores it: N=2^4.
  const { scryptSync } = await import('node:crypto')
  const salt = Buffer.from('saltsaltsaltsalt')
  const b64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')
  const scrypt = `$scrypt$ln=4,r=8,p=1$${b64(salt)}$${b64(scryptSync('correct', salt, 32, { N: 16, r: 8, p: 1 }))}`
  assert.equal(await passwords.verify(new Secret('correct'), scrypt), true)
  assert.equal(await passwords.verify(new Secret('wrong'), scrypt), false)
  for (const damaged of ['', 'x', '$argon2id$', '$2b$10$short', `${hash}!`, 'correct'])
    assert.equal(await passwords.verify(new Secret('correct'), damaged), false, damaged)
  assert.equal(await passwords.verify(new Secret('correct'), undefined), false)

  const five = await Promise.allSettled(
    Array.from({ length: 5 }, () => passwords.attempt(async () => passwords.verify(new Secret('a'), hash))),
  )
  assert.deepEqual(
    five.map((one) => one.status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
  )
  await made.remove()
})
