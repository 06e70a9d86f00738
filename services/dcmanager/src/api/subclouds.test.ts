import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countStatements, json, timestamp } from '@murmuration/data'
import type { JobRow } from '@murmuration/jobs'
import type { Sealed } from '@murmuration/trust'
import { createRealWorld } from '@murmuration/world'
import type { DeployStatus } from '../rules/lifecycle.ts'
import { readDocuments } from '../store/documents.ts'
import type { SubcloudColumns } from '../store/subclouds.ts'
import { apiBench, base64, bmcSecret, example, sysadminSecret, type ApiBench } from '../testing/api-bench.ts'
import { fromTables } from '../testing/everything.ts'

const image = (bench: ApiBench, release = '26.09') =>
  Promise.all(
    ['x.iso', 'x.sig'].map((name) => bench.site.world.files.write(`${bench.site.config.varFolder}/vault/software/${release}/${name}`, 'x')),
  )
const file = (data: string) => ({ fileName: '../../etc/values.yml', data })

/** As if the operation that runs had ended, leaving the row so. */
async function rest(bench: ApiBench, id: number, columns: SubcloudColumns): Promise<void> {
  const { query } = bench.database
  await query
    .updateTable('jobs')
    .set({ state: 'done', exclusive_key: null, finished_at: timestamp(0) })
    .where('subject', '=', `subcloud:${id}`)
    .execute()
  await query.updateTable('subclouds').set(columns).where('id', '=', id).execute()
}

test('add: the row, its statuses, its documents and its job appear at once', async (t) => {
  const bench = await apiBench(t)
  const added = await bench.add(3)
  assert.equal(added.status, 200, added.text)
  assert.equal(added.json['deploy-status'], 'not-deployed')
  assert.equal(added.json['management-state'], 'unmanaged')
  assert.equal(added.json['availability-status'], 'offline')
  assert.equal(added.json['updated-at'], null)
  assert.match(added.json['created-at'], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/)
  assert.match(added.json['region-name'], /^[0-9a-f]{32}$/)
  assert.equal(added.json['management-start-ip'], '127.0.3.2')
  assert.equal(added.json['description'], 'Third subcloud of the lab')
  const jobs = await bench.database.query.selectFrom('jobs').selectAll().execute()
  assert.equal(jobs.length, 1)
  assert.equal(jobs[0]?.kind, 'subcloud.add')
  assert.deepEqual(JSON.parse(jobs[0].input).phases, ['create', 'bootstrap', 'complete'])
  const documents = await readDocuments(bench.database, bench.site.keyring, 1)
  assert.equal((documents.bootstrap_values as { name: string }).name, 'subcloud3')
  const shown = await bench.call('GET', '/v1.0/subclouds/subcloud3')
  assert.equal(shown.json.endpoint_sync_status.length, 7)
  assert.deepEqual((await bench.call('GET', '/v1.0/subclouds/1')).json, shown.json)
  assert.deepEqual((await bench.call('GET', '/v1.0/subclouds/?subcloud_ref=1')).json, shown.json)
})

test('add with all files: phases, and no secret in database, reply or log', async (t) => {
  const bench = await apiBench(t)
  await image(bench)
  const more = {
    install_values: file(example('install-values')),
    deploy_config: file('kind: System\n---\nkind: Host\n'),
    bmc_password: base64(bmcSecret),
    'bootstrap-address': '',
  }
  const added = await bench.add(3, { ...more, location: 'here' })
  assert.equal(added.status, 200, added.text)
  assert.equal(JSON.parse(added.json.data_install).bmc_password, '***')
  assert.equal(added.json.location, 'here')
  const everything = JSON.stringify([
    await fromTables(bench.database),
    added.text,
    bench.logLines,
    (await bench.call('GET', '/v1.0/subclouds')).text,
  ])
  for (const secret of [sysadminSecret, bmcSecret]) for (const form of [secret, base64(secret)]) assert.ok(!everything.includes(form), form)
  const jobs = await bench.database.query.selectFrom('jobs').selectAll().execute()
  assert.deepEqual(JSON.parse(jobs[0]!.input).phases, ['create', 'install', 'bootstrap', 'configure'])
  const documents = await readDocuments(bench.database, bench.site.keyring, 1)
  assert.equal((documents.install_values as { bmc_password: string }).bmc_password, base64(bmcSecret))
  assert.equal((documents.deploy_config as unknown[]).length, 2)
  // Derived from the install values.
  const row = await bench.database.query.selectFrom('subclouds').selectAll().executeTakeFirstOrThrow()
  assert.equal(row.bootstrap_address, '127.1.3.2')
})

test('add takes a JSON body with the same members', async (t) => {
  const bench = await apiBench(t)
  const json = { bootstrap_values: bench.values(3), 'bootstrap-address': '127.1.3.2', sysadmin_password: base64('x'), group_id: 1 }
  assert.equal((await bench.call('POST', '/v1.0/subclouds/', { json })).status, 200)
})

