import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdir, readFile, stat } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { test, type TestContext } from 'node:test'
import { timestamp } from '@murmuration/data'
import { enqueue, readSteps } from '@murmuration/jobs'
import { Secret, type Sealed } from '@murmuration/trust'
import { allBackupStatuses, failedBackupStatusOf, isBackupTransient } from '../rules/backup-status.ts'
import { exclusiveKeyOf, type BackupInput, type DeleteBackupInput, type OperationName, type RestoreInput } from '../rules/operations.ts'
import { listBackups } from '../store/backups.ts'
import { queued } from '../store/operations.ts'
import { readSubcloud, type SubcloudColumns, type SubcloudRow } from '../store/subclouds.ts'
import { archiveKey, storedArchiveKey } from './backup-files.ts'
import { createManager } from './manager.ts'
import type { OperationParts } from './operations.ts'
import { repairBackups } from './repair.ts'
import { sweepArchives } from './sweep-archives.ts'
import { backupScript } from './testing/backup-script.ts'
import { dyingAt, later } from './testing/dying.ts'
import { event, openFleet, untilAborted, type Fleet, type Script } from './testing/fleet.ts'
import { parse } from 'yaml'
import { writeDocuments } from '../store/documents.ts'
import { grantedImage } from './image-server.ts'
import { isoImage } from './seed/iso9660.ts'
import { readPieces, totalSize } from './seed/pieces.ts'
import { waitForJob, waitForJobs } from './wait-for-job.ts'

const healthy: OperationParts['healthProblems'] = async () => []
const script: Script = (playbook, spec) => backupScript(playbook, spec)

interface Prepared {
  readonly fleet: Fleet
  readonly ids: readonly number[]
}

/** Subclouds that rest, deployed. */
async function prepared(t: TestContext, given: { script?: Script; count?: number; columns?: SubcloudColumns } = {}): Promise<Prepared> {
  const fleet = await openFleet(t, given.script ?? script)
  const ids: number[] = []
  for (let n = 0; n < (given.count ?? 1); n += 1) ids.push((await fleet.add(['create'])).row.id)
  await fleet.database.query
    .updateTable('jobs')
    .set({ state: 'done', exclusive_key: null, finished_at: timestamp(0) })
    .execute()
  await fleet.database.query
    .updateTable('subclouds')
    .set({ deploy_status: 'complete', management_state: 'managed', availability_status: 'online', ...given.columns })
    .execute()
  return { fleet, ids }
}

const sealed = (fleet: Fleet, id: number): Sealed =>
  fleet.site.keyring.seal(new Secret('sysadmin-secret'), `subcloud:${id}:sysadmin_password`)

/** As the API's claim does it: the status and the job. */
async function claim<Input>(
  fleet: Fleet,
  name: OperationName,
  input: Input & { subcloudId: number },
  columns: SubcloudColumns,
): Promise<string> {
  return fleet.database.transaction(async (tx) => {
    await tx.query.updateTable('subclouds').set(columns).where('id', '=', input.subcloudId).execute()
    return enqueue(tx, fleet.site.world, queued<Input>(name), { subject: exclusiveKeyOf(input.subcloudId), input })
  })
}

const backup = (fleet: Fleet, id: number, changes: Partial<BackupInput> = {}): Promise<string> =>
  claim<BackupInput>(
    fleet,
    'subcloud.backup',
    { subcloudId: id, release: '26.09', localOnly: false, registryImages: false, sysadminPassword: sealed(fleet, id), ...changes },
    { backup_status: 'validating' },
  )

const remove = (fleet: Fleet, id: number, release = '26.09'): Promise<string> =>
  claim<DeleteBackupInput>(
    fleet,
    'subcloud.delete-backup',
    { subcloudId: id, release, localOnly: false },
    { backup_status: 'deleting-backup' },
  )

