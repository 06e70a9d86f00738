import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createDcagentClient, StaleOwnership, type DcagentClient } from '@murmuration/clients'
import {
  bootstrapRun,
  bootstrapValues,
  freePorts,
  loopbackAddress,
  sitePorts,
  subcloudRow,
  temporaryFolder,
  testServicePassword,
  testSite,
} from '@murmuration/dcmanager/playbook-testing'
import type { Site } from '@murmuration/site'
import { Secret } from '@murmuration/trust'

const murmur = fileURLToPath(new URL('../../apps/murmur/src/main.js', import.meta.url))
const adminPassword = `@admin '%{{ 7 * 7 }}" x`
const north = { uuid: 'aaaaaaaa-0000-4000-8000-000000000001', name: 'north' }
const south = { uuid: 'bbbbbbbb-0000-4000-8000-000000000002', name: 'Süd "2"' }
const southPassword = 'south-service \'#pass"word'

/** A real site under the authority of one controller comes under that of another, and the former one can do nothing but learn of it. */
test('a rehome moves a real site from one controller to another', { timeout: 1_200_000 }, async (t) => {
  const address = loopbackAddress()
  const ports = await freePorts(address, sitePorts)
  const sitesFolder = await temporaryFolder(t, 'sites')
  const playbooks = { murmurCommand: [process.execPath, murmur], sitesFolder }
  const [northSite, southSite] = [await testSite(t, { ports, playbooks }), await testSite(t, { ports, playbooks })]
  await southSite.world.files.write(southSite.config.identity.servicePasswordFile, `${southPassword}\n`)
  const values = bootstrapValues(address)
  const [byNorth, bySouth] = [
    await bootstrapRun(northSite, subcloudRow(address), { ...values, admin_password: adminPassword }),
    await bootstrapRun(southSite, subcloudRow(address), values),
  ]
  t.after(() => byNorth.stopSite())
  t.after(() => bySouth.stopSite())
  const asOwner = (system: typeof north, epoch: number) => () => ({
    site_owner: system.uuid,
    site_owner_name: system.name,
    site_owner_epoch: epoch,
  })
  const northAgent = await agentOf(northSite, ports, testServicePassword)
  const southAgent = await agentOf(southSite, ports, southPassword)
  const audit = (agent: DcagentClient, system: string, epoch: number) =>
    agent.audit(address, { base_audit: '' }, { deadlineMs: 20_000, as: { system, epoch } })

  await t.test('the first controller owns what it has bootstrapped', async () => {
    await byNorth.start({ variables: asOwner(north, 1) })
    assert.equal((await audit(northAgent, north.uuid, 1)).base_audit.availability, 'online')
    await assert.rejects(audit(northAgent, south.uuid, 1), StaleOwnership)
    const seen = await northAgent.ownership(address, { deadlineMs: 20_000 })
    assert.deepEqual([seen?.owner, seen?.ownerName, seen?.epoch], [north.uuid, 'north', 1])
    assert.ok(seen!.silentMs! < 60_000)
  })

  await t.test('the second one asks on the host, where nobody but the host answers it', async () => {
    await assert.rejects(southAgent.ownership(address, { deadlineMs: 20_000 }))
    const results = await bySouth.start({ playbook: 'ownership.yml', results: ['ownership.json'] })
    const told = JSON.parse(results['ownership.json'] as string) as Record<string, unknown>
    assert.deepEqual([told['owner'], told['owner_name'], told['epoch']], [north.uuid, 'north', 1])
    assert.equal(typeof told['owner_silent_ms'], 'number')
  })

  await t.test('rehomed: the second one is served, the admin is the one that it was', async () => {
    await bySouth.start({ playbook: 'rehome_subcloud.yml', withoutAdmin: true, variables: asOwner(south, 2) })
    assert.equal((await audit(southAgent, south.uuid, 2)).base_audit.availability, 'online')
    assert.equal((await signIn(address, ports, 'admin', adminPassword, 'admin')).status, 201)
    assert.equal((await signIn(address, ports, 'dcmanager', southPassword, 'services')).status, 201)
    assert.equal((await signIn(address, ports, 'dcmanager', testServicePassword, 'services')).status, 401)
  })

  await t.test('again, as after a crash: nothing changes', async () => {
    await bySouth.start({ playbook: 'rehome_subcloud.yml', withoutAdmin: true, variables: asOwner(south, 2) })
    assert.equal((await audit(southAgent, south.uuid, 2)).base_audit.availability, 'online')
  })

  await t.test('the former one is locked out, and can be told by whom', async () => {
    await assert.rejects(audit(northAgent, north.uuid, 1))
    const trusted = [southSite.authority!.certificate]
    const seen = await northAgent.ownership(address, { deadlineMs: 20_000, trusted })
    assert.deepEqual([seen?.owner, seen?.ownerName, seen?.epoch], [south.uuid, south.name, 2])
  })

  await t.test('its playbooks change nothing any more', async () => {
    await assert.rejects(
      byNorth.start({ variables: asOwner(north, 1) }),
      /is managed by Süd "2" \(bbbbbbbb-.* under epoch 2; epoch 1 was not taken/,
    )
    assert.equal((await audit(southAgent, south.uuid, 2)).base_audit.availability, 'online')
  })
})

/** As the controller asks its subclouds. */
async function agentOf(site: Site, ports: Record<string, number>, password: string): Promise<DcagentClient> {
  const issued = await site.authority!.issue({ commonName: 'controller', addresses: ['127.0.0.1'], usage: 'both', lifetimeMs: 3_600_000 })
  const tls = { ca: site.authority!.certificate, cert: issued.certificate, key: issued.privateKey }
  return createDcagentClient(site.world, {
    userName: 'dcmanager',
    password: async () => new Secret(password),
    tls: async () => tls,
    ports: { identityTls: ports['identityTls']!, dcagentTls: ports['dcagentTls']! },
  })
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
