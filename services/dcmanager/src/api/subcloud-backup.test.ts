import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { countStatements, json, timestamp } from '@murmuration/data'
import { enqueue, type JobRow } from '@murmuration/jobs'
import { createRealWorld, NetworkError } from '@murmuration/world'
import { allBackupStatuses, isBackupTransient } from '../rules/backup-status.ts'
import { peerGroupKeyOf, type BackupInput, type RestoreInput } from '../rules/operations.ts'
import { secretContext } from '../store/backup-claims.ts'
import { queued } from '../store/operations.ts'
import type { SubcloudRow } from '../store/subclouds.ts'
import { archiveKey } from '../work/backup-files.ts'
import { apiBench, base64, example, sysadminSecret, type ApiBench } from '../testing/api-bench.ts'
import { fromTables } from '../testing/everything.ts'

const password = base64(sysadminSecret)
const url = '/v1.0/subcloud-backup'

/** Subclouds that are deployed, online and managed, in a group of their own; nothing runs. */
async function deployed(t: TestContext, count: number, options: Parameters<typeof apiBench>[1] = {}): Promise<ApiBench> {
  const bench = await apiBench(t, options)
  assert.equal(
    (
      await bench.call('POST', '/v1.0/subcloud-groups', {
        json: { name: 'g1', description: 'd', update_apply_type: 'parallel', max_parallel_subclouds: 2 },
      })
    ).status,
    200,
  )
  for (let n = 1; n <= count; n += 1) assert.equal((await bench.add(n, { group_id: '2' })).status, 200)
  await endJobs(bench)
  await set(bench, { deploy_status: 'complete', availability_status: 'online', management_state: 'managed' })
  return bench
}

const endJobs = (bench: ApiBench): Promise<unknown> =>
  bench.database.query
    .updateTable('jobs')
    .set({ state: 'done', exclusive_key: null, finished_at: timestamp(0) })
    .execute()

const set = (bench: ApiBench, columns: Partial<Omit<SubcloudRow, 'id'>>, name?: string): Promise<unknown> =>
  bench.database.query
    .updateTable('subclouds')
    .set(columns)
    .$if(name !== undefined, (query) => query.where('name', '=', name!))
    .execute()

const statuses = async (bench: ApiBench): Promise<(string | null)[]> =>
  (await bench.database.query.selectFrom('subclouds').select('backup_status').orderBy('id').execute()).map((row) => row.backup_status)

const jobs = (bench: ApiBench, kind: string): Promise<JobRow[]> =>
  bench.database.query.selectFrom('jobs').selectAll().where('kind', '=', kind).orderBy('subject').execute()

async function withCentralBackup(bench: ApiBench, ...names: string[]): Promise<void> {
  for (const row of await bench.database.query.selectFrom('subclouds').select(['id', 'name']).execute())
    if (names.includes(row.name))
      await bench.database.query
        .insertInto('subcloud_backups')
        .values({
          id: `backup-${row.id}`,
          subcloud_id: row.id,
          release: '26.09',
          storage: 'central',
          state: 'stored',
          file_name: 'x.tgz',
          bytes: 5,
          sha256: 'a'.repeat(64),
          manifest: null,
          registry_images: 0,
          created_at: timestamp(0),
        })
        .execute()
  await withArchiveKey(bench)
}

/** As every backup leaves it behind; the subclouds of a bench have no manager that would make one. */
async function withArchiveKey(bench: ApiBench): Promise<void> {
  for (const { id } of await bench.database.query.selectFrom('subclouds').select('id').execute()) await archiveKey(bench.site, id)
}

