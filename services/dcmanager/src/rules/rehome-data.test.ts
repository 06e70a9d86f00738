import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rehomeDataForPeer, savedPayload, shownRehomeData } from './rehome-data.ts'

const values = {
  name: 'edge-porto',
  systemcontroller_gateway_address: '203.0.113.1',
  admin_password: 'S3cret-a',
  sysadmin_password: 'S3cret-b',
  bmc_password: 'S3cret-c',
  docker_registries: {
    'docker.io': { url: 'registry.local', username: 'u', password: 'S3cret-d' },
    mirror: { url: 'https://u:S3cret-e@r/' },
  },
  additional: [{ api_token: 'S3cret-f' }, { ssl_ca_cert: '-----BEGIN' }, '-----BEGIN PRIVATE KEY-----S3cret-g'],
  dns_servers: ['192.0.2.53'],
}

test('rehome data: values and address; passwords of one deployment are no part of it', () => {
  const payload = savedPayload(values, '192.0.2.77')!
  assert.equal(payload['bootstrap-address'], '192.0.2.77')
  assert.deepEqual([payload['sysadmin_password'], payload['bmc_password']], [undefined, undefined])
  assert.equal(savedPayload(values, null), undefined)
})

test('for a peer it is whole, with admin_password as peers spell it; for others nothing in it is a secret', () => {
  const payload = savedPayload(values, '192.0.2.77')!
  const whole = JSON.parse(rehomeDataForPeer(payload)).saved_payload
  assert.equal(Buffer.from(whole.admin_password, 'base64').toString(), 'S3cret-a')
  assert.equal(whole.docker_registries['docker.io'].password, 'S3cret-d')
  const shown = shownRehomeData(payload)
  assert.doesNotMatch(shown, /S3cret/)
  const { saved_payload: read } = JSON.parse(shown)
  assert.deepEqual(
    [read.name, read.systemcontroller_gateway_address, read.dns_servers, read.docker_registries['docker.io'].url, read.admin_password],
    ['edge-porto', '203.0.113.1', ['192.0.2.53'], 'registry.local', '***'],
  )
})
