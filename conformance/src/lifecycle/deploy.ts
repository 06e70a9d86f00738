import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { example } from '../testing/addresses.ts'
import { startBmc } from '../testing/bmc.ts'
import { createApi } from '../testing/client.ts'
import type { Fleet } from '../testing/fleet.ts'
import { readOpenrc } from '../testing/openstack.ts'
import { murmur, run } from '../testing/processes.ts'
import {
  bootstrapAddressOf,
  bootstrapFile,
  encoded,
  once,
  operationsOf,
  playbooksOf,
  refused,
  show,
  sysadminPassword,
  untilAvailability,
  untilHeld,
  untilStatus,
  type Operation,
  type Subject,
  type Subcloud,
} from './cloud.ts'

const password = { sysadmin_password: encoded(sysadminPassword) }

/** The documented request (reference dcmanager §1.16) with nothing but curl and the files of docs/examples. */
export async function addByCurl(fleet: Fleet, subject: Subject): Promise<Subcloud> {
  const folder = join(fleet.folder, 'values')
  await mkdir(folder, { recursive: true })
  const bootstrap = join(folder, `${subject.name}.yaml`)
  const deployConfig = join(folder, `${subject.name}-dm.yaml`)
  await writeFile(bootstrap, (await bootstrapFile(fleet, subject)).content)
  await writeFile(deployConfig, await example('deploy-config.yaml', subject.name, subject.n, fleet))
  const curl = async (...more: string[]): Promise<{ code: number; body: Subcloud }> => {
    const { stdout, stderr } = await run('curl', [
      '--silent',
      '--show-error',
      '--write-out',
      '\n%{http_code}',
      `${fleet.dcmanager.base}/v1.0/subclouds`,
      '--header',
      `X-Auth-Token: ${await fleet.dcmanager.token()}`,
      '--header',
      'Accept: application/json',
      '--header',
      `Idempotency-Key: add-${subject.name}`,
      '--form',
      `bootstrap_values=@${bootstrap}`,
      '--form',
      `deploy_config=@${deployConfig}`,
      '--form',
      `bootstrap-address=${bootstrapAddressOf(fleet, subject)}`,
      '--form',
      `sysadmin_password=${encoded(sysadminPassword)}`,
      ...more,
    ]).done
    assert.equal(stderr, '')
    const cut = stdout.lastIndexOf('\n')
    return { code: Number(stdout.slice(cut + 1)), body: JSON.parse(stdout.slice(0, cut)) as Subcloud }
  }
  const { code, body } = await curl('--form', 'location=Porto')
  assert.equal(code, 200, JSON.stringify(body))
  assert.deepEqual(
    [body.name, body['deploy-status'], body['management-state'], body['availability-status'], body['location'], body.group_id],
    [subject.name, 'not-deployed', 'unmanaged', 'offline', 'Porto', 1],
  )
  // The very same request again is the same subcloud; another one under this key is refused.
  assert.deepEqual(await curl('--form', 'location=Porto'), { code, body })
  assert.equal((await curl('--form', 'location=Faro')).code, 422)
  return body
}

/** `kill -9` of whoever runs the bootstrap: it goes on, and nothing that is recorded as done is done again. */
export async function killManagerInBootstrap(fleet: Fleet, subject: Subject): Promise<void> {
  await untilHeld(fleet, subject)
  assert.equal((await show(fleet, subject.name))['deploy-status'], 'bootstrapping')
  const [playing] = await playbooksOf(fleet, subject)
  const part = await fleet.partOf(playing!.pid)
  assert.ok(part !== undefined, 'the playbook belongs to one of our processes')
  await fleet.kill(part)
  await fleet.until('the playbook has ended with its manager', async () => (await playbooksOf(fleet, subject)).length === 0, 20_000)
  await fleet.start(part)
}

export async function finishKilledBootstrap(fleet: Fleet, subject: Subject, deployConfigCopy: string): Promise<void> {
  await fleet.release(subject.name)
  await untilStatus(fleet, subject.name, 'complete')
  await fleet.until('its operation has ended', async () => (await operationsOf(fleet, subject.name))[0]?.state === 'done')
  const [operation, ...others] = await operationsOf(fleet, subject.name)
  assert.equal(others.length, 0)
  assert.deepEqual([operation!.kind, operation!.state, operation!.error], ['subcloud.add', 'done', null])
  assert.deepEqual(
    operation!.steps.map((step) => step.name),
    [
      ['create.begin', 'create.credentials', 'create.end'],
      ['bootstrap.begin', 'bootstrap.prepare', 'bootstrap.playing', 'bootstrap.run', 'bootstrap.end'],
      ['configure.begin', 'configure.playing', 'configure.run'],
    ].flat(),
  )
  const { 'log-tail': log } = await fleet.dcmanager.get<Operation>(`/v1.0/subclouds/${subject.name}/operations/${operation!.id}?lines=1000`)
  const times = (task: string): number => log.filter((line) => line.includes('TASK') && line.includes(`[${task}]`)).length
  assert.equal(times('wait while the test holds this subcloud'), 2, 'the playbook was run again')
  assert.equal(times('keep the deploy config'), 1)
  assert.match(await readFile(deployConfigCopy, 'utf8'), new RegExp(`"name": "${subject.name}"`))
}

