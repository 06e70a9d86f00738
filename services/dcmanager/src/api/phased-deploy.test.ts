import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timestamp } from '@murmuration/data'
import { allDeployStatuses, allowsVerb, firstStatusOf, ruleOf, type PhasedVerb } from '../rules/lifecycle.ts'
import { readDocuments } from '../store/documents.ts'
import type { SubcloudColumns } from '../store/subclouds.ts'
import { apiBench, base64, bmcSecret, example, type ApiBench } from '../testing/api-bench.ts'
import { fromTables } from '../testing/everything.ts'

const file = (data: string) => ({ fileName: 'v.yml', data })

async function rest(bench: ApiBench, columns: SubcloudColumns): Promise<void> {
  const { query } = bench.database
  await query
    .updateTable('jobs')
    .set({ state: 'done', exclusive_key: null, finished_at: timestamp(0) })
    .execute()
  await query.updateTable('subclouds').set(columns).execute()
}
const create = async (bench: ApiBench): Promise<void> => {
  const answer = await bench.call('POST', '/v1.0/phased-subcloud-deploy', {
    form: { bootstrap_values: file(bench.values(3)), 'bootstrap-address': '127.1.3.2' },
  })
  assert.equal(answer.status, 200, answer.text)
  for (const name of ['x.iso', 'x.sig'])
    await bench.site.world.files.write(`${bench.site.config.varFolder}/vault/software/26.09/${name}`, 'x')
}
const lastJob = async (bench: ApiBench) => {
  const job = await bench.database.query.selectFrom('jobs').selectAll().where('state', '=', 'queued').executeTakeFirstOrThrow()
  return { ...job, input: JSON.parse(job.input) as { phases: string[]; sysadminPassword?: string } }
}

/** What each verb needs to be accepted in every status that allows it. */
const goodForms: Record<PhasedVerb, (bench: ApiBench) => Record<string, string | { fileName: string; data: string }>> = {
  install: () => ({ install_values: file(example('install-values')), bmc_password: base64(bmcSecret) }),
  bootstrap: () => ({ sysadmin_password: base64('x') }),
  configure: () => ({ deploy_config: file(example('deploy-config')) }),
  complete: () => ({}),
  abort: () => ({}),
  resume: () => ({ sysadmin_password: base64('x'), deploy_config: file(example('deploy-config')) }),
  enroll: () => ({}),
}

test('create waits for its job and answers what came of it', async (t) => {
  const waited: string[] = []
  const bench = await apiBench(t, { context: { waitForJob: async (id) => void waited.push(id) } })
  await create(bench)
  const job = await lastJob(bench)
  assert.deepEqual(waited, [job.id])
  assert.deepEqual([job.kind, job.input.phases], ['subcloud.create', ['create']])
})

test('create that is repeated with its key waits too, and is told what came of the first one', async (t) => {
  const waited: string[] = []
  const bench = await apiBench(t, { context: { waitForJob: async (id) => void waited.push(id) } })
  const form = { bootstrap_values: file(bench.values(3)), 'bootstrap-address': '127.1.3.2' }
  const post = () => bench.call('POST', '/v1.0/phased-subcloud-deploy', { form, headers: { 'idempotency-key': 'k' } })
  const first = await post()
  assert.equal(first.json['deploy-status'], 'not-deployed', 'no manager runs here')
  assert.deepEqual([(await post()).text, waited.length], [first.text, 2])
  for (const [status, told] of [
    ['create-failed', 'create-failed'],
    ['create-complete', 'create-complete'],
    ['bootstrapping', 'create-complete'],
  ] as const) {
    await rest(bench, { deploy_status: status })
    assert.equal((await post()).json['deploy-status'], told)
  }
  assert.equal(waited.length, 2, 'nothing is left to wait for')
})

test('every verb in every status: accepted where the table says so, else 400 and nothing changed', async (t) => {
  const bench = await apiBench(t)
  await create(bench)
  for (const verb of ['install', 'bootstrap', 'configure', 'complete', 'resume'] as const)
    for (const status of allDeployStatuses) {
      await rest(bench, { deploy_status: status, initial_deployment: 1 })
      await bench.database.query.deleteFrom('subcloud_documents').where('kind', '!=', 'bootstrap_values').execute()
      const before = await fromTables(bench.database)
      const answer = await bench.call('PATCH', `/v1.0/phased-subcloud-deploy/subcloud3/${verb}`, { form: goodForms[verb](bench) })
      if (!allowsVerb(status, verb)) {
        assert.equal(answer.status, 400, `${verb} in ${status}: ${answer.text}`)
        assert.match(answer.json.description, new RegExp(`it is ${status}`))
        assert.deepEqual(await fromTables(bench.database), before)
        continue
      }
      assert.equal(answer.status, 200, `${verb} in ${status}: ${answer.text}`)
      if (verb === 'complete') assert.equal(answer.json['deploy-status'], 'complete')
      else {
        const job = await lastJob(bench)
        assert.equal(job.kind, `subcloud.${verb}`)
        assert.equal(answer.json['deploy-status'], firstStatusOf[job.input.phases[0] as 'install'])
      }
    }
})