test('members of the request in the bootstrap values count, the form goes before them, and they are not kept with the values', async (t) => {
  const bench = await apiBench(t)
  const { json: group } = await bench.call('POST', '/v1.0/subcloud-groups', {
    json: { name: 'north', description: 'd', update_apply_type: 'serial', max_parallel_subclouds: 1 },
  })
  const inFile = (n: number): string =>
    `${bench.values(n)}\nbootstrap_address: 127.1.${n}.2\ngroup_id: ${group.id}\nrelease: '26.09'\nsysadmin_password: ${base64(sysadminSecret)}\nextra: kept\n`
  const added = await bench.call('POST', '/v1.0/subclouds', { form: { bootstrap_values: file(inFile(3)) } })
  assert.equal(added.status, 200, added.text)
  assert.equal(added.json.group_id, group.id)
  const rowOf = (id: number) => bench.database.query.selectFrom('subclouds').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
  assert.equal((await rowOf(1)).bootstrap_address, '127.1.3.2')
  const job = await bench.database.query.selectFrom('jobs').selectAll().executeTakeFirstOrThrow()
  const sealed = (JSON.parse(job.input) as { sysadminPassword: Sealed }).sysadminPassword
  assert.equal(bench.site.keyring.open(sealed, 'subcloud:1:sysadmin_password').reveal(), sysadminSecret)
  const { bootstrap_values: kept } = await readDocuments(bench.database, bench.site.keyring, 1)
  const members = Object.keys(kept as object)
  assert.ok(members.includes('extra'))
  for (const name of ['bootstrap_address', 'group_id', 'release', 'sysadmin_password']) assert.ok(!members.includes(name), name)

  const both = { bootstrap_values: file(inFile(4)), 'bootstrap-address': '127.1.4.9', group_id: '1', sysadmin_password: base64('form') }
  const second = await bench.call('POST', '/v1.0/phased-subcloud-deploy', { form: both })
  assert.equal(second.status, 200, second.text)
  assert.equal(second.json.group_id, 1)
  assert.equal((await rowOf(2)).bootstrap_address, '127.1.4.9', 'the other spelling in the form wins too')

  await rest(bench, 1, { deploy_status: 'bootstrap-failed' })
  const again = { bootstrap_values: file(inFile(3).replace('bootstrap_address: 127.1.3.2', 'bootstrap-address: 127.1.3.3')) }
  const bootstrap = await bench.call('PATCH', '/v1.0/phased-subcloud-deploy/1/bootstrap', { form: again })
  assert.equal(bootstrap.status, 200, bootstrap.text)
  assert.equal((await rowOf(1)).bootstrap_address, '127.1.3.3')

  for (const [line, wanted] of [
    ['sysadmin_password: in clear!', /bootstrap_values\.sysadmin_password must be base64 .*form field/],
    ['group_id: [1]', /bootstrap_values\.group_id must be a text/],
    ['bootstrap-address: 0x7f.1', /bootstrap-address/],
    ['secondary: true', /region_name is required/],
    ['migrate: true', /bootstrap-address is required/],
  ] as const) {
    const form = {
      bootstrap_values: file(`${bench.values(5)}\n${line}\n`),
      bootstrap_address: '',
      sysadmin_password: line.startsWith('sys') ? '' : base64('x'),
    }
    const refused = await bench.call('POST', '/v1.0/subclouds', { form })
    assert.equal(refused.status, 400, line)
    assert.match(refused.json.description, wanted)
  }
  // What is no member of the list sets nothing.
  const sneaky = file(`${bench.values(6)}\nbootstrap-address: 127.1.6.2\ndeploy_status: complete\nregion_name: ${'a'.repeat(32)}\nid: 77\n`)
  const { json } = await bench.call('POST', '/v1.0/subclouds', { form: { bootstrap_values: sneaky, sysadmin_password: base64('x') } })
  assert.equal(json['deploy-status'], 'not-deployed')
  assert.ok(json.id !== 77 && json['region-name'] !== 'a'.repeat(32))
})

