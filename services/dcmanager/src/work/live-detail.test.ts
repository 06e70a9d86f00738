import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeSite } from '../testing/fake-site.ts'
import { configStatusOf, readLiveDetail, unknownDetail } from './live-detail.ts'

test('a subcloud that can not be asked is unknown, not an error', async (t) => {
  const { site } = await fakeSite(t)
  assert.deepEqual(await readLiveDetail(site, { management_start_ip: '127.0.99.2' }), unknownDetail)
  for (const file of [site.config.tls.caFile, site.config.tls.certFile, site.config.tls.keyFile])
    await site.world.files.write(file, 'not a certificate')
  await site.world.files.write(site.config.identity.servicePasswordFile, 'x\n')
  assert.deepEqual(await readLiveDetail(site, { management_start_ip: '127.0.99.2' }), unknownDetail)
})

test('only the alarm of the deployment manager on its own entity means out-of-date', () => {
  const alarm = (alarmId: string, entityInstanceId: string) => [{ alarmId, entityInstanceId }]
  assert.match(configStatusOf(alarm('260.002', 'resource=host.starlingx.windriver.com,name=controller-0')), /out-of-date/)
  assert.match(configStatusOf(alarm('260.002', 'resource=system')), /up-to-date/)
  assert.match(configStatusOf(alarm('100.101', 'host.starlingx.windriver.com')), /up-to-date/)
  assert.match(configStatusOf([]), /up-to-date/)
})
