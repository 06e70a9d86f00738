import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestSite, type TestSite } from '../testing/site.ts'

let site: TestSite
before(async () => {
  site = await startTestSite()
})
after(() => site.stop())

const audit = (body: unknown, role: string | undefined = 'service') => site.call('dcagent', role, 'PATCH', '/v1/dcaudit', body)

test('a new site is online and in sync with a controller of its release', async () => {
  const { status, body } = await audit({
    base_audit: '',
    firmware_audit: [],
    kubernetes_audit: 'v1.29.2',
    kube_rootca_audit: true,
    software_audit: { deployed_release_ids: ['starlingx-26.09.0'] },
  })
  assert.equal(status, 200)
  assert.deepEqual(body, {
    base_audit: {
      availability: 'online',
      inactive_sg: [],
      alarms: { critical_alarms: 0, major_alarms: 0, minor_alarms: 0, warnings: 0, cloud_status: 'OK' },
    },
    firmware_audit: 'in-sync',
    kubernetes_audit: 'in-sync',
    kube_rootca_audit: 'in-sync',
    software_audit: { sync_status: 'in-sync', software_version: '26.09' },
  })
})

test('answers from its cache unless told otherwise', async () => {
  await audit({ base_audit: '' })
  await site.call('platform', 'admin', 'POST', '/v1/alarms', {
    alarm_id: '500.210',
    entity_instance_id: 'system.certificate.kubernetes-root-ca',
    severity: 'critical',
    reason_text: 'expired',
  })
  assert.deepEqual((await audit({ kube_rootca_audit: true })).body, { kube_rootca_audit: 'in-sync' })
  const forced = await audit({ base_audit: '', kube_rootca_audit: true, use_cache: false })
  assert.equal(forced.body.kube_rootca_audit, 'out-of-sync')
  assert.equal(forced.body.base_audit.alarms.cloud_status, 'critical')
  assert.deepEqual((await audit({ kube_rootca_audit: true })).body, { kube_rootca_audit: 'out-of-sync' })
})

test('a service group that is active nowhere makes the site offline', async () => {
  const { body } = await site.call('platform', 'reader', 'GET', '/v1/sm_servicegroup')
  const [group] = body.sm_servicegroup
  const patch = (state: string) =>
    site.call('platform', 'admin', 'PATCH', `/v1/sm_servicegroup/${group.uuid}`, [{ op: 'replace', path: '/state', value: state }])
  assert.equal((await patch('disabled')).status, 200)
  const { base_audit } = (await audit({ base_audit: '', use_cache: false })).body
  assert.deepEqual([base_audit.availability, base_audit.inactive_sg], ['offline', [group.name]])
  await patch('active')
  assert.equal((await audit({ base_audit: '', use_cache: false })).body.base_audit.availability, 'online')
})

for (const [what, body] of [
  ['an unknown audit', { base_audit: '', load_audit: true }],
  ['a wrong type', { kubernetes_audit: 7 }],
  ['no object', []],
  ['a flood of images', { firmware_audit: Array.from({ length: 1_001 }, () => ({})) }],
  ['a false root CA audit', { kube_rootca_audit: false }],
] as const) {
  test(`answers 400 to ${what}`, async () => assert.equal((await audit(body)).status, 400))
}

test('names the unknown audit', async () => {
  assert.match(JSON.stringify((await audit({ load_audit: true })).body), /load_audit/)
})

test('wants a token of a service or an admin', async () => {
  assert.equal((await site.call('dcagent', undefined, 'PATCH', '/v1/dcaudit', { base_audit: '' })).status, 401)
  assert.equal((await audit({ base_audit: '' }, 'reader')).status, 403)
})

test('an internal failure is a 500 for the whole request, without its inner reason', async () => {
  const broken = await startTestSite()
  await broken.loseDatabase()
  const { status, body } = await broken.call('dcagent', 'service', 'PATCH', '/v1/dcaudit', { base_audit: '' })
  assert.ok(status === 500 || status === 503, String(status))
  assert.doesNotMatch(JSON.stringify(body), /select|sqlite|at .*\.ts/i)
  await broken.stop()
})