test('create: the claim shows at once, the job has what it needs, sealed; multipart and JSON mean the same', async (t) => {
  const bench = await deployed(t, 2)
  const sent = await bench.call('POST', url, {
    form: {
      subcloud: 'subcloud1',
      sysadmin_password: password,
      local_only: 'true',
      registry_images: 'TRUE',
      backup_values: { fileName: 'values.yml', data: 'exclude: [x]\nmax_home_dir_usage: 7\n' },
    },
  })
  assert.equal(sent.status, 200, sent.text)
  assert.equal(sent.json.subclouds[0]['backup-status'], 'validating')
  const [job] = await jobs(bench, 'subcloud.backup')
  assert.deepEqual(sent.json.outcomes, [{ id: 1, name: 'subcloud1', outcome: 'accepted', 'operation-id': job!.id }])
  const input = json.read(job!.input) as BackupInput
  assert.deepEqual(
    { ...input, sysadminPassword: undefined, operatorValues: undefined },
    { subcloudId: 1, release: '26.09', localOnly: true, registryImages: true, sysadminPassword: undefined, operatorValues: undefined },
  )
  const { keyring } = bench.site
  assert.equal(keyring.open(input.sysadminPassword, secretContext(1, 'sysadmin_password')).reveal(), sysadminSecret)
  assert.deepEqual(JSON.parse(keyring.open(input.operatorValues!, secretContext(1, 'operator_values')).reveal()), {
    exclude: ['x'],
    max_home_dir_usage: 7,
  })
  const second = await bench.call('POST', url, {
    json: {
      subcloud: 'subcloud2',
      sysadmin_password: password,
      local_only: true,
      registry_images: 'true',
      backup_values: { exclude: ['x'] },
    },
  })
  assert.equal(second.status, 200, second.text)
  assert.equal((json.read((await jobs(bench, 'subcloud.backup'))[1]!.input) as BackupInput).localOnly, true)
})

test('what is wrong with a request is told, with its field, and changes nothing', async (t) => {
  const bench = await deployed(t, 1)
  const before = await fromTables(bench.database)
  const cases: readonly (readonly [string, string, Record<string, unknown>, number, RegExp])[] = [
    ['POST', '', {}, 400, /Body required/],
    ['POST', '', { subcloud: 'subcloud1' }, 400, /sysadmin_password is required/],
    ['POST', '', { subcloud: 'subcloud1', sysadmin_password: '!' }, 400, /not base64/],
    ['POST', '', { subcloud: 'subcloud1', nonsense: 1 }, 400, /Unexpected parameter received: nonsense/],
    ['POST', '', { subcloud: 'subcloud1', release: '26.09', sysadmin_password: password }, 400, /Unexpected parameter received: release/],
    ['POST', '', { sysadmin_password: password }, 400, /'subcloud' or 'group' parameter is required/],
    ['POST', '', { subcloud: 'subcloud1', group: 'g1', sysadmin_password: password }, 400, /same time/],
    ['POST', '', { subcloud: 'nobody', sysadmin_password: password }, 400, /Subcloud not found/],
    ['POST', '', { group: 'nobody', sysadmin_password: password }, 404, /Subcloud Group not found/],
    ['POST', '', { group: 'Default', sysadmin_password: password }, 400, /No subclouds found in group Default/],
    // The original compares raw texts, where "false" passes for a yes.
    [
      'POST',
      '',
      { subcloud: 'subcloud1', registry_images: 'true', local_only: 'false', sysadmin_password: password },
      400,
      /registry_images/,
    ],
    ['POST', '', { subcloud: 'subcloud1', local_only: 'perhaps', sysadmin_password: password }, 400, /must be true or false/],
    ['POST', '', { subcloud: 'subcloud1', backup_values: 'a: [', sysadmin_password: password }, 400, /YAML/],
    ['POST', '', { subcloud: 'subcloud1', backup_values: '- a', sysadmin_password: password }, 400, /YAML map/],
    ['POST', '', { subcloud: 'subcloud1', backup_values: '!!python/object:os.system {}', sysadmin_password: password }, 400, /YAML/],
    ['PATCH', '/delete', { subcloud: 'subcloud1' }, 400, /Release required/],
    ['PATCH', '/delete/nonsense', { subcloud: 'subcloud1' }, 400, /Invalid release/],
    ['PATCH', '/delete/26.09', { subcloud: 'subcloud1', local_only: 'true' }, 400, /sysadmin_password is required/],
    ['PATCH', '/restore', {}, 400, /Body required/],
    ['PATCH', '/restore', { subcloud: 'subcloud1', sysadmin_password: password, release: '26.09' }, 400, /with_install or factory/],
    ['PATCH', '/restore', { subcloud: 'subcloud1', sysadmin_password: password }, 400, /must be unmanaged and in a valid deploy state/],
    [
      'PATCH',
      '/restore',
      { subcloud: 'subcloud1', sysadmin_password: password, with_install: 'true' },
      400,
      /no install values: subcloud1/,
    ],
    [
      'PATCH',
      '/restore',
      { subcloud: 'subcloud1', sysadmin_password: password, restore_values: { bootstrap_address: ['x'] } },
      400,
      /restore_values\.bootstrap_address must be a map/,
    ],
    [
      'PATCH',
      '/restore',
      { subcloud: 'subcloud1', sysadmin_password: password, restore_values: { bootstrap_address: { subcloud1: '010.0.0.1' } } },
      400,
      /restore_values\.bootstrap_address\.subcloud1/,
    ],
    [
      'PATCH',
      '/restore',
      { subcloud: 'subcloud1', sysadmin_password: password, restore_values: { restore_timeout: 'soon' } },
      400,
      /restore_timeout must be a whole number/,
    ],
    ['PATCH', '/restore', { subcloud: 'subcloud1', sysadmin_password: password, auto: 'true' }, 400, /no install values: subcloud1/],
    ['PATCH', '/restore', { subcloud: 'subcloud1', sysadmin_password: password, factory: true }, 400, /no install values: subcloud1/],
    ['PATCH', '/restore', { subcloud: 'subcloud1', sysadmin_password: password, factory: true, release: '25.09' }, 400, /26\.03/],
    ['PATCH', '/reinstall', { subcloud: 'subcloud1' }, 400, /does not exist/],
  ]
  for (const [method, path, body, status, text] of cases) {
    const answer = await bench.call(method as 'POST', url + path, { json: body })
    assert.equal(answer.status, status, `${path} ${JSON.stringify(body)}: ${answer.text}`)
    assert.match(answer.text, text)
    assert.doesNotMatch(answer.text, new RegExp(password.slice(0, 12)))
  }
  assert.equal(
    (await bench.call('POST', url, { body: '{"__proto__": {"x": 1}}', headers: { 'content-type': 'application/json' } })).status,
    400,
  )
  assert.deepEqual(await fromTables(bench.database), before)
})