test('install, abort and resume are for a first deployment', async (t) => {
  const bench = await apiBench(t)
  await create(bench)
  for (const [verb, status] of [
    ['install', 'create-complete'],
    ['resume', 'bootstrap-failed'],
    ['abort', 'bootstrapping'],
  ] as const) {
    await rest(bench, { deploy_status: status, initial_deployment: 0 })
    const answer = await bench.call('PATCH', `/v1.0/phased-subcloud-deploy/1/${verb}`, { form: goodForms[verb](bench) })
    assert.equal(answer.status, 400)
    assert.match(answer.json.description, /initial deployment/)
  }
})

test('abort: the row says so at once and the job is asked to end; without a job 409', async (t) => {
  const bench = await apiBench(t)
  await create(bench)
  for (const status of ['installing', 'bootstrapping', 'configuring'] as const) {
    await rest(bench, { deploy_status: 'create-complete' })
    await bench.call('PATCH', '/v1.0/phased-subcloud-deploy/1/bootstrap', { form: goodForms.bootstrap(bench) })
    await bench.database.query.updateTable('subclouds').set({ deploy_status: status }).execute()
    const aborted = await bench.call('PATCH', '/v1.0/phased-subcloud-deploy/1/abort')
    assert.equal(aborted.json['deploy-status'], ruleOf(status).abort?.to, aborted.text)
    assert.equal((await lastJob(bench)).cancel_requested, 1)
    assert.equal((await bench.call('PATCH', '/v1.0/phased-subcloud-deploy/1/abort')).status, 400)
  }
  await rest(bench, { deploy_status: 'installing' })
  const late = await bench.call('PATCH', '/v1.0/phased-subcloud-deploy/1/abort')
  assert.equal(late.status, 409)
})

test('complete waits for the end of an operation that stands between two of its phases', async (t) => {
  const bench = await apiBench(t)
  await bench.add(3, { deploy_config: file(example('deploy-config')) })
  await bench.database.query.updateTable('subclouds').set({ deploy_status: 'bootstrap-complete' }).execute()
  const before = await fromTables(bench.database)
  const answer = await bench.call('PATCH', '/v1.0/phased-subcloud-deploy/1/complete')
  assert.equal(answer.status, 409, answer.text)
  assert.match(answer.json.description, /subcloud\.add.*\/v1\.0\/subclouds\/1\/operations/)
  assert.deepEqual(await fromTables(bench.database), before)
})

test('resume runs what is left', async (t) => {
  const bench = await apiBench(t)
  await create(bench)
  const resume = (form: Record<string, string | { fileName: string; data: string }>) =>
    bench.call('PATCH', '/v1.0/phased-subcloud-deploy/1/resume', { form })
  await rest(bench, { deploy_status: 'create-complete' })
  assert.match((await resume({})).json.description, /sysadmin_password is required/)
  assert.equal((await resume({ sysadmin_password: base64('x') })).status, 200)
  assert.deepEqual((await lastJob(bench)).input.phases, ['bootstrap', 'complete'])
  await rest(bench, { deploy_status: 'bootstrap-complete' })
  assert.match((await resume({})).json.description, /deploy_config is required/)
  assert.match((await resume({ bootstrap_values: file(bench.values(3)) })).json.description, /not to be executed/)
  assert.match((await resume({ install_values: file(example('install-values')) })).json.description, /not to be executed/)
  assert.equal((await resume({ deploy_config: file(example('deploy-config')) })).status, 200)
  assert.deepEqual((await lastJob(bench)).input.phases, ['configure'])
})