const restore = (fleet: Fleet, id: number, changes: Partial<RestoreInput> = {}): Promise<string> =>
  claim<RestoreInput>(
    fleet,
    'subcloud.restore',
    {
      subcloudId: id,
      release: '26.09',
      localOnly: false,
      registryImages: false,
      withInstall: false,
      auto: false,
      factory: false,
      onSite: false,
      bootstrapAddress: '127.201.1.77',
      timeoutSeconds: 60,
      sysadminPassword: sealed(fleet, id),
      ...changes,
    },
    { deploy_status: 'pre-restore', management_state: 'unmanaged' },
  )

async function manage(t: TestContext, fleet: Fleet, jobId: string, healthProblems = healthy) {
  const manager = createManager(fleet.site, fleet.database, undefined, { healthProblems })
  await manager.start()
  t.after(() => manager.stop())
  const job = await waitForJob(fleet.site, fleet.database, jobId, 20_000)
  await manager.stop()
  return job
}

const row = async (fleet: Fleet, id: number): Promise<SubcloudRow> => (await readSubcloud(fleet.database, id))!
const centralFiles = (fleet: Fleet, id: number): Promise<string[]> =>
  readdir(`${fleet.site.config.varFolder}/vault/backups/${id}/26.09`).catch(() => [])

const told = async (fleet: Fleet): Promise<unknown[]> =>
  (await fleet.database.query.selectFrom('subcloud_changes').select('fields').orderBy('seq').execute()).flatMap(({ fields }) => {
    const value = (JSON.parse(fields) as Record<string, unknown>)['backup-status']
    return typeof value === 'string' ? [value] : []
  })

test('a central backup: every status in order, the archive with its row, the key sealed in the vault', async (t) => {
  const { fleet, ids } = await prepared(t)
  const [id] = ids as [number]
  const job = await manage(t, fleet, await backup(fleet, id))
  assert.equal(job?.state, 'done', job?.error ?? '')
  const after = await row(fleet, id)
  assert.equal(after.backup_status, 'complete-central')
  assert.ok(after.backup_datetime !== null)
  // The first one is the claim's, which this test makes without the change stream.
  assert.deepEqual(await told(fleet), ['pre-backup', 'backing-up', 'complete-central'])
  const [stored] = await listBackups(fleet.database, id)
  assert.equal(stored?.bytes, 10)
  assert.match(stored?.sha256 ?? '', /^[0-9a-f]{64}$/)
  assert.equal((JSON.parse(stored?.manifest ?? '') as Record<string, unknown>)['region'], 'r')
  assert.deepEqual(await centralFiles(fleet, id), [stored?.file_name])
  assert.match(stored?.file_name ?? '', /^edge-1_platform_backup_\d{8}_\d{6}\.tgz$/)
  const keyFile = `${fleet.site.config.varFolder}/vault/subclouds/${id}/archive-key.json`
  const key = (await storedArchiveKey(fleet.site, id))!.reveal()
  assert.ok(!(await readFile(keyFile, 'utf8')).includes(key))
  assert.equal((await stat(keyFile)).mode & 0o777, 0o600)
  assert.equal((await archiveKey(fleet.site, id)).reveal(), key, 'made once')
})

test('who is not healthy, or can not be asked, ends validate-failed and tells why; no playbook runs', async (t) => {
  for (const problems of [async () => ['100.104 disk full'], async () => Promise.reject(new Error('no route'))]) {
    const { fleet, ids } = await prepared(t)
    const job = await manage(t, fleet, await backup(fleet, ids[0]!), problems)
    assert.equal(job?.state, 'failed')
    const after = await row(fleet, ids[0]!)
    assert.equal(after.backup_status, 'validate-failed')
    assert.match(after.error_description, /disk full|no route/)
    assert.deepEqual(fleet.played, [])
  }
})