test('what add refuses, it refuses without a trace (reference §1.7)', async (t) => {
  let state = 'deployed'
  const bench = await apiBench(t, {
    context: {
      facts: {
        system: async () => ({ uuid: 'u', name: 'c', regionName: 'RegionOne', softwareVersion: '26.09', systemMode: 'simplex' }),
        managementNetwork: async () => ({
          subnet: '127.0.0.0/24',
          start: '127.0.0.1',
          end: '127.0.0.100',
          gateway: '127.0.0.254',
          floating: '127.0.0.1',
        }),
        releases: async () =>
          state === 'unreachable' ? Promise.reject(new Error('no')) : [{ releaseId: 'r', softwareVersion: '26.09', state }],
      },
    },
  })
  await bench.add(2)
  const before = await fromTables(bench.database)
  const good = { bootstrap_values: file(bench.values(3)), 'bootstrap-address': '127.1.3.2', sysadmin_password: base64('x') }
  const cases: [Record<string, unknown>, number, RegExp][] = [
    [{ bootstrap_values: undefined }, 400, /bootstrap_values is required/],
    [{ bootstrap_values: file('a: [') }, 400, /line 1/],
    [{ bootstrap_values: file('- a') }, 400, /must be a YAML map/],
    [{ bootstrap_values: file('a: &a [*a]') }, 400, /bootstrap_values/],
    [{ bootstrap_values: file('a: !!python/object:os.system x') }, 400, /tags are not allowed/],
    [{ bootstrap_values: file('a: 1\na: 2') }, 400, /twice/],
    [
      {
        bootstrap_values: file(
          `a: &a [x]\n${Array.from({ length: 30 }, (_, i) => `b${i}: &b${i} [*${i === 0 ? 'a' : `b${i - 1}`}, *${i === 0 ? 'a' : `b${i - 1}`}]`).join('\n')}`,
        ),
      },
      400,
      /alias/,
    ],
    [{ bootstrap_values: { fileName: 'x', data: Buffer.from([0xff, 0xfe, 0]) } }, 400, /UTF-8/],
    [{ bootstrap_values: file(bench.values(3).replace('127.0.3.2', '0x7f.0.3.2')) }, 400, /management_start_address \(line \d+\)/],
    [{ sysadmin_password: undefined }, 400, /sysadmin_password is required/],
    [{ sysadmin_password: 'nö' }, 400, /not base64/],
    [{ 'bootstrap-address': undefined }, 400, /bootstrap-address is required/],
    [{ 'bootstrap-address': '2130706433' }, 400, /bootstrap-address .*plain decimal/],
    [{ 'bootstrap-address': 'fe80::1%lo' }, 400, /zone id/],
    [{ install_values: file('x: 1') }, 400, /install_values.bootstrap_interface is missing/],
    [{ install_values: file(example('install-values')), bmc_password: base64('x') }, 400, /image of release 26.09 is not complete/],
    [{ deploy_config: file('just text') }, 400, /deploy_config\[0\] must be a YAML map/],
    [{ group_id: 'Default' }, 400, /Invalid group_id/],
    [{ group_id: '77' }, 400, /Invalid group_id/],
    [{ release: '26.9' }, 400, /Invalid release/],
    [{ release: '20.06' }, 400, /Invalid release/],
    [{ release: '99.06' }, 400, /Invalid release/],
    [{ migrate: 'true', deploy_config: file(example('deploy-config')) }, 400, /deploy_config can not be given together with migrate/],
    [{ migrate: 'true', enroll: 'true' }, 400, /enroll can not be given together with migrate/],
    [{ migrate: 'true', sysadmin_password: undefined }, 400, /sysadmin_password is required/],
    [{ migrate: 'true', 'bootstrap-address': undefined }, 400, /bootstrap-address is required/],
    [{ migrate: 'true', name: 'another' }, 400, /"subcloud3" .* not the name of the subcloud, "another"/],
    [{ migrate: 'true', bootstrap_values: file(bench.values(2)) }, 409, /already exists: subcloud2/],
    [{ enroll: 'true' }, 400, /enroll.*not available/],
    [{ migrate: 'perhaps' }, 400, /migrate must be true or false/],
    [{ secondary: 'false' }, 400, /region_name is required/],
    [{ sysadmin_pasword: 'x' }, 400, /sysadmin_pasword/],
    [{ name: '123' }, 400, /all digits/],
    [{ name: 'a\u202eb' }, 400, /name/],
    [{ name: 'subcloud2' }, 409, /already exists/],
    [{ bootstrap_values: file(bench.values(2).replace('subcloud2', 'other')) }, 400, /overlaps that of subcloud subcloud2/],
  ]
  for (const [changes, status, wanted] of cases) {
    const form = Object.fromEntries(Object.entries({ ...good, ...changes }).filter(([, value]) => value !== undefined)) as Record<
      string,
      string
    >
    const answer = await bench.call('POST', '/v1.0/subclouds', { form })
    assert.equal(answer.status, status, `${JSON.stringify(Object.keys(changes))}: ${answer.text}`)
    assert.match(answer.json.description, wanted)
  }
  for (const busy of ['deploying', 'unreachable']) {
    state = busy
    assert.equal((await bench.call('POST', '/v1.0/subclouds', { form: good })).status, 400, busy)
  }
  assert.deepEqual(await fromTables(bench.database), before)
  state = 'deployed'
  assert.equal((await bench.call('POST', '/v1.0/subclouds', { form: good })).status, 200)
})