/** `murmur subcloud add --wait`, then a redeploy through a BMC, aborted in its bootstrap and ended with the phased verbs. */
export async function addByCommandAndRedeploy(fleet: Fleet, subject: Subject, running: () => void): Promise<void> {
  const file = join(fleet.folder, `${subject.name}.yaml`)
  await writeFile(file, (await bootstrapFile(fleet, subject)).content)
  const environment = { ...fleet.openrc, MURMUR_SYSADMIN_PASSWORD: sysadminPassword }
  const args = ['--bootstrap-values', file, '--bootstrap-address', bootstrapAddressOf(fleet, subject), '--wait', '-f', 'json']
  const command = murmur(['subcloud', 'add', ...args], environment, 120_000)
  await fleet.until('the command follows the operation', async () => command.said().includes('subcloud.add:'))
  running()
  const { code, stdout, stderr } = await command.done
  assert.equal(code, 0, stderr)
  assert.equal((JSON.parse(stdout) as Record<string, string>)['deploy_status'], 'complete')
  await redeploy(fleet, subject)
}

async function redeploy(fleet: Fleet, subject: Subject): Promise<void> {
  const { dcmanager } = fleet
  const path = `/v1.0/subclouds/${subject.name}/redeploy`
  const bmc = await startBmc({
    address: `${fleet.prefix.oam}.${subject.n}.12`,
    serverAddress: bootstrapAddressOf(fleet, subject),
    tlsFolder: join(fleet.varFolder, 'tls'),
    user: 'root',
    password: 'Bmc-canary-0815',
  })
  try {
    const install = { fileName: 'install.yaml', content: await example('install-values.yaml', subject.name, subject.n, fleet) }
    const form = {
      ...password,
      bmc_password: encoded(bmc.password),
      install_values: install,
      bootstrap_values: await bootstrapFile(fleet, subject),
    }
    await untilAvailability(fleet, subject.name, 'online')
    await refused(fleet, subject, 'PATCH', path, { form }, [400])
    await fleet.killSite(subject.name)
    await untilAvailability(fleet, subject.name, 'offline')

    const missingImage = await dcmanager.send('PATCH', path, { form })
    assert.deepEqual([missingImage.status, /iso/.test(missingImage.text)], [400, true], missingImage.text)
    const images = join(fleet.varFolder, 'vault/software/26.09')
    await mkdir(images, { recursive: true })
    for (const name of ['bootimage.iso', 'bootimage.sig']) await writeFile(join(images, name), 'image')

    await fleet.hold(subject.name)
    const accepted = await once(fleet, 'PATCH', path, { form })
    const body = accepted.json as Subcloud
    assert.equal(body['deploy-status'], 'pre-install')
    assert.match(String(body['data_install']), /"bmc_password":"\*\*\*"/)
    await untilStatus(fleet, subject.name, 'bootstrapping')
    assert.deepEqual(bmc.changes, ['VirtualMedia.InsertMedia', '1', 'ComputerSystem.Reset ForceOff', 'ComputerSystem.Reset On'])

    await once(fleet, 'PATCH', `/v1.0/phased-subcloud-deploy/${subject.name}/abort`, {})
    await untilStatus(fleet, subject.name, 'bootstrap-aborted')
    await fleet.release(subject.name)
    await once(fleet, 'PATCH', `/v1.0/phased-subcloud-deploy/${subject.name}/bootstrap`, { form: password })
    await untilStatus(fleet, subject.name, 'bootstrap-complete')
    await refused(fleet, subject, 'PATCH', `/v1.0/phased-subcloud-deploy/${subject.name}/install`, { form: password }, [400])
    const complete = await once(fleet, 'PATCH', `/v1.0/phased-subcloud-deploy/${subject.name}/complete`, {})
    assert.equal((complete.json as Subcloud)['deploy-status'], 'complete')
  } finally {
    await bmc.close()
  }
}

