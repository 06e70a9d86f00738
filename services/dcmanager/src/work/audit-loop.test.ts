import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AuthenticationFailed, StaleOwnership, type PlatformClient } from '@murmuration/clients'
import { NetworkError, type Log } from '@murmuration/world'
import type { ReferenceData } from '../rules/audit-plan.ts'
import { requestAudits } from '../store/audits.ts'
import { addSubclouds, beside, openAuditFixture, testEngines, until, type AuditFixture } from '../testing/audit-fixture.ts'
import { fakeFaults, hostileAgents, scriptedAgents } from '../testing/scripted-agents.ts'
import { createAuditor } from './audit-loop.ts'
import { createControllerFacts, type ControllerFacts } from './controller-facts.ts'
import { createStateKeeper } from './state-keeper.ts'
import { auditTopic } from './topics.ts'

const own = { uuid: 'aaaaaaaa-0000-4000-8000-000000000001', name: 'north' }
const other = { owner: 'bbbbbbbb-0000-4000-8000-000000000002', ownerName: 'south', epoch: 2 }
const reference: ReferenceData = { deviceImages: [], kubernetesVersion: 'v1.29.2', deployedReleaseIds: ['r-26.09.0'] }
const factsOf = (data: () => Promise<ReferenceData> = async () => reference) =>
  ({ reference: data, ownSystem: async () => own, invalidate: () => undefined }) as unknown as ControllerFacts

const counted = async ({ database }: AuditFixture, availability: 'online' | 'offline'): Promise<number> =>
  (await database.query.selectFrom('subclouds').select('id').where('availability_status', '=', availability).execute()).length
const synced = async ({ database }: AuditFixture, endpoint: string): Promise<number> =>
  (
    await database.query
      .selectFrom('subcloud_status')
      .select('id')
      .where('endpoint_type', '=', endpoint as 'software')
      .where('sync_status', '=', 'in-sync')
      .execute()
  ).length

