import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { test, type TestContext } from 'node:test'
import { timestamp } from '@murmuration/data'
import { enqueue } from '@murmuration/jobs'
import { createRealWorld } from '@murmuration/world'
import { Secret } from '@murmuration/trust'
import { networkKeys } from '../rules/addresses.ts'
import { allDeployStatuses, failedStatusOf, isTransient } from '../rules/lifecycle.ts'
import {
  exclusiveKeyOf,
  findSiteContext,
  findSiteKeyOf,
  type DeleteInput,
  type FindSiteInput,
  type OperationName,
  type ReconfigureNetworkInput,
} from '../rules/operations.ts'
import { claimForeign } from '../store/claims.ts'
import { readDocuments } from '../store/documents.ts'
import { reserveNetwork } from '../store/networks.ts'
import { queued } from '../store/operations.ts'
import { readSubcloud } from '../store/subclouds.ts'
import { resealVault, subcloudAdminPassword, subcloudCertificate } from './credentials.ts'
import { operationsAtOnce, promptSlots } from './deploy.ts'
import { createManager } from './manager.ts'
import type { Values } from './overrides.ts'
import { repair, repairRows } from './repair.ts'
import { fromTables } from '../testing/everything.ts'
import { asker, columnsOf, openFleet, untilAborted, type Fleet } from './testing/fleet.ts'
import { bootstrapValues } from './testing/test-site.ts'
import { waitForJob } from './wait-for-job.ts'

const run = async <Input>(t: TestContext, fleet: Fleet, name: OperationName, subcloudId: number, input: Input) => {
  const id = await fleet.database.transaction((tx) =>
    enqueue(tx, fleet.site.world, queued<Input>(name), { subject: exclusiveKeyOf(subcloudId), input }),
  )
  const manager = createManager(fleet.site, fleet.database)
  await manager.start()
  t.after(() => manager.stop())
  return waitForJob(fleet.site, fleet.database, id, 30_000)
}

/** A subcloud that is deployed, with nothing left to do. */
async function deployed(t: TestContext, fleet: Fleet): Promise<number> {
  const { row, jobId } = await fleet.add(['create', 'bootstrap', 'complete'])
  const manager = createManager(fleet.site, fleet.database)
  await manager.start()
  await waitForJob(fleet.site, fleet.database, jobId, 20_000)
  await manager.stop()
  assert.equal((await fleet.status(row.id)).deploy_status, 'complete')
  t.diagnostic(`subcloud ${row.id}`)
  return row.id
}

test('delete: the row goes with all that hangs on it, and the vault with real Ansible', { timeout: 60_000 }, async (t) => {
  const real = createRealWorld({ timersKeepAlive: true, log: { level: 'silent' } })
  const fleet = await openFleet(t, async (playbook, spec) =>
    playbook === 'delete_subcloud.yml' ? (await real.processes.start(spec)).done : {},
  )
  const id = await deployed(t, fleet)
  const vault = `${fleet.site.config.varFolder}/vault/subclouds`
  assert.deepEqual(await readdir(vault), [String(id)])
  const told: string[] = []
  const client = ({ name }: { name: string }) =>
    new Proxy({}, { get: (_, method) => async () => void told.push(`${name} ${String(method)}`) })
  Object.assign(fleet.site, { bus: { ...fleet.site.bus, client } })
  const job = await run<DeleteInput>(t, fleet, 'subcloud.delete', id, { subcloudId: id, regionName: 'r' })
  assert.equal(job?.state, 'done', job?.error ?? '')
  assert.equal(await readSubcloud(fleet.database, id), undefined)
  assert.deepEqual(told, ['dcmanager-changes changed'], 'its alarms go at once')
  assert.deepEqual(await fleet.database.query.selectFrom('subcloud_documents').select('kind').execute(), [])
  assert.deepEqual(await readdir(vault), [])
})

