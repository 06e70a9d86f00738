import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { timestamp, type Database } from '@murmuration/data'
import { liveJobFor, readJobs, readSteps } from '@murmuration/jobs'
import type { Phase } from '../rules/operations.ts'
import { claimAbort, claimFlow } from '../store/claims.ts'
import type { Schema } from '../store/schema.ts'
import { createManager } from './manager.ts'
import { asker, event, openFleet, untilAborted, type Fleet } from './testing/fleet.ts'
import { dyingAt, later } from './testing/dying.ts'
import { waitForJob } from './wait-for-job.ts'

const everyPhase: readonly Phase[] = ['create', 'install', 'bootstrap', 'configure']
const installValues = { bmc_address: '127.201.0.9', bmc_username: 'admin', bmc_password: 'cGFzcw==', bootstrap_address: '127.201.1.2' }
const documents = { install_values: installValues, deploy_config: { system: { description: 'x' } } }

async function withImage(fleet: Fleet): Promise<Fleet> {
  const folder = `${fleet.site.config.varFolder}/vault/software/26.09`
  await fleet.site.world.files.write(`${folder}/os.iso`, '')
  await fleet.site.world.files.write(`${folder}/os.sig`, '')
  return fleet
}

async function manage(t: TestContext, fleet: Fleet, jobId: string): Promise<void> {
  const manager = createManager(fleet.site, fleet.database)
  await manager.start()
  t.after(() => manager.stop())
  assert.ok(await waitForJob(fleet.site, fleet.database, jobId, 20_000), 'the job ends')
}

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  const endMs = performance.now() + 20_000
  while (!(await condition())) {
    assert.ok(performance.now() < endMs, 'waited in vain')
    await new Promise((done) => setTimeout(done, 5))
  }
}

test('all phases lead to complete, each status told to the change stream, in order', { timeout: 60_000 }, async (t) => {
  const fleet = await withImage(await openFleet(t))
  const { row, jobId } = await fleet.add(everyPhase, documents)
  await manage(t, fleet, jobId)
  assert.deepEqual(await fleet.status(row.id), { deploy_status: 'complete', error_description: 'No errors present' })
  assert.deepEqual(fleet.played, ['install.yml', 'bootstrap.yml', 'configure.yml'])
  const changes = await fleet.database.query.selectFrom('subcloud_changes').select('fields').orderBy('seq').execute()
  const statuses = changes.map((change) => (JSON.parse(change.fields) as Record<string, string>)['deploy-status'])
  assert.deepEqual(statuses, [
    'not-deployed',
    'creating',
    'create-complete',
    'pre-install',
    'installing',
    'install-complete',
    'pre-bootstrap',
    'bootstrapping',
    'bootstrap-complete',
    'pre-config',
    'configuring',
    'complete',
  ])
  assert.deepEqual(await readdir(`${fleet.site.config.varFolder}/run/operations`), [])
})

test('a failed playbook: the status, the text, and a sealed vault', { timeout: 60_000 }, async (t) => {
  const fleet = await openFleet(t, async (playbook, spec) => {
    if (playbook !== 'bootstrap.yml') return {}
    const failed = { event: 'failed', host: 'edge-1', task: 'the only task', ignored: false, error: { msg: 'no route', rc: 1 } }
    spec.onLine?.('stdout', event(failed))
    return { code: 2 }
  })
  const { row, jobId } = await fleet.add(['create', 'bootstrap', 'complete'])
  await manage(t, fleet, jobId)
  assert.deepEqual(await fleet.status(row.id), {
    deploy_status: 'bootstrap-failed',
    error_description: 'FAILED bootstrapping playbook of (edge-1).\ndetail: no route (rc 1)\nFAILED TASK: the only task',
  })
  assert.equal(fleet.played.length, 1, 'a playbook that failed is not run again by itself')
  const vault = `${fleet.site.config.varFolder}/vault/subclouds/${row.id}`
  for (const file of await readdir(vault)) {
    const text = await readFile(join(vault, file), 'utf8')
    assert.match(text, /sealed:v1:/)
    assert.doesNotMatch(text, /PRIVATE KEY/)
  }
})

test('an operation whose managers die of it each time is failed, with a text that says so', { timeout: 60_000 }, async (t) => {
  const fleet = await openFleet(t)
  const { row, jobId } = await fleet.add(['create', 'bootstrap', 'complete'])
  // As five managers have left it.
  await fleet.database.query
    .updateTable('jobs')
    .set({ state: 'running', lease_owner: 'dead', lease_epoch: 5, lease_until: timestamp(0), lost_leases: 4 })
    .execute()
  await fleet.database.query.updateTable('subclouds').set({ deploy_status: 'bootstrapping' }).execute()
  await manage(t, fleet, jobId)
  const { deploy_status, error_description } = await fleet.status(row.id)
  assert.equal(deploy_status, 'bootstrap-failed')
  assert.match(error_description, /^The operation was given up: .* 5 times in a row/)
  assert.deepEqual(fleet.played, [])
})

test('what is missing is refused in the preparing phase, with the remedy', { timeout: 60_000 }, async (t) => {
  const fleet = await openFleet(t)
  const { row, jobId } = await fleet.add(everyPhase, documents)
  await manage(t, fleet, jobId)
  const { deploy_status, error_description } = await fleet.status(row.id)
  assert.equal(deploy_status, 'pre-install-failed')
  assert.match(error_description, /put the \.iso and the \.sig into/)
  assert.deepEqual(fleet.played, [])
})