test('migrate: the region is read from the host, and what the host says is not believed further than it may be', async (t) => {
  const asked: string[] = []
  let told: (row: JobRow) => Partial<JobRow> = () => ({})
  const bench: Awaited<ReturnType<typeof apiBench>> = await apiBench(t, {
    context: {
      async waitForJobs(ids) {
        asked.push(...ids)
        const rows = await bench.database.query.selectFrom('jobs').selectAll().where('id', 'in', ids).execute()
        return rows.map((row) => ({ ...row, ...told(row) }))
      },
    },
  })
  await bench.add(2)
  const [other] = await bench.database.query.selectFrom('subclouds').select('region_name').execute()
  const before = await bench.database.query.selectFrom('subclouds').selectAll().execute()
  const migrate = (more: Record<string, string> = {}) => bench.add(3, { migrate: 'true', ...more })
  const saying = (region: string): void => {
    told = () => ({ state: 'done', outcome: json.write({ name: 'subcloud3', region, address: '127.0.3.2' }) })
  }
  const refusals = [
    [() => (told = () => ({})), 400, /127\.1\.3\.2: nobody has answered in time/],
    [() => (told = () => ({ state: 'failed', error: 'FAILED rehoming playbook of (host): unreachable' })), 400, /unreachable/],
    [() => saying('RegionOne'), 400, /RegionOne, a region of this system controller/],
    [() => saying('SystemController'), 400, /a region of this system controller/],
    [() => saying('../../etc'), 400, /its region/],
    [() => saying(other!.region_name), 409, /region name .* already exists/],
  ] as const
  for (const [prepare, status, wanted] of refusals) {
    prepare()
    const answer = await migrate()
    assert.equal(answer.status, status, answer.text)
    assert.match(answer.json.description, wanted)
    assert.ok(!answer.text.includes(sysadminSecret))
  }
  assert.deepEqual(await bench.database.query.selectFrom('subclouds').selectAll().execute(), before)

  const region = 'c0ffee00000000000000000000000003'
  saying(region)
  const headers = { 'idempotency-key': 'once' }
  const form = {
    bootstrap_values: file(bench.values(3)),
    'bootstrap-address': '127.1.3.2',
    sysadmin_password: base64(sysadminSecret),
    migrate: 'true',
    name: 'subcloud3',
  }
  const accepted = await bench.call('POST', '/v1.0/subclouds', { form, headers })
  assert.equal(accepted.status, 200, accepted.text)
  assert.deepEqual(
    [accepted.json['deploy-status'], accepted.json['region-name'], accepted.json['management-state']],
    ['not-deployed', region, 'unmanaged'],
  )
  const looks = asked.length
  assert.deepEqual((await bench.call('POST', '/v1.0/subclouds', { form, headers })).json, accepted.json)
  assert.equal(asked.length, looks, 'a repeated request asks nobody')
  const jobsOf = (kind: string) => bench.database.query.selectFrom('jobs').selectAll().where('kind', '=', kind).execute()
  const [look] = await jobsOf('host.find-site')
  const [takeover] = await jobsOf('subcloud.rehome')
  const { sysadminPassword, ...input } = JSON.parse(takeover!.input) as Record<string, unknown>
  assert.deepEqual(input, { subcloudId: accepted.json.id, peerGroupId: null, witnessed: false })
  assert.equal(typeof sysadminPassword, 'string')
  assert.deepEqual((JSON.parse(look!.input) as Record<string, unknown>)['siteAddress'], '127.0.3.2')
  assert.ok(!JSON.stringify(await fromTables(bench.database)).includes(sysadminSecret))
})

test('list: every subcloud, or a page; pages and filters are checked (attacks 38)', async (t) => {
  const bench = await apiBench(t)
  for (const n of [2, 3, 4]) await bench.add(n)
  await bench.database.query.deleteFrom('subcloud_status').where('subcloud_id', '=', 2).execute()
  const { result: all, statements } = await countStatements(() => bench.call('GET', '/v1.0/subclouds/'))
  assert.equal(statements, 2)
  assert.deepEqual(
    all.json.subclouds.map((each: { id: number }) => each.id),
    [1, 2, 3],
  )
  assert.deepEqual(Object.keys(all.json), ['subclouds'])
  assert.equal(all.json.subclouds[0].sync_status, 'unknown')
  assert.equal(all.json.subclouds[1].endpoint_sync_status.length, 7)
  for (const key of [
    'id',
    'name',
    'description',
    'location',
    'software-version',
    'management-state',
    'availability-status',
    'deploy-status',
    'management-subnet',
    'management-start-ip',
    'management-end-ip',
    'management-gateway-ip',
    'systemcontroller-gateway-ip',
    'created-at',
    'updated-at',
    'group_id',
    'error-description',
    'region-name',
    'peer_group_id',
    'rehome_data',
    'data_install',
    'backup-status',
    'prestage-status',
  ])
    assert.ok(key in all.json.subclouds[0], key)

  const page = await bench.call('GET', '/v1.0/subclouds?limit=2&sort=name:desc')
  assert.deepEqual(
    page.json.subclouds.map((each: { name: string }) => each.name),
    ['subcloud4', 'subcloud3'],
  )
  const rest = await bench.call('GET', `/v1.0/subclouds?limit=2&sort=name:desc&marker=${encodeURIComponent(page.json.next)}`)
  assert.deepEqual(
    rest.json.subclouds.map((each: { name: string }) => each.name),
    ['subcloud2'],
  )
  assert.equal(rest.json.next, undefined)

  for (const query of [
    'limit=0',
    'limit=-1',
    'limit=1e9',
    'limit=1001',
    'limit=x',
    'sort=error-description',
    'sort=name:up',
    'sort=name,name',
    'marker=xyz',
    'marker=',
    'management-state=other',
    'deploy-status=constructor',
    'sync_status=x',
    `q=${'x'.repeat(256)}`,
  ]) {
    const refused = await bench.call('GET', `/v1.0/subclouds?${query}`)
    assert.equal(refused.status, 400, `${query}: ${refused.text}`)
  }
  const names = async (query: string): Promise<string[]> =>
    (await bench.call('GET', `/v1.0/subclouds?${query}`)).json.subclouds.map((each: { name: string }) => each.name)
  assert.deepEqual(await names('q=CLOUD3'), ['subcloud3'])
  assert.deepEqual(await names(`q=${encodeURIComponent('(a+)+$')}`), [])
  assert.deepEqual(await names('group_id=Default&deploy-status=not-deployed,complete'), ['subcloud2', 'subcloud3', 'subcloud4'])
  assert.deepEqual(await names('group_id=nowhere'), [])
  // cert-mon: by region, and named by it.
  const region = all.json.subclouds[0]['region-name']
  const certMon = { 'user-agent': 'cert-mon/1.0' }
  assert.equal((await bench.call('GET', `/v1.0/subclouds/${region}`)).status, 404)
  assert.equal((await bench.call('GET', `/v1.0/subclouds/${region}`, { headers: certMon })).json.id, 1)
  assert.equal((await bench.call('GET', '/v1.0/subclouds', { headers: certMon })).json.subclouds[0].name, region)
})