test('a playbook that fails, or whose archive does not arrive as it was made: failed, no row, no file, the reservation free', async (t) => {
  const scripts: Script[] = [
    async (playbook, spec) => {
      await backupScript(playbook, spec)
      spec.onLine?.(
        'stdout',
        event({ event: 'failed', host: 'e', task: 'make the archive', ignored: false, error: { msg: 'disk full', rc: 1 } }),
      )
      return { code: 2 }
    },
    async () => {},
    async (playbook, spec) => {
      await backupScript(playbook, spec)
      const values = JSON.parse(await readFile(`${spec.cwd}/backup_values.yml`, 'utf8')) as { backup_central_file: string }
      await fleetFiles?.write(values.backup_central_file, 'another archive')
    },
  ]
  let fleetFiles: Fleet['site']['world']['files'] | undefined
  for (const each of scripts) {
    const { fleet, ids } = await prepared(t, { script: each })
    fleetFiles = fleet.site.world.files
    const job = await manage(t, fleet, await backup(fleet, ids[0]!))
    assert.equal(job?.state, 'failed')
    const after = await row(fleet, ids[0]!)
    assert.equal(after.backup_status, 'failed')
    assert.match(after.error_description, /disk full|did not arrive|digest differs/)
    assert.deepEqual(await fleet.database.query.selectFrom('subcloud_backups').selectAll().execute(), [])
    // They go when the end of the job is committed, and nobody waits for it.
    while ((await centralFiles(fleet, ids[0]!)).length > 0) await setImmediate()
  }
})

test('retention: the newest stay, per subcloud and release; files go with their rows', async (t) => {
  const { fleet, ids } = await prepared(t)
  const [id] = ids as [number]
  const { keep } = fleet.site.config.backup
  for (let n = 0; n < keep + 2; n += 1) {
    let nowMs = fleet.site.world.clock.nowMs() + n * 60_000
    Object.assign(fleet.site.world, { clock: { ...fleet.site.world.clock, nowMs: () => (nowMs += 1) } })
    assert.equal((await manage(t, fleet, await backup(fleet, id)))?.state, 'done')
  }
  const rows = await listBackups(fleet.database, id)
  assert.equal(rows.length, keep)
  assert.deepEqual(await centralFiles(fleet, id), rows.map((each) => each.file_name).toSorted())
})

test('quota: a backup that would pass it fails before it runs, with what to do', async (t) => {
  const { fleet, ids } = await prepared(t, { count: 2 })
  const config = { ...fleet.site.config, backup: { ...fleet.site.config.backup, quotaBytes: 1024 * 1024 + 5 } }
  const small = { ...fleet, site: { ...fleet.site, config } } as Fleet
  assert.equal((await manage(t, small, await backup(small, ids[0]!)))?.state, 'done')
  // Its own or the largest known size is what is reserved now, so this one fits; the third byte too many does not.
  await fleet.database.query
    .updateTable('subcloud_backups')
    .set({ bytes: 1024 * 1024 })
    .execute()
  const job = await manage(t, small, await backup(small, ids[1]!))
  assert.equal(job?.state, 'failed')
  const after = await row(fleet, ids[1]!)
  assert.equal(after.backup_status, 'backup-prep-failed')
  assert.match(after.error_description, /quota of 1048581 .*backup\.quotaBytes/)
  assert.equal(small.played.length, 1)
})

test('quota: an archive that became larger than what was reserved for it is not kept when it would pass it', async (t) => {
  const { fleet, ids } = await prepared(t, { count: 2 })
  assert.equal((await manage(t, fleet, await backup(fleet, ids[0]!)))?.state, 'done')
  await fleet.database.query.updateTable('subcloud_backups').set({ bytes: 1 }).execute()
  const config = { ...fleet.site.config, backup: { ...fleet.site.config.backup, quotaBytes: 2 } }
  const job = await manage(t, { ...fleet, site: { ...fleet.site, config } }, await backup(fleet, ids[1]!))
  assert.equal(job?.state, 'failed')
  const after = await row(fleet, ids[1]!)
  assert.equal(after.backup_status, 'failed')
  assert.match(after.error_description, /take 1 bytes; with this one \([0-9]+ bytes\) they would pass the quota of 2/)
  assert.deepEqual(await listBackups(fleet.database, ids[1]!), [])
  // It goes with the end of the job, and a moment after it.
  while ((await centralFiles(fleet, ids[1]!)).length > 0) await setImmediate()
})

