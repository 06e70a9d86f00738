import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { temporaryFolder } from '../testing/test-site.ts'
import { quoted, restoreScript, type RestoreScript } from './restore-script.ts'

const awkward = `a'b "c" $(touch hacked) \\`

/** A host: its site, what it keeps, the seed, and a murmur that writes down what it is asked for. */
async function host(t: TestContext, claimExits = 0) {
  const folder = await temporaryFolder(t)
  const [siteFolder, platformBackupFolder, seed] = ['the site', "what it's kept", 'seed'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  for (const each of [siteFolder, seed, join(platformBackupFolder, 'backups/26.09'), join(platformBackupFolder, 'factory/26.09')])
    await mkdir(each, { recursive: true })
  const murmur = join(folder, 'murmur')
  await writeFile(
    murmur,
    `#!/bin/sh
{ for each in "$@"; do printf '%s|' "$each"; done; echo; } >> ${quoted(`${folder}/asked`)}
[ "$1 $2" != "site unarchive" ] || printf 'name: old\\ndataUrl: redis://kept\\n' > "$4/site.yaml"
[ "$3" != claim ] || exit ${claimExits}
`,
  )
  await chmod(murmur, 0o700)
  for (const [name, text] of Object.entries({
    'site.yaml': 'name: "edge"\ndataUrl: "sqlite:given"\n',
    'archive.key': 'key',
    'site.key': 'private',
    'ca.pem': 'CA',
  }))
    await writeFile(join(seed, name), text)
  const facts: RestoreScript = {
    mode: 'auto',
    release: '26.09',
    region: 'r1',
    siteFolder,
    platformBackupFolder,
    murmurCommand: [murmur],
    archiveInSeed: true,
    owner: { uuid: 'u-1', name: awkward, epoch: 3 },
  }
  const run = (changes: Partial<RestoreScript> = {}) =>
    spawnSync('sh', ['-s', seed], { input: restoreScript({ ...facts, ...changes }), cwd: folder, encoding: 'utf8' })
  const asked = async (): Promise<string[]> => (await readFile(join(folder, 'asked'), 'utf8').catch(() => '')).split('\n').filter(Boolean)
  return { folder, siteFolder, platformBackupFolder, seed, run, asked }
}

test('auto: from the archive of the seed, to what the system controller knows, under its epoch; data stay where they are', async (t) => {
  const { siteFolder, seed, run, asked, folder } = await host(t)
  for (let again = 0; again < 2; again += 1) {
    const { status, stderr } = run()
    assert.equal(status, 0, stderr)
  }
  const claim = `site|ownership|claim|--owner=u-1|--name=${awkward}|--epoch=3|--site|${siteFolder}/site.yaml|`
  const [unarchive, ...rest] = (await asked()).map((line) => line.replace(/[^|]*\/key\|/, 'KEY|'))
  assert.equal(unarchive, `site|unarchive|--site-folder|${siteFolder}|--input|${seed}/archive.tgz|--key-file|KEY|--expect-region|r1|`)
  assert.deepEqual(rest, [claim, `serve|--site|${siteFolder}/site.yaml|--detach|`, claim, unarchive, claim, rest[1]!])
  assert.equal(await readFile(join(siteFolder, 'site.yaml'), 'utf8'), 'name: "edge"\ndataUrl: redis://kept\n')
  assert.equal(await readFile(join(siteFolder, 'tls/site.key'), 'utf8'), 'private')
  assert.ok(!existsSync(join(siteFolder, 'secrets/admin-password')), 'the seed holds none')
  assert.ok(!existsSync(join(folder, 'hacked')))
})

test('a site that another system controller has claimed is not touched', async (t) => {
  for (const [claimExits, touched] of [
    [4, false],
    [2, true],
  ] as const) {
    const { siteFolder, run, asked } = await host(t, claimExits)
    await writeFile(join(siteFolder, 'site.yaml'), 'mine')
    assert.notEqual(run().status, 0)
    assert.equal(
      (await asked()).some((line) => line.startsWith('site|unarchive')),
      touched,
    )
  }
})

test('local and factory: the newest archive of the release at the host; a factory restore starts nothing, with the key that lies there', async (t) => {
  const { siteFolder, platformBackupFolder, run, asked } = await host(t)
  const missing = run({ archiveInSeed: false })
  assert.notEqual(missing.status, 0)
  assert.match(missing.stderr, /There is no archive in .*backups\/26\.09/)
  for (const name of [
    'backups/26.09/e_platform_backup_1.tgz',
    'backups/26.09/e_platform_backup_2.tgz',
    'factory/26.09/f_platform_backup_1.tgz',
  ])
    await writeFile(join(platformBackupFolder, name), '')
  assert.equal(run({ archiveInSeed: false }).status, 0)
  assert.ok((await asked())[0]!.includes('|--input|' + join(platformBackupFolder, 'backups/26.09/e_platform_backup_2.tgz|')))
  const before = (await asked()).length
  assert.equal(run({ mode: 'factory' }).status, 0)
  const factory = join(platformBackupFolder, 'factory/26.09')
  assert.equal(
    (await asked()).slice(before + 1).join(),
    `site|unarchive|--site-folder|${siteFolder}|--input|${factory}/f_platform_backup_1.tgz|--key-file|${factory}/key|`,
  )
})
