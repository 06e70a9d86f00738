import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { startPostgres } from '@murmuration/data/testing'
import {
  bootstrapAddressOf,
  bootstrapFile,
  encoded,
  show,
  sysadminPassword,
  untilAvailability,
  untilHeld,
  untilStatus,
  type Subject,
} from './lifecycle/cloud.ts'
import { exchange } from './testing/client.ts'
import { startFleet, type Fleet } from './testing/fleet.ts'
import { endAllNaming, murmur, type Ran } from './testing/processes.ts'
import { filesHolding, modeOf } from './testing/secrets.ts'

/** The loss of a system controller: its disk is gone, its subclouds run, and all that is left is an archive. */

const passphrase = 'a passphrase of the operators 4711'
/** Seconds on a machine of its own. */
const deployMs = 240_000
const porto: Subject = { name: 'edge-porto', n: 1 }
const faro: Subject = { name: 'edge-faro', n: 2 }

const command = (args: readonly string[], given = passphrase): Promise<Ran> =>
  murmur(['controller', ...args], { MURMUR_ARCHIVE_PASSPHRASE: given }, 120_000).done.then((ran) => {
    assert.ok(!args.join(' ').includes(passphrase) && !(ran.stdout + ran.stderr).includes(passphrase))
    return ran
  })

const add = async (fleet: Fleet, subject: Subject): Promise<void> => {
  const form = {
    bootstrap_values: await bootstrapFile(fleet, subject),
    'bootstrap-address': bootstrapAddressOf(fleet, subject),
    sysadmin_password: encoded(sysadminPassword),
  }
  const answer = await fleet.dcmanager.send('POST', '/v1.0/subclouds', { form })
  assert.equal(answer.status, 200, answer.text)
}

/** As a fire leaves it: no process, no playbook, no file. */
async function lose(fleet: Fleet): Promise<void> {
  await fleet.kill('murmur')
  await endAllNaming(fleet.varFolder)
  await rm(fleet.varFolder, { recursive: true })
}

const untilManaged = (fleet: Fleet, { name }: Subject): Promise<unknown> =>
  fleet.until(`${name} is complete, online, managed and in-sync`, async () => {
    const subcloud = await show(fleet, name)
    const certificate = subcloud.endpoint_sync_status.find((entry) => entry.endpoint_type === 'dc-cert')?.sync_status
    const statuses = [subcloud['deploy-status'], subcloud['availability-status'], subcloud['management-state'], certificate]
    return statuses.join(' ') === 'complete online managed in-sync'
  })

async function manage(fleet: Fleet, subject: Subject): Promise<void> {
  await untilAvailability(fleet, subject.name, 'online')
  const answer = await fleet.dcmanager.send('PATCH', `/v1.0/subclouds/${subject.name}`, { form: { 'management-state': 'managed' } })
  assert.equal(answer.status, 200, answer.text)
  await untilManaged(fleet, subject)
}

/** What was written down may be old; who is audited is found gone when it is, and back. */
async function isAudited(fleet: Fleet, { name }: Subject): Promise<void> {
  await fleet.killSite(name)
  await untilAvailability(fleet, name, 'offline', 60_000)
  await fleet.startSite(name)
  await untilAvailability(fleet, name, 'online', 60_000)
}