test('BK-1: every busy value refuses another create with its name, every final value allows it', async (t) => {
  const bench = await deployed(t, 1)
  for (const status of [null, ...allBackupStatuses]) {
    await endJobs(bench)
    await set(bench, { backup_status: status })
    const { status: code, text } = await bench.call('POST', url, { json: { subcloud: 'subcloud1', sysadmin_password: password } })
    assert.equal(code, isBackupTransient(status) ? 400 : 200, `${status}: ${text}`)
    if (!isBackupTransient(status)) continue
    assert.match(text, new RegExp(`backup status is ${status}.*Wait`, 's'))
    assert.deepEqual(await statuses(bench), [status])
  }
})

test('BK-2, BK-3: a group skips who is busy, tells why, and is refused when all are', async (t) => {
  const bench = await deployed(t, 3)
  await set(bench, { backup_status: 'backing-up' }, 'subcloud1')
  const some = await bench.call('POST', url, { json: { group: 'g1', sysadmin_password: password } })
  assert.equal(some.status, 200, some.text)
  assert.deepEqual(
    some.json.subclouds.map((each: Record<string, string>) => [each['name'], each['backup-status']]),
    [
      ['subcloud1', 'backing-up'],
      ['subcloud2', 'validating'],
      ['subcloud3', 'validating'],
    ],
  )
  assert.deepEqual(
    some.json.outcomes.map((each: Record<string, string>) => each['outcome']),
    ['skipped', 'accepted', 'accepted'],
  )
  assert.match(some.json.outcomes[0].reason, /backing-up/)
  assert.deepEqual(
    (await jobs(bench, 'subcloud.backup')).map((job) => job.subject),
    ['subcloud:2', 'subcloud:3'],
  )
  const before = await fromTables(bench.database)
  const none = await bench.call('POST', url, { json: { group: 'g1', sysadmin_password: password } })
  assert.equal(none.status, 400)
  assert.match(none.text, /None of the subclouds in group g1 are in a valid state for subcloud-backup create/)
  assert.deepEqual(await fromTables(bench.database), before)
})

