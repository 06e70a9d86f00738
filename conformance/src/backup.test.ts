import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { create, deploy, makeGroup, playing, remove, restore, setManaged, untilBackup, untilHeldIn, wipe } from './backup/backups.ts'
import { putImage, startHost } from './backup/host.ts'
import { operationsOf, show, untilAvailability, untilStatus, type Subject } from './lifecycle/cloud.ts'
import { platformOf } from './lifecycle/deploy.ts'
import { createApi } from './testing/client.ts'
import { startFleet, type Fleet } from './testing/fleet.ts'
import { readOpenrc } from './testing/openstack.ts'
import { readChanges } from './testing/events.ts'
import { cleanEnvironment, murmur, run } from './testing/processes.ts'

const sc1: Subject = { name: 'sc1', n: 1 }
const sc2: Subject = { name: 'sc2', n: 2 }
const sc3: Subject = { name: 'sc3', n: 3 }
const all = [sc1, sc2, sc3] as const

/** The subcloud's own identity API, as its own admin. */
async function identityOf(fleet: Fleet, { name }: Subject) {
  const { folder, address } = await fleet.site(name)
  const openrc = readOpenrc(await readFile(join(folder, 'var/openrc'), 'utf8'))
  return createApi(`http://${address}:5000`, openrc['OS_AUTH_URL']!, {
    user: openrc['OS_USERNAME']!,
    password: openrc['OS_PASSWORD']!,
    project: openrc['OS_PROJECT_NAME']!,
  })
}

const backupStatuses = (fleet: Fleet) => Promise.all(all.map(async ({ name }) => (await show(fleet, name))['backup-status']))
const newest = async (fleet: Fleet, { name }: Subject) => (await operationsOf(fleet, name))[0]!
const centralFiles = async (fleet: Fleet, { name }: Subject): Promise<string[]> => {
  const { id } = await show(fleet, name)
  return readdir(join(fleet.varFolder, 'vault/backups', String(id), '26.09')).catch(() => [])
}