test('detail asks the subcloud when it is online, and says so when it does not answer', async (t) => {
  const asked: string[] = []
  const bench = await apiBench(t, {
    context: {
      liveDetail: async (row) => (
        asked.push(row.management_start_ip),
        { oamFloatingIp: '192.0.2.7', deployConfigSyncStatus: 'Deployment: configurations up-to-date' }
      ),
    },
  })
  await bench.add(3)
  const offline = await bench.call('GET', '/v1.0/subclouds/1/detail')
  assert.deepEqual([offline.json.oam_floating_ip, offline.json.deploy_config_sync_status], ['unavailable', 'unknown'])
  await rest(bench, 1, { availability_status: 'online' })
  const online = await bench.call('GET', '/v1.0/subclouds/1/detail/')
  assert.equal(online.json.oam_floating_ip, '192.0.2.7')
  assert.equal(online.json.region_name, online.json['region-name'])
  assert.deepEqual(asked, ['127.0.3.2'])
})

test('manage and unmanage (reference §4.6)', async (t) => {
  const bench = await apiBench(t)
  await bench.add(3)
  await rest(bench, 1, { deploy_status: 'bootstrap-failed' })
  const patch = (form: Record<string, string>) => bench.call('PATCH', '/v1.0/subclouds/subcloud3', { form, token: 'operator@admin' })
  assert.equal((await patch({ 'management-state': 'managed' })).status, 422)
  await rest(bench, 1, { deploy_status: 'complete' })
  assert.match((await patch({ 'management-state': 'managed' })).json.description, /not online/)
  assert.equal((await patch({ 'management-state': 'unmanaged' })).status, 422)
  assert.equal((await patch({ 'management-state': 'other' })).status, 400)
  assert.equal((await patch({ 'management-state': 'unmanaged', force: 'true' })).status, 400)
  const forced = await patch({ 'management-state': 'managed', force: 'true' })
  assert.equal(forced.json['management-state'], 'managed', forced.text)
  assert.equal((await patch({ 'management-state': 'managed' })).status, 422)
  const audit = await bench.database.query.selectFrom('subcloud_audits').selectAll().executeTakeFirstOrThrow()
  assert.equal(audit.software_audit_requested, 1)
  await bench.database.query.updateTable('subcloud_status').set({ sync_status: 'in-sync' }).execute()
  assert.equal((await patch({ 'management-state': 'unmanaged' })).json['management-state'], 'unmanaged')
  const statuses = await bench.database.query.selectFrom('subcloud_status').select(['endpoint_type', 'sync_status']).execute()
  assert.deepEqual(
    statuses.filter((each) => each.sync_status !== 'unknown').map((each) => each.endpoint_type),
    ['dc-cert'],
  )
})

test('an operator manages, and changes nothing else beside it (reference §1.4)', async (t) => {
  const bench = await apiBench(t)
  await bench.add(3)
  await rest(bench, 1, { deploy_status: 'complete', availability_status: 'online' })
  const before = await fromTables(bench.database)
  for (const more of [{ description: 'x' }, { install_values: 'a: 1' }, { name: 'other' }, { group_id: '1' }] as Record<string, string>[])
    assert.equal(
      (await bench.call('PATCH', '/v1.0/subclouds/1', { token: 'operator@admin', form: { 'management-state': 'managed', ...more } }))
        .status,
      403,
    )
  assert.deepEqual(await fromTables(bench.database), before)
  assert.equal(
    (await bench.call('PATCH', '/v1.0/subclouds/1', { token: 'operator@admin', form: { 'management-state': 'managed' } })).status,
    200,
  )
})

test('update: everything in one request, or nothing', async (t) => {
  const bench = await apiBench(t)
  await bench.add(3)
  await bench.add(4)
  await rest(bench, 1, { deploy_status: 'complete' })
  const patch = (form: Record<string, string>) => bench.call('PATCH', '/v1.0/subclouds/1', { form })
  const before = await fromTables(bench.database)
  const cases: [Record<string, string>, number, RegExp][] = [
    [{}, 400, /Body required/],
    [{ name: 'subcloud3' }, 400, /equals the current/],
    [{ name: 'subcloud4', description: 'x' }, 422, /already the name/],
    [{ name: 'Not_DNS' }, 400, /DNS name/],
    [{ name: 'fine', group_id: 'nowhere' }, 400, /Invalid group_id/],
    [{ description: 'x', 'management-state': 'unmanaged' }, 422, /already unmanaged/],
    [{ force: 'true' }, 400, /force/],
    [{ migrate: 'perhaps' }, 400, /true or false/],
    [{ migrate: 'true', 'management-state': 'managed' }, 400, /together with management-state managed/],
    [{ peer_group: 'x' }, 400, /no such peer group/],
    [{ bootstrap_values: 'name: other' }, 400, /missing/],
    [{ bootstrap_values: bench.values(4) }, 400, /not the name/],
    [{ bootstrap_values: bench.values(3).replace('127.0.3.10', '127.0.3.9') }, 400, /network reconfiguration/],
    [{ install_values: 'a: 1' }, 400, /bootstrap_interface/],
    [{ management_subnet: '127.0.9.0/28' }, 422, /missing: .*bootstrap_address/],
    [{ verb: 'redeploy', nonsense: 'x' }, 400, /nonsense/],
  ]
  for (const [form, status, wanted] of cases) {
    const answer = await patch(form)
    assert.equal(answer.status, status, `${JSON.stringify(form)}: ${answer.text}`)
    assert.match(answer.json.description, wanted)
  }
  assert.deepEqual(await fromTables(bench.database), before)
  const updated = await patch({
    name: 'lisboa',
    description: 'd',
    location: 'l',
    group_id: 'Default',
    install_values: example('install-values'),
    bmc_password: base64('x'),
    bootstrap_address: '127.1.3.9',
  })
  assert.equal(updated.status, 200, updated.text)
  assert.deepEqual([updated.json.name, updated.json.description, updated.json.location], ['lisboa', 'd', 'l'])
  assert.notEqual(updated.json['updated-at'], null)
  const documents = await readDocuments(bench.database, bench.site.keyring, 1)
  assert.equal((documents.bootstrap_values as { name: string }).name, 'lisboa')
  assert.equal((await bench.call('GET', '/v1.0/subclouds/subcloud3')).status, 404)
  assert.equal((await bench.call('PATCH', '/v1.0/subclouds/lisboa', { json: { description: 'by JSON' } })).json.description, 'by JSON')
  assert.equal(
    (await bench.call('PATCH', '/v1.0/subclouds?subcloud_ref=lisboa', { form: { description: 'by query' } })).json.description,
    'by query',
  )
})

