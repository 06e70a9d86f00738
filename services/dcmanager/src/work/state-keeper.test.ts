import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { countStatements, json } from '@murmuration/data'
import { enqueue, liveJobFor } from '@murmuration/jobs'
import { readWantedAlarms } from '../store/alarms.ts'
import { claimDue, msOf, requestAudits } from '../store/audits.ts'
import { applyEndpointStatus, statusesAfterManage, statusesAfterUnmanage } from '../store/statuses.ts'
import { addSubclouds, openAuditFixture, testEngines, type AuditFixture } from '../testing/audit-fixture.ts'
import { applyReports } from './state-keeper.ts'
import type { AuditReport, AuditSuccess } from '../rules/audit-report.ts'

const good: AuditSuccess = {
  availability: 'online',
  alarms: { critical_alarms: 0, major_alarms: 1, minor_alarms: 0, warnings: 2, cloud_status: 'degraded' },
  endpoints: { 'dc-cert': 'in-sync', kubernetes: 'in-sync', software: 'in-sync' },
  softwareVersion: '26.09',
}
const failed = { failure: 'the site did not answer in time' }

/** Claims what is due and reports the same result for all of it. */
async function audit(fixture: AuditFixture, result: AuditReport['result'], changes: Partial<AuditReport> = {}) {
  const { world, database } = fixture
  const nowMs = world.clock.nowMs()
  const lease = `test#${world.random.uuid()}`
  const claimed = await claimDue(database, { lease, nowMs, leaseMs: 50_000, limit: 10_000, intervalMs: 30_000 })
  const reports = claimed.map((each): AuditReport => ({
    subcloudId: each.subcloudId,
    lease,
    revision: each.revision,
    startedAtMs: nowMs,
    answered: 'failure' in result ? [] : ['kubernetes', 'software'],
    result,
    ...changes,
  }))
  return { reports, apply: () => applyReports(fixture.site, database, reports) }
}

/** One audit of everything, after the time it takes to be due. */
async function round(fixture: AuditFixture, result: AuditReport['result']) {
  fixture.world.shiftMs(60_000)
  return (await audit(fixture, result)).apply()
}

const subcloud = ({ database }: AuditFixture, id = 1) =>
  database.query.selectFrom('subclouds').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
const auditRow = ({ database }: AuditFixture, id = 1) =>
  database.query.selectFrom('subcloud_audits').selectAll().where('subcloud_id', '=', id).executeTakeFirstOrThrow()
const alarmRow = ({ database }: AuditFixture, id = 1) =>
  database.query.selectFrom('subcloud_alarms').selectAll().where('subcloud_id', '=', id).executeTakeFirst()
const changes = ({ database }: AuditFixture) => database.query.selectFrom('subcloud_changes').selectAll().orderBy('seq').execute()
async function statuses({ database }: AuditFixture, id = 1): Promise<Record<string, string>> {
  const rows = await database.query.selectFrom('subcloud_status').selectAll().where('subcloud_id', '=', id).execute()
  return Object.fromEntries(rows.filter((row) => row.sync_status !== 'unknown').map((row) => [row.endpoint_type, row.sync_status]))
}

const south = { owner: 'bbbbbbbb-0000-4000-8000-000000000002', ownerName: 'south', epoch: 3 }