/** Phased: create, bootstrap, abort, resume — each of them asked for twice at once (reference dcmanager §1.8). */
export async function phased(fleet: Fleet, subject: Subject): Promise<void> {
  const { dcmanager } = fleet
  const path = (verb: string): string => `/v1.0/phased-subcloud-deploy/${subject.name}/${verb}`
  const bootstrap_values = await bootstrapFile(fleet, subject)
  const incomplete = await dcmanager.send('POST', '/v1.0/phased-subcloud-deploy', { form: { bootstrap_values } })
  assert.deepEqual([incomplete.status, /bootstrap-address/.test(incomplete.text)], [400, true], incomplete.text)
  const form = { bootstrap_values, 'bootstrap-address': bootstrapAddressOf(fleet, subject) }
  const created = (await once(fleet, 'POST', '/v1.0/phased-subcloud-deploy', { form })).json as Subcloud
  assert.equal(created['deploy-status'], 'create-complete')
  for (const verb of ['configure', 'complete', 'abort', 'enroll', 'nonsense'])
    await refused(fleet, subject, 'PATCH', path(verb), { form: password }, [400])

  await fleet.hold(subject.name)
  const started = (await once(fleet, 'PATCH', path('bootstrap'), { form: password })).json as Subcloud
  assert.equal(started['deploy-status'], 'pre-bootstrap')
  await untilHeld(fleet, subject)
  await refuseWhileBootstrapping(fleet, subject)

  const aborted = (await once(fleet, 'PATCH', path('abort'), {})).json as Subcloud
  assert.equal(aborted['deploy-status'], 'aborting-bootstrap')
  await untilStatus(fleet, subject.name, 'bootstrap-aborted')
  assert.deepEqual(await playbooksOf(fleet, subject), [], 'no process of the playbook is left')
  assert.equal((await operationsOf(fleet, subject.name))[0]!.state, 'cancelled')

  await fleet.release(subject.name)
  const resumed = (await once(fleet, 'PATCH', path('resume'), { form: password })).json as Subcloud
  assert.equal(resumed['deploy-status'], 'pre-bootstrap')
  await untilStatus(fleet, subject.name, 'complete')
}

/** Every other operation on a subcloud that one works on. */
async function refuseWhileBootstrapping(fleet: Fleet, subject: Subject): Promise<void> {
  const ref = subject.name
  const network = {
    management_subnet: `${fleet.prefix.management}.99.0/28`,
    management_gateway_ip: `${fleet.prefix.management}.99.1`,
    management_start_ip: `${fleet.prefix.management}.99.2`,
    management_end_ip: `${fleet.prefix.management}.99.9`,
    bootstrap_address: `${fleet.prefix.management}.99.2`,
    ...password,
  }
  for (const [method, path, form] of [
    ['PATCH', `/v1.0/phased-subcloud-deploy/${ref}/install`, password],
    ['PATCH', `/v1.0/phased-subcloud-deploy/${ref}/bootstrap`, password],
    ['PATCH', `/v1.0/phased-subcloud-deploy/${ref}/configure`, password],
    ['PATCH', `/v1.0/phased-subcloud-deploy/${ref}/resume`, password],
    ['PATCH', `/v1.0/phased-subcloud-deploy/${ref}/complete`, {}],
    ['PATCH', `/v1.0/subclouds/${ref}/redeploy`, password],
    ['PATCH', `/v1.0/subclouds/${ref}`, { name: 'elsewhere' }],
    ['PATCH', `/v1.0/subclouds/${ref}`, network],
    ['PATCH', `/v1.0/subclouds/${ref}`, { 'management-state': 'managed' }],
    ['DELETE', `/v1.0/subclouds/${ref}`, {}],
  ] as const)
    await refused(fleet, subject, method, path, method === 'DELETE' ? {} : { form }, [400, 409, 422])
}

/** The deploy config through our own playbook, on a subcloud that is complete already. */
export async function configure(fleet: Fleet, subject: Subject): Promise<void> {
  await fleet.dcmanager.send('DELETE', '/v1.0/subcloud-deploy/26.09')
  const content = 'system: { description: "said {{ by }} the deploy config", location: Faro }\n'
  const form = { deploy_config: { fileName: 'dm.yaml', content } }
  await once(fleet, 'PATCH', `/v1.0/phased-subcloud-deploy/${subject.name}/configure`, { form })
  await untilStatus(fleet, subject.name, 'complete')
  const { isystems } = await (
    await platformOf(fleet, subject)
  ).get<{ isystems: { description: string; location: string }[] }>('/v1/isystems')
  assert.deepEqual([isystems[0]!.description, isystems[0]!.location], ['said {{ by }} the deploy config', 'Faro'])
}

/** The subcloud's own platform API, as its own admin. */
export async function platformOf(fleet: Fleet, { name }: Subject) {
  const { folder, address } = await fleet.site(name)
  const openrc = readOpenrc(await readFile(join(folder, 'var/openrc'), 'utf8'))
  return createApi(`http://${address}:6385`, openrc['OS_AUTH_URL']!, {
    user: openrc['OS_USERNAME']!,
    password: openrc['OS_PASSWORD']!,
    project: openrc['OS_PROJECT_NAME']!,
  })
}