test(
  'a subcloud that somebody else has deployed: its host is asked with real Ansible, then it is taken over',
  { timeout: 60_000 },
  async (t) => {
    const real = createRealWorld({ timersKeepAlive: true, log: { level: 'silent' } })
    const fleet = await openFleet(t, async (playbook, spec) => {
      if (playbook === 'find_site.yml') return (await real.processes.start(spec)).done
      const { override_files_dir: folder } = JSON.parse(await readFile(`${spec.cwd}/variables.json`, 'utf8')) as Record<string, string>
      const owned = { owner: 'aaaaaaaa-0000-4000-8000-000000000001', owner_name: 'north', epoch: 6, owner_silent_ms: 10 }
      if (playbook === 'ownership.yml') await writeFile(`${folder}/ownership.json`, JSON.stringify(owned))
      return {}
    })
    const { keyring, config, world } = fleet.site
    const region = 'abcdef00000000000000000000000007'
    const site = { name: 'edge-7', role: 'subcloud', region, address: '127.201.7.2', dataUrl: 'postgres://u:database-canary@x/y' }
    await world.files.write(`${config.playbooks.sitesFolder}/${region}/site.yaml`, JSON.stringify(site))
    await world.files.write(`${config.playbooks.sitesFolder}/other/site.yaml`, JSON.stringify({ ...site, address: '127.201.8.2' }))
    const look = async (siteAddress: string) => {
      const bootstrapAddress = '127.201.7.2'
      const input: FindSiteInput = {
        bootstrapAddress,
        siteAddress,
        sysadminPassword: keyring.seal(new Secret('sysadmin-secret'), findSiteContext(bootstrapAddress)),
      }
      const id = await fleet.database.transaction((tx) =>
        enqueue(tx, world, queued<FindSiteInput>('host.find-site'), { subject: findSiteKeyOf(siteAddress), input }),
      )
      const manager = createManager(fleet.site, fleet.database)
      await manager.start()
      const job = await waitForJob(fleet.site, fleet.database, id, 30_000)
      await manager.stop()
      return job
    }
    const found = await look('127.201.7.2')
    assert.deepEqual(JSON.parse(found?.outcome ?? '{}'), { name: 'edge-7', region, address: '127.201.7.2' }, found?.error ?? '')
    assert.match((await look('127.201.9.2'))?.error ?? '', /none of its sites has the address 127\.201\.9\.2/)
    assert.ok(!JSON.stringify(await fromTables(fleet.database)).includes('database-canary'))

    const values = bootstrapValues('127.201.7.2')
    const network = { subnet: '127.201.7.0/24', start: '127.201.7.2', end: '127.201.7.10', gateway: '127.201.7.1' }
    const { row, jobId } = await claimForeign(fleet.desk, asker, () => '', {
      columns: columnsOf('edge-7', region, network),
      groupId: undefined,
      documents: { bootstrap_values: values },
      network: { keys: networkKeys(network), oam: undefined, field: 'management' },
      sysadminPassword: new Secret('sysadmin-secret'),
    })
    assert.deepEqual([row.deploy_status, row.initial_deployment, row.region_name], ['not-deployed', 0, region])
    const manager = createManager(fleet.site, fleet.database)
    await manager.start()
    t.after(() => manager.stop())
    const job = await waitForJob(fleet.site, fleet.database, jobId, 30_000)
    assert.equal(job?.state, 'done', job?.error ?? '')
    assert.deepEqual(fleet.played.slice(-2), ['ownership.yml', 'rehome_subcloud.yml'])
    const taken = (await readSubcloud(fleet.database, row.id))!
    assert.deepEqual([taken.deploy_status, taken.rehomed, taken.owner_epoch, taken.management_state], ['complete', 1, 7, 'unmanaged'])
  },
)

