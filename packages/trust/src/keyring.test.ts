import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { test } from 'node:test'
import fc from 'fast-check'
import { createRealWorld } from '@murmuration/world'
import { openKeyring, SealBroken, type Sealed } from './keyring.ts'
import { PrivateFileExposed } from './private-file.ts'
import { Secret } from './secret.ts'
import { flipBit, memoryWorld } from './testing/memory-world.ts'

const path = '/var/keyring.json'
const refused = (reason: SealBroken['reason']) => (error: unknown) => error instanceof SealBroken && error.reason === reason

test('what is sealed opens again under the same context, and only there', async () => {
  const { world } = memoryWorld()
  const ring = await openKeyring(world, path)
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), fc.string(), (text, context, other) => {
      const sealed = ring.seal(new Secret(text), context)
      assert.equal(ring.open(sealed, context).reveal(), text)
      if (other !== context) assert.throws(() => ring.open(sealed, other), refused('changed'))
    }),
    { numRuns: 200 },
  )
})

test('a sealed text with any bit changed does not open', async () => {
  const { world } = memoryWorld()
  const ring = await openKeyring(world, path)
  const sealed = ring.seal(new Secret('bmc password'), 'subcloud:1:bmc_password')
  for (let position = 0; position < sealed.length; position++)
    for (let bit = 0; bit < 8; bit++)
      assert.throws(() => ring.open(flipBit(sealed, position, bit) as Sealed, 'subcloud:1:bmc_password'), SealBroken)
})

test('the same secret never looks the same twice, and neither text nor error shows it', async () => {
  const { world } = memoryWorld()
  const ring = await openKeyring(world, path)
  const secret = new Secret('hunter2-hunter2')
  assert.notEqual(ring.seal(secret, 'a'), ring.seal(secret, 'a'))
  assert.throws(
    () => ring.open(ring.seal(secret, 'a'), 'b'),
    (error: Error) => !inspect(error).includes('hunter2') && error.message.includes('for b'),
  )
})

test('rotation: old texts open and are stale, retired keys open nothing', async () => {
  const { world } = memoryWorld()
  const ring = await openKeyring(world, path)
  const old = ring.seal(new Secret('one'), 'c')
  await ring.rotate()
  const fresh = ring.seal(new Secret('two'), 'c')
  assert.equal(ring.open(old, 'c').reveal(), 'one')
  assert.deepEqual([ring.isStale(old), ring.isStale(fresh)], [true, false])

  const elsewhere = await openKeyring(world, path)
  assert.equal(elsewhere.open(fresh, 'c').reveal(), 'two')

  await ring.retire()
  assert.throws(() => ring.open(old, 'c'), refused('unknown-key'))
  assert.equal(ring.open(fresh, 'c').reveal(), 'two')
})

test('a rotation by another process is kept by the next one and known after reload', async () => {
  const { world } = memoryWorld()
  const one = await openKeyring(world, path)
  const two = await openKeyring(world, path)
  await one.rotate()
  const sealed = one.seal(new Secret('x'), 'c')
  assert.throws(() => two.open(sealed, 'c'), refused('unknown-key'))
  await two.rotate()
  assert.equal(two.open(sealed, 'c').reveal(), 'x')
})

test('the key file is private, and refused when it is not', async () => {
  const { world, files } = memoryWorld()
  await openKeyring(world, path)
  assert.equal(files.get(path)?.mode, 0o600)
  files.get(path)!.mode = 0o640
  await assert.rejects(openKeyring(world, path), PrivateFileExposed)
})

test('on a real disk the mode of the key file counts', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'keyring-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const world = createRealWorld()
  t.after(() => world.net.close())
  const file = join(folder, 'private', 'keyring.json')
  const ring = await openKeyring(world, file)
  const sealed = ring.seal(new Secret('x'), 'c')
  assert.equal((await openKeyring(world, file)).open(sealed, 'c').reveal(), 'x')
  await chmod(file, 0o644)
  await assert.rejects(openKeyring(world, file), PrivateFileExposed)
})

test('a damaged key file is never replaced', async () => {
  const { world, files } = memoryWorld()
  for (const damaged of [
    '',
    '{',
    '{"version":1,"keys":[]}',
    '{"version":1,"keys":[null]}',
    '{"version":1,"keys":[{"id":"a","key":"AAAA"}]}',
    'null',
  ]) {
    await world.files.write(path, damaged)
    await assert.rejects(openKeyring(world, path), /can not be read/)
    assert.equal(new TextDecoder().decode(files.get(path)?.data), damaged)
  }
})
