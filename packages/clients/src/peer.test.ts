import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '@murmuration/trust'
import { createRealWorld, NetworkError, type HttpRequest, type HttpResponse, type World } from '@murmuration/world'
import { SiteAnswerRefused } from './answer.ts'
import { AuthenticationFailed } from './keystone-session.ts'
import { createPeerClient, PeerRefused, type StandbyDocument } from './peer.ts'
import { createStockPeer, formParts, type StockPeer } from './testing/stock-peer.ts'
import { openTestNet, reply } from './testing/servers.ts'

const us = '0f0c1c2e-9d37-4a55-9d0b-6b1d2a3c4d5e'

/** A world whose network has one peer in it. */
function worldWith(answer: (request: HttpRequest) => Promise<HttpResponse>): World {
  const real = createRealWorld({ log: { level: 'silent' } })
  return { ...real, net: { ...real.net, request: answer } }
}

function open(options: { password?: () => string; managerEndpoint?: string } = {}) {
  const stock = createStockPeer({ nowMs: () => Date.now() })
  const world = worldWith((request) => stock.answer(request))
  const client = createPeerClient(world, {
    managerEndpoint: options.managerEndpoint ?? `${stock.origin}/v3`,
    userName: 'admin',
    password: async () => new Secret(options.password?.() ?? 'Peer1!'),
    systemUuid: async () => us,
  })
  return { stock, client }
}

const document: StandbyDocument = {
  bootstrapValues: JSON.stringify({ name: 'edge-porto', admin_password: 'Abc\r\n--x' }),
  bootstrapAddress: '192.0.2.77',
  installValues: undefined,
  bmcPassword: new Secret('Qm1jIQ=='),
  regionName: '5d3a2f0b6a0c4b0f9c3c8a1be7f6d201',
  description: 'Porto "plant"\r\n',
  location: null,
  release: '26.09',
}

test('everything of a sync with a stock peer, in its own spelling', async () => {
  const { stock, client } = open()
  stock.addSystemPeer(us)
  assert.deepEqual(await client.system(), { uuid: stock.uuid, name: 'stock' })
  assert.equal((await client.systemPeer(us))?.uuid, us)
  assert.equal(await client.systemPeer('00000000-0000-4000-8000-000000000000'), undefined)
  assert.equal(await client.group('spg-a'), undefined)
  const group = { name: 'spg-a', priority: 1, state: 'enabled', leaderId: us, leaderName: 'dc-lisbon', maxSubcloudRehoming: 20 }
  const created = await client.createGroup(group)
  assert.deepEqual(await client.group('spg-a'), { ...group, id: created.id, migrationStatus: undefined })
  stock.groups[0]!.migration_status = 'complete'
  assert.equal((await client.updateGroup('spg-a', { migrationStatus: null, maxSubcloudRehoming: 7 })).migrationStatus, undefined)
  assert.equal((await client.groups())[0]?.maxSubcloudRehoming, 7)

  const association = await client.createAssociation({ peerGroupId: created.id, systemPeerId: stock.systemPeers[0]!.id })
  await client.reportStatus(association.id, 'in-sync', { revision: 12 })
  assert.deepEqual(await client.associations(), [{ ...association, syncStatus: 'in-sync', receivedRevision: undefined }])

  const added = await client.addStandby(document)
  assert.equal(added.deployStatus, 'secondary')
  assert.equal((await client.joinGroup(document.regionName, created.id)).peerGroupId, created.id)
  assert.equal((await client.updateStandby(document.regionName, { ...document, release: '26.10' })).name, 'edge-porto')
  const { subclouds, standbysAtOnce } = await client.members('spg-a')
  assert.deepEqual([subclouds.length, standbysAtOnce], [1, undefined])
  assert.equal((await client.surrender(document.regionName)).deployStatus, 'rehome-pending')
  await client.auditGroup({
    id: 5,
    peerUuid: us,
    groupName: 'spg-a',
    priority: 0,
    state: 'enabled',
    maxSubcloudRehoming: 20,
    leaderId: us,
    leaderName: 'dc-lisbon',
    migrationStatus: 'complete',
  })
  assert.deepEqual([await client.deleteSubcloud('edge-porto'), await client.deleteSubcloud('edge-porto')], [true, false])
  await assert.rejects(client.deleteGroup('spg-a'), (error: PeerRefused) => /associated with a system peer/.test(error.said))
  assert.equal(await client.deleteAssociation(association.id), true)
  assert.equal(await client.deleteGroup('spg-a'), true)
  assert.ok(stock.requests.every(({ userAgent }) => userAgent === 'dcmanager/1.0'))
})