for (const engine of testEngines)
  describe(`the audit loop on ${engine.name}`, () => {
    test('a fleet comes online and in-sync, within the bound on audits at once; empty reference data is in-sync without asking', async () => {
      await using fixture = await openAuditFixture(engine.url(), { concurrency: 7 })
      await addSubclouds(fixture, 30, { availability_status: 'offline' })
      const agents = scriptedAgents()
      const faults = fakeFaults()
      const keeper = createStateKeeper(fixture.site, fixture.database, { faults })
      const auditor = createAuditor(fixture.site, fixture.database, factsOf(), { agent: agents })
      await keeper.start()
      await auditor.start()
      await until(async () => (await synced(fixture, 'software')) === 30, 'software of all to be in-sync')
      await until(async () => (await synced(fixture, 'firmware')) === 30, 'firmware of all to be in-sync')
      assert.equal(await counted(fixture, 'online'), 30)
      assert.ok(agents.mostAtOnce <= 7, `${agents.mostAtOnce} at once`)
      assert.ok(agents.asked.every(({ request }) => request.firmware_audit === undefined))
      await auditor.stop()
      // What was reported is with the keeper, what was not was given back.
      const leased = fixture.database.query.selectFrom('subcloud_audits').select('subcloud_id').where('lease_owner', 'is not', null)
      await until(async () => (await leased.execute()).length === 0, 'no claim to be left')
      await keeper.stop()
    })

    test('asks under its own name and epoch; who is locked out asks the agent whose site it is', async () => {
      await using fixture = await openAuditFixture(engine.url(), { intervalMs: 50, failuresToOffline: 3 })
      await addSubclouds(fixture, 4, { owner_epoch: 1 })
      const presented: unknown[] = []
      const scripted = scriptedAgents()
      const agents = {
        ...scripted,
        async audit(ip: string, request: Parameters<typeof scripted.audit>[1], options: Parameters<typeof scripted.audit>[2]) {
          presented.push(options.as)
          if (ip.endsWith('.1')) throw new StaleOwnership(ip, other)
          if (ip.endsWith('.2')) throw new AuthenticationFailed('https://x')
          if (ip.endsWith('.3')) throw new NetworkError('tls', 'x')
          return scripted.audit(ip, request, options)
        },
        ownership: async (ip: string) =>
          ip.endsWith('.3') ? { ...other, silentMs: 5 } : { owner: own.uuid, ownerName: 'north', epoch: 1, silentMs: 5 },
      }
      const keeper = createStateKeeper(fixture.site, fixture.database, { faults: fakeFaults() })
      const auditor = createAuditor(fixture.site, fixture.database, factsOf(), { agent: agents })
      await keeper.start()
      await auditor.start()
      const rows = () =>
        fixture.database.query.selectFrom('subclouds').select(['deploy_status', 'availability_status']).orderBy('id').execute()
      await until(async () => (await rows())[1]!.availability_status === 'offline', 'the one with a wrong password to be offline')
      await until(async () => (await rows())[2]!.deploy_status === 'secondary', 'the one under another authority to be fenced')
      assert.deepEqual(
        (await rows()).map((row) => `${row.deploy_status} ${row.availability_status}`),
        ['secondary offline', 'complete offline', 'secondary offline', 'complete online'],
      )
      for (const as of presented) assert.deepEqual(as, { system: own.uuid, epoch: 1 })
      await auditor.stop()
      await keeper.stop()
    })

    test('two workers share the fleet; when one dies the other takes over after the lease', async () => {
      await using fixture = await openAuditFixture(engine.url(), { intervalMs: 200, concurrency: 20 })
      await addSubclouds(fixture, 20, { availability_status: 'offline' })
      const keeper = createStateKeeper(fixture.site, fixture.database, { faults: fakeFaults() })
      await keeper.start()
      const dead = scriptedAgents()
      // It holds what it claimed and never ends: to the others that is a worker that died.
      dead.hold = new Promise(() => undefined)
      const dying = createAuditor(beside(fixture, 'dying'), fixture.database, factsOf(), { agent: dead })
      await dying.start()
      await until(() => dying.running === 20, 'the dying worker to hold all')
      const living = createAuditor(beside(fixture, 'living'), fixture.database, factsOf(), { agent: scriptedAgents() })
      await living.start()
      assert.equal(await counted(fixture, 'online'), 0)
      fixture.world.shiftMs(51_000)
      await until(async () => (await counted(fixture, 'online')) === 20, 'the living worker to take over')
      await Promise.all([living.stop(), dying.stop(), keeper.stop()])
    })

    test('a worker that stops gives its leases back at once', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 5, { availability_status: 'offline' })
      const keeper = createStateKeeper(fixture.site, fixture.database, { faults: fakeFaults() })
      await keeper.start()
      const held = scriptedAgents()
      held.hold = new Promise(() => undefined)
      const stopping = createAuditor(beside(fixture, 'stopping'), fixture.database, factsOf(), { agent: held })
      await stopping.start()
      await until(() => stopping.running === 5, 'all to be claimed')
      await stopping.stop()
      const next = createAuditor(beside(fixture, 'next'), fixture.database, factsOf(), { agent: scriptedAgents() })
      await next.start()
      await until(async () => (await counted(fixture, 'online')) === 5, 'the next worker to audit them')
      await Promise.all([next.stop(), keeper.stop()])
    })
  })

test('sites that stop answering go offline after two audits, with an alarm; the others do not notice', async () => {
  await using fixture = await openAuditFixture('sqlite::memory:', { intervalMs: 100 })
  await addSubclouds(fixture, 10)
  const lines: [string, string, object | undefined][] = []
  const log: Log = {
    debug() {},
    error() {},
    info: (message, fields) => void lines.push(['info', message, fields]),
    warn: (message, fields) => void lines.push(['warn', message, fields]),
    child: () => log,
  }
  Object.assign(fixture.world, { log })
  const agents = scriptedAgents()
  for (const n of [3, 7]) agents.down.add(`127.0.0.${n}`)
  const faults = fakeFaults(['280.001 subcloud=renamed-since', '280.002 subcloud=edge-1.resource=software', '260.002 subcloud=edge-1'])
  // What is not dcmanager's is filtered by `raised`; here it must simply survive.
  faults.raisedKeys.delete('260.002 subcloud=edge-1')
  const keeper = createStateKeeper(fixture.site, fixture.database, { faults })
  const auditor = createAuditor(fixture.site, fixture.database, factsOf(), { agent: agents })
  await keeper.start()
  await auditor.start()
  await until(async () => (await counted(fixture, 'offline')) === 2, 'two to be offline')
  await until(() => faults.raisedKeys.size === 2, 'the alarms to follow')
  assert.deepEqual([...faults.raisedKeys].toSorted(), ['280.001 subcloud=edge-3', '280.001 subcloud=edge-7'])
  agents.down.clear()
  await until(async () => (await counted(fixture, 'offline')) === 0, 'them to come back')
  await until(() => faults.raisedKeys.size === 0, 'the alarms to be cleared')
  const told = (level: string, what: string) =>
    lines.filter(([at, message]) => at === level && message === what).map(([, , fields]) => fields)
  const byId = (fields: (object | undefined)[]) =>
    (fields as { subcloudId: number }[]).toSorted((one, other) => one.subcloudId - other.subcloudId)
  const reason = 'the site did not answer in time'
  assert.deepEqual(
    byId(told('warn', 'a subcloud went offline')),
    [3, 7].map((subcloudId) => ({ subcloudId, name: `edge-${subcloudId}`, reason })),
  )
  assert.deepEqual(
    byId(told('info', 'a subcloud came online')),
    [3, 7].map((subcloudId) => ({ subcloudId, name: `edge-${subcloudId}` })),
  )
  await auditor.stop()
  await keeper.stop()
})