test('many at once reserve one after the other: together they keep the quota', async (t) => {
  const { fleet, ids } = await prepared(t, { count: 12 })
  const config = { ...fleet.site.config, backup: { ...fleet.site.config.backup, quotaBytes: 5 * 1024 * 1024 } }
  const site = { ...fleet.site, config } as Fleet['site']
  // Held until all have reserved what they get.
  const jobs = await Promise.all(ids.map((id) => backup(fleet, id)))
  const manager = createManager(site, fleet.database, undefined, { healthProblems: healthy })
  await manager.start()
  const ended = await waitForJobs(site, fleet.database, jobs, 20_000)
  await manager.stop()
  assert.ok(ended.filter((job) => job.state === 'done').length >= 5)
  for (const job of ended.filter((each) => each.state === 'failed')) assert.match(job.error ?? '', /quota/)
})

test('delete: archives and rows of the release are gone, and the status is unknown', async (t) => {
  const { fleet, ids } = await prepared(t)
  const [id] = ids as [number]
  await manage(t, fleet, await backup(fleet, id))
  const madeAt = (await row(fleet, id)).backup_datetime
  const none = await manage(t, fleet, await remove(fleet, id, '26.03'))
  assert.deepEqual([none?.outcome, none?.progress], ['{"removed":0}', 'there was no backup of release 26.03'])
  const before = await row(fleet, id)
  assert.deepEqual([before.backup_status, before.backup_datetime, (await listBackups(fleet.database, id)).length], ['unknown', madeAt, 1])
  const job = await manage(t, fleet, await remove(fleet, id))
  assert.deepEqual(JSON.parse(job?.outcome ?? ''), { removed: 1 })
  const after = await row(fleet, id)
  assert.deepEqual([after.backup_status, after.backup_datetime], ['unknown', null])
  assert.deepEqual(await listBackups(fleet.database, id), [])
  assert.deepEqual(await centralFiles(fleet, id), [])
})

test('delete that fails: delete-failed, and what was told of the subcloud before stays', async (t) => {
  const { fleet, ids } = await prepared(t, { script: async () => ({ code: 2 }), columns: { error_description: 'of its deployment' } })
  assert.equal((await manage(t, fleet, await remove(fleet, ids[0]!)))?.state, 'failed')
  const after = await row(fleet, ids[0]!)
  assert.deepEqual([after.backup_status, after.error_description], ['delete-failed', 'of its deployment'])
})

test('restore: from the newest archive; ends complete and unmanaged, with the address and what is prestaged put right', async (t) => {
  const values: Record<string, unknown>[] = []
  const { fleet, ids } = await prepared(t, {
    script: async (playbook, spec) => {
      if (playbook === 'restore_subcloud_backup.yml')
        values.push(JSON.parse(await readFile(`${spec.cwd}/backup_values.yml`, 'utf8')) as Record<string, unknown>)
      return backupScript(playbook, spec)
    },
    columns: { prestage_versions: 'for-install: 26.09.1 - for-sw-deploy: 26.09.1' },
  })
  const [id] = ids as [number]
  await manage(t, fleet, await backup(fleet, id))
  const [stored] = await listBackups(fleet.database, id)
  const job = await manage(t, fleet, await restore(fleet, id))
  assert.equal(job?.state, 'done', job?.error ?? '')
  const after = await row(fleet, id)
  assert.deepEqual(
    [after.deploy_status, after.management_state, after.bootstrap_address, after.prestage_versions],
    ['complete', 'unmanaged', '127.201.1.77', 'for-install: 26.09.1 - for-sw-deploy: None'],
  )
  assert.equal(values[0]?.['restore_sha256'], stored?.sha256)
  assert.equal(values[0]?.['expected_region_name'], after.region_name)
  assert.ok(String(values[0]?.['restore_central_file']).endsWith(`/vault/backups/${id}/26.09/${stored?.file_name}`))
})

test('restore with_install installs first, and serves the image while it does', async (t) => {
  const { fleet, ids } = await prepared(t)
  const [id] = ids as [number]
  await installable(fleet, id)
  await manage(t, fleet, await backup(fleet, id))
  const statuses = await deployStatusesOf(fleet, async () => {
    assert.equal((await manage(t, fleet, await restore(fleet, id, { withInstall: true })))?.state, 'done')
  })
  assert.deepEqual(statuses, ['pre-install', 'installing', 'restoring', 'complete'])
  assert.deepEqual(fleet.played.slice(-2), ['install.yml', 'restore_subcloud_backup.yml'])
})