test('BK-4, BK-5, BK-6: restores', async (t) => {
  const bench = await deployed(t, 3)
  await set(bench, { management_state: 'unmanaged' })
  await withCentralBackup(bench, 'subcloud1', 'subcloud2', 'subcloud3')
  const ask = (json: object) => bench.call('PATCH', `${url}/restore`, { json: { sysadmin_password: password, ...json } })
  const first = await ask({
    subcloud: 'subcloud1',
    restore_values: { bootstrap_address: { subcloud1: '127.1.1.9' }, restore_timeout: '7200' },
  })
  assert.equal(first.status, 200, first.text)
  assert.equal(first.json.subclouds[0]['deploy-status'], 'pre-restore')
  const input = json.read((await jobs(bench, 'subcloud.restore'))[0]!.input) as RestoreInput
  assert.equal(input.bootstrapAddress, '127.1.1.9')
  assert.equal(input.timeoutSeconds, 7200)
  assert.equal(input.operatorValues, undefined)
  for (const status of ['pre-restore', 'restoring', 'onsite-restoring'] as const) {
    await set(bench, { deploy_status: status }, 'subcloud1')
    const again = await ask({ subcloud: 'subcloud1' })
    assert.equal(again.status, 400)
    assert.match(again.text, /must be unmanaged and in a valid deploy state/)
  }
  const group = await ask({ group: 'g1' })
  assert.equal(group.status, 200, group.text)
  assert.deepEqual(
    group.json.subclouds.map((each: Record<string, string>) => [each['name'], each['deploy-status']]),
    [
      ['subcloud2', 'pre-restore'],
      ['subcloud3', 'pre-restore'],
    ],
  )
  assert.deepEqual(
    group.json.outcomes.map((each: Record<string, string>) => [each['name'], each['outcome']]),
    [
      ['subcloud1', 'skipped'],
      ['subcloud2', 'accepted'],
      ['subcloud3', 'accepted'],
    ],
  )
  const before = await fromTables(bench.database)
  const none = await ask({ group: 'g1' })
  assert.equal(none.status, 400)
  assert.match(none.text, /None of the subclouds/)
  assert.deepEqual(await fromTables(bench.database), before)
})

test('a restore without anything to restore from is refused before it begins', async (t) => {
  const bench = await deployed(t, 1)
  await set(bench, { management_state: 'unmanaged' })
  const ask = (json: object) =>
    bench.call('PATCH', `${url}/restore`, { json: { subcloud: 'subcloud1', sysadmin_password: password, ...json } })
  assert.match((await ask({})).text, /no backup of this release/)
  // Another system controller, which managed it before, may have made some; only that one can read them.
  const foreign = await ask({ local_only: 'true' })
  assert.equal(foreign.status, 400)
  assert.match(foreign.text, /no key for archives of it.*Restore it at the system controller that made its backups/)
  await withArchiveKey(bench)
  assert.equal((await ask({ local_only: 'true' })).status, 200, 'what lies at the subcloud the system controller need not know')
})

test('while its peer group is taken over a subcloud is not restored', async (t) => {
  const bench = await deployed(t, 1)
  const made = await bench.call('POST', '/v1.0/subcloud-peer-groups', { json: { 'peer-group-name': 'spg' } })
  assert.equal(made.status, 200, made.text)
  await set(bench, { management_state: 'unmanaged', peer_group_id: made.json.id })
  await withCentralBackup(bench, 'subcloud1')
  const ask = () => bench.call('PATCH', `${url}/restore`, { json: { subcloud: 'subcloud1', sysadmin_password: password } })
  const input = { peerGroupId: made.json.id }
  await bench.database.transaction((tx) =>
    enqueue(tx, bench.site.world, queued('peer-group.migrate'), { subject: peerGroupKeyOf(made.json.id), input }),
  )
  const during = await ask()
  assert.equal(during.status, 400)
  assert.match(during.text, /its peer group is being migrated to this system controller/)
  await endJobs(bench)
  assert.equal((await ask()).status, 200)
})