test('who sees the end of an operation finds the subcloud free for the next one', { timeout: 60_000 }, async (t) => {
  const fleet = await openFleet(t)
  const { row, jobId } = await fleet.add(['create', 'bootstrap', 'complete'])
  const seen = new Map<string, boolean>()
  const watched: Database<Schema> = {
    ...fleet.database,
    transaction: async (work, how) => {
      const result = await fleet.database.transaction(work, how)
      const { deploy_status: status } = await fleet.status(row.id)
      if (!seen.has(status)) seen.set(status, (await liveJobFor(fleet.database, `subcloud:${row.id}`)) === undefined)
      return result
    },
  }
  const manager = createManager(fleet.site, watched)
  await manager.start()
  t.after(() => manager.stop())
  await waitForJob(fleet.site, fleet.database, jobId, 20_000)
  await until(() => seen.has('complete'))
  assert.equal(seen.get('complete'), true)
  assert.equal(seen.get('bootstrap-complete'), false)
})

test('abort: the playbook is ended, the status follows, and the phase can be resumed', { timeout: 60_000 }, async (t) => {
  let hang = true
  const fleet = await openFleet(t, async (playbook, spec) => (playbook === 'bootstrap.yml' && hang ? untilAborted(spec) : {}))
  const { row, jobId } = await fleet.add(['create', 'bootstrap', 'complete'])
  const manager = createManager(fleet.site, fleet.database)
  await manager.start()
  t.after(() => manager.stop())
  await until(async () => (await fleet.status(row.id)).deploy_status === 'bootstrapping' && fleet.played.length === 1)
  const answered = await claimAbort(fleet.desk, asker, () => '', row.id)
  assert.equal(answered.deploy_status, 'aborting-bootstrap')
  const job = await waitForJob(fleet.site, fleet.database, jobId, 20_000)
  assert.equal(job?.state, 'cancelled')
  assert.equal((await fleet.status(row.id)).deploy_status, 'bootstrap-aborted')

  hang = false
  const resumed = await claimFlow(fleet.desk, asker, () => '', row.id, {
    sysadminPassword: undefined,
    decide: () => ({
      columns: { deploy_status: 'pre-bootstrap' },
      documents: {},
      operation: 'subcloud.resume',
      phases: ['bootstrap', 'complete'],
    }),
  })
  await waitForJob(fleet.site, fleet.database, resumed.jobId, 20_000)
  assert.equal((await fleet.status(row.id)).deploy_status, 'complete')
})

test('an aborted installation switches the server off', { timeout: 60_000 }, async (t) => {
  const fleet = await withImage(
    await openFleet(t, async (playbook, spec) => (playbook === 'install.yml' ? untilAborted(spec) : { code: 2 })),
  )
  const { row, jobId } = await fleet.add(everyPhase, documents)
  const manager = createManager(fleet.site, fleet.database)
  await manager.start()
  t.after(() => manager.stop())
  await until(() => fleet.played.length === 1)
  await claimAbort(fleet.desk, asker, () => '', row.id)
  await waitForJob(fleet.site, fleet.database, jobId, 20_000)
  assert.deepEqual(fleet.played, ['install.yml', 'power_off.yml'])
  assert.equal((await fleet.status(row.id)).deploy_status, 'install-aborted', 'that it could not be switched off changes nothing')
})

test('a shutdown gives the job back; the next start goes on with the same phase', { timeout: 60_000 }, async (t) => {
  let hang = true
  const fleet = await openFleet(t, async (playbook, spec) => (playbook === 'bootstrap.yml' && hang ? untilAborted(spec) : {}))
  const { row, jobId } = await fleet.add(['create', 'bootstrap', 'complete'])
  const first = createManager(fleet.site, fleet.database)
  await first.start()
  await until(() => fleet.played.length === 1)
  await first.stop()
  assert.equal((await fleet.status(row.id)).deploy_status, 'bootstrapping')
  assert.equal((await readJobs(fleet.database, { ids: [jobId] }))[0]?.state, 'queued')
  hang = false
  await manage(t, fleet, jobId)
  assert.equal((await fleet.status(row.id)).deploy_status, 'complete')
  assert.deepEqual(fleet.played, ['bootstrap.yml', 'bootstrap.yml'])
})

for (const when of ['before', 'after'] as const)
  test(`a manager that dies ${when} any of its transactions: the next one completes the deployment`, { timeout: 120_000 }, async (t) => {
    for (let at = 1, finished = false; !finished; at += 1) {
      const fleet = await withImage(await openFleet(t))
      const { row, jobId } = await fleet.add(everyPhase, documents)
      const first = dyingAt(fleet, at, when)
      const doomed = createManager(first.site, first.database)
      void doomed.start()
      const ended = waitForJob(fleet.site, fleet.database, jobId, 20_000)
      finished = (await Promise.race([first.dead.then(() => 'died' as const), ended])) !== 'died'
      if (finished) await doomed.stop()
      else {
        const next = createManager(later(fleet.site), fleet.database)
        await next.start()
        await ended
        await next.stop()
      }
      assert.deepEqual(await fleet.status(row.id), { deploy_status: 'complete', error_description: 'No errors present' }, `died at ${at}`)
      const steps = (await readSteps(fleet.database, [jobId])).map((step) => step.name)
      assert.equal(new Set(steps).size, steps.length)
      // Only the playbook whose end was not recorded runs twice.
      assert.ok(fleet.played.length <= 4, `died at ${at}: ${fleet.played.join()}`)
      assert.deepEqual([...new Set(fleet.played)], ['install.yml', 'bootstrap.yml', 'configure.yml'])
      assert.ok(at < 200)
    }
  })