test('backup, delete and restore with real processes (reference dcmanager §9)', { timeout: 1_440_000 }, async (t) => {
  const fleet = await startFleet('embedded')
  t.after(() => fleet.end())
  const group = await makeGroup(fleet, 'g1')
  await Promise.all(all.map((subject) => deploy(fleet, subject, group)))
  const changes = readChanges(fleet.dcmanager)
  t.after(() => changes.stop())
  const told = (id: number): unknown[] =>
    changes.events.flatMap((event) => {
      const data = event.data as { id?: number; fields?: Record<string, unknown> } & Record<string, unknown>
      const status = (data.fields ?? data)['backup-status']
      return data.id === id && status !== undefined ? [status] : []
    })

  await t.test('BK-1: no second create on one subcloud; its sequence is not disturbed', async () => {
    await fleet.hold(sc1.name)
    assert.equal((await create(fleet, { subcloud: 'sc1' })).status, 200)
    await untilHeldIn(fleet, sc1, 'subcloud.backup')
    assert.equal((await show(fleet, 'sc1'))['backup-status'], 'backing-up')
    const again = await create(fleet, { subcloud: 'sc1' })
    assert.equal(again.status, 400, again.text)
    assert.match(again.text, /backing-up/)
    assert.equal(await playing(fleet, sc1), 1)
  })

  await t.test('BK-3: a group create skips the busy member', async () => {
    const answer = await create(fleet, { group: 'g1' })
    assert.equal(answer.status, 200, answer.text)
    const { subclouds, outcomes } = answer.json as { subclouds: { name: string }[]; outcomes: { name: string; outcome: string }[] }
    // In the order of their ids, which is that of their additions: they were added at once.
    assert.deepEqual(subclouds.map(({ name }) => name).toSorted(), ['sc1', 'sc2', 'sc3'])
    assert.deepEqual(Object.fromEntries(outcomes.map(({ name, outcome }) => [name, outcome])), {
      sc1: 'skipped',
      sc2: 'accepted',
      sc3: 'accepted',
    })
    await Promise.all([untilBackup(fleet, sc2, 'complete-central'), untilBackup(fleet, sc3, 'complete-central')])
    assert.equal((await show(fleet, 'sc1'))['backup-status'], 'backing-up')
    assert.equal((await operationsOf(fleet, 'sc1')).filter(({ kind }) => kind === 'subcloud.backup').length, 1)
  })

  await t.test('BK-2: refused when every member is busy', async () => {
    await fleet.hold(sc2.name)
    await fleet.hold(sc3.name)
    assert.equal((await create(fleet, { group: 'g1' })).status, 200)
    await Promise.all([untilHeldIn(fleet, sc2, 'subcloud.backup'), untilHeldIn(fleet, sc3, 'subcloud.backup')])
    const before = await backupStatuses(fleet)
    const none = await create(fleet, { group: 'g1' })
    assert.equal(none.status, 400)
    assert.match(none.text, /None of the subclouds/)
    assert.deepEqual(await backupStatuses(fleet), before)
  })

  await t.test('kill -9 of the manager in a backup: it goes on, with one archive', async () => {
    await fleet.kill('murmur')
    await fleet.until('the playbooks have ended with their manager', async () => (await playing(fleet, sc1)) === 0)
    await fleet.start('murmur')
    for (const { name } of all) await fleet.release(name)
    await Promise.all(all.map((subject) => untilBackup(fleet, subject, 'complete-central')))
    assert.deepEqual([(await newest(fleet, sc1)).state, (await newest(fleet, sc1)).attempt], ['done', 1])
    const { id } = await show(fleet, 'sc1')
    await fleet.until('the stream has told of it', async () => told(id).at(-1) === 'complete-central')
    assert.deepEqual(told(id), ['validating', 'pre-backup', 'backing-up', 'complete-central'])
    const files = await centralFiles(fleet, sc1)
    assert.equal(files.length, 1, files.join())
    assert.equal((await stat(join(fleet.varFolder, 'vault/backups', String(id), '26.09', files[0]!))).mode & 0o777, 0o600)
  })

  await t.test('delete: as the stock client asks; a manager that dies goes on', async () => {
    const { id } = await show(fleet, 'sc3')
    await fleet.hold(`subcloud-${id}`)
    const asked = fleet.dcmanager.send('PATCH', '/v1.0/subcloud-backup/delete/26.09', {
      form: { subcloud: 'sc3' },
      headers: { prefer: 'respond-async' },
    })
    assert.equal((await asked).status, 202)
    await untilHeldIn(fleet, sc3, 'subcloud.delete-backup')
    assert.equal((await create(fleet, { subcloud: 'sc3' })).status, 400)
    await fleet.kill('murmur')
    await fleet.start('murmur')
    await fleet.release(`subcloud-${id}`)
    await untilBackup(fleet, sc3, 'unknown')
    assert.deepEqual(await centralFiles(fleet, sc3), [])
    // Only one of the two that are named has a backup by now.
    const partly = await remove(fleet, { group: 'g1' })
    assert.equal(partly.status, 207, partly.text)
    assert.match(String(partly.json), /no backup of this release: sc3\./)
    assert.deepEqual(await centralFiles(fleet, sc1), [])
    for (const subject of all) await untilBackup(fleet, subject, 'unknown')
  })

  await t.test('a wiped subcloud comes back from its central backup, online, with everything that its services held', async () => {
    const identity = await identityOf(fleet, sc1)
    const user = await identity.send('POST', '/v3/users', {
      json: { user: { name: 'ana', password: 'Ana-Passw0rd*', domain_id: 'default' } },
    })
    assert.equal(user.status, 201, user.text)
    const platform = await platformOf(fleet, sc1)
    const host = await platform.send('POST', '/v1/ihosts', { json: { hostname: 'worker-7', personality: 'worker' } })
    assert.ok(host.status < 300, host.text)
    assert.equal((await create(fleet, { group: 'g1' })).status, 200)
    await Promise.all(all.map((subject) => untilBackup(fleet, subject, 'complete-central')))
    const later = await identity.send('POST', '/v3/users', {
      json: { user: { name: 'rui', password: 'Rui-Passw0rd*', domain_id: 'default' } },
    })
    assert.equal(later.status, 201)

    for (const subject of all) await setManaged(fleet, subject, 'unmanaged')
    await wipe(fleet, sc1)
    await untilAvailability(fleet, 'sc1', 'offline', 60_000)
    await fleet.hold(sc1.name)
    const accepted = await restore(fleet, { subcloud: 'sc1' })
    assert.equal(accepted.status, 200, accepted.text)
    assert.equal((accepted.json as { subclouds: Record<string, string>[] }).subclouds[0]!['deploy-status'], 'pre-restore')
    await untilHeldIn(fleet, sc1, 'subcloud.restore')
  })

  await t.test('BK-4: no second restore on one subcloud', async () => {
    assert.equal((await show(fleet, 'sc1'))['deploy-status'], 'restoring')
    const again = await restore(fleet, { subcloud: 'sc1' })
    assert.equal(again.status, 400)
    assert.match(again.text, /must be unmanaged and in a valid deploy state/)
    assert.equal((await create(fleet, { subcloud: 'sc1' })).status, 400)
    assert.equal((await remove(fleet, { subcloud: 'sc1' })).status, 400)
    assert.equal(await playing(fleet, sc1), 1)
    assert.equal((await show(fleet, 'sc1'))['deploy-status'], 'restoring')
  })

  await t.test('BK-6, BK-5: a group restore skips the busy member, and is refused when all are', async () => {
    await fleet.hold(sc2.name)
    await fleet.hold(sc3.name)
    const answer = await restore(fleet, { group: 'g1' })
    assert.equal(answer.status, 200, answer.text)
    const { subclouds } = answer.json as { subclouds: Record<string, string>[] }
    assert.deepEqual(
      subclouds.map((each) => [each['name'], each['deploy-status']]),
      [
        ['sc2', 'pre-restore'],
        ['sc3', 'pre-restore'],
      ],
    )
    await Promise.all([untilHeldIn(fleet, sc2, 'subcloud.restore'), untilHeldIn(fleet, sc3, 'subcloud.restore')])
    const none = await restore(fleet, { group: 'g1' })
    assert.equal(none.status, 400)
    assert.match(none.text, /None of the subclouds/)
    assert.deepEqual(await Promise.all(all.map(async ({ name }) => (await show(fleet, name))['deploy-status'])), Array(3).fill('restoring'))
  })

  await t.test('kill -9 of the manager in a restore: it goes on, and the subcloud has what was backed up', async () => {
    await fleet.kill('murmur')
    await fleet.until('the playbooks have ended with their manager', async () => (await playing(fleet, sc1)) === 0)
    await fleet.start('murmur')
    for (const { name } of all) await fleet.release(name)
    for (const { name } of all) await untilStatus(fleet, name, 'complete', 180_000)
    for (const { name } of all) await untilAvailability(fleet, name, 'online', 60_000)
    assert.equal((await show(fleet, 'sc1'))['management-state'], 'unmanaged')
    const identity = await identityOf(fleet, sc1)
    const { users } = await identity.get<{ users: { name: string }[] }>('/v3/users')
    assert.ok(users.some(({ name }) => name === 'ana'))
    assert.ok(!users.some(({ name }) => name === 'rui'), 'who came after the backup is not in it')
    const { ihosts } = await (await platformOf(fleet, sc1)).get<{ ihosts: { hostname: string }[] }>('/v1/ihosts')
    assert.ok(ihosts.some(({ hostname }) => hostname === 'worker-7'))
    for (const subject of all) await setManaged(fleet, subject, 'managed')
  })

  await t.test('local: the archive stays at the subcloud, and a wiped site comes back from it', async () => {
    const made = await create(fleet, { subcloud: 'sc2', local_only: true, registry_images: 'true' })
    assert.equal(made.status, 200, made.text)
    await untilBackup(fleet, sc2, 'complete-local')
    const { 'region-name': region } = await show(fleet, 'sc2')
    const folder = join(fleet.folder, 'sites', `${region}.platform-backup`)
    assert.equal((await readdir(join(folder, 'backups/26.09'))).length, 1)
    assert.deepEqual(await readdir(folder), ['backups'], 'neither a key nor a half archive is left')
    await setManaged(fleet, sc2, 'unmanaged')
    await wipe(fleet, sc2)
    assert.equal((await restore(fleet, { subcloud: 'sc2', local_only: 'true' })).status, 200)
    await untilStatus(fleet, 'sc2', 'complete', 120_000)
    await untilAvailability(fleet, 'sc2', 'online', 60_000)
  })

  await t.test('at the site: what its staff needs is brought there, they run it, and the subcloud is back', async () => {
    const { 'region-name': region } = await show(fleet, 'sc2')
    const folder = join(fleet.folder, 'sites', `${region}.platform-backup/auto-restore`)
    await wipe(fleet, sc2)
    await untilAvailability(fleet, 'sc2', 'offline', 60_000)
    assert.equal((await restore(fleet, { subcloud: 'sc2', on_site: 'true' })).status, 200)
    await untilStatus(fleet, 'sc2', 'onsite-restoring', 120_000)
    assert.equal((await restore(fleet, { subcloud: 'sc2', on_site: 'true' })).status, 400)
    assert.equal((await stat(join(folder, 'restore.sh'))).mode & 0o777, 0o700)
    assert.equal((await stat(join(folder, 'key'))).mode & 0o777, 0o600)
    const { code, stderr } = await run(join(folder, 'restore.sh'), [], { env: cleanEnvironment() }).done
    assert.equal(code, 0, stderr)
    await untilStatus(fleet, 'sc2', 'complete', 120_000)
    await untilAvailability(fleet, 'sc2', 'online', 60_000)
    await assert.rejects(stat(folder), 'neither the archive nor its key is left')
  })

  await t.test('auto: a wiped host restores itself from what its BMC shows it; factory: back to what it was delivered with', async (t) => {
    await putImage(fleet)
    const bmc = await startHost(fleet, sc3)
    t.after(() => bmc.close())
    await setManaged(fleet, sc3, 'unmanaged')
    const { folder: site } = await fleet.site('sc3')
    const factory = `${site}.platform-backup/factory/26.09`
    await mkdir(factory, { recursive: true, mode: 0o700 })
    await writeFile(join(factory, 'key'), Buffer.alloc(32, 7).toString('base64'), { mode: 0o600 })
    const output = `${factory}/sc3_platform_backup_1.tgz`
    const archive = ['site', 'archive', '--site', `${site}/site.yaml`, '--output', output, '--key-file', `${factory}/key`]
    const archived = await murmur(archive, {}).done
    assert.equal(archived.code, 0, archived.stderr)
    await wipe(fleet, sc3)
    await untilAvailability(fleet, 'sc3', 'offline', 60_000)

    const auto = await restore(fleet, { subcloud: 'sc3', auto: 'true' })
    assert.equal(auto.status, 200, auto.text)
    await untilStatus(fleet, 'sc3', 'complete', 180_000)
    await untilAvailability(fleet, 'sc3', 'online', 60_000)
    const cycle = ['ComputerSystem.Reset ForceOff', 'ComputerSystem.Reset On']
    assert.deepEqual(bmc.changes, ['VirtualMedia.InsertMedia', ...cycle, 'VirtualMedia.EjectMedia'])

    const back = await restore(fleet, { subcloud: 'sc3', factory: 'true' })
    assert.equal(back.status, 200, back.text)
    await untilStatus(fleet, 'sc3', 'factory-restore-complete', 180_000)
    assert.deepEqual(bmc.changes.slice(4), ['VirtualMedia.InsertMedia', '1', ...cycle, 'VirtualMedia.EjectMedia'])
    assert.equal((await fleet.site('sc3')).pid, undefined, 'what it was delivered with is not started')
    assert.match(await readFile(join(site, 'site.yaml'), 'utf8'), /name: sc3/)
  })
})