test('update of the BMC password alone: for the stored install values, if there are any', async (t) => {
  const bench = await apiBench(t)
  await image(bench)
  await bench.add(3, { install_values: file(example('install-values')), bmc_password: base64('old') })
  await bench.add(4)
  const patch = (id: number, password: string) =>
    bench.call('PATCH', `/v1.0/subclouds/${id}`, { form: { description: 'd', bmc_password: password } })
  assert.equal((await patch(1, base64(bmcSecret))).status, 200)
  const { install_values: values } = await readDocuments(bench.database, bench.site.keyring, 1)
  assert.equal((values as { bmc_password: string }).bmc_password, base64(bmcSecret))
  assert.ok('bmc_address' in (values as object))
  const before = await fromTables(bench.database)
  assert.match((await patch(2, base64('x'))).json.description, /install_values are required/)
  assert.match((await patch(1, 'nö')).json.description, /not base64/)
  assert.deepEqual(await fromTables(bench.database), before)
})

test('install values beside a network reconfiguration are shown as they are stored', async (t) => {
  const bench = await apiBench(t)
  await bench.add(3)
  await rest(bench, 1, { deploy_status: 'complete' })
  const moved = await bench.call('PATCH', '/v1.0/subclouds/1', {
    form: {
      management_subnet: '127.0.9.0/28',
      management_gateway_ip: '127.0.9.1',
      management_start_ip: '127.0.9.2',
      management_end_ip: '127.0.9.10',
      bootstrap_address: '127.1.9.2',
      sysadmin_password: base64('x'),
      install_values: file(example('install-values')),
      bmc_password: base64('x'),
    },
  })
  assert.equal(moved.status, 200, moved.text)
  assert.equal(JSON.parse(moved.json.data_install).bmc_address, '127.1.3.12')
  const row = await bench.database.query.selectFrom('subclouds').selectAll().executeTakeFirstOrThrow()
  assert.equal(row.bootstrap_address, '127.1.3.2', 'until the site has moved')
})

test('network reconfiguration (reference §1.7)', async (t) => {
  const bench = await apiBench(t)
  await bench.add(3)
  await bench.add(4)
  await rest(bench, 1, { deploy_status: 'complete' })
  const good = {
    management_subnet: '127.0.9.0/28',
    management_gateway_ip: '127.0.9.1',
    management_start_ip: '127.0.9.2',
    management_end_ip: '127.0.9.10',
    bootstrap_address: '127.1.3.2',
    sysadmin_password: base64(sysadminSecret),
  }
  const patch = (changes: Record<string, string> = {}) => bench.call('PATCH', '/v1.0/subclouds/1', { form: { ...good, ...changes } })
  const before = await fromTables(bench.database)
  for (const [changes, status, wanted] of [
    [{ 'management-state': 'managed' }, 422, /separate requests/],
    [{ management_gateway_ip: '127.0.3.1' }, 422, /equals the current/],
    [{ sysadmin_password: '?' }, 400, /base64/],
    [{ management_start_ip: '127.0.9.11' }, 400, /management_end_ip is before management_start_ip/],
    [
      {
        management_subnet: '127.0.4.0/28',
        management_gateway_ip: '127.0.4.1',
        management_start_ip: '127.0.4.2',
        management_end_ip: '127.0.4.9',
      },
      400,
      /overlaps that of subcloud subcloud4/,
    ],
  ] as const) {
    const answer = await patch(changes)
    assert.equal(answer.status, status, answer.text)
    assert.match(answer.json.description, wanted)
  }
  await rest(bench, 1, { management_state: 'managed' })
  assert.match((await patch()).json.description, /must be unmanaged/)
  await rest(bench, 1, { management_state: 'unmanaged' })
  assert.deepEqual((await fromTables(bench.database)).subcloud_networks, before.subcloud_networks)
  const accepted = await patch()
  assert.equal(accepted.status, 200, accepted.text)
  assert.equal(accepted.json['management-start-ip'], '127.0.3.2')
  assert.equal(accepted.json['deploy-status'], 'reconfiguring-network')
  assert.equal((await patch()).status, 409)
  const job = await bench.database.query
    .selectFrom('jobs')
    .selectAll()
    .where('kind', '=', 'subcloud.reconfigure-network')
    .executeTakeFirstOrThrow()
  assert.equal(JSON.parse(job.input).managementStartIp, '127.0.9.2')
})

