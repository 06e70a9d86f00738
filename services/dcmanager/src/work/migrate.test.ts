import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readJobs } from '@murmuration/jobs'
import { crashEverywhere, createManualWorld, runEachStepTwice, type Prepare } from '@murmuration/jobs/testing'
import { readMigrationMembers } from '../store/migration-members.ts'
import { readPeerGroup } from '../store/peer-groups.ts'
import { PlaybookFailed } from './playbooks/failure.ts'
import { repairMigrations } from './repair-migrations.ts'
import { FakeSites, takeoverBench, type TakeoverBench } from './testing/takeover-bench.ts'

const north = 'aaaaaaaa-0000-4000-8000-000000000001'
const south = 'bbbbbbbb-0000-4000-8000-000000000002'

const ended = async (bench: TakeoverBench, jobId: string): Promise<boolean> =>
  (await readJobs(bench.database, { ids: [jobId] }))[0]?.finished_at !== null
const states = async (bench: TakeoverBench) => (await readMigrationMembers(bench.database, bench.groupId)).map((member) => member.state)
const group = async (bench: TakeoverBench) => (await readPeerGroup(bench.database, bench.groupId))!
const ownAll = (sites: FakeSites, count: number, silentMs = 86_400_000): void => {
  for (let n = 1; n <= count; n += 1)
    sites.owners.set(n.toString(16).padStart(32, '0'), { owner: north, ownerName: 'north', epoch: 4, silentMs })
}

test('a group is migrated: bounded, each member claimed under the next epoch, managed when online, the leader changed', async (t) => {
  const manual = createManualWorld()
  const told: unknown[] = []
  const peers = { giveUp: async () => undefined, tell: async (...call: unknown[]) => void told.push(call[0]) }
  const bench = await takeoverBench(t, { world: manual.world, peers })
  await bench.add(12)
  ownAll(bench.sites, 12)
  bench.before = () => manual.world.timers.sleep(3_000)
  const jobId = await bench.migrate()
  assert.equal((await group(bench)).migration_status, 'migrating')
  await assert.rejects(bench.migrate(), /Another operation is in progress for this subcloud peer group: peer-group\.migrate/)
  const worker = bench.worker()
  worker.start()
  await manual.until('the migration to end', () => ended(bench, jobId), 100)
  await worker.stop()
  const [job] = await readJobs(bench.database, { ids: [jobId] })
  assert.equal(job?.state, 'done', job?.error ?? '')
  for (const row of await bench.rows())
    assert.deepEqual([row.deploy_status, row.management_state, row.owner_epoch], ['complete', 'managed', 5], String(row.id))
  assert.ok(bench.atWork.most <= 3, `${bench.atWork.most} at once`)
  assert.deepEqual(new Set(await states(bench)), new Set(['done']))
  const { system_leader_id, system_leader_name, migration_status } = await group(bench)
  assert.deepEqual([system_leader_id, system_leader_name, migration_status], [south, 'south', 'complete'])
  assert.equal(told.length, 1)
  assert.equal(bench.sites.taken.length, 12)
})

test('a migration that dies anywhere goes on, and no site is claimed under a second epoch', { timeout: 600_000 }, async (t) => {
  const prepare: Prepare = async (world) => {
    const bench = await takeoverBench(t, { world })
    await bench.add(1)
    ownAll(bench.sites, 1)
    return {
      database: bench.database,
      kinds: bench.kinds(world),
      enqueue: () => bench.migrate(),
      async check(job) {
        assert.equal(job.state, 'done', job.error ?? '')
        const [row] = await bench.rows()
        assert.deepEqual([row!.deploy_status, row!.management_state, row!.owner_epoch], ['complete', 'managed', 5])
        assert.ok(
          bench.sites.taken.every((one) => one.startsWith('south 5 ')),
          bench.sites.taken.join(),
        )
        assert.equal((await group(bench)).migration_status, 'complete')
      },
    }
  }
  const labels = await crashEverywhere(prepare)
  assert.ok(labels.length > 20, labels.join('\n'))
  await runEachStepTwice(prepare)
})

