import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Fleet } from '../testing/fleet.ts'
import { bootstrapAddressOf, once, refused, show, untilAvailability, type Subject, type Subcloud } from './cloud.ts'
import { platformOf } from './deploy.ts'

const audited = ['dc-cert', 'firmware', 'kube-rootca', 'kubernetes', 'software']

const endpoints = (subcloud: Subcloud): Record<string, string> =>
  Object.fromEntries(subcloud.endpoint_sync_status.map((entry) => [entry.endpoint_type, entry.sync_status]))

const inSync = (fleet: Fleet, { name }: Subject): Promise<Subcloud> =>
  fleet.until(`everything that is audited of ${name} is in-sync`, async () => {
    const subcloud = await show(fleet, name)
    return audited.every((type) => endpoints(subcloud)[type] === 'in-sync') && subcloud
  })

/** Manage (reference dcmanager §4.6): then the audits look at everything that they own. */
export async function manage(fleet: Fleet, subject: Subject): Promise<void> {
  await untilAvailability(fleet, subject.name, 'online')
  const managed = await once(fleet, 'PATCH', `/v1.0/subclouds/${subject.name}`, { form: { 'management-state': 'managed' } }, [409, 422])
  assert.equal((managed.json as Subcloud)['management-state'], 'managed')
  const subcloud = await inSync(fleet, subject)
  assert.deepEqual([endpoints(subcloud)['identity'], endpoints(subcloud)['platform']], ['unknown', 'unknown'])
  await refused(fleet, subject, 'DELETE', `/v1.0/subclouds/${subject.name}`, {}, [400])
  await refused(fleet, subject, 'PATCH', `/v1.0/subclouds/${subject.name}`, { form: { name: 'elsewhere' } }, [400])

  const detail = await fleet.dcmanager.get<Record<string, unknown>>(`/v1.0/subclouds/${subject.name}/detail`)
  assert.deepEqual(
    [detail['oam_floating_ip'], detail['deploy_config_sync_status']],
    [bootstrapAddressOf(fleet, subject), 'Deployment: configurations up-to-date'],
  )
}

interface Alarm {
  readonly region_name: string
  readonly critical_alarms: number
  readonly major_alarms: number
  readonly minor_alarms: number
  readonly warnings: number
  readonly cloud_status: string
}

const alarmsOf = async (fleet: Fleet, { name }: Subject): Promise<Alarm | undefined> =>
  (await fleet.dcmanager.get<{ alarm_summary: Alarm[] }>('/v1.0/alarms/')).alarm_summary.find((alarm) => alarm.region_name === name)

/** An audit that does not take what the agent remembers, which is up to 30 s old (reference dcmanager §8.3, §8.7). */
async function auditNow(fleet: Fleet): Promise<void> {
  const answer = await fleet.dcmanager.send('POST', '/v1.0/notifications', { json: { events: ['platform-upgrade-completed'] } })
  assert.equal(answer.status, 200, answer.text)
}

/** What a subcloud raises is counted at the controller; what it clears is not. */
export async function alarms(fleet: Fleet, subject: Subject): Promise<void> {
  const platform = await platformOf(fleet, subject)
  const alarm = (n: number, severity: string) => ({
    alarm_id: '100.101',
    entity_instance_id: `host=controller-${n}`,
    severity,
    reason_text: 'Platform CPU threshold exceeded',
  })
  const raised = await platform.send('POST', '/v1/alarms/raise', {
    json: { alarms: [alarm(0, 'critical'), alarm(1, 'major'), alarm(2, 'warning'), alarm(3, 'warning')] },
  })
  assert.equal(raised.status, 200, raised.text)
  await auditNow(fleet)
  await fleet.until('the alarms are counted', async () => {
    const row = await alarmsOf(fleet, subject)
    assert.deepEqual(
      [row?.critical_alarms, row?.major_alarms, row?.minor_alarms, row?.warnings, row?.cloud_status],
      [1, 1, 0, 2, 'critical'],
    )
    return true
  })
  const keys = [0, 1, 2, 3].map((n) => ({ alarm_id: '100.101', entity_instance_id: `host=controller-${n}` }))
  assert.equal((await platform.send('POST', '/v1/alarms/clear', { json: { alarms: keys } })).status, 200)
  await auditNow(fleet)
  await fleet.until('the alarms are cleared', async () => (await alarmsOf(fleet, subject))?.cloud_status === 'OK')
}