test('install and resume with stored values: the new release and the new BMC password count', async (t) => {
  const bench = await apiBench(t)
  const releases = ['26.09', '26.03'].map((version) => ({ releaseId: `r-${version}`, softwareVersion: version, state: 'deployed' }))
  bench.context.facts.releases = async () => releases
  await create(bench)
  for (const name of ['x.iso', 'x.sig'])
    await bench.site.world.files.write(`${bench.site.config.varFolder}/vault/software/26.03/${name}`, 'x')
  await rest(bench, { deploy_status: 'create-complete' })
  assert.equal((await bench.call('PATCH', '/v1.0/phased-subcloud-deploy/1/install', { form: goodForms.install(bench) })).status, 200)
  for (const [verb, password] of [
    ['install', 'first'],
    ['resume', 'second'],
  ] as const) {
    await rest(bench, { deploy_status: 'install-failed', software_version: '26.09' })
    const form = { release: '26.03', bmc_password: base64(password), sysadmin_password: base64('x') }
    const answer = await bench.call('PATCH', `/v1.0/phased-subcloud-deploy/1/${verb}`, { form })
    assert.equal(answer.json['software-version'], '26.03', answer.text)
    assert.deepEqual(JSON.parse(answer.json.data_install).software_version, '26.03')
    const { install_values: values } = await readDocuments(bench.database, bench.site.keyring, 1)
    const { software_version: version, bmc_password: stored } = values as Record<string, string>
    assert.deepEqual([version, stored], ['26.03', base64(password)])
  }
  await rest(bench, { deploy_status: 'install-failed' })
  const bad = await bench.call('PATCH', '/v1.0/phased-subcloud-deploy/1/install', { form: { bmc_password: 'nö' } })
  assert.equal(bad.status, 400, bad.text)
})

test('a release counts only where an installation follows', async (t) => {
  const bench = await apiBench(t)
  await create(bench)
  await rest(bench, { deploy_status: 'create-complete' })
  const form = { release: '20.06', sysadmin_password: base64('x') }
  const answer = await bench.call('PATCH', '/v1.0/phased-subcloud-deploy/1/resume', { form })
  assert.deepEqual([answer.status, answer.json['software-version']], [200, '26.09'], answer.text)
})

test('new bootstrap values move the subcloud, unless another one is there', async (t) => {
  const bench = await apiBench(t)
  await create(bench)
  await bench.add(4)
  const bootstrap = (values: string) =>
    bench.call('PATCH', '/v1.0/phased-subcloud-deploy/1/bootstrap', {
      form: { bootstrap_values: file(values), sysadmin_password: base64('x') },
    })
  await rest(bench, { deploy_status: 'create-complete' })
  const before = await fromTables(bench.database)
  assert.match((await bootstrap(bench.values(4))).json.description, /is not the name/)
  assert.match(
    (await bootstrap(bench.values(4).replaceAll('subcloud4', 'subcloud3'))).json.description,
    /overlaps that of subcloud subcloud4/,
  )
  assert.deepEqual(await fromTables(bench.database), before)
  const moved = await bootstrap(bench.values(9).replaceAll('subcloud9', 'subcloud3'))
  assert.equal(moved.json['management-start-ip'], '127.0.9.2', moved.text)
  // The addresses that it had are free.
  assert.equal((await bench.add(3, { name: 'another' })).status, 200)
})

test('verbs that do not exist, and those of later versions', async (t) => {
  const bench = await apiBench(t)
  await create(bench)
  await rest(bench, { deploy_status: 'create-complete' })
  assert.match((await bench.call('PATCH', '/v1.0/phased-subcloud-deploy/1/enroll')).json.description, /not available in this version/)
  for (const verb of ['fly', 'constructor']) assert.equal((await bench.call('PATCH', `/v1.0/phased-subcloud-deploy/1/${verb}`)).status, 400)
  assert.equal((await bench.call('PATCH', '/v1.0/phased-subcloud-deploy/77/install')).status, 404)
  assert.equal((await bench.call('PATCH', '/v1.0/phased-subcloud-deploy')).status, 400)
  const bound = await bench.call('PATCH', '/v1.0/phased-subcloud-deploy?subcloud_ref=subcloud3&verb=bootstrap', {
    form: { sysadmin_password: base64('x') },
  })
  assert.equal(bound.json['deploy-status'], 'pre-bootstrap', bound.text)
})

test('the bodies of the stock client that hold nothing', async (t) => {
  const bench = await apiBench(t)
  await create(bench)
  for (const [body, contentType] of [
    ['--b--\r\n', 'multipart/form-data; boundary=b'],
    ['{}', 'application/json'],
    ['', 'application/json'],
  ] as const) {
    await rest(bench, { deploy_status: 'bootstrap-complete' })
    const answer = await bench.call('PATCH', '/v1.0/phased-subcloud-deploy/1/complete/', { body, headers: { 'content-type': contentType } })
    assert.equal(answer.json['deploy-status'], 'complete', `${body} ${contentType}: ${answer.text}`)
  }
})
