import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { testEngine, testEngines, whyAbsent } from '@murmuration/data/testing'
import { createAuthority } from '@murmuration/trust'
import { dcagentPolicies, platformPolicies } from '../policies.ts'
import { startTestSite, type TestSite } from '../testing/site.ts'

let site: TestSite
const get = (path: string, role = 'reader') => site.call('platform', role, 'GET', path)
const send = (method: string, path: string, body?: unknown, role = 'admin') => site.call('platform', role, method, path, body)
const replace = (path: string, value: unknown) => [{ op: 'replace', path, value }]
const systemUuid = async (): Promise<string> => (await get('/v1/isystems')).body.isystems[0].uuid

for (const engine of testEngines) {
  void describe(`platform API on ${engine}`, { skip: whyAbsent(engine) }, () => {
    const leftovers: (() => Promise<void>)[] = []
    beforeEach(async () => {
      const dataUrl = await testEngine(engine, (remove) => void leftovers.push(remove)).freshUrl()
      site = await startTestSite({ dataUrl })
    })
    afterEach(async () => {
      await site.stop()
      for (const remove of leftovers.splice(0).reverse()) await remove()
    })
    suite()
  })
}

function suite(): void {
  test('tells what the site is', async () => {
    const { status, body } = await get('/v1/isystems')
    const [system] = body.isystems
    assert.equal(status, 200)
    assert.match(system.uuid, /^[0-9a-f-]{36}$/)
    assert.equal(system.name, 'edge-1')
    assert.equal(system.region_name, '5d3a2f0b6a0c4b0f9c3c8a1be7f6d201')
    assert.equal(system.software_version, '26.09')
    assert.equal(system.system_mode, 'simplex')
    assert.equal(system.distributed_cloud_role, 'subcloud')
    assert.deepEqual((await get(`/v1/isystems/${system.uuid}`)).body, system)
    assert.equal((await get('/v1/isystems/00000000-0000-4000-8000-000000000000')).status, 404)
  })

  test('tells its region to anybody, and nothing else', async () => {
    assert.deepEqual((await site.call('platform', undefined, 'GET', '/v1/isystems/region_id')).body, {
      region_id: '5d3a2f0b6a0c4b0f9c3c8a1be7f6d201',
      region_name: '5d3a2f0b6a0c4b0f9c3c8a1be7f6d201',
    })
    assert.equal((await site.call('platform', undefined, 'GET', '/v1/isystems')).status, 401)
  })

  test('changes name, description, location and contact of the system', async () => {
    const uuid = await systemUuid()
    const changed = await send('PATCH', `/v1/isystems/${uuid}`, [
      ...replace('/location', 'Porto'),
      ...replace('/contact', 'ops@example.org'),
    ])
    assert.equal(changed.status, 200)
    assert.equal(changed.body.location, 'Porto')
    assert.equal((await send('PATCH', `/v1/isystems/${uuid}`, replace('/location', ''))).body.location, null)
    for (const [patch, said] of [
      [replace('/uuid', 'x'), /can not be changed.*name, description, location, contact/],
      [replace('/__proto__', {}), /can not be changed/],
      [replace('/name', 'turn\u202earound'), /printable/],
      [replace('/name', 7), /printable/],
      [{ name: 'x' }, /array|list/i],
      [[], /./],
    ] as const) {
      const { status, body } = await send('PATCH', `/v1/isystems/${uuid}`, patch)
      assert.equal(status, 400, JSON.stringify(patch))
      assert.match(JSON.stringify(body), said)
    }
    assert.equal((await get('/v1/isystems')).body.isystems[0].name, 'edge-1')
  })

  test('a host is added locked, found by name, and only leaves when it is locked', async () => {
    const added = await send('POST', '/v1/ihosts', { hostname: 'worker-0', personality: 'worker' })
    assert.equal(added.status, 201)
    assert.equal(added.body.administrative, 'locked')
    assert.equal((await send('POST', '/v1/ihosts', { hostname: 'worker-0', personality: 'worker' })).status, 409)
    assert.equal((await send('POST', '/v1/ihosts', { hostname: 'Worker 0', personality: 'worker' })).status, 400)
    assert.equal((await get('/v1/ihosts/worker-0')).body.uuid, added.body.uuid)
    assert.equal((await send('PATCH', '/v1/ihosts/worker-0', replace('/administrative', 'unlocked'))).body.administrative, 'unlocked')
    assert.equal((await send('DELETE', '/v1/ihosts/worker-0')).status, 409)
    assert.equal((await send('PATCH', '/v1/ihosts/worker-0', replace('/administrative', 'locked'))).status, 200)
    assert.equal((await send('DELETE', '/v1/ihosts/worker-0')).status, 204)
    assert.deepEqual(
      (await get('/v1/ihosts')).body.ihosts.map((host: { hostname: string }) => host.hostname),
      ['controller-0'],
    )
  })

  test('shows its networks as they are configured', async () => {
    const [pool] = (await get('/v1/addrpools')).body.addrpools
    assert.deepEqual(pool.ranges, [['127.0.0.7', '127.0.0.254']])
    assert.equal(pool.floating_address, '127.0.0.7')
    assert.equal((await get('/v1/iextoam')).body.iextoams[0].oam_floating_ip, '127.0.0.7')
    for (const list of ['networks', 'addresses', 'iinterfaces', 'interface_networks']) {
      const [first] = (await get(`/v1/${list}`)).body[list]
      assert.deepEqual((await get(`/v1/${list}/${first.uuid}`)).body, first, list)
    }
  })

  test('raising an alarm twice is raising it once', async () => {
    const alarm = { alarm_id: '260.002', entity_instance_id: 'host=x', severity: 'major', reason_text: 'out of date' }
    const first = await send('POST', '/v1/alarms', alarm)
    const again = await send('POST', '/v1/alarms', { ...alarm, severity: 'critical', reason_text: '<script>' })
    assert.equal(first.status, 201)
    assert.equal(again.body.uuid, first.body.uuid)
    assert.equal(again.body.timestamp, first.body.timestamp)
    const { body } = await get('/v1/alarms?alarm_id=260.002')
    assert.equal(body.alarms.length, 1)
    assert.equal(body.alarms[0].severity, 'critical')
    const summary = await get('/v1/alarms/summary')
    assert.deepEqual(summary.body, { critical: 1, major: 0, minor: 0, warnings: 0, status: 'critical', system_uuid: await systemUuid() })
    assert.equal((await send('DELETE', '/v1/alarms')).status, 400)
    assert.equal((await send('DELETE', '/v1/alarms?alarm_id=260.002&entity_instance_id=host%3Dx')).status, 204)
    assert.equal((await send('DELETE', '/v1/alarms?alarm_id=260.002&entity_instance_id=host%3Dx')).status, 204)
    assert.equal((await send('DELETE', `/v1/alarms/${first.body.uuid}`)).status, 404)
  })

  test('alarms by the thousand: raised, paged and cleared in sets', async () => {
    const alarms = Array.from({ length: 250 }, (_, n) => ({
      alarm_id: '280.001',
      entity_instance_id: `subcloud=s${n}`,
      severity: 'minor',
      reason_text: 'x',
    }))
    assert.deepEqual((await send('POST', '/v1/alarms/raise', { alarms })).body, { raised: 250 })
    assert.deepEqual((await send('POST', '/v1/alarms/raise', { alarms })).body, { raised: 250 })
    const seen = new Set<string>()
    let path: string | undefined = '/v1/alarms?limit=100&alarm_id=280.001'
    let pages = 0
    while (path !== undefined) {
      const { body }: { body: { alarms: { uuid: string }[]; next?: string } } = await get(path)
      for (const alarm of body.alarms) seen.add(alarm.uuid)
      path = body.next
      pages += 1
    }
    assert.deepEqual([seen.size, pages], [250, 3])
    const keys = alarms.map(({ alarm_id, entity_instance_id }) => ({ alarm_id, entity_instance_id }))
    assert.deepEqual(
      (await send('POST', '/v1/alarms/clear', { alarms: [...keys, { alarm_id: '280.001', entity_instance_id: 'none' }] })).body,
      { cleared: 250 },
    )
    for (const query of ['limit=0', 'limit=-1', 'limit=1000000', 'marker=forged&limit=1', 'sort=x', 'alarm_id=(a%2B)%2B%24']) {
      assert.equal((await get(`/v1/alarms?${query}`)).status, 400, query)
    }
  })

  test('releases: the software version follows from what is deployed', async () => {
    assert.deepEqual(
      (await get('/v1/release')).body.map((release: { release_id: string; state: string }) => [release.release_id, release.state]),
      [['starlingx-26.09.0', 'deployed']],
    )
    assert.equal((await send('PATCH', '/v1/release/starlingx-26.09.0', { state: 'available' })).status, 409, 'the only deployed one')
    assert.equal((await send('POST', '/v1/release', { release_id: 'starlingx-27.03.0' })).status, 201)
    assert.equal((await send('POST', '/v1/release', { release_id: 'starlingx-27.03.0' })).status, 409)
    const wrong = await send('PATCH', '/v1/release/starlingx-27.03.0', { state: 'committed' })
    assert.equal(wrong.status, 409)
    assert.match(JSON.stringify(wrong.body), /deploying, deployed, unavailable/)
    assert.equal((await send('PATCH', '/v1/release/starlingx-27.03.0', { state: 'deployed' })).status, 200)
    assert.equal((await get('/v1/isystems')).body.isystems[0].software_version, '27.03')
    assert.equal((await send('DELETE', '/v1/release/starlingx-27.03.0')).status, 409)
    assert.equal((await send('PATCH', '/v1/release/starlingx-27.03.0', { state: 'unavailable' })).status, 200)
    assert.equal((await send('DELETE', '/v1/release/starlingx-27.03.0')).status, 204)
  })

  test('a Kubernetes upgrade: one at a time, the end of it makes its version active', async () => {
    assert.equal((await send('POST', '/v1/kube_upgrade', { to_version: 'v9.9.9' })).status, 400)
    const started = await Promise.all([1, 2].map(() => send('POST', '/v1/kube_upgrade', { to_version: 'v1.30.6' })))
    assert.deepEqual(
      started.map(({ status }) => status).sort((a, b) => a - b),
      [200, 409],
    )
    assert.equal((await send('PATCH', '/v1/kube_upgrade', replace('/state', 'upgrade-complete'))).status, 409)
    for (const state of ['downloaded-images', 'upgraded-networking', 'upgraded-first-master', 'upgrading-kubelets', 'upgrade-complete']) {
      assert.equal((await send('PATCH', '/v1/kube_upgrade', replace('/state', state))).body.state, state)
    }
    assert.equal((await get('/v1/kube_versions/v1.30.6')).body.state, 'active')
    assert.equal((await get('/v1/kube_versions/v1.29.2')).body.state, 'unavailable')
    assert.equal((await send('DELETE', '/v1/kube_upgrade')).status, 204)
    assert.equal((await send('DELETE', '/v1/kube_upgrade')).status, 404)
  })

  test('certificates: listed with their end, installed from PEM, never with a key', async () => {
    const { world, config } = site.site
    const authority = await createAuthority(world, `${config.varFolder}/ca`, 'test authority')
    await world.files.write(config.tls.caFile, authority.certificate)
    const issued = await authority.issue({ commonName: 'x', addresses: ['127.0.0.7'], usage: 'server', lifetimeMs: 60_000 })
    const [own] = (await get('/v1/certificate')).body.certificates
    assert.equal(own.certtype, 'ssl_ca')
    assert.equal(own.is_ca, true)
    assert.equal((await send('DELETE', `/v1/certificate/${own.uuid}`)).status, 409)
    const install = (file: string) => send('POST', '/v1/certificate/certificate_install', { mode: 'ssl_ca', file })
    const installed = await install(issued.certificate)
    assert.equal(installed.status, 200)
    assert.match(installed.body.certificates[0].expiry_date, /^\d{4}-.*\+00:00$/)
    assert.equal((await install(issued.certificate)).status, 409)
    const withKey = await install(`${issued.certificate}${issued.privateKey}`)
    assert.equal(withKey.status, 400)
    assert.match(JSON.stringify(withKey.body), /private key/)
    assert.equal((await install('nothing')).status, 400)
    assert.equal((await install('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----')).status, 400)
    assert.equal((await send('DELETE', `/v1/certificate/${installed.body.certificates[0].uuid}`)).status, 200)
  })

  test('device images: applied with labels, reported by hosts', async () => {
    const [host] = (await get('/v1/ihosts')).body.ihosts
    const device = await send('POST', '/v1/pci_devices', { host_uuid: host.uuid, name: 'fpga0', pvendor_id: '8086', pdevice_id: '0b30' })
    assert.equal(device.status, 201)
    assert.equal(
      (await send('POST', '/v1/pci_devices', { host_uuid: host.uuid, name: 'fpga0', pvendor_id: '8086', pdevice_id: '0b30' })).status,
      409,
    )
    const image = await send('POST', '/v1/device_images', {
      bitstream_type: 'functional',
      pci_vendor: '8086',
      pci_device: '0b30',
      bitstream_id: '0x1',
    })
    const applied = await send('PATCH', `/v1/device_images/${image.body.uuid}?action=apply`, { rack: 'r1' })
    assert.deepEqual([applied.body.applied, applied.body.applied_labels], [true, { rack: 'r1' }])
    assert.equal((await send('DELETE', `/v1/device_images/${image.body.uuid}`)).status, 409)
    const report = { device_uuid: device.body.uuid, image_uuid: image.body.uuid, status: 'completed' }
    assert.equal((await send('POST', '/v1/device_image_state', report)).status, 204)
    assert.equal((await send('POST', '/v1/device_image_state', { ...report, image_uuid: device.body.uuid })).status, 404)
    assert.equal((await get('/v1/device_image_state')).body.device_image_state[0].status, 'completed')
    assert.equal((await send('PATCH', `/v1/device_images/${image.body.uuid}?action=remove`)).body.applied, false)
    assert.equal((await send('DELETE', `/v1/device_images/${image.body.uuid}`)).status, 204)
    assert.equal((await send('DELETE', `/v1/pci_devices/${device.body.uuid}`)).status, 204)
  })

  test('every operation × role: readers read, only those named change', async () => {
    const changers = { 'platform_api:alarms:modify': ['service'], 'platform_api:devices:modify': ['service'] } as Record<string, string[]>
    for (const { name, operations } of [...platformPolicies, ...dcagentPolicies]) {
      const allowed = name.endsWith(':get')
        ? ['admin', 'configurator', 'operator', 'reader']
        : name === 'dcagent_api:dcaudit'
          ? ['admin', 'service']
          : ['admin', 'configurator', ...(changers[name] ?? [])]
      for (const { method, path } of operations) {
        const app = name.startsWith('dcagent') ? 'dcagent' : 'platform'
        const url = path.replace(/\{\w+\}/, '00000000-0000-4000-8000-000000000000')
        assert.equal((await site.call(app, undefined, method, url)).status, 401, `${method} ${path} without token`)
        for (const role of ['admin', 'configurator', 'operator', 'reader', 'service', 'member', 'stranger']) {
          // An unknown member makes every change fail after the policy, so that nothing changes.
          const { status } = await site.call(app, role, method, url, method === 'GET' ? undefined : { nonsense: 1 })
          const expected = allowed.includes(role)
          assert.equal(status !== 403, expected, `${method} ${path} as ${role}: ${status}`)
          assert.ok(status < 500, `${method} ${path} as ${role}: ${status}`)
          assert.notEqual(status, 405, `${method} ${path} exists`)
        }
      }
    }
  })
}