test('a form carries any value whole', async () => {
  const { stock, client } = open()
  await client.addStandby(document)
  const sent = stock.requests.at(-1)!
  const boundary = /^--(\S+)\r\n/.exec(sent.body)?.[1]
  const parts = formParts(`multipart/form-data; boundary=${boundary}`, sent.body)
  assert.deepEqual(parts, {
    secondary: 'true',
    region_name: document.regionName,
    bootstrap_values: document.bootstrapValues,
    'bootstrap-address': '192.0.2.77',
    bmc_password: 'Qm1jIQ==',
    description: document.description!,
    release: '26.09',
  })
})

test('many standby copies: the members of the forms in one request, and what became of each', async () => {
  const { stock, client } = open()
  const outcome = { 'deploy-status': null, status: null, message: null }
  const answers = [
    { ...outcome, region_name: 'a', outcome: 'written', 'deploy-status': 'secondary' },
    { ...outcome, region_name: 'b', outcome: 'not-standby', 'deploy-status': 'complete' },
    { ...outcome, region_name: 'c', outcome: 'name-taken' },
    { ...outcome, region_name: 'd', outcome: 'refused', status: 400, message: `no${'!'.repeat(500)}\u001b` },
  ]
  stock.refuse = () => ({ status: 200, headers: {}, body: Buffer.from(JSON.stringify({ standby_copies: answers })) })
  const outcomes = await client.writeStandbys(7, [document, { ...document, installValues: '{}', bmcPassword: undefined, location: 'PT' }])
  const { what, body } = stock.requests.at(-1)!
  assert.equal(what, 'POST /v1.0/subcloud-peer-groups/7/standby-copies')
  const common = {
    region_name: document.regionName,
    bootstrap_values: document.bootstrapValues,
    'bootstrap-address': '192.0.2.77',
    description: document.description,
    release: '26.09',
  }
  assert.deepEqual(JSON.parse(body), {
    standby_copies: [
      { ...common, bmc_password: 'Qm1jIQ==' },
      { ...common, install_values: '{}', location: 'PT' },
    ],
  })
  assert.deepEqual(
    [outcomes.get('a'), outcomes.get('b'), outcomes.get('c')],
    [{ outcome: 'written', deployStatus: 'secondary' }, { outcome: 'not-standby', deployStatus: 'complete' }, { outcome: 'name-taken' }],
  )
  const last = outcomes.get('d')
  assert.ok(last?.outcome === 'refused' && last.refusal.status === 400 && /^no!{298}$/.test(last.refusal.said))
  answers[0]!.outcome = 'eaten'
  await assert.rejects(client.writeStandbys(7, [document]), SiteAnswerRefused)
})

test('a changed password there is noticed at the next question, and one changed here is used for it', async () => {
  let password = 'Peer1!'
  const { stock, client } = open({ password: () => password })
  await client.groups()
  stock.password = 'New2?'
  await assert.rejects(client.groups(), AuthenticationFailed)
  password = 'New2?'
  assert.deepEqual(await client.groups(), [])
})

