import assert from 'node:assert/strict'
import { test } from 'node:test'
import { base64, example, sysadminSecret } from '../testing/api-bench.ts'
import { fromTables } from '../testing/everything.ts'
import { geoBench, peerUuid, type GeoBench } from '../testing/geo-bench.ts'

const region = 'c0ffee00c0ffee00c0ffee00c0ffee00'
const standby = { 'group-priority': 1, 'system-leader-id': peerUuid, 'system-leader-name': 'dc-madrid' }
const adminSecret = 'Admin*very-secret'

/** As a peer sends it: what its operators handed in, with our gateway in it. */
const copy = (bench: GeoBench, n: number, more: Record<string, string> = {}) => ({
  secondary: 'true',
  region_name: region,
  bootstrap_values: { fileName: 'bootstrap_values.yml', data: `${bench.values(n)}\nadmin_password: ${adminSecret}\n` },
  'bootstrap-address': `127.1.${n}.2`,
  description: 'Porto plant',
  release: '26.09',
  ...more,
})
const addStandby = (bench: GeoBench, n: number, more: Record<string, string> = {}) =>
  bench.asPeer('POST', '/v1.0/subclouds', { form: copy(bench, n, more) })
const patch = (bench: GeoBench, ref: string, form: Record<string, string>) => bench.call('PATCH', `/v1.0/subclouds/${ref}`, { form })
const describe = (answer: { status: number; json: { description?: string } }) => [answer.status, answer.json.description]

test('secondary: the copy of a subcloud elsewhere, without password and without work to do (reference §1.7, §7.7)', async (t) => {
  const bench = await geoBench(t)
  await bench.addPeer()
  const added = await addStandby(bench, 3)
  assert.equal(added.status, 200, added.text)
  assert.deepEqual(
    ['name', 'region-name', 'deploy-status', 'management-state', 'availability-status', 'description'].map((name) => added.json[name]),
    ['subcloud3', region, 'secondary', 'unmanaged', 'offline', 'Porto plant'],
  )
  assert.equal((await bench.database.query.selectFrom('jobs').selectAll().execute()).length, 0)
  const before = await fromTables(bench.database)
  for (const [n, more, status] of [
    [3, { region_name: 'd00d' + region.slice(4) }, 409],
    [4, {}, 409],
    [4, { region_name: '' }, 400],
    [4, { region_name: 'RegionOne' }, 400],
    [4, { region_name: 'a/b' }, 400],
    [4, { region_name: 'd00d', deploy_config: example('deploy-config') }, 400],
    [4, { region_name: 'd00d', migrate: 'true' }, 400],
    [4, { region_name: 'd00d', release: '19.01' }, 400],
  ] as const) {
    const answer = await addStandby(bench, n, more)
    assert.equal(answer.status, status, `${JSON.stringify(more)}: ${answer.text}`)
  }
  assert.deepEqual(await fromTables(bench.database), before)
  // A region may be all digits: it is no id then.
  const digits = '00000000000000000000000000000001'
  assert.equal((await addStandby(bench, 6, { region_name: digits })).status, 200)
  assert.equal((await bench.asPeer('GET', `/v1.0/subclouds/${digits}`)).json.name, 'subcloud6')
  assert.equal((await bench.call('GET', `/v1.0/subclouds/${digits}`)).status, 404)
  // No force makes a standby copy be managed from two places.
  const managed = await patch(bench, 'subcloud3', { 'management-state': 'managed', force: 'true' })
  assert.equal(managed.status, 409, managed.text)
})