for (const engine of testEngines)
  describe(`audit reports on ${engine.name}`, () => {
    test('a site that another controller has claimed becomes a standby copy, with an alarm that names the other', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 3, { owner_epoch: 2 })
      await round(fixture, good)
      assert.equal((await round(fixture, { ownedBy: south, ours: false })).fenced, 3)
      const row = await subcloud(fixture)
      assert.deepEqual(
        [row.management_state, row.availability_status, row.deploy_status, row.fenced_by],
        ['unmanaged', 'offline', 'secondary', south.owner],
      )
      assert.match(row.error_description, /managed by south .* since epoch 3; .*migrate it here/)
      assert.deepEqual(await statuses(fixture), {})
      assert.equal((await alarmRow(fixture))!.cloud_status, 'disabled')
      assert.deepEqual(json.read((await changes(fixture)).at(-1)!.fields)['deploy-status' as never], 'secondary')
      const [alarm, ...more] = (await readWantedAlarms(fixture.database, 2)).filter((each) => each.entityInstanceId === 'subcloud=edge-1')
      assert.deepEqual(more, [])
      assert.deepEqual([alarm?.alarmId, alarm?.severity], ['280.022', 'major'])
      assert.match(alarm!.reasonText, new RegExp(`managed by ${south.owner}`))
      // Nothing is due any more.
      fixture.world.shiftMs(60_000)
      assert.deepEqual((await audit(fixture, good)).reports, [])
    })

    test('one that was given up before goes over without an alarm; one at work is only interrupted', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 2, { management_state: 'unmanaged', deploy_status: 'rehome-pending', owner_epoch: 1 })
      await fixture.database.query.updateTable('subclouds').set({ deploy_status: 'configuring' }).where('id', '=', 2).execute()
      const { world, database } = fixture
      await database.transaction((tx) =>
        enqueue(tx, world, { name: 'subcloud.configure', concurrency: 1, run: async () => {} }, { subject: 'subcloud:2', input: {} }),
      )
      await round(fixture, { ownedBy: south, ours: false })
      const [given, busy] = [await subcloud(fixture, 1), await subcloud(fixture, 2)]
      assert.deepEqual([given.deploy_status, given.fenced_by, given.error_description], ['secondary', null, 'No errors present'])
      assert.deepEqual([busy.deploy_status, busy.fenced_by], ['configuring', null])
      const job = await liveJobFor(database, 'subcloud:2')
      assert.deepEqual([job?.cancel_requested, job?.cancel_reason], [1, 'another system controller manages the subcloud now'])
      assert.deepEqual(await readWantedAlarms(database, 2), [])
    })

    test('a site that names this controller under another epoch is right; one that names an older owner is not believed', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 1, { owner_epoch: 2 })
      await round(fixture, { ownedBy: { ...south, epoch: 7 }, ours: true })
      const row = await subcloud(fixture)
      assert.deepEqual([row.owner_epoch, row.management_state, row.availability_status], [7, 'managed', 'online'])
      assert.ok(msOf((await auditRow(fixture)).next_audit_at) <= fixture.world.clock.nowMs(), 'asked again at once')

      await round(fixture, { ownedBy: { ...south, epoch: 6 }, ours: false })
      await round(fixture, { ownedBy: { ...south, epoch: 6 }, ours: false })
      const after = await subcloud(fixture)
      assert.deepEqual([after.deploy_status, after.management_state, after.availability_status], ['complete', 'managed', 'offline'])
      assert.match((await auditRow(fixture)).failure_reason!, /put back to an earlier state/)
    })

    test('a thousand fenced ones take as many statements as ten', async () => {
      const counts: number[] = []
      for (const size of [10, 1_000]) {
        await using fixture = await openAuditFixture(engine.url())
        await addSubclouds(fixture, size, { owner_epoch: 1 })
        fixture.world.shiftMs(60_000)
        const { apply } = await audit(fixture, { ownedBy: south, ours: false })
        counts.push((await countStatements(apply)).statements)
      }
      // The engines' limit of parameters splits what is very large.
      assert.ok(counts[1]! <= counts[0]! + 12, counts.join())
    })

    test('a first good audit: online, endpoints known, alarms counted, everything requested, change stream told', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 1, { availability_status: 'offline' })
      const applied = await round(fixture, { ...good, softwareVersion: '26.10' })
      assert.deepEqual(applied, {
        changed: 1,
        cameOnline: 1,
        wentOffline: 0,
        dropped: 0,
        fenced: 0,
        moved: [{ subcloudId: 1, name: 'edge-1', failureReason: null }],
      })
      const row = await subcloud(fixture)
      assert.equal(row.availability_status, 'online')
      assert.equal(row.software_version, '26.10')
      assert.equal(row.revision, 2)
      assert.deepEqual(await statuses(fixture), good.endpoints)
      const counted = (await alarmRow(fixture))!
      for (const [name, value] of Object.entries(good.alarms)) assert.equal(counted[name as keyof typeof counted], value, name)
      const state = await auditRow(fixture)
      assert.deepEqual(
        [state.firmware_audit_requested, state.kube_rootca_update_audit_requested, state.software_audit_requested],
        [1, 1, 1],
      )
      assert.ok(msOf(state.next_audit_at) <= fixture.world.clock.nowMs(), 'due at once')
      assert.equal(state.lease_owner, null)
      const [change, ...more] = await changes(fixture)
      assert.deepEqual(more, [])
      const fields = json.read(change!.fields)
      assert.equal(fields['availability-status'], 'online')
      assert.equal(fields['software-version'], '26.10')
      assert.equal(fields['sync_status'], 'out-of-sync')
      assert.equal((fields['endpoint_sync_status'] as unknown[]).length, 7)
    })

    test('the second failure in a row makes it offline: all unknown, alarms disabled, the reason kept', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 1)
      await round(fixture, good)
      await round(fixture, failed)
      assert.equal((await subcloud(fixture)).availability_status, 'online')
      assert.deepEqual(await statuses(fixture), good.endpoints)
      await round(fixture, failed)
      assert.equal((await subcloud(fixture)).availability_status, 'offline')
      assert.deepEqual(await statuses(fixture), {})
      assert.deepEqual([(await alarmRow(fixture))!.critical_alarms, (await alarmRow(fixture))!.cloud_status], [-1, 'disabled'])
      assert.equal((await auditRow(fixture)).failure_reason, failed.failure)
      const before = (await changes(fixture)).length
      await round(fixture, failed)
      assert.equal((await auditRow(fixture)).audit_fail_count, 3)
      assert.equal((await changes(fixture)).length, before, 'offline still: nothing to tell')
      await round(fixture, good)
      assert.equal((await subcloud(fixture)).availability_status, 'online')
      assert.deepEqual([(await auditRow(fixture)).audit_fail_count, (await auditRow(fixture)).failure_reason], [0, null])
    })

    test('a site that says that service groups are inactive counts as failed', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 1)
      await round(fixture, { ...good, availability: 'offline' })
      assert.equal((await auditRow(fixture)).audit_fail_count, 1)
      assert.deepEqual(await statuses(fixture), {})
    })

    test('an unmanaged site: only its certificate is known, alarms are not counted', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 1, { management_state: 'unmanaged', availability_status: 'offline' })
      await round(fixture, good)
      assert.deepEqual(await statuses(fixture), { 'dc-cert': 'in-sync' })
      assert.equal(await alarmRow(fixture), undefined)
    })

    test('while software is deployed its endpoint is out-of-sync whatever the releases say', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 1, { deploy_status: 'sw-deploy-in-progress' })
      await round(fixture, good)
      assert.equal((await statuses(fixture))['software'], 'out-of-sync')
    })

    test('a report made under an older state of the subcloud changes nothing, and the audit is repeated at once', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 1)
      const { apply } = await audit(fixture, { ...good, endpoints: { software: 'out-of-sync' } })
      // Unmanaged while the site was being asked: what was asked as a managed one must not be written now.
      await fixture.database.transaction(async (tx) => {
        await tx.query.updateTable('subclouds').set({ management_state: 'unmanaged', revision: 2 }).where('id', '=', 1).execute()
        await statusesAfterUnmanage(tx, fixture.world, 1)
      })
      assert.equal((await apply()).changed, 0)
      assert.deepEqual(await statuses(fixture), {})
      const state = await auditRow(fixture)
      assert.equal(state.lease_owner, null)
      assert.ok(msOf(state.next_audit_at) <= fixture.world.clock.nowMs())
    })

    test('a report whose lease has gone to another worker is dropped', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 1)
      const late = await audit(fixture, failed)
      fixture.world.shiftMs(51_000)
      const heir = await audit(fixture, good)
      assert.equal((await late.apply()).dropped, 1)
      assert.equal((await auditRow(fixture)).audit_fail_count, 0)
      assert.equal((await heir.apply()).changed, 1)
      assert.deepEqual(await statuses(fixture), good.endpoints)
      assert.equal((await late.apply()).dropped, 1, 'also when nobody holds it')
    })

    test('a report that comes twice is applied once', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 1)
      const { apply } = await audit(fixture, failed)
      await apply()
      assert.equal((await apply()).dropped, 1)
      assert.equal((await auditRow(fixture)).audit_fail_count, 1)
    })

    test('a lost report costs one lease: the next audit reports in full, requests are still there', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 1)
      await requestAudits(fixture.database, fixture.world, { audits: ['software'], subcloudIds: [1] })
      await audit(fixture, good)
      fixture.world.shiftMs(51_000)
      const again = await audit(fixture, good)
      assert.equal((await auditRow(fixture)).software_audit_requested, 1)
      assert.equal((await again.apply()).changed, 1)
      assert.equal((await auditRow(fixture)).software_audit_requested, 0)
      assert.deepEqual(await statuses(fixture), good.endpoints)
    })

    test('a request that arrives during an audit leads to another one', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 1)
      const { apply } = await audit(fixture, good)
      await requestAudits(fixture.database, fixture.world, { audits: ['kubernetes'], subcloudIds: [1] })
      await apply()
      const state = await auditRow(fixture)
      assert.equal(state.kubernetes_audit_requested, 1)
      assert.ok(msOf(state.next_audit_at) <= fixture.world.clock.nowMs())
    })

    test('a subcloud that is gone when its report comes is no error', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 2)
      const { apply } = await audit(fixture, good)
      await fixture.database.query.deleteFrom('subclouds').where('id', '=', 1).execute()
      assert.deepEqual(await apply(), { changed: 1, cameOnline: 0, wentOffline: 0, dropped: 1, fenced: 0, moved: [] })
    })

    test('statements do not grow with the number of subclouds, unchanged or changed', async () => {
      const counts: number[][] = []
      for (const fleet of [50, 500]) {
        await using fixture = await openAuditFixture(engine.url())
        await addSubclouds(fixture, fleet)
        const first = await audit(fixture, good)
        const changed = await countStatements(first.apply)
        assert.equal(changed.result.changed, fleet)
        fixture.world.shiftMs(60_000)
        const claim = await countStatements(() => audit(fixture, good))
        const unchanged = await countStatements(claim.result.apply)
        assert.equal(unchanged.result.changed, 0)
        assert.equal(claim.result.reports.length, fleet)
        counts.push([claim.statements, unchanged.statements])
        // Inserting is chunked by the engine's parameter limit; everything else is one statement a table.
        assert.ok(changed.statements <= 12, `${changed.statements} statements for ${fleet} changed`)
      }
      assert.deepEqual(counts[0], counts[1])
      // A claim looks first whether anything is due.
      assert.deepEqual(counts[0], [3, 4])
    })

    test('two state services at once: every report counts once', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 40)
      const { reports } = await audit(fixture, failed)
      const halves = [reports.slice(0, 30), reports.slice(10)]
      const applied = await Promise.all(halves.map((half) => applyReports(fixture.site, fixture.database, half)))
      assert.equal(applied[0]!.dropped + applied[1]!.dropped, 20)
      const rows = await fixture.database.query.selectFrom('subcloud_audits').select('audit_fail_count').execute()
      assert.deepEqual(new Set(rows.map((row) => row.audit_fail_count)), new Set([1]))
    })

    test('update_status: allowed for the certificate of an online site, told to the stream, nothing when it stands there already', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 1, { management_state: 'unmanaged' })
      const set = (endpoint: 'dc-cert' | 'software' | 'all', status: 'in-sync' | 'unknown') =>
        fixture.database.transaction((tx) => applyEndpointStatus(tx, fixture.world, { subcloudId: 1, endpoint, status }))
      assert.deepEqual([...(await set('dc-cert', 'in-sync'))!], [['dc-cert', 'in-sync']])
      assert.equal((await set('dc-cert', 'in-sync'))!.size, 0)
      assert.equal((await set('software', 'in-sync'))!.size, 0, 'not managed')
      assert.equal((await changes(fixture)).length, 1)
      assert.equal((await subcloud(fixture)).revision, 2)
      await set('all', 'unknown')
      assert.deepEqual(await statuses(fixture), {})
      assert.equal((await auditRow(fixture)).software_audit_requested, 1, 'unknown forces the audit')
      assert.equal(
        await fixture.database.transaction((tx) =>
          applyEndpointStatus(tx, fixture.world, { subcloudId: 99, endpoint: 'all', status: 'unknown' }),
        ),
        undefined,
      )
    })

    test('unmanage keeps the certificate and disables the alarms; manage requests everything', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 1)
      await round(fixture, good)
      await fixture.database.transaction((tx) => statusesAfterUnmanage(tx, fixture.world, 1))
      assert.deepEqual(await statuses(fixture), { 'dc-cert': 'in-sync' })
      assert.equal((await alarmRow(fixture))!.cloud_status, 'disabled')
      await fixture.database.transaction((tx) => statusesAfterManage(tx, fixture.world, 1))
      const state = await auditRow(fixture)
      assert.deepEqual([state.firmware_audit_requested, state.kubernetes_audit_requested, state.software_audit_requested], [1, 1, 1])
    })
  })