test('deployments leave slots to a delete, which somebody waits for', { timeout: 60_000 }, async (t) => {
  let hold = false
  const fleet = await openFleet(t, async (playbook, spec) => (hold && playbook === 'bootstrap.yml' ? untilAborted(spec) : {}))
  const id = await deployed(t, fleet)
  hold = true
  for (let index = 0; index < operationsAtOnce; index++) await fleet.add(['create', 'bootstrap', 'complete'])
  const manager = createManager(fleet.site, fleet.database)
  await manager.start()
  t.after(() => manager.stop())
  const mayRun = operationsAtOnce - promptSlots.slots
  while (fleet.played.filter((playbook) => playbook === 'bootstrap.yml').length < 1 + mayRun)
    await new Promise((resolve) => setTimeout(resolve, 20))
  const input: DeleteInput = { subcloudId: id, regionName: 'r' }
  const job = await fleet.database.transaction((tx) =>
    enqueue(tx, fleet.site.world, queued<DeleteInput>('subcloud.delete'), { subject: exclusiveKeyOf(id), input }),
  )
  manager.wake()
  assert.equal((await waitForJob(fleet.site, fleet.database, job, 20_000))?.state, 'done')
  assert.equal(fleet.played.filter((playbook) => playbook === 'bootstrap.yml').length, 1 + mayRun)
})

const move = (fleet: Fleet, id: number): ReconfigureNetworkInput => ({
  subcloudId: id,
  sysadminPassword: fleet.site.keyring.seal(new Secret('sysadmin'), `subcloud:${id}:sysadmin_password`),
  managementSubnet: '127.210.0.0/24',
  managementGatewayIp: '127.210.0.1',
  managementStartIp: '127.210.0.2',
  managementEndIp: '127.210.0.9',
  bootstrapAddress: '127.210.0.2',
})

/** What the API's claim has done by the time the job runs. */
async function claimMove(fleet: Fleet, id: number): Promise<void> {
  await fleet.database.transaction(async (tx) => {
    await tx.query.updateTable('subclouds').set({ deploy_status: 'reconfiguring-network' }).where('id', '=', id).execute()
    const { managementSubnet, managementGatewayIp, managementStartIp, managementEndIp } = move(fleet, id)
    const network = { subnet: managementSubnet, gateway: managementGatewayIp, start: managementStartIp, end: managementEndIp }
    await reserveNetwork(tx, id, 'next', networkKeys(network))
  })
}

const reservations = async (fleet: Fleet): Promise<string[]> =>
  (await fleet.database.query.selectFrom('subcloud_networks').select('purpose').execute()).map((row) => row.purpose)

test('network reconfiguration: the row follows the site', { timeout: 60_000 }, async (t) => {
  const fleet = await openFleet(t)
  const id = await deployed(t, fleet)
  await claimMove(fleet, id)
  assert.equal((await run(t, fleet, 'subcloud.reconfigure-network', id, move(fleet, id)))?.state, 'done')
  const row = await readSubcloud(fleet.database, id)
  assert.equal(row?.deploy_status, 'complete')
  assert.deepEqual(
    [row.management_subnet, row.management_gateway_ip, row.management_start_ip, row.management_end_ip, row.bootstrap_address],
    ['127.210.0.0/24', '127.210.0.1', '127.210.0.2', '127.210.0.9', '127.210.0.2'],
  )
  assert.deepEqual(await reservations(fleet), ['current'])
  assert.equal(fleet.played.at(-1), 'update_subcloud.yml')
  const { bootstrap_values: values } = await readDocuments(fleet.database, fleet.site.keyring, id)
  const { management_subnet, management_gateway_address, management_start_address, management_end_address, name } = values as Values
  assert.deepEqual(
    [management_subnet, management_gateway_address, management_start_address, management_end_address, name],
    ['127.210.0.0/24', '127.210.0.1', '127.210.0.2', '127.210.0.9', 'edge-porto'],
    'a later deployment reads the new addresses',
  )
})

test('network reconfiguration that fails: old addresses, no reservation left, and the reason', { timeout: 60_000 }, async (t) => {
  const fleet = await openFleet(t, async (playbook) => (playbook === 'update_subcloud.yml' ? { code: 1 } : {}))
  const id = await deployed(t, fleet)
  const before = await readSubcloud(fleet.database, id)
  await claimMove(fleet, id)
  assert.equal((await run(t, fleet, 'subcloud.reconfigure-network', id, move(fleet, id)))?.state, 'failed')
  const row = await readSubcloud(fleet.database, id)
  assert.equal(row?.deploy_status, 'network-reconfiguration-failed')
  assert.match(row.error_description, /^FAILED reconfiguring playbook of \(edge-1\)/)
  assert.equal(row.management_start_ip, before?.management_start_ip)
  assert.deepEqual(await reservations(fleet), ['current'])
})