/** What its BMC and its installation need: install values, and an image with its signature in the vault. */
async function installable(fleet: Fleet, id: number): Promise<void> {
  const folder = `${fleet.site.config.varFolder}/vault/software/26.09`
  const image: Buffer[] = []
  const iso = isoImage('OS', [{ name: 'loader', content: { data: Buffer.from('boots') } }])
  for await (const part of readPieces(fleet.site.world.files, iso, { start: 0, end: totalSize(iso) - 1 })) image.push(Buffer.from(part))
  await fleet.site.world.files.write(`${folder}/os.iso`, Buffer.concat(image))
  await fleet.site.world.files.write(`${folder}/os.sig`, '')
  await writeDocuments(fleet.database, fleet.site.world, fleet.site.keyring, id, {
    install_values: {
      bmc_address: '127.201.0.9',
      bmc_username: 'admin',
      bmc_password: 'cGFzcw==',
      bootstrap_address: '127.201.1.2',
      ipmi_sel_event_monitoring: false,
    },
  })
}

async function deployStatusesOf(fleet: Fleet, act: () => Promise<void>): Promise<string[]> {
  const last = await fleet.database.query.selectFrom('subcloud_changes').select('seq').orderBy('seq', 'desc').executeTakeFirst()
  await act()
  const changes = fleet.database.query
    .selectFrom('subcloud_changes')
    .select('fields')
    .where('seq', '>', last?.seq ?? 0)
  return (await changes.orderBy('seq').execute()).flatMap(
    ({ fields }) => (JSON.parse(fields) as Record<string, string>)['deploy-status'] ?? [],
  )
}

/** What a host finds in the image of a URL, as somebody else's program reads it; undefined when nobody gets it. */
async function filesServed(fleet: Fleet, url: string): Promise<Record<string, string> | undefined> {
  const [, , release, , id, token, name] = new URL(url).pathname.split('/')
  const image = await grantedImage(fleet.site, fleet.database, {
    release: release!,
    subcloudId: Number(id),
    token: token!,
    name: name as 'seed.iso',
  })
  if (image === undefined) return undefined
  const folder = `${fleet.site.config.varFolder}/seen-${url.length}-${Math.random()}`
  const parts: Uint8Array[] = []
  for await (const part of readPieces(fleet.site.world.files, image, { start: 0, end: totalSize(image) - 1 })) parts.push(part)
  await fleet.site.world.files.write(`${folder}/x.iso`, Buffer.concat(parts))
  execFileSync('xorriso', ['-osirrox', 'on', '-indev', `${folder}/x.iso`, '-extract', '/', `${folder}/out`], { stdio: 'pipe' })
  execFileSync('chmod', ['-R', 'u+rwX', `${folder}/out`])
  const found = await Promise.all(
    (await readdir(`${folder}/out`)).map(async (each) => [each.toLowerCase(), await readFile(`${folder}/out/${each}`, 'utf8')] as const),
  )
  await fleet.site.world.files.remove(folder)
  return Object.fromEntries(found)
}

const byBmc = {
  auto: { input: { auto: true }, statuses: ['restoring', 'complete'], image: 'seed.iso', playbooks: ['restore_subcloud_backup.yml'] },
  'auto with install': {
    input: { auto: true, withInstall: true },
    statuses: ['pre-install', 'installing', 'restoring', 'complete'],
    image: 'bootimage.iso',
    playbooks: ['install.yml', 'restore_subcloud_backup.yml'],
  },
  factory: {
    input: { factory: true, withInstall: true, localOnly: true },
    statuses: ['pre-install', 'installing', 'restoring', 'factory-restore-complete'],
    image: 'bootimage.iso',
    playbooks: ['install.yml', 'restore_subcloud_backup.yml'],
  },
} as const

