import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '@murmuration/trust'
import { NetworkError, type NetworkErrorCode, type TlsIdentity } from '@murmuration/world'
import { SiteAnswerRefused } from './answer.ts'
import { createDcagentClient, StaleOwnership, type DcagentClient, type DcagentRequest } from './dcagent.ts'
import { AuthenticationFailed } from './keystone-session.ts'
import { keystone, openTestNet, reply, type Handler, type Server, type TestNet } from './testing/servers.ts'

const base = {
  availability: 'online',
  inactive_sg: [],
  alarms: { critical_alarms: 0, major_alarms: 1, minor_alarms: 0, warnings: 0, cloud_status: 'degraded' },
}
const isNetworkError = (code: NetworkErrorCode) => (error: unknown) => {
  assert.ok(error instanceof NetworkError, String(error))
  assert.equal(error.code, code)
  return true
}

interface Site {
  readonly client: DcagentClient
  readonly identity: Server
  readonly agent: Server
  audit(request?: DcagentRequest, deadlineMs?: number, signal?: AbortSignal): ReturnType<DcagentClient['audit']>
}

async function openSite(net: TestNet, handle: Handler, tls?: () => Promise<TlsIdentity>): Promise<Site> {
  const identity = await net.mutualTls(keystone())
  const agent = await net.mutualTls(handle)
  const own = await net.identity()
  const client = createDcagentClient(net.world, {
    userName: 'dcmanager',
    password: async () => new Secret('secret'),
    tls: tls ?? (async () => own),
    ports: { identityTls: identity.port, dcagentTls: agent.port },
  })
  return {
    client,
    identity,
    agent,
    audit: (request = { base_audit: '' }, deadlineMs = 10_000, signal) =>
      client.audit('127.0.0.1', request, { deadlineMs, ...(signal === undefined ? {} : { signal }) }),
  }
}
const answering =
  (body: unknown, status = 200, headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    reply(response, status, body, headers)

test('asks over mutual TLS with a token of the site, and tells when its certificate ends', async () => {
  await using net = await openTestNet()
  const site = await openSite(net, answering({ base_audit: base, software_audit: { sync_status: 'in-sync', software_version: '26.09' } }))
  const request = { base_audit: '', software_audit: { deployed_release_ids: ['starlingx-26.09.0'] }, use_cache: false } as const
  const { certificateNotAfterMs, ...result } = await site.audit(request)
  assert.deepEqual(result, { base_audit: base, software_audit: { sync_status: 'in-sync', software_version: '26.09' } })
  assert.ok(Math.abs((certificateNotAfterMs ?? 0) - Date.now() - 3_600_000) < 60_000)
  const [asked] = site.agent.requests
  assert.deepEqual([asked?.method, asked?.url, asked?.headers['x-auth-token']], ['PATCH', '/v1/dcaudit', 'token-1'])
  assert.deepEqual(JSON.parse(asked?.text ?? ''), request)
})

test('authenticates once for a site, however many audits', async () => {
  await using net = await openTestNet()
  const site = await openSite(net, answering({ base_audit: base }))
  await Promise.all(Array.from({ length: 10 }, () => site.audit()))
  assert.equal(site.identity.requests.length, 1)
  site.client.forget('127.0.0.1')
  await site.audit()
  assert.equal(site.identity.requests.length, 2)
})

test('a 401 makes it authenticate anew, once', async () => {
  await using net = await openTestNet()
  const site = await openSite(net, (request, response) =>
    request.headers['x-auth-token'] === 'token-2' ? reply(response, 200, { base_audit: base }) : reply(response, 401),
  )
  await site.audit()
  assert.deepEqual(
    site.agent.requests.map(({ headers }) => headers['x-auth-token']),
    ['token-1', 'token-2'],
  )
  site.agent.handle = answering(undefined, 401)
  await assert.rejects(site.audit(), AuthenticationFailed)
  assert.equal(site.agent.requests.length, 4)
})

test('a site under another authority is not spoken to, and neither are we', async () => {
  await using net = await openTestNet()
  const other = await net.otherAuthority()
  const theirs = await openSite(net, answering({ base_audit: base }), async () => ({ ...(await net.identity()), ca: other.certificate }))
  await assert.rejects(theirs.audit(), isNetworkError('tls'))
  const ours = await openSite(net, answering({ base_audit: base }), async () => ({
    ...(await net.identity(other)),
    ca: net.authority.certificate,
  }))
  await assert.rejects(ours.audit(), (error: unknown) => error instanceof NetworkError && ['tls', 'reset'].includes(error.code))
  const nobody = await openSite(net, answering({ base_audit: base }), async () => ({ ca: net.authority.certificate }))
  await assert.rejects(nobody.audit(), (error: unknown) => error instanceof NetworkError && ['tls', 'reset'].includes(error.code))
  for (const site of [theirs, ours, nobody]) assert.equal(site.agent.requests.length + site.identity.requests.length, 0)
})

test('a gigabyte is cut at 256 KiB', async () => {
  await using net = await openTestNet()
  let sent = 0
  const site = await openSite(net, (_, response) => {
    const chunk = Buffer.alloc(65_536, 0x20)
    response.writeHead(200, { 'content-type': 'application/json' })
    const more = (): void => {
      while (sent < 1024 ** 3 && !response.destroyed) {
        sent += chunk.length
        if (!response.write(chunk)) return void response.once('drain', more)
      }
    }
    more()
  })
  await assert.rejects(site.audit(), isNetworkError('too-large'))
  assert.ok(sent < 64 * 1024 ** 2, `${sent} bytes were taken`)
})

test('a declared size beyond the limit is not even read', async () => {
  await using net = await openTestNet()
  const site = await openSite(net, (_, response) => response.writeHead(200, { 'content-length': String(1024 ** 3) }).write(' '))
  await assert.rejects(site.audit(), isNetworkError('too-large'))
})

test('a redirect is not followed, and takes no token along', async () => {
  await using net = await openTestNet()
  const elsewhere = await net.plain(answering({ base_audit: base }))
  for (const status of [301, 302, 307, 308]) {
    const site = await openSite(net, answering(undefined, status, { location: `http://127.0.0.1:${elsewhere.port}/v1/dcaudit` }))
    await assert.rejects(site.audit(), (error: unknown) => error instanceof SiteAnswerRefused && error.status === status)
  }
  assert.equal(elsewhere.requests.length, 0)
})

test('one deadline covers the token too', async () => {
  await using net = await openTestNet()
  const site = await openSite(net, answering({ base_audit: base }))
  site.identity.handle = () => undefined
  const startMs = performance.now()
  await assert.rejects(site.audit({ base_audit: '' }, 150), isNetworkError('timeout'))
  assert.ok(performance.now() - startMs < 5_000)
  assert.equal(site.agent.requests.length, 0)
})

test('one deadline covers a reply that drips', async () => {
  await using net = await openTestNet()
  const dripping = new Set<NodeJS.Timeout>()
  const site = await openSite(net, (_, response) => {
    response.writeHead(200)
    dripping.add(setInterval(() => response.write(' '), 20))
  })
  await assert.rejects(site.audit({ base_audit: '' }, 300), isNetworkError('timeout'))
  for (const drip of dripping) clearInterval(drip)
})

test('an abort ends it at once', async () => {
  await using net = await openTestNet()
  const controller = new AbortController()
  const site = await openSite(net, () => controller.abort())
  await assert.rejects(site.audit({ base_audit: '' }, 10_000, controller.signal), isNetworkError('aborted'))
})

const alarms = base.alarms
for (const [what, body, said] of [
  ['no JSON', '<html>', /not JSON/],
  ['a list', [], /it is not an object/],
  ['nothing', {}, /base_audit is not an object/],
  ['what was not asked for', { base_audit: base, kubernetes_audit: 'in-sync' }, /unknown member/],
  ['a prototype', '{"base_audit":{},"__proto__":{"x":1}}', /unknown member/],
  ['an unknown availability', { base_audit: { ...base, availability: 'maybe' } }, /base_audit\.availability is not one of/],
  ['a text for a list', { base_audit: { ...base, inactive_sg: 'x' } }, /base_audit\.inactive_sg is not a list/],
  ['markup', { base_audit: { ...base, inactive_sg: ['<script>alert(1)</script>'] } }, /inactive_sg\[0\] holds characters/],
  ['a long list', { base_audit: { ...base, inactive_sg: Array.from({ length: 65 }, () => 'a') } }, /more than 64/],
  ['a negative count', { base_audit: { ...base, alarms: { ...alarms, warnings: -1 } } }, /alarms\.warnings is not a number/],
  ['a text for a count', { base_audit: { ...base, alarms: { ...alarms, warnings: '1' } } }, /alarms\.warnings is not a number/],
  ['a huge count', { base_audit: { ...base, alarms: { ...alarms, warnings: 1e12 } } }, /alarms\.warnings is not a number/],
  ['a missing count', { base_audit: { ...base, alarms: { cloud_status: 'OK' } } }, /critical_alarms is not a number/],
  ['another member', { base_audit: { ...base, site: 'other' } }, /base_audit has an unknown member/],
] as const) {
  test(`refuses ${what}`, async () => {
    await using net = await openTestNet()
    const site = await openSite(net, answering(body))
    await assert.rejects(site.audit(), (error: unknown) => {
      assert.ok(error instanceof SiteAnswerRefused, String(error))
      assert.match(error.message, said)
      assert.ok(!error.message.includes('script'))
      return true
    })
  })
}

for (const [asked, body, said] of [
  [{ kubernetes_audit: 'v1' }, {}, /kubernetes_audit is not one of/],
  [{ kube_rootca_audit: true }, { kube_rootca_audit: true }, /kube_rootca_audit is not one of/],
  [{ firmware_audit: [{}] }, { firmware_audit: 'unknown' }, /firmware_audit is not one of/],
  [{ software_audit: { deployed_release_ids: [] } }, { software_audit: 'in-sync' }, /software_audit is not an object/],
  [
    { software_audit: { deployed_release_ids: [] } },
    { software_audit: { sync_status: 'in-sync', software_version: '<b>' } },
    /software_version holds characters/,
  ],
] as const) {
  test(`refuses a bad answer to ${Object.keys(asked)[0]}: ${said.source}`, async () => {
    await using net = await openTestNet()
    const site = await openSite(net, answering({ base_audit: base, ...body }))
    await assert.rejects(
      site.audit({ base_audit: '', ...asked }),
      (error: unknown) => error instanceof SiteAnswerRefused && said.test(error.message),
    )
  })
}

const owner = 'bbbbbbbb-0000-4000-8000-000000000002'
const ownedBy = (more: Record<string, string> = {}) => ({
  'murmuration-owner': owner,
  'murmuration-owner-name': 's%C3%BCd',
  'murmuration-owner-epoch': '7',
  ...more,
})

test('says who asks, and learns from a refusal whose site it is', async () => {
  await using net = await openTestNet()
  const site = await openSite(net, answering({ base_audit: base }))
  const as = { system: 'aaaaaaaa-0000-4000-8000-000000000001', epoch: 3 }
  await site.client.audit('127.0.0.1', { base_audit: '' }, { deadlineMs: 10_000, as })
  const { headers } = site.agent.requests[0]!
  assert.deepEqual([headers['murmuration-system'], headers['murmuration-epoch']], [as.system, '3'])

  site.agent.handle = answering({}, 409, ownedBy())
  await assert.rejects(site.audit(), (error: unknown) => {
    assert.ok(error instanceof StaleOwnership)
    assert.deepEqual(error.current, { owner, ownerName: 'süd', epoch: 7 })
    return true
  })
  for (const name of ['%1B[2J', '%', '', '%E2%80%AE'])
    await assert.rejects(
      ((site.agent.handle = answering({}, 409, ownedBy({ 'murmuration-owner-name': name }))), site.audit()),
      (error: unknown) => error instanceof StaleOwnership && error.current.ownerName === 'another controller',
    )
  const wrongs: Record<string, string>[] = [
    { 'murmuration-owner': 'x' },
    { 'murmuration-owner-epoch': '-1' },
    { 'murmuration-owner-epoch': '' },
  ]
  for (const wrong of wrongs)
    await assert.rejects(((site.agent.handle = answering({}, 409, ownedBy(wrong))), site.audit()), SiteAnswerRefused)
})

test('asks who owns a site, without an account and under the authority of another controller', async () => {
  await using net = await openTestNet()
  const other = await net.otherAuthority()
  const site = await openSite(
    net,
    answering({ owner, owner_name: 'süd', epoch: 7, claimed_at: 'x', owner_silent_ms: 1_500 }),
    async () => ({ ...(await net.identity()), ca: other.certificate }),
  )
  await assert.rejects(site.client.ownership('127.0.0.1', { deadlineMs: 10_000 }), isNetworkError('tls'))
  const trusted = [net.authority.certificate]
  assert.deepEqual(await site.client.ownership('127.0.0.1', { deadlineMs: 10_000, trusted }), {
    owner,
    ownerName: 'süd',
    epoch: 7,
    silentMs: 1_500,
  })
  assert.equal(site.identity.requests.length, 0)
  site.agent.handle = answering({ owner: null, owner_name: null, epoch: 0, owner_silent_ms: null })
  assert.equal(await site.client.ownership('127.0.0.1', { deadlineMs: 10_000, trusted }), undefined)
  site.agent.handle = answering({ owner: 'x', owner_name: 'y', epoch: 0 })
  await assert.rejects(site.client.ownership('127.0.0.1', { deadlineMs: 10_000, trusted }), SiteAnswerRefused)
})