test('rehome data: whole for a peer, without secrets for everybody else, never in a log or a kept answer', async (t) => {
  const bench = await geoBench(t)
  await bench.addPeer()
  const group = await bench.addGroup('standby', standby)
  const plain = await addStandby(bench, 3)
  assert.ok(!plain.text.includes(adminSecret) && !plain.text.includes(base64(adminSecret)))
  const joined = await bench.asPeer('PATCH', `/v1.0/subclouds/${region}`, {
    form: { peer_group: String(group) },
    headers: { 'idempotency-key': 'k1' },
  })
  assert.deepEqual([joined.status, joined.json.peer_group_id], [200, group], joined.text)

  const payloads = async (call: GeoBench['call'], ref: string) => {
    const one = await call('GET', `/v1.0/subclouds/${ref}`)
    const members = await call('GET', '/v1.0/subcloud-peer-groups/standby/subclouds')
    return [one.json, members.json.subclouds[0]].map((subcloud) => JSON.parse(subcloud.rehome_data).saved_payload)
  }
  for (const payload of await payloads(bench.call, 'subcloud3')) {
    assert.equal(payload.admin_password, '***')
    assert.equal(payload['bootstrap-address'], '127.1.3.2')
    assert.equal(payload.name, 'subcloud3')
  }
  // Peers ask by region, or by name.
  for (const ref of [region, 'subcloud3'])
    for (const payload of await payloads(bench.asPeer, ref)) {
      assert.equal(Buffer.from(payload.admin_password, 'base64').toString(), adminSecret)
      assert.equal(payload.systemcontroller_gateway_address, '127.0.0.254')
      assert.equal(payload.sysadmin_password, undefined)
    }
  // The name of the program alone resolves nothing and shows nothing.
  assert.equal((await bench.asPeer('GET', `/v1.0/subclouds/${region}`, { token: 'admin@admin' })).status, 404)
  assert.equal((await bench.call('GET', '/v1.0/subclouds')).json.subclouds[0].rehome_data, null)
  const everywhere = JSON.stringify(await fromTables(bench.database)) + bench.logLines.join('\n')
  for (const secret of [adminSecret, base64(adminSecret), sysadminSecret]) assert.ok(!everywhere.includes(secret))
})

test('a subcloud joins a group that is owned and led here, moves, and leaves; associations follow', async (t) => {
  const bench = await geoBench(t)
  const peer = await bench.addPeer()
  const ours = await bench.addGroup('ours')
  await bench.addGroup('standby', standby)
  await bench.addGroup('led', { 'system-leader-id': peerUuid, 'system-leader-name': 'dc-madrid' })
  const association = await bench.associate(ours, peer, 1)
  await bench.addReady(3)
  await bench.addReady(4, { online: false })
  await bench.addReady(5, { managed: false })
  const status = async () => (await bench.call('GET', `/v1.0/peer-group-associations/${association}`)).json['sync-status']
  const before = await fromTables(bench.database)
  for (const [ref, group, words] of [
    ['subcloud3', 'nowhere', /no such peer group/],
    ['subcloud3', 'standby', /standby copy on this site/],
    ['subcloud3', 'led', /managed by dc-madrid/],
    ['subcloud4', 'ours', /complete, managed and online/],
    ['subcloud5', 'ours', /complete, managed and online/],
  ] as const) {
    const answer = await patch(bench, ref, { peer_group: group })
    assert.deepEqual([answer.status, words.test(answer.text)], [400, true], `${ref} ${group}: ${answer.text}`)
  }
  assert.deepEqual(await fromTables(bench.database), before)

  assert.equal(await status(), 'in-sync')
  const joined = await patch(bench, 'subcloud3', { peer_group: 'ours' })
  assert.deepEqual([joined.status, joined.json.peer_group_id], [200, ours], joined.text)
  assert.match(joined.json.info_message, new RegExp(`\\$ dcmanager peer-group-association sync ${association}\\n`))
  assert.equal(await status(), 'out-of-sync')
  const sync = async () => {
    await bench.call('PATCH', `/v1.0/peer-group-associations/${association}/sync`)
    await bench.endJobs()
  }
  await sync()

  // GR-3: any shared member; what belongs to this site only changes nothing there.
  for (const [form, expected] of [
    [{ description: 'Porto' }, 'out-of-sync'],
    [{ description: 'Porto' }, 'in-sync'],
    [{ group_id: '1' }, 'in-sync'],
    [{ bootstrap_address: '127.1.3.3' }, 'out-of-sync'],
    [{ bootstrap_values: bench.values(3) }, 'in-sync'],
    [{ bootstrap_values: bench.values(3).replace('Europe/Lisbon', 'UTC') + '\ndns_servers: [192.0.2.53]\n' }, 'out-of-sync'],
  ] as const) {
    const answer = await patch(bench, 'subcloud3', form)
    assert.equal(answer.status, 200, answer.text)
    assert.equal(await status(), expected, JSON.stringify(form))
    assert.equal(answer.json.info_message !== undefined, expected === 'out-of-sync')
    await sync()
  }

  const stays = await fromTables(bench.database)
  for (const form of [{ 'management-state': 'unmanaged' }, { 'management-state': 'unmanaged', migrate: 'true' }] as Record<
    string,
    string
  >[])
    assert.match(String(describe(await patch(bench, 'subcloud3', form))), /^400,The management state of a subcloud of peer group ours/)
  assert.deepEqual(await fromTables(bench.database), stays)

  await bench.addGroup('other')
  const moved = await patch(bench, 'subcloud3', { peer_group: 'other' })
  assert.equal(moved.status, 200, moved.text)
  assert.equal(await status(), 'out-of-sync')
  const left = await patch(bench, 'subcloud3', { peer_group: 'none' })
  assert.deepEqual([left.status, left.json.peer_group_id, left.json.rehome_data], [200, null, null], left.text)
  assert.equal((await patch(bench, 'subcloud3', { 'management-state': 'unmanaged' })).status, 200)
})