test('requested audits bypass the cache of the agent and are made at once', async () => {
  await using fixture = await openAuditFixture('sqlite::memory:')
  await addSubclouds(fixture, 2)
  const agents = scriptedAgents()
  const keeper = createStateKeeper(fixture.site, fixture.database, { faults: fakeFaults() })
  const auditor = createAuditor(fixture.site, fixture.database, factsOf(), { agent: agents })
  await keeper.start()
  await auditor.start()
  await until(async () => (await synced(fixture, 'software')) === 2, 'the first audits')
  agents.asked.length = 0
  await requestAudits(fixture.database, fixture.world, { audits: ['kube-rootca'], subcloudIds: [2] })
  await fixture.site.bus.client(auditTopic).trigger({ audits: ['kube-rootca'], subcloudIds: [2] })
  await until(() => agents.asked.length > 0, 'the requested audit')
  assert.deepEqual(
    agents.asked.map(({ ip, request }) => [ip, request.kube_rootca_audit, request.use_cache]),
    [['127.0.0.2', true, false]],
  )
  await auditor.stop()
  await keeper.stop()
})

test('requested audits compare with what the controller says now, also when the message that hurries is lost', async () => {
  await using fixture = await openAuditFixture('sqlite::memory:')
  await addSubclouds(fixture, 1)
  let deployed = 'r-1'
  let nowMs = 0
  const platform = {
    releases: async () => [{ releaseId: deployed, softwareVersion: '26.09', state: 'deployed' }],
    kubernetesVersion: async () => 'v1.29.2',
    appliedDeviceImages: async () => [],
  } as unknown as PlatformClient
  const clock = { nowMs: () => fixture.world.clock.nowMs(), monotonicMs: () => nowMs }
  const facts = createControllerFacts({ ...fixture.site, world: { ...fixture.world, clock } }, { platform })
  const agents = scriptedAgents()
  const keeper = createStateKeeper(fixture.site, fixture.database, { faults: fakeFaults() })
  const auditor = createAuditor(fixture.site, fixture.database, facts, { agent: agents })
  await keeper.start()
  await auditor.start()
  await until(async () => (await synced(fixture, 'software')) === 1, 'the first audit')
  agents.asked.length = 0
  deployed = 'r-2'
  nowMs += 5_000
  await requestAudits(fixture.database, fixture.world, { audits: ['software'] })
  await until(() => agents.asked.length > 0, 'the requested audit')
  assert.deepEqual(agents.asked[0]?.request.software_audit, { deployed_release_ids: ['r-2'] })
  assert.equal(agents.asked[0]?.request.use_cache, false)
  await auditor.stop()
  await keeper.stop()
})

test('a controller that can not tell about itself does not stop the audits: unknown is not empty', async () => {
  await using fixture = await openAuditFixture('sqlite::memory:')
  await addSubclouds(fixture, 2)
  const keeper = createStateKeeper(fixture.site, fixture.database, { faults: fakeFaults() })
  const never = factsOf(() => new Promise(() => undefined))
  const auditor = createAuditor(fixture.site, fixture.database, never, { agent: scriptedAgents() })
  await keeper.start()
  await auditor.start()
  await until(async () => (await synced(fixture, 'kube-rootca')) === 2, 'what needs no reference data')
  assert.equal(await synced(fixture, 'software'), 0)
  await auditor.stop()
  await keeper.stop()
})