test('members fail and are refused each for itself; the next migrate takes those that are left', async (t) => {
  const manual = createManualWorld()
  const peers = {
    giveUp: async (_: number, region: string) => (region.endsWith('3') ? 'north does not give the subcloud up: (400)' : undefined),
    tell: async () => {},
  }
  const bench = await takeoverBench(t, { world: manual.world, peers })
  await bench.add(4)
  ownAll(bench.sites, 4)
  bench.before = async (run) => {
    if (run.subcloudId === 1 && run.playbook.endsWith('ownership.yml'))
      throw new PlaybookFailed(run.stage, run.name, { kind: 'unreachable', message: 'no route' }, 4)
    if (run.subcloudId === 2 && run.playbook.endsWith('rehome_subcloud.yml'))
      throw new PlaybookFailed(run.stage, run.name, { kind: 'task', task: 'start the services', message: 'no' }, 2)
  }
  const worker = bench.worker()
  worker.start()
  const first = await bench.migrate()
  await manual.until('the first to end', () => ended(bench, first), 100)
  assert.deepEqual(
    (await bench.rows()).map((row) => row.deploy_status),
    ['rehome-prep-failed', 'rehome-failed', 'secondary', 'complete'],
  )
  assert.deepEqual(await states(bench), ['failed', 'failed', 'refused', 'done'])
  assert.match((await bench.rows())[2]!.error_description, /north does not give the subcloud up/)
  const second = await bench.migrate()
  bench.before = async () => {}
  await manual.until('the second to end', () => ended(bench, second), 100)
  await worker.stop()
  assert.deepEqual(
    (await bench.rows()).map((row) => row.deploy_status),
    ['complete', 'complete', 'secondary', 'complete'],
  )
})

test('a takeover that nobody asked for leaves members that still hear their controller, and then leads nothing', async (t) => {
  const manual = createManualWorld()
  const bench = await takeoverBench(t, { world: manual.world })
  await bench.add(2)
  ownAll(bench.sites, 2, 12_000)
  const worker = bench.worker()
  worker.start()
  const blocked = await bench.migrate(true)
  await manual.until('it to end', () => ended(bench, blocked), 100)
  assert.deepEqual(await states(bench), ['refused', 'refused'])
  for (const row of await bench.rows()) {
    assert.equal(row.deploy_status, 'secondary')
    assert.match(row.error_description, /still hears north .*: last 12 s ago/)
  }
  assert.deepEqual([(await group(bench)).migration_status, (await group(bench)).system_leader_id], [null, north])
  // Nothing that could say answers there: no witness, no takeover. The other one has not been heard for long enough.
  bench.sites.owners.set('1'.padStart(32, '0'), { owner: north, ownerName: 'north', epoch: 4, silentMs: null })
  bench.sites.owners.set('2'.padStart(32, '0'), { owner: north, ownerName: 'north', epoch: 4, silentMs: 90_000 })
  const partly = await bench.migrate(true)
  await manual.until('it to end', () => ended(bench, partly), 100)
  await worker.stop()
  assert.deepEqual(await states(bench), ['refused', 'done'])
  assert.equal((await group(bench)).system_leader_id, south)
})