test('on a standby nothing of a member is changed, but what a failed takeover needs while the primary is away', async (t) => {
  const bench = await geoBench(t)
  const peer = await bench.addPeer()
  const group = await bench.addGroup('standby', standby)
  const association = await bench.associate(group, peer)
  await addStandby(bench, 3)
  await bench.asPeer('PATCH', `/v1.0/subclouds/${region}`, { form: { peer_group: 'standby' } })
  await bench.asPeer('PATCH', `/v1.0/peer-group-associations/${association}`, { json: { sync_status: 'in-sync' } })
  await bench.setAvailability('available')
  const set = (columns: object) => bench.database.query.updateTable('subclouds').set(columns).execute()
  const refused = async (form: Record<string, string>, words: RegExp) => {
    const before = await fromTables(bench.database)
    const answer = await patch(bench, 'subcloud3', form)
    assert.deepEqual([answer.status, words.test(answer.text)], [400, true], `${JSON.stringify(form)}: ${answer.text}`)
    assert.deepEqual(await fromTables(bench.database), before)
  }
  await refused({ description: 'x' }, /standby copy on this site/)
  await refused({ bootstrap_address: '127.1.3.9' }, /standby copy on this site/)
  await refused({ peer_group: 'none' }, /managed by dc-madrid/)
  await set({ deploy_status: 'rehome-failed' })
  await refused({ bootstrap_address: '127.1.3.9' }, /standby copy on this site/)
  await bench.setAvailability('unavailable')
  await refused({ bootstrap_address: '127.1.3.9', description: 'x' }, /standby copy on this site/)
  const corrected = await patch(bench, 'subcloud3', { bootstrap_address: '127.1.3.9' })
  assert.equal(corrected.status, 200, corrected.text)
  const shown = await bench.call('GET', `/v1.0/peer-group-associations/${association}`)
  assert.equal(shown.json['sync-status'], 'out-of-sync')

  // After the takeover this site leads; members leave only while the primary is away.
  await bench.database.query.updateTable('subcloud_peer_group').set({ system_leader_id: '0f0c1c2e-9d37-4a55-9d0b-6b1d2a3c4d5e' }).execute()
  await set({ deploy_status: 'complete' })
  await bench.setAvailability('available')
  await refused({ peer_group: 'none' }, /only while the primary site is unavailable/)
  await bench.setAvailability('unavailable')
  assert.equal((await patch(bench, 'subcloud3', { peer_group: 'none' })).status, 200)
})

test('a peer writes over its standby copy: name, addresses and values as the primary has them', async (t) => {
  const bench = await geoBench(t)
  await bench.addPeer()
  await bench.addReady(5)
  await addStandby(bench, 3)
  const update = (n: number, more: Record<string, string> = {}) =>
    bench.asPeer('PATCH', `/v1.0/subclouds/${region}`, {
      form: {
        bootstrap_values: bench.values(n),
        bootstrap_address: `127.1.${n}.2`,
        // Not looked at: the primary has used them.
        install_values: JSON.stringify({ bmc_address: 'bmc.example', image: 'x' }),
        bmc_password: base64('bmc'),
        description: 'new',
        release: '26.09',
        ...more,
      },
    })
  const moved = await update(4)
  assert.equal(moved.status, 200, moved.text)
  assert.deepEqual(
    [moved.json.name, moved.json['management-start-ip'], moved.json.description, moved.json['region-name']],
    ['subcloud4', '127.0.4.2', 'new', region],
  )
  // The old addresses are free again, those of others are not.
  assert.equal((await bench.add(3)).status, 200)
  const taken = await update(5)
  assert.equal(taken.status, 422, taken.text)
  // Over a subcloud that is no standby copy a peer has no more rights than any operator.
  const real = await bench.asPeer('PATCH', '/v1.0/subclouds/subcloud5', { form: { bootstrap_values: bench.values(6) } })
  assert.equal(real.status, 400, real.text)
})