/** What changes without a job: texts, group, name (reference dcmanager §1.7). */
export async function update(fleet: Fleet, subject: Subject, to: Subject, other: Subject): Promise<void> {
  const { dcmanager } = fleet
  const path = `/v1.0/subclouds/${subject.name}`
  const changed = await dcmanager.send('PATCH', path, { form: { description: 'the plant <b>', location: 'PT', group_id: 'north' } })
  const body = changed.json as Subcloud
  assert.deepEqual([changed.status, body['description'], body['location']], [200, 'the plant <b>', 'PT'], changed.text)
  const { subclouds } = await dcmanager.get<{ subclouds: Subcloud[] }>('/v1.0/subcloud-groups/north/subclouds')
  assert.deepEqual(
    subclouds.map(({ name }) => name),
    [subject.name],
  )
  assert.equal((await dcmanager.send('DELETE', '/v1.0/subcloud-groups/north')).status, 400, 'a group with members stays')
  const invalid: Record<string, string>[] = [
    { group_id: 'nobody' },
    { name: 'Not_Valid' },
    { 'management-state': 'gone' },
    { force: 'true' },
    { unheard: 'of' },
  ]
  for (const form of invalid) await refused(fleet, subject, 'PATCH', path, { form }, [400])
  for (const json of [{ endpoint: 'software', status: 'in-sync' }, { endpoint: 'dc-cert', status: 'fine' }, {}])
    await refused(fleet, subject, 'PATCH', `${path}/update_status`, { json }, [400])
  const status = await dcmanager.send('PATCH', `${path}/update_status`, { json: { endpoint: 'dc-cert', status: 'out-of-sync' } })
  assert.deepEqual([status.status, status.json], [200, { result: 'OK' }])

  const { id } = body
  const renamed = await once(fleet, 'PATCH', `/v1.0/subclouds/${id}`, { form: { name: to.name } })
  assert.equal((renamed.json as Subcloud).name, to.name)
  assert.equal((await dcmanager.send('GET', path)).status, 404)
  assert.equal((await show(fleet, to.name)).id, id)
  const taken = await dcmanager.send('PATCH', `/v1.0/subclouds/${id}`, { form: { name: other.name } })
  assert.equal(taken.status, 422, taken.text)
  assert.equal((await dcmanager.send('PATCH', `/v1.0/subclouds/${id}`, { form: { group_id: '1' } })).status, 200)
  assert.equal((await dcmanager.send('DELETE', '/v1.0/subcloud-groups/north')).text, 'null')
}

/** A site that dies is offline after two failed audits, and nothing is claimed to be known of it; it comes back by itself. */
export async function goneAndBack(fleet: Fleet, subject: Subject): Promise<void> {
  await fleet.killSite(subject.name)
  const offline = await untilAvailability(fleet, subject.name, 'offline')
  assert.deepEqual(new Set(Object.values(endpoints(offline))), new Set(['unknown']))
  assert.equal((await alarmsOf(fleet, subject))?.cloud_status, 'disabled')
  await fleet.startSite(subject.name)
  await untilAvailability(fleet, subject.name, 'online')
  await inSync(fleet, subject)
}

/** Unmanaged and offline (reference dcmanager §1.7 DELETE); nothing of it stays at the controller. */
export async function remove(fleet: Fleet, subject: Subject): Promise<void> {
  const { dcmanager } = fleet
  const path = `/v1.0/subclouds/${subject.name}`
  const { id, 'management-state': state } = await show(fleet, subject.name)
  if (state === 'managed') {
    const unmanaged = await once(fleet, 'PATCH', path, { form: { 'management-state': 'unmanaged' } }, [409, 422])
    assert.equal((unmanaged.json as Subcloud)['management-state'], 'unmanaged')
    const known = Object.entries(endpoints(await show(fleet, subject.name))).filter(([, status]) => status !== 'unknown')
    assert.deepEqual(known, [['dc-cert', 'in-sync']])
  }
  await refused(fleet, subject, 'DELETE', path, {}, [422])
  await fleet.killSite(subject.name)
  await untilAvailability(fleet, subject.name, 'offline')
  const vault = join(fleet.varFolder, 'vault/subclouds', String(id))
  assert.ok(existsSync(vault))
  const removed = await once(fleet, 'DELETE', path, {}, [404, 409])
  assert.equal(removed.text, 'null')
  for (const gone of [path, `/v1.0/subclouds/${id}`, `${path}/operations`])
    assert.equal((await dcmanager.send('GET', gone)).status, 404, gone)
  // A manager that is killed between the record and the files leaves them to the next one.
  await fleet.until('its certificate and passwords are gone', async () => !existsSync(vault))
  assert.equal(await alarmsOf(fleet, subject), undefined)
}