test('a refusal is told in one harmless line; an unknown path is not "it is not there"', async () => {
  const { stock, client } = open()
  stock.refuse = () => ({
    status: 404,
    headers: {},
    body: Buffer.from(`<html><style>x{}</style><script>alert(1)</script><b>404 Not\u001b[31m Found</b>${'x'.repeat(5_000)}</html>`),
  })
  await assert.rejects(client.group('spg-a'), (error: unknown) => {
    assert.ok(error instanceof PeerRefused)
    assert.equal(error.status, 404)
    assert.match(error.said, /^404 Not \[31m Found x{20}/)
    assert.ok(error.said.length <= 300)
    return true
  })
})

const group = {
  id: 1,
  peer_group_name: 'g',
  group_priority: 0,
  group_state: 'enabled',
  max_subcloud_rehoming: 10,
  system_leader_id: us,
  system_leader_name: 'n',
  migration_status: null,
}
for (const [what, body] of [
  ['a list instead of an object', []],
  ['an endless list', { subcloud_peer_groups: Array.from({ length: 10_001 }, () => group) }],
  ['a leader that is no uuid', { subcloud_peer_groups: [{ ...group, system_leader_id: '<script>' }] }],
  ['an unknown migration status', { subcloud_peer_groups: [{ ...group, migration_status: 'done' }] }],
  ['a name with control characters', { subcloud_peer_groups: [{ ...group, peer_group_name: 'a\nb' }] }],
  ['a priority out of range', { subcloud_peer_groups: [{ ...group, group_priority: -1 }] }],
] as const)
  test(`a hostile peer answers with ${what}: refused`, async () => {
    const { stock, client } = open()
    stock.refuse = () => ({ status: 200, headers: {}, body: Buffer.from(JSON.stringify(body)) })
    await assert.rejects(client.groups(), SiteAnswerRefused)
  })

test('a catalog does not lead away from an encrypted connection', async () => {
  const stock = createStockPeer({ nowMs: () => Date.now() })
  const world = worldWith((request) => stock.answer({ ...request, url: request.url.replace('https:', 'http:') }))
  const client = createPeerClient(world, {
    managerEndpoint: 'https://peer.test:5000',
    userName: 'admin',
    password: async () => new Secret('Peer1!'),
    systemUuid: async () => us,
  })
  await assert.rejects(client.groups(), /not https/)
  assert.deepEqual(stock.requests, [])
})

test('real connections: an answer without end stops at its budget, silence at the deadline, and nothing tells the password', async () => {
  await using net = await openTestNet()
  const stock: StockPeer = createStockPeer({ nowMs: () => Date.now() })
  const server = await net.plain((request, response) => {
    if (request.url?.endsWith('/subcloud-peer-groups') === true) {
      response.writeHead(200, { 'content-type': 'application/json' })
      const more = (): void => void response.write('x'.repeat(1024 * 1024), (error) => error ?? more())
      return more()
    }
    if (request.url?.endsWith('/peer-group-associations') === true) return
    const asked = {
      method: request.method ?? '',
      url: `${stock.origin}${request.url}`,
      headers: request.headers as Record<string, string>,
      body: request.text,
      deadlineMs: 1,
    }
    void stock.answer(asked).then((answer) => {
      const text = Buffer.from(answer.body).toString().replaceAll(stock.origin, `http://127.0.0.1:${server.port}`)
      return reply(response, answer.status, text, answer.headers)
    })
  })
  const client = createPeerClient(net.world, {
    managerEndpoint: `http://127.0.0.1:${server.port}/v3`,
    userName: 'admin',
    password: async () => new Secret('Peer1!'),
    systemUuid: async () => us,
  })
  const tooLarge = await client.groups().catch((error: unknown) => error)
  assert.ok(tooLarge instanceof NetworkError && tooLarge.code === 'too-large')
  const late = await client.associations({ deadlineMs: 50 }).catch((error: unknown) => error)
  assert.ok(late instanceof NetworkError && late.code === 'timeout')
  stock.password = 'other'
  const refused = await client.system().catch((error: unknown) => error)
  assert.ok(refused instanceof AuthenticationFailed)
  for (const error of [tooLarge, late, refused]) assert.doesNotMatch(`${error.message} ${error.stack}`, /Peer1!|stock-token/)
})