test('auto and factory: every BMC is asked at once, and whoever may not is told why; what they imply is what is done', async (t) => {
  const real = createRealWorld({ log: { level: 'silent' } })
  t.after(() => real.net.close())
  let waiting = 0
  let most = 0
  const request = async ({ url: asked }: { url: string }) => {
    most = Math.max(most, (waiting += 1))
    await new Promise((resolve) => setImmediate(resolve))
    waiting -= 1
    if (asked.includes('127.1.4.')) throw new NetworkError('timeout', asked)
    return { status: 200, headers: {}, body: new Uint8Array() }
  }
  const bench = await deployed(t, 0, { world: { ...real, net: { ...real.net, request } } })
  const images = async (release: string): Promise<void> => {
    for (const name of ['os.iso', 'os.sig']) await real.files.write(`${bench.site.config.varFolder}/vault/software/${release}/${name}`, 'x')
  }
  await images('26.09')
  for (const n of [1, 2, 3, 4]) {
    const data = example('install-values').replaceAll('127.1.3.', `127.1.${n}.`)
    const values = bench.values(n).replace('simplex', n === 3 ? 'duplex' : 'simplex')
    const added = await bench.add(n, {
      group_id: '2',
      bmc_password: base64('bmc'),
      bootstrap_values: { fileName: 'b.yml', data: values },
      install_values: { fileName: 'i.yml', data },
    })
    assert.equal(added.status, 200, added.text)
  }
  await endJobs(bench)
  await set(bench, { deploy_status: 'complete', management_state: 'unmanaged' })
  await set(bench, { software_version: '25.09' }, 'subcloud2')
  const ask = (json: object) => bench.call('PATCH', `${url}/restore`, { json: { group: 'g1', sysadmin_password: password, ...json } })
  await real.files.remove(`${bench.site.config.varFolder}/vault/software`)
  assert.match((await ask({ factory: true })).text, /image of release 26\.09 is not complete/)
  await images('26.09')
  await images('25.09')
  await withArchiveKey(bench)
  most = 0
  const auto = await ask({ auto: true, local_only: true })
  assert.equal(auto.status, 200, auto.text)
  assert.equal(most, 4)
  assert.deepEqual(
    auto.json.outcomes.map((each: Record<string, string>) => [each['outcome'], /26\.03|simplex|BMC/.exec(each['reason'] ?? '')?.[0]]),
    [
      ['accepted', undefined],
      ['skipped', '26.03'],
      ['skipped', 'simplex'],
      ['skipped', 'BMC'],
    ],
  )
  await endJobs(bench)
  await set(bench, { deploy_status: 'complete' })
  // What is installed anew is of the release that is asked for, whatever was there.
  const factory = await ask({ factory: 'true', release: '26.09' })
  assert.deepEqual(
    factory.json.subclouds.map((each: Record<string, string>) => [each['name'], each['deploy-status']]),
    [
      ['subcloud1', 'pre-restore'],
      ['subcloud2', 'pre-restore'],
    ],
  )
  const {
    factory: isFactory,
    withInstall,
    localOnly,
    registryImages,
    release,
  } = json.read((await jobs(bench, 'subcloud.restore')).at(-1)!.input) as RestoreInput
  assert.deepEqual([isFactory, withInstall, localOnly, registryImages, release], [true, true, true, true, '26.09'])
})

test('one subcloud must be healthy; whom nobody can ask is another matter', async (t) => {
  let problems: readonly string[] | Error = ['100.104 (critical) disk full']
  const context = {
    healthProblems: async () => {
      if (problems instanceof Error) throw problems
      return problems
    },
  }
  const bench = await deployed(t, 1, { context })
  const ask = () => bench.call('POST', url, { json: { subcloud: 'subcloud1', sysadmin_password: password } })
  const sick = await ask()
  assert.equal(sick.status, 400)
  assert.match(sick.text, /good health.*disk full/s)
  problems = new Error('no route')
  assert.equal((await ask()).status, 503)
  assert.deepEqual(await statuses(bench), [null])
  assert.equal(
    (await bench.call('POST', url, { json: { group: 'g1', sysadmin_password: password } })).status,
    200,
    'a group is looked at later',
  )
})