test('delete (reference §1.7)', async (t) => {
  const bench = await apiBench(t)
  await bench.add(3)
  const remove = () => bench.call('DELETE', '/v1.0/subclouds/subcloud3')
  assert.equal((await remove()).status, 409)
  const cases: [SubcloudColumns, number][] = [
    [{ deploy_status: 'complete', management_state: 'managed' }, 400],
    [{ management_state: 'unmanaged', availability_status: 'online' }, 422],
    [{ availability_status: 'offline', deploy_status: 'bootstrapping' }, 400],
  ]
  for (const [columns, status] of cases) {
    await rest(bench, 1, columns)
    assert.equal((await remove()).status, status, JSON.stringify(columns))
  }
  const { releases } = bench.context.facts
  bench.context.facts.releases = async () => [{ releaseId: 'r', softwareVersion: '26.09', state: 'deploying' }]
  assert.equal((await remove()).status, 400, 'the deploy status is told first')
  await rest(bench, 1, { deploy_status: 'complete' })
  const busy = await remove()
  assert.equal(busy.status, 422, busy.text)
  assert.match(busy.json.description, /release r is deploying\. Repeat/)
  bench.context.facts.releases = releases
  const removed = await remove()
  assert.deepEqual([removed.status, removed.text], [200, 'null'])
  assert.equal((await remove()).status, 409)
  assert.equal((await bench.call('DELETE', '/v1.0/subclouds/77')).status, 404)
})

test('a delete that fails: refused while the subcloud is there, well when only files are left', async (t) => {
  const fail = async (id: string): Promise<void> => {
    await bench.database.query.updateTable('jobs').set({ state: 'failed', exclusive_key: null }).where('id', '=', id).execute()
    if (gone) await bench.database.query.deleteFrom('subclouds').execute()
  }
  let gone = false
  const bench = await apiBench(t, { context: { waitForJob: (id) => fail(id) } })
  await bench.add(3)
  await rest(bench, 1, { deploy_status: 'complete' })
  const refused = await bench.call('DELETE', '/v1.0/subclouds/1')
  assert.equal(refused.status, 422, refused.text)
  assert.match(refused.json.description, /Unable to delete.*\/v1\.0\/subclouds\/1\/operations/)
  gone = true
  const removed = await bench.call('DELETE', '/v1.0/subclouds/1')
  assert.deepEqual([removed.status, removed.text], [200, 'null'])
})

test('what is being deleted can not be managed any more', async (t) => {
  const bench = await apiBench(t)
  await bench.add(3)
  await rest(bench, 1, { deploy_status: 'complete' })
  assert.equal((await bench.call('DELETE', '/v1.0/subclouds/1')).status, 200)
  const before = await fromTables(bench.database)
  const managed = await bench.call('PATCH', '/v1.0/subclouds/1', { form: { 'management-state': 'managed', force: 'true' } })
  assert.equal(managed.status, 409, managed.text)
  assert.match(managed.json.description, /subcloud\.delete/)
  assert.deepEqual(await fromTables(bench.database), before)
})

test('redeploy (reference §1.7)', async (t) => {
  const bench = await apiBench(t)
  await bench.add(3)
  const redeploy = (form: Record<string, string | { fileName: string; data: string }> = { sysadmin_password: base64('x') }) =>
    bench.call('PATCH', '/v1.0/subclouds/1/redeploy', { form })
  assert.equal((await redeploy()).status, 409)
  const refusals: [SubcloudColumns, number][] = [
    [{ deploy_status: 'secondary' }, 409],
    [{ deploy_status: 'complete', availability_status: 'online' }, 400],
    [{ availability_status: 'offline', enrolled_with_vcsr: 1 }, 400],
    [{ enrolled_with_vcsr: 0 }, 400],
  ]
  for (const [columns, status] of refusals) {
    await rest(bench, 1, columns)
    assert.equal((await redeploy()).status, status, JSON.stringify(columns))
  }
  await image(bench)
  const install = { sysadmin_password: base64('x'), install_values: file(example('install-values')), bmc_password: base64(bmcSecret) }
  // Nobody answers at the BMC's address.
  const unreachable = await redeploy(install)
  assert.deepEqual(
    [unreachable.status, (await bench.call('GET', '/v1.0/subclouds/1')).json['deploy-status']],
    [422, 'complete'],
    unreachable.text,
  )
})

