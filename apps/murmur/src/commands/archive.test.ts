import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createRealWorld } from '@murmuration/world'
import { archiveKeyOf } from '../archive/key.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { archive, unarchive, verify } from './archive.ts'

const world = createRealWorld({ log: { level: 'silent' }, timersKeepAlive: true })
const folder = mkdtempSync(join(tmpdir(), 'murmur-archive-command-'))
after(() => rmSync(folder, { recursive: true }))
const key = randomBytes(32).toString('base64')
const context = { world, environment: { MURMUR_ARCHIVE_KEY: key } }

const ends = (code: number, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof CommandFailed, String(error))
  assert.match(error.message, message)
  assert.equal(error.exitCode, code)
  return true
}
const file = (name: string, text: string, mode = 0o600): string => {
  writeFileSync(join(folder, name), text, { mode })
  return join(folder, name)
}

test('the key comes from one place, which is private', async () => {
  const passphraseFile = file('passphrase', 'a passphrase of operators\n')
  assert.equal((await archiveKeyOf({ world, environment: {} }, { passphraseFile })).kind, 'passphrase')
  assert.equal((await archiveKeyOf({ world, environment: {} }, { keyFile: file('key', `${key}\n`) })).kind, 'key')
  assert.equal((await archiveKeyOf(context, {})).kind, 'key')
  await assert.rejects(archiveKeyOf(context, { passphraseFile }), ends(exitCodes.usage, /More than one key/))
  await assert.rejects(
    archiveKeyOf({ world, environment: {} }, { passphraseFile: join(folder, 'nothing') }),
    ends(exitCodes.usage, /no such file/),
  )
  await assert.rejects(archiveKeyOf({ world, environment: {} }, { keyFile: file('open', key, 0o644) }), /other users of this machine/)
})

test('a subcloud is archived, verified and comes back in its own region only', async () => {
  const site = file('site.yaml', 'name: edge\nrole: subcloud\nregion: r1\nservices: [platform]\nvarFolder: var\n')
  await world.files.write(join(folder, 'var/secrets/service-password'), 'secret')
  const output = join(folder, 'out.archive')
  await archive(context, 'site', { site, output })
  await assert.rejects(archive(context, 'site', { site, output }), ends(exitCodes.conflict, /exists already/))
  await archive(context, 'site', { site, output, force: true })
  await assert.rejects(archive(context, 'controller', { site, output, force: true }), ends(exitCodes.usage, /edge is a subcloud/))
  await verify(context, 'site', { input: output })
  await assert.rejects(verify(context, 'controller', { input: output }), ends(exitCodes.conflict, /archive is of the subcloud edge/))

  const siteFolder = join(folder, 'restored')
  const before = readdirSync(folder)
  const restore = (more: object) => unarchive(context, 'site', { siteFolder, input: output, ...more })
  await assert.rejects(restore({ expectRegion: 'r2' }), ends(exitCodes.conflict, /region r1 \(site edge\), not of r2/))
  await assert.rejects(restore({ dataUrl: 'postgres://murmur:hunter2@db/murmur?schema={service}' }), (error: unknown) => {
    assert.ok(!String(error).includes('hunter2'))
    return ends(exitCodes.usage, /must not hold a password/)(error)
  })
  await assert.rejects(restore({ input: join(folder, 'nothing') }), ends(exitCodes.notFound, /There is no archive/))
  await assert.rejects(restore({ input: site }), ends(exitCodes.refused, /not an archive of murmur/))
  const other = { world, environment: { MURMUR_ARCHIVE_KEY: randomBytes(32).toString('base64') } }
  await assert.rejects(
    verify(other, 'site', { input: output }),
    ends(exitCodes.authentication, /not the one that the archive was made with/),
  )
  const short = { world, environment: { MURMUR_ARCHIVE_PASSPHRASE: 'short' } }
  await assert.rejects(verify(short, 'site', { input: output }), ends(exitCodes.usage, /too short/))
  assert.deepEqual(readdirSync(folder), before)
  await restore({ expectRegion: 'r1' })
  assert.ok(readdirSync(siteFolder).includes('site.yaml'))
})