test('delete: waits, then 204, 207 with who and why, or 422; and at once where it is preferred', async (t) => {
  let ended: (job: JobRow) => Partial<JobRow> = () => ({ state: 'done', outcome: json.write({ removed: 1 }) })
  const bench: ApiBench = await deployed(t, 3, {
    context: {
      waitForJobs: async (ids) => {
        const rows = await bench.database.query.selectFrom('jobs').selectAll().where('id', 'in', ids).execute()
        return rows.map((row) => ({ ...row, ...ended(row) }))
      },
    },
  })
  const ask = (json: object, headers: Record<string, string> = {}) => bench.call('PATCH', `${url}/delete/26.09`, { json, headers })
  const rest = async (): Promise<void> => {
    await endJobs(bench)
    await set(bench, { backup_status: 'complete-central' })
  }
  const good = await ask({ group: 'g1' })
  assert.equal(good.status, 204, good.text)
  assert.equal(good.text, '')
  assert.deepEqual(await statuses(bench), Array(3).fill('deleting-backup'))
  assert.match((await ask({ group: 'g1' })).text, /None of the subclouds/)

  await rest()
  await set(bench, { backup_status: 'backing-up' }, 'subcloud1')
  ended = (job) => (job.subject === 'subcloud:2' ? { state: 'failed' } : { state: 'done', outcome: json.write({ removed: 0 }) })
  const partly = await ask({ group: 'g1' })
  assert.equal(partly.status, 207)
  assert.equal(
    partly.json,
    'Subcloud backup delete operation completed with warnings:\n' +
      'The following subclouds were skipped for the backup delete operation: subcloud1.\n' +
      'The following subclouds failed to delete their backup: subcloud2.\n' +
      'The following subclouds had no backup of this release: subcloud3.',
  )
  await rest()
  ended = () => ({ state: 'failed' })
  assert.equal((await ask({ subcloud: 'subcloud1' })).status, 422)
  await rest()
  ended = () => ({})
  assert.match((await ask({ subcloud: 'subcloud1' })).json, /still deleting it: subcloud1/)
  await rest()
  const early = await ask({ subcloud: 'subcloud1' }, { prefer: 'respond-async' })
  assert.equal(early.status, 202)
  assert.equal(early.json.outcomes[0].outcome, 'accepted')
})

test('an idempotency key: the same answer, nothing twice; also of a delete, which is answered by its end', async (t) => {
  let removed = 1
  const bench: ApiBench = await deployed(t, 1, {
    context: {
      waitForJobs: async (ids) =>
        (await bench.database.query.selectFrom('jobs').selectAll().where('id', 'in', ids).execute()).map((row) => ({
          ...row,
          state: 'done' as const,
          outcome: json.write({ removed }),
        })),
    },
  })
  const headers = { 'idempotency-key': 'k1' }
  const body = { subcloud: 'subcloud1', sysadmin_password: password }
  const first = await bench.call('POST', url, { json: body, headers })
  const again = await bench.call('POST', url, { json: body, headers })
  assert.equal(again.text, first.text)
  assert.equal(again.headers['idempotency-replayed'], 'true')
  assert.equal((await jobs(bench, 'subcloud.backup')).length, 1)
  assert.equal((await bench.call('POST', url, { json: { ...body, local_only: true }, headers })).status, 422)
  await endJobs(bench)
  await set(bench, { backup_status: 'complete-central' })
  const remove = () => bench.call('PATCH', `${url}/delete/26.09`, { json: { subcloud: 'subcloud1' }, headers: { 'idempotency-key': 'k2' } })
  assert.equal((await remove()).status, 204)
  removed = 0
  assert.equal((await remove()).status, 207)
  assert.equal((await jobs(bench, 'subcloud.delete-backup')).length, 1)
})