test('through the BMC: the host is given all that it needs, while it is restored and not a moment longer', async (t) => {
  for (const [name, way] of Object.entries(byBmc)) {
    const served: (Record<string, string> | undefined)[] = []
    const urls: string[] = []
    let variables: Record<string, unknown> = {}
    let overrides: Record<string, unknown> = {}
    const { fleet, ids } = await prepared(t, {
      script: async (playbook, spec) => {
        const settings = await readFile(`${spec.cwd}/rvmc-config.yaml`, 'utf8').catch(() => undefined)
        if (settings !== undefined) {
          const { image } = parse(settings) as { image: string }
          assert.ok(image.endsWith(`/${way.image}`), `${name}: ${image}`)
          urls.push(image)
          served.push(await filesServed(fleet, image))
          if (way.image === 'seed.iso') assert.equal('loader' in served[0]!, false)
        }
        if (playbook === 'restore_subcloud_backup.yml') {
          variables = JSON.parse(await readFile(`${spec.cwd}/variables.json`, 'utf8')) as typeof variables
          overrides = parse(await readFile(String(variables['subcloud_bnr_overrides']), 'utf8')) as typeof overrides
        }
        return backupScript(playbook, spec)
      },
    })
    const [id] = ids as [number]
    await installable(fleet, id)
    await manage(t, fleet, await backup(fleet, id))
    const statuses = await deployStatusesOf(fleet, async () => {
      const job = await manage(t, fleet, await restore(fleet, id, way.input))
      assert.equal(job?.state, 'done', job?.error ?? '')
    })
    assert.deepEqual(statuses, way.statuses, name)
    assert.equal(overrides['ipmi_sel_event_monitoring'], false, 'for playbooks of operators')
    assert.deepEqual(fleet.played.slice(1), way.playbooks, name)
    assert.equal(served.length, way.playbooks.length)
    assert.deepEqual(served[0], served.at(-1), 'the same image, whoever asks when')
    const factory = name === 'factory'
    const given = served[0]!
    assert.equal(given['loader'], way.image === 'bootimage.iso' ? 'boots' : undefined)
    assert.equal(given['archive.tgz'], factory ? undefined : 'an archive')
    assert.equal(given['archive.key'], factory ? undefined : (await storedArchiveKey(fleet.site, id))!.reveal())
    assert.equal('site.key' in given, !factory)
    const {
      auto_restore_mode: mode,
      expected_region_name: region,
      kickstart,
    } = JSON.parse(given['restore.json']!) as Record<string, unknown>
    assert.deepEqual(
      [mode, region, kickstart],
      factory
        ? ['factory', undefined, 'partition://platform_backup:factory/26.09/miniboot.cfg']
        : ['auto', (await row(fleet, id)).region_name, undefined],
    )
    assert.deepEqual([variables['auto_restore_mode'], variables['mount_seed_iso']], [mode, way.image === 'seed.iso'])
    assert.equal(await filesServed(fleet, urls[0]!), undefined, 'it is over')
    const steps = JSON.stringify(await fleet.database.query.selectFrom('job_steps').selectAll().execute())
    assert.ok(!steps.includes('BEGIN') && !steps.includes(Buffer.from('BEGIN PRIVATE').toString('base64')), 'sealed')
  }
})

test('through the BMC: an installation image that nothing can be added to is told before anything is touched', async (t) => {
  const { fleet, ids } = await prepared(t)
  const [id] = ids as [number]
  await installable(fleet, id)
  await fleet.site.world.files.write(`${fleet.site.config.varFolder}/vault/software/26.09/os.iso`, 'no image')
  const job = await manage(t, fleet, await restore(fleet, id, { factory: true, withInstall: true, localOnly: true }))
  assert.equal(job?.state, 'failed')
  assert.equal((await row(fleet, id)).deploy_status, 'restore-prep-failed')
  assert.match((await row(fleet, id)).error_description, /can not be added to the installation image/)
  assert.deepEqual(fleet.played, [])
})