test('a system controller that is lost comes back from its backup, also on another engine', { timeout: 900_000 }, async (t) => {
  const fleet = await startFleet('embedded')
  t.after(() => fleet.end())
  const input = join(fleet.folder, 'controller.archive')
  const restore = ['restore', '--site-folder', fleet.varFolder, '--input', input]
  const siteNow = async (subject: Subject) => (await fleet.site(subject.name)).pid

  await t.test('it is backed up while it runs and deploys', async () => {
    await add(fleet, porto)
    await untilStatus(fleet, porto.name, 'complete', deployMs)
    await manage(fleet, porto)
    await fleet.hold(faro.name)
    await add(fleet, faro)
    await untilHeld(fleet, faro)
    await writeFile(join(fleet.varFolder, 'vault/backups-marker'), 'kept')
    const ran = await command(['backup', '--site', fleet.siteFile, '--output', input])
    assert.equal(ran.code, 0, ran.stderr)
    const told = JSON.parse(ran.stdout) as { bytes: number; sha256: string; databases: Record<string, { rows: number }> }
    assert.deepEqual(Object.keys(told.databases).toSorted(), ['dcmanager', 'identity', 'image', 'platform'])
    assert.equal(await modeOf(input), 0o600)
    assert.match(ran.stderr, /dcmanager: \d+ rows in \d+ tables/)
    const again = await command(['backup', '--site', fleet.siteFile, '--output', input])
    assert.equal(again.code, 4)
    const verified = await command(['verify', '--input', input])
    assert.equal(verified.code, 0, verified.stderr)
    assert.equal((JSON.parse(verified.stdout) as { sha256: string }).sha256, told.sha256)
    assert.deepEqual(await filesHolding(fleet.folder, [passphrase]), [])
    assert.equal((await command(restore)).code, 4, 'not while it runs')
  })
  const tokenFromBefore = await fleet.dcmanager.token()
  const subcloudPid = await siteNow(porto)

  await t.test('what is damaged, or opened with another passphrase, changes nothing', async () => {
    await lose(fleet)
    const before = (await readdir(fleet.folder)).toSorted()
    const broken = join(fleet.folder, 'controller.broken')
    const bytes = await readFile(input)
    bytes[bytes.length >> 1]! ^= 4
    await writeFile(broken, bytes)
    const damaged = await command([...restore.slice(0, -1), broken])
    await rm(broken)
    assert.equal(damaged.code, 1)
    assert.match(damaged.stderr, /error: The archive is damaged or incomplete/)
    const wrong = await command(restore, 'another passphrase')
    assert.equal(wrong.code, 5)
    assert.match(wrong.stderr, /error: The passphrase is not the one/)
    assert.deepEqual((await readdir(fleet.folder)).toSorted(), before)
  })

  await t.test('its subclouds are managed again, its operations go on, tokens from before are void', async () => {
    const ran = await command(restore)
    assert.equal(ran.code, 0, ran.stderr)
    assert.equal(await readFile(join(fleet.varFolder, 'vault/backups-marker'), 'utf8'), 'kept')
    await fleet.start('murmur')
    const old = await exchange({ url: `${fleet.dcmanager.base}/v1.0/subclouds`, headers: { 'x-auth-token': tokenFromBefore } })
    assert.equal(old.status, 401)
    await untilManaged(fleet, porto)
    assert.equal(await siteNow(porto), subcloudPid, 'the subcloud itself noticed nothing')
    await isAudited(fleet, porto)
    // Its bootstrap needs what was sealed before: the operator's values and passwords.
    await fleet.release(faro.name)
    await untilStatus(fleet, faro.name, 'complete', deployMs)
    await manage(fleet, faro)
    await fleet.hold('edge-evora')
    const added = await fleet.dcmanager.send('POST', '/v1.0/subclouds', {
      form: {
        bootstrap_values: await bootstrapFile(fleet, { name: 'edge-evora', n: 3 }),
        'bootstrap-address': bootstrapAddressOf(fleet, { name: '', n: 3 }),
        sysadmin_password: encoded(sysadminPassword),
      },
    })
    assert.ok((added.json as { id: number }).id > 1_000, 'numbers given since the backup are not given again')
  })

  await t.test('once more, with PostgreSQL in the place of SQLite', async () => {
    const given = process.env['MURMUR_TEST_POSTGRES']
    const server = given === undefined || given === '' ? await startPostgres() : undefined
    if (server !== undefined) t.after(() => server.stop())
    const url = new URL(server?.url ?? given!)
    url.searchParams.set('schema', `restored_${randomBytes(4).toString('hex')}_SERVICE`)
    const backup = await command(['backup', '--force', '--site', fleet.siteFile, '--output', input])
    assert.equal(backup.code, 0, backup.stderr)
    await lose(fleet)
    const ran = await command([...restore, '--data-url', url.href.replace('_SERVICE', '_{service}')])
    assert.equal(ran.code, 0, ran.stderr)
    await fleet.start('murmur')
    for (const subject of [porto, faro]) await untilManaged(fleet, subject)
    assert.deepEqual(await readdir(join(fleet.varFolder, 'data')).catch(() => []), [])
    const third = join(fleet.folder, 'third.archive')
    const again = await command(['backup', '--site', fleet.siteFile, '--output', third])
    assert.equal(again.code, 0, again.stderr)
    assert.match(again.stdout, /"dcmanager":\{"engine":"postgres"/)
  })
})