test('repair: every transitional status without an operation settles, and no other', { timeout: 60_000 }, async (t) => {
  const fleet = await openFleet(t)
  const { row: busy } = await fleet.add(['create'])
  const statuses = allDeployStatuses.map((status, index) => ({ status, id: 1000 + index }))
  const { id: _id, ...columns } = busy
  for (const { status, id } of statuses)
    await fleet.database.query
      .insertInto('subclouds')
      .values({ ...columns, id, name: `lost-${status}`, region_name: String(id), deploy_status: status, created_at: timestamp(0) })
      .execute()
  const moving = statuses.find(({ status }) => status === 'reconfiguring-network')!.id
  const keys = networkKeys({ subnet: '127.210.0.0/24', gateway: '127.210.0.1', start: '127.210.0.2', end: '127.210.0.9' })
  await fleet.database.transaction((tx) => reserveNetwork(tx, moving, 'next', keys))
  const transient = statuses.filter(({ status }) => isTransient(status))
  assert.equal(await repairRows(fleet.site, fleet.database), transient.length)
  for (const { status, id } of statuses) {
    const found = await fleet.status(id)
    assert.equal(found.deploy_status, failedStatusOf(status))
  }
  assert.deepEqual(await reservations(fleet), ['current'], 'addresses that nobody moves to are free')
  assert.equal((await fleet.status(busy.id)).deploy_status, 'not-deployed', 'an operation that waits for its turn is not lost')
  assert.equal(await repairRows(fleet.site, fleet.database), 0)
})

test(
  'repair: folders of dead runs, forgotten logs and vaults without a subcloud go; what is in use stays',
  { timeout: 60_000 },
  async (t) => {
    const fleet = await openFleet(t)
    const { row, jobId } = await fleet.add(['create'])
    const { files } = fleet.site.world
    const { varFolder } = fleet.site.config
    await fleet.database.query.updateTable('jobs').set({ state: 'running', lease_epoch: 5 }).where('id', '=', jobId).execute()
    for (const name of [
      `run/operations/${jobId}.4/inventory.yml`,
      `run/operations/${jobId}.5/inventory.yml`,
      'run/operations/gone.1/inventory.yml',
    ])
      await files.write(`${varFolder}/${name}`, 'secret')
    for (const name of [
      `log/operations/${jobId}.log`,
      'log/operations/gone.log',
      'log/operations/gone.log.1',
      `vault/subclouds/${row.id}/x`,
      'vault/subclouds/4711/x',
    ])
      await files.write(`${varFolder}/${name}`, 'text')
    await repair(fleet.site, fleet.database)
    assert.deepEqual(await files.list(`${varFolder}/run/operations`), [`${jobId}.5`])
    assert.deepEqual(await files.list(`${varFolder}/log/operations`), [`${jobId}.log`])
    assert.deepEqual(await files.list(`${varFolder}/vault/subclouds`), [String(row.id)])
  },
)

test('after a rotation of keys the vault is sealed anew, and the old key can go', { timeout: 60_000 }, async (t) => {
  const fleet = await openFleet(t)
  const { site } = fleet
  const row = (await fleet.add(['create'])).row
  const before = await subcloudCertificate(site, row, row, {})
  const password = await subcloudAdminPassword(site, row, {})
  await site.keyring.rotate()
  assert.equal(await resealVault(site), 2)
  assert.equal(await resealVault(site), 0)
  await site.keyring.retire()
  assert.equal((await subcloudAdminPassword(site, row, {})).reveal(), password.reveal())
  const after = await subcloudCertificate(site, row, row, {})
  assert.equal(after.certificate, before.certificate)
  assert.equal(after.privateKey.reveal(), before.privateKey.reveal())
})