test('migrate: a subcloud is given up for another controller (reference §1.7, §7.9)', async (t) => {
  const bench = await geoBench(t)
  await bench.addPeer()
  const ours = await bench.addGroup('ours')
  await bench.addReady(3)
  await bench.addReady(4)
  await patch(bench, 'subcloud3', { peer_group: 'ours' })
  const managed = await patch(bench, 'subcloud4', { migrate: 'true' })
  assert.deepEqual([managed.status, /managed subcloud can not be migrated/.test(managed.text)], [400, true], managed.text)
  const form = { 'management-state': 'unmanaged', migrate: 'true' }
  const given = await patch(bench, 'subcloud4', form)
  assert.deepEqual([given.json['management-state'], given.json['deploy-status']], ['unmanaged', 'rehome-pending'], given.text)
  assert.equal((await patch(bench, 'subcloud4', { migrate: 'true' })).status, 200, 'nothing to do any more')

  const { 'region-name': regionName } = (await bench.call('GET', '/v1.0/subclouds/subcloud3')).json
  for (let time = 1; time <= 2; time++) {
    const surrendered = await bench.asPeer('PATCH', `/v1.0/subclouds/${regionName}`, { form })
    assert.deepEqual(
      [surrendered.status, surrendered.json['management-state'], surrendered.json['deploy-status'], surrendered.json.peer_group_id],
      [200, 'unmanaged', 'rehome-pending', ours],
      surrendered.text,
    )
  }
  const statuses = await bench.call('GET', '/v1.0/subclouds/subcloud3')
  assert.deepEqual(
    new Set(statuses.json.endpoint_sync_status.map((each: { sync_status: string }) => each.sync_status)),
    new Set(['unknown']),
  )

  await bench.addReady(5)
  await bench.database.query.updateTable('subclouds').set({ deploy_status: 'config-failed' }).where('name', '=', 'subcloud5').execute()
  const wrong = await patch(bench, 'subcloud5', form)
  assert.deepEqual([wrong.status, /deploy status is complete/.test(wrong.text)], [400, true], wrong.text)
  assert.equal((await bench.asPeer('PATCH', '/v1.0/subclouds/subcloud5', { form })).json['deploy-status'], 'rehome-pending')
})

test('a member is not deleted and, on a standby, not configured; peers take their copies away', async (t) => {
  const bench = await geoBench(t, {
    waitForJob: async (id) => {
      await bench.database.query.updateTable('jobs').set({ state: 'done', exclusive_key: null }).where('id', '=', id).execute()
    },
  })
  await bench.addPeer()
  const group = await bench.addGroup('standby', standby)
  await addStandby(bench, 3)
  await bench.asPeer('PATCH', `/v1.0/subclouds/${region}`, { form: { peer_group: String(group) } })
  const refused = await bench.call('DELETE', '/v1.0/subclouds/subcloud3')
  assert.deepEqual([refused.status, /in a subcloud peer group: standby/.test(refused.text)], [400, true], refused.text)
  await bench.database.query.updateTable('subclouds').set({ deploy_status: 'complete' }).execute()
  const configured = await bench.call('PATCH', '/v1.0/phased-subcloud-deploy/subcloud3/configure', {
    form: { deploy_config: { fileName: 'config.yml', data: example('deploy-config') } },
  })
  assert.deepEqual([configured.status, /deploy configure is not allowed/.test(configured.text)], [400, true], configured.text)
  await bench.database.query.updateTable('subclouds').set({ management_state: 'managed' }).execute()
  assert.equal((await bench.asPeer('DELETE', '/v1.0/subclouds/subcloud3')).status, 422)
  await bench.database.query.updateTable('subclouds').set({ management_state: 'unmanaged', deploy_status: 'secondary' }).execute()
  // By name, never by region.
  const byRegion = await bench.asPeer('DELETE', `/v1.0/subclouds/${region}`)
  assert.deepEqual([byRegion.status, byRegion.json.description.startsWith('Subcloud not found')], [404, true])
  const removed = await bench.asPeer('DELETE', '/v1.0/subclouds/subcloud3')
  assert.deepEqual([removed.status, removed.text], [200, 'null'], removed.text)
})