test('a restore that fails: restore-failed with the reason; without an archive: restore-prep-failed before anything is touched', async (t) => {
  const { fleet, ids } = await prepared(t, {
    script: (playbook, spec) => (playbook === 'restore_subcloud_backup.yml' ? Promise.resolve({ code: 2 }) : backupScript(playbook, spec)),
  })
  const [id] = ids as [number]
  assert.equal((await manage(t, fleet, await restore(fleet, id)))?.state, 'failed')
  assert.equal((await row(fleet, id)).deploy_status, 'restore-prep-failed')
  assert.match((await row(fleet, id)).error_description, /no backup of release 26\.09/)
  assert.deepEqual(fleet.played, [])
  await fleet.database.query.updateTable('subclouds').set({ deploy_status: 'complete' }).execute()
  await manage(t, fleet, await backup(fleet, id))
  assert.equal((await manage(t, fleet, await restore(fleet, id)))?.state, 'failed')
  assert.equal((await row(fleet, id)).deploy_status, 'restore-failed')
})

test('on site: brought there, then watched', async (t) => {
  const parts: string[] = []
  const { fleet, ids } = await prepared(t, {
    script: async (playbook, spec) => {
      if (playbook === 'onsite_restore_subcloud.yml')
        parts.push((JSON.parse(await readFile(`${spec.cwd}/variables.json`, 'utf8')) as Record<string, string>)['onsite_part']!)
      return backupScript(playbook, spec)
    },
  })
  const [id] = ids as [number]
  await manage(t, fleet, await backup(fleet, id))
  assert.equal((await manage(t, fleet, await restore(fleet, id, { onSite: true })))?.state, 'done')
  assert.deepEqual(parts, ['transfer', 'monitor'])
  assert.equal((await row(fleet, id)).deploy_status, 'complete')
})

test('more operations than places for playbooks: they wait for their turn, and none fails', async (t) => {
  let most = 0
  let now = 0
  const { fleet, ids } = await prepared(t, {
    count: 20,
    script: async (playbook, spec) => {
      most = Math.max(most, (now += 1))
      await setImmediate()
      await backupScript(playbook, spec)
      now -= 1
    },
  })
  const config = { ...fleet.site.config, playbooks: { ...fleet.site.config.playbooks, processes: 8 } }
  const site = { ...fleet.site, config } as Fleet['site']
  const jobs = await Promise.all(ids.map((id) => backup(fleet, id)))
  const manager = createManager(site, fleet.database, undefined, { healthProblems: healthy })
  await manager.start()
  const ended = await waitForJobs(site, fleet.database, jobs, 30_000)
  await manager.stop()
  assert.deepEqual([...new Set(ended.map((job) => job.state))], ['done'])
  // Four places are kept for what somebody waits for.
  assert.equal(most, 4)
})

test('repair: every transitional backup status without an operation settles, and no other', async (t) => {
  const { fleet, ids } = await prepared(t, { count: allBackupStatuses.length + 1 })
  for (const [index, status] of allBackupStatuses.entries())
    await fleet.database.query.updateTable('subclouds').set({ backup_status: status }).where('id', '=', ids[index]!).execute()
  await backup(fleet, ids.at(-1)!)
  assert.equal(await repairBackups(fleet.site, fleet.database), allBackupStatuses.filter(isBackupTransient).length)
  for (const [index, status] of allBackupStatuses.entries())
    assert.equal((await row(fleet, ids[index]!)).backup_status, failedBackupStatusOf(status))
  assert.equal((await row(fleet, ids.at(-1)!)).backup_status, 'validating', 'an operation that waits for its turn is not lost')
  assert.equal(await repairBackups(fleet.site, fleet.database), 0)
})