test('two controllers migrate one group at once: each subcloud has one of them, the other learns by whom it was taken', async (t) => {
  const manual = createManualWorld()
  const sites = new FakeSites()
  const one = await takeoverBench(t, { world: manual.world, sites })
  const other = await takeoverBench(t, {
    world: manual.world,
    sites,
    system: { uuid: 'cccccccc-0000-4000-8000-000000000003', name: 'west' },
  })
  for (const bench of [one, other]) await bench.add(6)
  ownAll(sites, 6)
  // Both have read the same epoch before either of them claims.
  for (const bench of [one, other])
    bench.before = (run) => manual.world.timers.sleep(run.playbook.endsWith('ownership.yml') ? 10 : 1_000 * manual.world.random.float())
  const jobs = [await one.migrate(), await other.migrate()] as const
  const workers = [one.worker(undefined, 'one'), other.worker(undefined, 'other')]
  for (const worker of workers) worker.start()
  await manual.until('both to end', async () => (await ended(one, jobs[0])) && (await ended(other, jobs[1])), 20)
  for (const worker of workers) await worker.stop()
  const [rowsOne, rowsOther] = [await one.rows(), await other.rows()]
  for (let n = 0; n < 6; n += 1) {
    const owner = sites.seen((n + 1).toString(16).padStart(32, '0'))
    const pair = [rowsOne[n]!, rowsOther[n]!]
    const [winner, loser] = owner.ownerName === 'south' ? pair : pair.toReversed()
    assert.deepEqual([winner!.deploy_status, winner!.owner_epoch], ['complete', owner.epoch])
    // Who came a whole epoch later has taken it from the first, whose next audit is refused.
    if (loser!.deploy_status === 'complete') assert.ok(loser!.owner_epoch < owner.epoch)
    else {
      assert.equal(loser!.deploy_status, 'secondary')
      assert.match(loser!.error_description, new RegExp(`managed by ${owner.ownerName}`))
    }
  }
  assert.equal(new Set(sites.taken.map((one) => one.split(' ').slice(1).join(' '))).size, sites.taken.length, 'no epoch was given twice')
})

test('a controller that was paused between what it read and what it claims is refused; its row goes back', async (t) => {
  const manual = createManualWorld()
  const sites = new FakeSites()
  const paused = await takeoverBench(t, { world: manual.world, sites })
  await paused.add(1)
  ownAll(sites, 1)
  let go = (): void => {}
  const held = new Promise<void>((resolve) => (go = resolve))
  paused.before = (run) => (run.playbook.endsWith('rehome_subcloud.yml') ? held : Promise.resolve())
  const worker = paused.worker()
  worker.start()
  const jobId = await paused.migrate()
  await manual.until('it to hold', async () => (await paused.rows())[0]!.deploy_status === 'rehoming' && paused.atWork.now === 1, 50)
  assert.equal(sites.claim('1'.padStart(32, '0'), 'cccccccc-0000-4000-8000-000000000003', 'west', 5), true)
  // Ten minutes, and a clock that is a day ahead when it wakes up.
  manual.stepWallClock(86_400_000)
  go()
  await manual.until('it to end', () => ended(paused, jobId), 100)
  await worker.stop()
  const [row] = await paused.rows()
  assert.deepEqual([row!.deploy_status, row!.management_state, row!.owner_epoch], ['secondary', 'unmanaged', 0])
  assert.match(row!.error_description, /managed by west/)
  assert.equal(sites.seen('1'.padStart(32, '0')).ownerName, 'west')
})

test('a member that does not come online is left unmanaged in time, whatever the clock of the day does', async (t) => {
  const manual = createManualWorld()
  const bench = await takeoverBench(t, { world: manual.world })
  await bench.add(2)
  const worker = bench.worker()
  worker.start()
  const jobId = await bench.migrate()
  await manual.until('both to be taken over', async () => (await bench.rows()).every((row) => row.deploy_status === 'complete'), 50)
  await bench.database.query.updateTable('subclouds').set({ availability_status: 'offline' }).where('id', '=', 2).execute()
  manual.stepWallClock(86_400_000)
  await manual.until('the one to be managed', async () => (await bench.rows())[0]!.management_state === 'managed', 50)
  if ((await bench.rows())[1]!.management_state === 'unmanaged')
    assert.equal(await ended(bench, jobId), false, 'it waits, though the clock jumped')
  await manual.until('it to end', () => ended(bench, jobId), 500)
  await worker.stop()
  assert.equal((await group(bench)).migration_status, 'complete')
})

test('a group that is migrating with nobody who migrates it is put in order', async (t) => {
  const bench = await takeoverBench(t)
  await bench.add(1)
  await bench.migrate()
  await bench.database.query.updateTable('jobs').set({ state: 'failed', exclusive_key: null }).execute()
  await repairMigrations(bench.site.world, bench.database, async () => ({ uuid: south, name: 'south' }))
  assert.equal((await group(bench)).migration_status, null)
  assert.equal((await bench.rows())[0]!.deploy_status, 'secondary')
})
