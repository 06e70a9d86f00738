import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { timestamp } from '@murmuration/data'
import { addSubclouds, openAuditFixture, testEngines, type AuditFixture } from '../testing/audit-fixture.ts'
import { claimDue, giveBack, msOf, putOffUnaudited, requestAudits, requestAuditsOfManaged } from './audits.ts'

const claimOf = (fixture: AuditFixture, lease: string, limit = 100) =>
  claimDue(fixture.database, { lease, nowMs: fixture.world.clock.nowMs(), leaseMs: 50_000, limit, intervalMs: 30_000 })

const audits = ({ database }: AuditFixture) => database.query.selectFrom('subcloud_audits').selectAll().orderBy('subcloud_id').execute()

for (const engine of testEngines)
  describe(`claims of audits on ${engine.name}`, () => {
    test('workers that claim at the same time share the fleet: nothing twice, nothing left', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 60)
      fixture.world.shiftMs(10)
      const claims = await Promise.all(Array.from({ length: 6 }, (_, worker) => claimOf(fixture, `worker-${worker}`, 10)))
      const ids = claims.flat().map((each) => each.subcloudId)
      assert.equal(new Set(ids).size, ids.length)
      // A worker may have skipped what another one held at that moment; what is left is there for the next look.
      const rest = await claimOf(fixture, 'late')
      assert.deepEqual(
        [...ids, ...rest.map((each) => each.subcloudId)].toSorted((a, b) => a - b),
        Array.from({ length: 60 }, (_, i) => i + 1),
      )
    })

    test('a lease that ended is taken by others, one that holds is not', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 3)
      assert.equal((await claimOf(fixture, 'dead')).length, 3)
      fixture.world.shiftMs(49_000)
      assert.equal((await claimOf(fixture, 'early')).length, 0)
      fixture.world.shiftMs(2_000)
      assert.equal((await claimOf(fixture, 'heir')).length, 3)
    })

    test('a clock that was set back by a day does not stop the audits', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 2)
      await claimOf(fixture, 'before')
      fixture.world.shiftMs(-86_400_000)
      assert.equal((await claimOf(fixture, 'after')).length, 2)
    })

    test('only audited deploy statuses are claimed; those that rest in others are put off, those that are worked on are not', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 6)
      const set = (id: number, columns: object) =>
        fixture.database.query.updateTable('subclouds').set(columns).where('id', '=', id).execute()
      await set(1, { deploy_status: 'bootstrapping' })
      await set(2, { deploy_status: 'installing', availability_status: 'offline' })
      await set(5, { deploy_status: 'install-complete' })
      await set(6, { deploy_status: 'rehome-pending', availability_status: 'offline' })
      await set(3, { deploy_status: 'installing', availability_status: 'online' })
      const nowMs = fixture.world.clock.nowMs()
      await putOffUnaudited(fixture.database, nowMs, 30_000)
      const due = (await audits(fixture)).map((row) => msOf(row.next_audit_at) <= nowMs)
      assert.deepEqual(due, [true, true, true, true, false, false])
      assert.deepEqual(
        (await claimOf(fixture, 'w')).map((each) => each.subcloudId),
        [3, 4],
      )
    })

    test('a claim tells what the audit depends on', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 1)
      await requestAudits(fixture.database, fixture.world, { audits: ['firmware', 'kube-rootca'], subcloudIds: [1] })
      const [claimed] = await claimOf(fixture, 'w')
      assert.deepEqual(claimed, {
        subcloudId: 1,
        name: 'edge-1',
        managementStartIp: '127.0.0.1',
        managementState: 'managed',
        softwareVersion: '26.09',
        firstIdentitySyncComplete: false,
        revision: 1,
        ownerEpoch: 0,
        requested: ['firmware', 'kube-rootca'],
        lastFinishedAtMs: undefined,
        failCount: 0,
      })
    })

    test('given back leases are due at once; requests of all managed leave the unmanaged alone', async () => {
      await using fixture = await openAuditFixture(engine.url())
      await addSubclouds(fixture, 2)
      await fixture.database.query.updateTable('subclouds').set({ management_state: 'unmanaged' }).where('id', '=', 2).execute()
      await claimOf(fixture, 'stopping')
      await giveBack(fixture.database, fixture.world, ['stopping'])
      assert.equal((await claimOf(fixture, 'next')).length, 2)
      await requestAuditsOfManaged(fixture.database, fixture.world, ['software'])
      assert.deepEqual(
        (await audits(fixture)).map((row) => row.software_audit_requested),
        [1, 0],
      )
      assert.ok((await audits(fixture))[0]!.next_audit_at <= timestamp(fixture.world.clock.nowMs()))
    })
  })