test('sweep: archives without a row and rows without an archive go; what is stored, and what is being stored, stays', async (t) => {
  const { fleet, ids } = await prepared(t, { count: 2 })
  const [id, other] = ids as [number, number]
  await manage(t, fleet, await backup(fleet, id))
  const { files } = fleet.site.world
  const folder = `${fleet.site.config.varFolder}/vault/backups/${id}/26.09`
  const [stored] = await centralFiles(fleet, id)
  for (const name of ['stray.tgz', 'half.tgz.part']) await files.write(`${folder}/${name}`, 'x')
  const [row_] = await listBackups(fleet.database, id)
  const living = await backup(fleet, other)
  const copies = [
    { id: 'gone', file_name: 'gone.tgz', state: 'stored' },
    { id: 'dead', file_name: 'dead.tgz', state: 'storing' },
    { id: living, file_name: 'living.tgz', state: 'storing' },
  ] as const
  for (const copy of copies)
    await fleet.database.query
      .insertInto('subcloud_backups')
      .values({ ...row_!, ...copy })
      .execute()
  await files.write(`${folder}/living.tgz.part`, 'x')
  await sweepArchives(fleet.site, fleet.database)
  assert.deepEqual(await centralFiles(fleet, id), ['living.tgz.part', stored!].toSorted())
  const rows = await fleet.database.query.selectFrom('subcloud_backups').select('id').execute()
  assert.deepEqual(rows.map((each) => each.id).toSorted(), [row_!.id, living].toSorted())
})

test('a shutdown gives a backup back; the next start goes on with it', async (t) => {
  let hang = true
  const { fleet, ids } = await prepared(t, {
    script: (playbook, spec) => (hang ? untilAborted(spec) : backupScript(playbook, spec)),
  })
  const jobId = await backup(fleet, ids[0]!)
  const first = createManager(fleet.site, fleet.database, undefined, { healthProblems: healthy })
  await first.start()
  while (fleet.played.length === 0) await new Promise((done) => setTimeout(done, 5))
  await first.stop()
  assert.equal((await row(fleet, ids[0]!)).backup_status, 'backing-up')
  hang = false
  assert.equal((await manage(t, fleet, jobId))?.state, 'done')
  assert.equal((await row(fleet, ids[0]!)).backup_status, 'complete-central')
})

const kinds = {
  backup: async (fleet: Fleet, id: number) => backup(fleet, id),
  delete: async (fleet: Fleet, id: number) => remove(fleet, id),
  restore: async (fleet: Fleet, id: number) => restore(fleet, id),
  'restore on site': async (fleet: Fleet, id: number) => restore(fleet, id, { onSite: true }),
  'restore through the BMC': async (fleet: Fleet, id: number) => {
    await installable(fleet, id)
    return restore(fleet, id, { auto: true, withInstall: true })
  },
} as const

for (const [name, begin] of Object.entries(kinds))
  // The longest of them once: its steps are those of the others.
  for (const when of name === 'restore through the BMC' ? (['after'] as const) : (['before', 'after'] as const))
    test(`${name}: a manager that dies ${when} any of its transactions; the next one completes it`, { timeout: 120_000 }, async (t) => {
      for (let at = 1, finished = false; !finished; at += 1) {
        const { fleet, ids } = await prepared(t)
        const [id] = ids as [number]
        if (name !== 'backup') await manage(t, fleet, await backup(fleet, id))
        const jobId = await begin(fleet, id)
        const first = dyingAt(fleet, at, when)
        const doomed = createManager(first.site, first.database, undefined, { healthProblems: healthy })
        void doomed.start()
        const ended = waitForJob(fleet.site, fleet.database, jobId, 20_000)
        finished = (await Promise.race([first.dead.then(() => 'died' as const), ended])) !== 'died'
        if (finished) await doomed.stop()
        else {
          const next = createManager(later(fleet.site), fleet.database, undefined, { healthProblems: healthy })
          await next.start()
          await ended
          await next.stop()
        }
        const job = await ended
        assert.equal(job?.state, 'done', `died at ${at}: ${job?.error}`)
        const after = await row(fleet, id)
        const archives = name === 'delete' ? 0 : 1
        assert.equal(after.backup_status, name === 'delete' ? 'unknown' : 'complete-central', `died at ${at}`)
        assert.equal(after.deploy_status, 'complete')
        assert.equal((await listBackups(fleet.database, id)).length, archives)
        assert.equal((await centralFiles(fleet, id)).length, archives)
        const steps = (await readSteps(fleet.database, [jobId])).map((step) => step.name)
        assert.equal(new Set(steps).size, steps.length)
        assert.ok(at < 200)
      }
    })
