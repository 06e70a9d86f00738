import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import {
  ansibleDocument,
  bootstrapRun,
  bootstrapValues,
  freePorts,
  loopbackAddress,
  sitePorts,
  subcloudRow,
  testServicePassword,
  testSite,
} from '@murmuration/dcmanager/playbook-testing'

const murmur = fileURLToPath(new URL('../../apps/murmur/src/main.js', import.meta.url))
const adminPassword = `@admin '%{{ 7 * 7 }}" x`

/** A subcloud's life as its playbooks see it, with the real program: bootstrap, deploy config, another network. */
test('playbooks deploy, configure and move a real site', { timeout: 900_000 }, async (t) => {
  const address = loopbackAddress()
  const ports = await freePorts(address, sitePorts)
  const site = await testSite(t, { ports, playbooks: { murmurCommand: [process.execPath, murmur] } })
  const run = await bootstrapRun(site, subcloudRow(address), { ...bootstrapValues(address), admin_password: adminPassword })
  t.after(() => run.stopSite())

  await t.test('bootstrap: the site knows both accounts', async () => {
    await run.start()
    assert.equal((await signIn(address, ports, 'admin', adminPassword, 'admin')).status, 201)
    assert.equal((await signIn(address, ports, 'dcmanager', testServicePassword, 'services')).status, 201)
    assert.equal((await signIn(address, ports, 'admin', adminPassword.replace('{{ 7 * 7 }}', '49'), 'admin')).status, 401)
  })

  await t.test('bootstrap again: the same process goes on', async () => {
    const before = await processOf(run.siteFolder)
    await run.start()
    assert.equal(await processOf(run.siteFolder), before)
  })

  await t.test('configure: the deploy config arrives at the platform service', async () => {
    const config = {
      system: { description: 'Porto {{ plant }}', location: 'PT', contact: 'ops' },
      hosts: [{ hostname: 'worker-0', personality: 'worker' }],
    }
    const configure = (wanted = config) =>
      run.start({
        playbook: 'configure.yml',
        texts: { 'deploy_config.yml': ansibleDocument(wanted) },
        variables: (folder) => ({ deploy_config: `${folder}/deploy_config.yml` }),
      })
    await configure()
    await configure()
    const token = (await signIn(address, ports, 'admin', adminPassword, 'admin')).headers.get('x-subject-token')!
    const get = async (path: string) =>
      (await (await fetch(`http://${address}:${ports['platform']}${path}`, { headers: { 'x-auth-token': token } })).json()) as Record<
        string,
        Record<string, string>[]
      >
    // The example of the documentation is one that works.
    const example = parse(await readFile(new URL('../../docs/examples/deploy-config.yaml', import.meta.url), 'utf8')) as typeof config
    await configure(example)
    const [exemplary] = (await get('/v1/isystems'))['isystems']!
    assert.deepEqual({ ...exemplary, ...example.system }, exemplary)
    for (const wanted of example.hosts)
      assert.ok(
        (await get('/v1/ihosts'))['ihosts']!.some(
          (host) => host['hostname'] === wanted.hostname && host['personality'] === wanted.personality,
        ),
      )
    // Another shape is refused before anything changes.
    const foreign = { ...config, system: { ...config.system, location: 'elsewhere' }, kind: 'System' }
    await assert.rejects(configure(foreign), /it wants one map with system .* this one has system, hosts, kind\./)
    assert.deepEqual((await get('/v1/isystems'))['isystems']![0]!['location'], example.system.location)
    await configure()

    const [system] = (await get('/v1/isystems'))['isystems']!
    assert.deepEqual([system!['description'], system!['location'], system!['contact']], ['Porto {{ plant }}', 'PT', 'ops'])
    assert.equal((await get('/v1/ihosts'))['ihosts']!.filter((host) => host['hostname'] === 'worker-0').length, 1)
  })

  await t.test('update_subcloud: the site moves to another address', async () => {
    const moved = address.replace(/\.2$/, '.7')
    const network = { ...run.row, management_start_ip: moved, management_end_ip: moved }
    await run.start({
      playbook: 'update_subcloud.yml',
      network,
      variables: (folder) => ({ subcloud_update_overrides: `${folder}/edge-porto.yml` }),
    })
    assert.equal((await signIn(moved, ports, 'admin', adminPassword, 'admin')).status, 201)
    await assert.rejects(fetch(`http://${address}:${ports['identity']}/v3`))
  })
})

async function processOf(siteFolder: string): Promise<number | undefined> {
  const text = await readFile(join(siteFolder, 'var/murmur.pid'), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as { pid: number }).pid
}

const signIn = (address: string, ports: Record<string, number>, name: string, password: string, project: string): Promise<Response> =>
  fetch(`http://${address}:${ports['identity']}/v3/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      auth: {
        identity: { methods: ['password'], password: { user: { name, domain: { id: 'default' }, password } } },
        scope: { project: { name: project, domain: { id: 'default' } } },
      },
    }),
  })
