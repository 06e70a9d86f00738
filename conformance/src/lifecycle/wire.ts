import assert from 'node:assert/strict'
import { exchange } from '../testing/client.ts'
import type { Fleet } from '../testing/fleet.ts'
import { show, type Subject } from './cloud.ts'

/** Reference dcmanager §1.5: always there, in this order; §11.1 names what the stock client fails without. */
const subcloudKeys = [
  'id',
  'name',
  'description',
  'location',
  'software-version',
  'management-state',
  'availability-status',
  'deploy-status',
  'backup-status',
  'backup-datetime',
  'error-description',
  'region-name',
  'management-subnet',
  'management-start-ip',
  'management-end-ip',
  'management-gateway-ip',
  'openstack-installed',
  'prestage-status',
  'prestage-versions',
  'systemcontroller-gateway-ip',
  'data_install',
  'data_upgrade',
  'created-at',
  'updated-at',
  'group_id',
  'peer_group_id',
  'rehome_data',
]
const endpointTypes = ['platform', 'identity', 'dc-cert', 'firmware', 'kubernetes', 'kube-rootca', 'software']
const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/

/** What does not need a subcloud (reference dcmanager §1.1–§1.3). */
export async function checkTransport(fleet: Fleet): Promise<void> {
  const { dcmanager } = fleet
  const versions = await exchange({ url: `${dcmanager.base}/` })
  assert.equal(versions.status, 200)
  const [version] = (versions.json as { versions: { id: string; status: string; links: { href: string }[] }[] }).versions
  assert.deepEqual([version!.id, version!.status, version!.links[0]!.href], ['v1.0', 'CURRENT', `${dcmanager.base}/v1.0/`])

  assert.equal((await exchange({ url: `${dcmanager.base}/v1.0/subclouds` })).status, 401)
  for (const path of ['/v1.0/subclouds', '/v1.0/subclouds/', '/v1.0/subcloud-groups/', '/v1.0/alarms/']) {
    const answer = await dcmanager.send('GET', path)
    assert.equal(answer.status, 200, path)
    assert.match(String(answer.headers['x-openstack-request-id']), /^req-[0-9a-f-]{36}$/)
  }
  for (const path of ['/v1.0', '/v1.0/nothing', '/v2.0/subclouds']) assert.equal((await dcmanager.send('GET', path)).status, 404, path)

  const page = await dcmanager.send('GET', '/v1.0/subclouds/nobody', { headers: { accept: '*/*' } })
  assert.equal(page.status, 404)
  assert.match(String(page.headers['content-type']), /^text\/html/)
  assert.match(page.text, /404 Not Found[^]*Subcloud not found/)
  const fault = await dcmanager.send('GET', '/v1.0/subclouds/nobody')
  const { code, title, description } = fault.json as Record<string, unknown>
  assert.deepEqual([fault.status, code, title, description], [404, 404, 'Not Found', 'Subcloud not found'])

  const events = { json: { events: ['platform-upgrade-completed', 'of another age'] } }
  const notified = await dcmanager.send('POST', '/v1.0/notifications', events)
  assert.deepEqual([notified.status, notified.text], [200, 'null'])
  assert.equal((await dcmanager.send('POST', '/v1.0/notifications', { json: {} })).status, 400)
}

/** What this product adds stands under a name of its own, which clients of the original pass over. */
const keysOf = (body: object): string[] => Object.keys(body).filter((key) => !key.startsWith('murmuration-'))

/** Every key that a client reads, of a subcloud that is there (reference dcmanager §1.5, §1.16, §11.1). */
export async function checkSubcloudOnWire(fleet: Fleet, subject: Subject): Promise<void> {
  const { dcmanager } = fleet
  const one = await show(fleet, subject.name)
  assert.deepEqual(keysOf(one), [...subcloudKeys, 'endpoint_sync_status'])
  assert.deepEqual(one.endpoint_sync_status.map((entry) => entry.endpoint_type).toSorted(), endpointTypes.toSorted())
  assert.match(one['region-name'], /^[0-9a-f]{32}$/)
  assert.match(String(one['created-at']), timestamp)
  assert.equal((await show(fleet, one.id)).name, subject.name, 'by id as by name')

  const { subclouds } = await dcmanager.get<{ subclouds: Record<string, unknown>[] }>('/v1.0/subclouds/')
  const listed = subclouds.find((subcloud) => subcloud['name'] === subject.name)!
  assert.deepEqual(keysOf(listed), [...subcloudKeys, 'sync_status', 'endpoint_sync_status'])

  const detail = await dcmanager.get<Record<string, unknown>>(`/v1.0/subclouds/${subject.name}/detail`)
  assert.deepEqual(keysOf(detail), [...subcloudKeys, 'endpoint_sync_status', 'oam_floating_ip', 'deploy_config_sync_status', 'region_name'])
  assert.equal(detail['region_name'], one['region-name'])

  for (const verb of ['restore', 'reconfigure', 'reinstall']) {
    assert.equal((await dcmanager.send('PATCH', `/v1.0/subclouds/${subject.name}/${verb}`, { form: { x: 'y' } })).status, 410, verb)
    assert.equal((await dcmanager.send('PATCH', `/v1.0/subclouds/nobody/${verb}`, { form: { x: 'y' } })).status, 404, verb)
  }
  // As cert-mon asks: by region, and it wants the region as the name.
  const certMonitor = await dcmanager.send('GET', `/v1.0/subclouds/${one['region-name']}`, { headers: { 'user-agent': 'cert-mon/1.0' } })
  assert.equal(certMonitor.status, 200)
  assert.equal((await dcmanager.send('GET', `/v1.0/subclouds/${one['region-name']}`)).status, 404)
  // Names bound from the query, as the published document of the original has it.
  assert.equal((await dcmanager.get<Record<string, unknown>>(`/v1.0/subclouds?subcloud_ref=${one.id}`))['name'], subject.name)
}