test('a fault of our own is no verdict on the site', async () => {
  await using fixture = await openAuditFixture('sqlite::memory:')
  await addSubclouds(fixture, 1)
  let asked = 0
  const broken = {
    audit: () => Promise.reject(new TypeError(`the password file is missing (${++asked})`)),
    ownership: async () => undefined,
    forget: () => undefined,
  }
  const keeper = createStateKeeper(fixture.site, fixture.database, { faults: fakeFaults() })
  const auditor = createAuditor(fixture.site, fixture.database, factsOf(), { agent: broken })
  await keeper.start()
  await auditor.start()
  await until(() => asked === 1, 'the first try')
  fixture.world.shiftMs(51_000)
  await until(() => asked === 2, 'the second try')
  assert.equal(await counted(fixture, 'offline'), 0)
  await auditor.stop()
  await keeper.stop()
})

test('attack 30: whatever a taken-over site answers, it only fails its own audit, and its words reach nobody', async () => {
  await using fixture = await openAuditFixture('sqlite::memory:', { intervalMs: 100 })
  const poison = '<script>alert(1)</script>'
  const base = {
    availability: 'online',
    inactive_sg: [],
    alarms: { critical_alarms: 0, major_alarms: 0, minor_alarms: 0, warnings: 0, cloud_status: 'OK' },
  }
  const evil: (object | string)[] = [
    { base_audit: { ...base, alarms: { ...base.alarms, cloud_status: poison } } },
    { base_audit: { ...base, inactive_sg: Array.from({ length: 5_000 }, () => poison) } },
    {
      base_audit: base,
      kubernetes_audit: poison,
      kube_rootca_audit: 'in-sync',
      software_audit: { sync_status: 'in-sync', software_version: '26.09' },
    },
    { base_audit: base, identity: 'in-sync', platform: 'in-sync' },
    { base_audit: { ...base, alarms: { ...base.alarms, critical_alarms: 1e300 } } },
    '['.repeat(200_000),
    `{"base_audit":"${'x'.repeat(2_000_000)}"}`,
    '{"__proto__":{"base_audit":{}}}',
  ]
  await addSubclouds(fixture, evil.length + 3)
  const client = hostileAgents(fixture.world, (ip, request) => {
    const n = Number(ip.split('.').at(-1))
    const answer = evil[n - 1]
    const away: Readonly<Record<string, string>> = { location: 'https://127.0.0.99/' }
    if (n === evil.length + 1) return { status: 302, headers: away, body: Buffer.alloc(0) }
    if (n === evil.length + 2) throw new NetworkError('tls', 'PATCH https://site')
    const asked = JSON.parse(String(request.body)) as Record<string, unknown>
    const healthy = {
      base_audit: base,
      ...('kubernetes_audit' in asked ? { kubernetes_audit: 'in-sync' } : {}),
      ...('kube_rootca_audit' in asked ? { kube_rootca_audit: 'in-sync' } : {}),
      ...('software_audit' in asked ? { software_audit: { sync_status: 'in-sync', software_version: '26.09' } } : {}),
    }
    const body = answer === undefined ? healthy : answer
    return { status: 200, headers: {}, body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) }
  })
  const keeper = createStateKeeper(fixture.site, fixture.database, { faults: fakeFaults() })
  const auditor = createAuditor(fixture.site, fixture.database, factsOf(), { agent: client })
  await keeper.start()
  await auditor.start()
  await until(async () => (await counted(fixture, 'offline')) === evil.length + 2, 'all hostile sites to be offline')
  const online = await fixture.database.query.selectFrom('subclouds').select('id').where('availability_status', '=', 'online').execute()
  assert.deepEqual(
    online.map((row) => row.id),
    [evil.length + 3],
  )
  await until(async () => (await synced(fixture, 'software')) === 1, 'the honest site to be in-sync')
  const reasons = await fixture.database.query.selectFrom('subcloud_audits').select(['subcloud_id', 'failure_reason']).execute()
  for (const { subcloud_id, failure_reason: reason } of reasons) {
    if (subcloud_id === evil.length + 3) continue
    assert.ok(reason !== null && reason.length < 200 && !reason.includes('script'), `${subcloud_id}: ${reason}`)
  }
  const told = await fixture.database.query.selectFrom('subcloud_changes').select('fields').execute()
  assert.ok(told.every((change) => !change.fields.includes('script')))
  await auditor.stop()
  await keeper.stop()
})
