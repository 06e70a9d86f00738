import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SiteAnswerRefused } from './answer.ts'
import type { KeystoneSession } from './keystone-session.ts'
import { createPlatformClient } from './platform.ts'
import { openTestNet, reply, type Handler, type TestNet } from './testing/servers.ts'

async function openPlatform(net: TestNet, answers: Readonly<Record<string, unknown>>) {
  const handle: Handler = (request, response) => {
    const body = answers[request.url ?? '']
    return body === undefined ? reply(response, 404, {}) : reply(response, 200, body)
  }
  const server = await net.plain(handle)
  let invalidated = 0
  const session: KeystoneSession = {
    token: async () => `token-${invalidated}`,
    invalidate: () => void (invalidated += 1),
    endpointUrl: async () => undefined,
  }
  return { server, client: createPlatformClient(net.world, { baseUrl: `http://127.0.0.1:${server.port}/v1/`, session }) }
}

const uuid = '6d5f0b1c-3f43-4c0b-9b7e-0a8e6c9f1d22'

test('reads what dcmanager needs of a site', async () => {
  await using net = await openTestNet()
  const { client } = await openPlatform(net, {
    '/v1/isystems': {
      isystems: [{ uuid, name: 'north', region_name: 'RegionOne', software_version: '26.09', system_mode: 'duplex', links: [] }],
    },
    '/v1/iextoam': { iextoams: [{ oam_floating_ip: '10.0.0.2' }] },
    '/v1/addrpools': {
      addrpools: [
        { name: 'oam' },
        {
          name: 'management',
          network: '10.8.0.0',
          prefix: 24,
          ranges: [['10.8.0.2', '10.8.0.50']],
          gateway_address: '10.8.0.1',
          floating_address: '10.8.0.2',
        },
      ],
    },
    '/v1/release': [{ release_id: 'starlingx-26.09.0', sw_version: '26.09.0', state: 'deployed' }],
    '/v1/kube_versions': {
      kube_versions: [
        { version: 'v1.28.4', state: 'unavailable' },
        { version: 'v1.29.2', state: 'active' },
      ],
    },
    '/v1/device_images': {
      device_images: [
        {
          uuid,
          bitstream_type: 'functional',
          pci_vendor: '8086',
          pci_device: '0b30',
          bitstream_id: '0x1',
          key_signature: null,
          applied: true,
          applied_labels: { a: 'b' },
        },
        { uuid, applied: false },
      ],
    },
  })
  assert.deepEqual(await client.system(), { uuid, name: 'north', regionName: 'RegionOne', softwareVersion: '26.09', systemMode: 'duplex' })
  assert.equal(await client.oamFloatingIp(), '10.0.0.2')
  assert.deepEqual(await client.managementNetwork(), {
    subnet: '10.8.0.0/24',
    start: '10.8.0.2',
    end: '10.8.0.50',
    gateway: '10.8.0.1',
    floating: '10.8.0.2',
  })
  assert.deepEqual(await client.releases(), [{ releaseId: 'starlingx-26.09.0', softwareVersion: '26.09.0', state: 'deployed' }])
  assert.equal(await client.kubernetesVersion(), 'v1.29.2')
  assert.deepEqual(await client.appliedDeviceImages(), [
    { bitstream_type: 'functional', pci_vendor: '8086', pci_device: '0b30', bitstream_id: '0x1', applied_labels: { a: 'b' } },
  ])
})

test('alarms page by page; of a link only the marker counts', async () => {
  await using net = await openTestNet()
  const alarm = (n: number) => ({ alarm_id: '260.002', entity_instance_id: `e${n}`, severity: 'major', reason_text: '<script>' })
  const { client, server } = await openPlatform(net, {
    '/v1/alarms?limit=1000': { alarms: [alarm(1)], next: 'http://evil.example/v1/alarms?limit=1&marker=m%2F1' },
    '/v1/alarms?limit=1000&marker=m%2F1': { alarms: [alarm(2)] },
  })
  assert.deepEqual(
    (await client.alarms()).map(({ entityInstanceId }) => entityInstanceId),
    ['e1', 'e2'],
  )
  assert.equal(server.requests.length, 2)
})

test('a 401 is tried once more with a new token', async () => {
  await using net = await openTestNet()
  const { client, server } = await openPlatform(net, {})
  server.handle = (request, response) =>
    request.headers['x-auth-token'] === 'token-1'
      ? reply(response, 200, { iextoams: [{ oam_floating_ip: 'fd00::2' }] })
      : reply(response, 401)
  assert.equal(await client.oamFloatingIp(), 'fd00::2')
  assert.equal(server.requests.length, 2)
})

for (const [what, ask, path, body] of [
  ['no system', 'system', '/v1/isystems', { isystems: [] }],
  ['a system without uuid', 'system', '/v1/isystems', { isystems: [{ name: 'x' }] }],
  ['an address that is none', 'oamFloatingIp', '/v1/iextoam', { iextoams: [{ oam_floating_ip: 'evil.example' }] }],
  ['no management pool', 'managementNetwork', '/v1/addrpools', { addrpools: [{ name: 'oam' }] }],
  ['half a range', 'managementNetwork', '/v1/addrpools', { addrpools: [{ name: 'management', ranges: [['10.0.0.1']] }] }],
  ['no list', 'releases', '/v1/release', { releases: [] }],
  ['no active version', 'kubernetesVersion', '/v1/kube_versions', { kube_versions: [{ version: 'v1', state: 'available' }] }],
  [
    'an unknown severity',
    'alarms',
    '/v1/alarms?limit=1000',
    { alarms: [{ alarm_id: '1', entity_instance_id: 'e', severity: 'x', reason_text: 'r' }] },
  ],
  ['not found', 'system', '/v1/other', {}],
] as const) {
  test(`refuses ${what}`, async () => {
    await using net = await openTestNet()
    const { client } = await openPlatform(net, { [path]: body })
    await assert.rejects(client[ask](), SiteAnswerRefused)
  })
}