test('two requests at the same time: one of them wins each subcloud', async (t) => {
  const bench = await deployed(t, 3)
  const body = { json: { group: 'g1', sysadmin_password: password } }
  const answers = await Promise.all([1, 2, 3, 4].map(() => bench.call('POST', url, body)))
  assert.deepEqual(
    answers.map((answer) => answer.status).toSorted((a, b) => a - b),
    [200, 400, 400, 400],
  )
  assert.equal((await jobs(bench, 'subcloud.backup')).length, 3)
})

test('the number of statements does not follow the number of members', async (t) => {
  const counts: number[] = []
  for (const members of [2, 12]) {
    const bench = await deployed(t, members)
    const { statements } = await countStatements(() => bench.call('POST', url, { json: { group: 'g1', sysadmin_password: password } }))
    counts.push(statements)
  }
  assert.equal(counts[0], counts[1])
})

test('each ordered pair of operations: what runs refuses what is asked for, and is not disturbed', async (t) => {
  const bench = await deployed(t, 1)
  await withCentralBackup(bench, 'subcloud1')
  const sysadmin = { sysadmin_password: password }
  const managed = { management_state: 'managed', availability_status: 'online' } as const
  const unmanaged = { management_state: 'unmanaged', availability_status: 'offline' } as const
  const running: Readonly<Record<string, Partial<SubcloudRow>>> = {
    create: { ...managed, deploy_status: 'complete', backup_status: 'backing-up' },
    delete: { ...unmanaged, deploy_status: 'complete', backup_status: 'deleting-backup' },
    restore: { ...unmanaged, deploy_status: 'restoring', backup_status: null },
    'network reconfiguration': { ...unmanaged, deploy_status: 'reconfiguring-network', backup_status: null },
    'deploy configure': { ...unmanaged, deploy_status: 'configuring', backup_status: null },
    prestage: { ...managed, deploy_status: 'complete', backup_status: null, prestage_status: 'prestaging' },
  }
  const requested: Readonly<Record<string, readonly [() => ReturnType<ApiBench['call']>, number]>> = {
    create: [() => bench.call('POST', url, { json: { subcloud: '1', ...sysadmin } }), 400],
    delete: [() => bench.call('PATCH', `${url}/delete/26.09`, { json: { subcloud: '1' } }), 400],
    restore: [() => bench.call('PATCH', `${url}/restore`, { json: { subcloud: '1', ...sysadmin } }), 400],
    rename: [() => bench.call('PATCH', '/v1.0/subclouds/1', { json: { name: 'other' } }), 409],
    'network reconfiguration': [
      () =>
        bench.call('PATCH', '/v1.0/subclouds/1', {
          json: {
            management_subnet: '127.0.77.0/24',
            management_gateway_ip: '127.0.77.1',
            management_start_ip: '127.0.77.2',
            management_end_ip: '127.0.77.9',
            bootstrap_address: '127.1.1.2',
            ...sysadmin,
          },
        }),
      409,
    ],
    'deploy configure': [() => bench.call('PATCH', '/v1.0/phased-subcloud-deploy/1/configure', { json: sysadmin }), 409],
    'delete of the subcloud': [() => bench.call('DELETE', '/v1.0/subclouds/1'), 409],
  }
  for (const [running_, columns] of Object.entries(running))
    for (const [name, [ask, code]] of Object.entries(requested)) {
      await endJobs(bench)
      await set(bench, { prestage_status: null, ...columns })
      // What runs has a live job, as it always has.
      await bench.database.query
        .updateTable('jobs')
        .set({ state: 'running', exclusive_key: 'subcloud:1' })
        .where('id', '=', (eb) => eb.selectFrom('jobs').select('id').limit(1))
        .execute()
      const before = await fromTables(bench.database)
      const answer = await ask()
      const told = `${name} while ${running_}: ${answer.status} ${answer.text}`
      // A deploy status that the verb does not know at all is 400 before anything else, and a subcloud that is managed is not deleted.
      const early = (name === 'deploy configure' && columns.deploy_status !== 'complete') || name === 'delete of the subcloud'
      assert.ok(answer.status === code || (early && answer.status === 400), told)
      assert.deepEqual(await fromTables(bench.database), before, told)
    }
})