test('redeploy with a BMC that answers: stored values, the new BMC password, all phases', async (t) => {
  const real = createRealWorld()
  t.after(() => real.net.close())
  const asked: string[] = []
  const request = async ({ url }: { url: string }) => (asked.push(url), { status: 200, headers: {}, body: new Uint8Array() })
  const bench = await apiBench(t, { world: { ...real, net: { ...real.net, request } } })
  await image(bench)
  await bench.add(3, {
    install_values: file(example('install-values')),
    deploy_config: file(example('deploy-config')),
    bmc_password: base64('old'),
  })
  await rest(bench, 1, { deploy_status: 'complete', first_identity_sync_complete: 1, initial_deployment: 0 })
  const answer = await bench.call('PATCH', '/v1.0/subclouds/1/redeploy', {
    form: { sysadmin_password: base64('x'), bmc_password: base64(bmcSecret) },
  })
  assert.equal(answer.status, 200, answer.text)
  assert.equal(answer.json['deploy-status'], 'pre-install')
  assert.deepEqual(asked, ['https://127.1.3.12/redfish/v1/'])
  const row = await bench.database.query.selectFrom('subclouds').selectAll().executeTakeFirstOrThrow()
  assert.deepEqual([row.first_identity_sync_complete, row.initial_deployment], [0, 1])
  const documents = await readDocuments(bench.database, bench.site.keyring, 1)
  assert.equal((documents.install_values as { bmc_password: string }).bmc_password, base64(bmcSecret))
  const job = await bench.database.query.selectFrom('jobs').selectAll().where('state', '=', 'queued').executeTakeFirstOrThrow()
  assert.deepEqual(JSON.parse(job.input).phases, ['install', 'bootstrap', 'configure'])
  assert.equal((await bench.call('PATCH', '/v1.0/subclouds/1/redeploy', { form: { sysadmin_password: base64('x') } })).status, 409)
})

test('update_status, removed verbs, and verbs of later versions', async (t) => {
  const bench = await apiBench(t)
  await bench.add(3)
  await rest(bench, 1, { availability_status: 'online' })
  const patch = (verb: string, json: unknown = {}, ref = '1') => bench.call('PATCH', `/v1.0/subclouds/${ref}/${verb}`, { json })
  const set = await patch('update_status', { endpoint: 'dc-cert', status: 'in-sync' })
  assert.deepEqual(set.json, { result: 'OK' }, set.text)
  assert.equal((await bench.call('GET', '/v1.0/subclouds/1')).json.endpoint_sync_status[2].sync_status, 'in-sync')
  for (const json of [{}, { endpoint: 'platform', status: 'in-sync' }, { endpoint: 'dc-cert', status: 'x' }, { endpoint: 'dc-cert' }])
    assert.equal((await patch('update_status', json)).status, 400, JSON.stringify(json))
  for (const verb of ['restore', 'reconfigure', 'reinstall']) {
    assert.equal((await patch(verb)).status, 410, verb)
    assert.equal((await patch(verb, {}, 'unknown')).status, 404, verb)
  }
  assert.match((await patch('prestage', { sysadmin_password: 'x', for_install: 'true' })).json.description, /not available in this version/)
  for (const verb of ['fly', 'constructor', '__proto__']) assert.equal((await patch(verb)).status, 400, verb)
  assert.equal((await bench.call('PATCH', '/v1.0/subclouds?subcloud_ref=1&verb=restore', { json: {} })).status, 410)
})

test('Idempotency-Key: once, whatever happens on the way (attacks 27)', async (t) => {
  const bench = await apiBench(t)
  const headers = { 'idempotency-key': 'first-try' }
  const form = { bootstrap_values: file(bench.values(3)), 'bootstrap-address': '127.1.3.2', sysadmin_password: base64(sysadminSecret) }
  const post = (changes: Record<string, string> = {}, who = 'admin@admin') =>
    bench.call('POST', '/v1.0/subclouds', { form: { ...form, ...changes }, headers, token: who })
  const [one, two] = await Promise.all([post(), post()])
  assert.deepEqual([one.status, two.status], [200, 200], two.text)
  assert.deepEqual(one.json, two.json)
  assert.equal((await post()).headers['idempotency-replayed'], 'true')
  assert.equal((await bench.call('GET', '/v1.0/subclouds')).json.subclouds.length, 1)
  assert.equal((await post({ location: 'elsewhere' })).status, 422)
  assert.equal((await post({ sysadmin_password: base64('another') })).status, 422)
  // Another user's key is another key.
  assert.equal((await post({}, 'configurator@admin')).status, 409)
  assert.ok(!JSON.stringify(await fromTables(bench.database)).includes(sysadminSecret))
  await rest(bench, 1, { deploy_status: 'complete' })
  const rename = () =>
    bench.call('PATCH', '/v1.0/subclouds/subcloud3', { form: { name: 'elsewhere' }, headers: { 'idempotency-key': 'renamed' } })
  const renamed = await rename()
  assert.deepEqual([renamed.status, renamed.json.name], [200, 'elsewhere'])
  assert.deepEqual((await rename()).json, renamed.json, 'nobody has the old name any more')
  const remove = () => bench.call('DELETE', '/v1.0/subclouds/elsewhere', { headers: { 'idempotency-key': 'gone' } })
  assert.equal((await remove()).text, 'null')
  await bench.database.query.deleteFrom('subclouds').execute()
  assert.equal((await remove()).text, 'null', 'the subcloud is gone, and that was the request')
})

test('statuses of the table stand in replies as they are', async (t) => {
  const bench = await apiBench(t)
  await bench.add(3)
  for (const status of ['rehome-pending', 'sw-deploy-apply-strategy-failed', 'config-failed'] as DeployStatus[]) {
    await rest(bench, 1, { deploy_status: status, error_description: 'FAILED err_code = dm_apply_failed' })
    const shown = await bench.call('GET', '/v1.0/subclouds/1')
    assert.equal(shown.json['deploy-status'], status)
    assert.match(shown.json['error-description'], /deploy config could not be applied/)
  }
})
