import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { backup, describe, manage } from '../operator/requests.ts'
import type { SubcloudRow } from '../check/reader.ts'
import { siteAt } from '../fleet/places.ts'
import type { ControllerName } from './places.ts'
import { heartbeatSeconds, heartbeatThreshold } from './places.ts'
import * as requests from './requests.ts'
import { openTheatre, type Scene } from './scene.ts'

/* GR-1 to GR-5 of the reference (dcmanager §7.12): site1 is north, site2 is south, A1 and A2 are the ends of spg-a's association. */

const heartbeatMs = heartbeatSeconds * 1_000
const attemptMs = 5_000
const detectionMs = heartbeatThreshold * (heartbeatMs + attemptMs)
const aMoment = 2_000

let theatre: Awaited<ReturnType<typeof openTheatre>>
before(async () => {
  theatre = await openTheatre()
})
after(() => theatre.close())

const cut = ({ world }: Scene): void => world.simulation.network.partition('north', 'south')
const join = ({ world }: Scene): void => world.simulation.network.heal('north', 'south')

/** In its database, not as its API derives it. */
const reportedAt = (scene: Scene, at: ControllerName): string | null =>
  scene
    .machine(at)
    .checks.reader.associations()
    .find((row) => row.peer_group_id === scene.group(at).id)!.reported_status

async function background(scene: Scene): Promise<void> {
  assert.equal((await scene.association('north')).status, 'in-sync')
  assert.equal((await scene.association('south')).status, 'in-sync')
  await scene.until('both peers are available', 2 * heartbeatMs, () =>
    (['north', 'south'] as const).every((at) => scene.availability(at, at === 'north' ? 'south' : 'north') === 'available'),
  )
}

async function secondaryDown(scene: Scene): Promise<void> {
  await background(scene)
  cut(scene)
  await scene.until('A1 is unknown', detectionMs + aMoment, () => scene.is('north', 'unknown'))
}

test('GR-1: the secondary goes down', () =>
  theatre.play('GR-1', async (scene) => {
    await background(scene)
    const alarmsBefore = scene.alarms('north')
    const copy = reportedAt(scene, 'south')
    cut(scene)
    const fromMs = scene.nowMs
    await scene.until('south is unavailable for north', detectionMs + aMoment, async () => {
      const lost = scene.availability('north', 'south') === 'unavailable'
      if (!lost) assert.equal((await scene.association('north')).status, 'in-sync', 'fewer failures than the threshold change nothing')
      return lost
    })
    assert.ok(scene.nowMs - fromMs > (heartbeatThreshold - 1) * heartbeatMs, 'not before as many heartbeats have failed')
    const { status, message } = await scene.association('north')
    assert.equal(status, 'unknown')
    assert.equal(message, 'Peer site (south) is unreachable.')
    await scene.until('an alarm tells of the peer', 35_000, () => scene.alarms('north').length > alarmsBefore.length)
    assert.equal(reportedAt(scene, 'south'), copy)
  }))

test('GR-2: the secondary is restored', () =>
  theatre.play('GR-2', async (scene) => {
    await secondaryDown(scene)
    join(scene)
    await scene.until('A1 is in-sync again', heartbeatMs + attemptMs + aMoment, () => scene.is('north', 'in-sync'))
    assert.equal(scene.availability('north', 'south'), 'available')
    assert.equal((await scene.association('north')).message, '')
    await scene.until('A2 is in-sync', heartbeatMs + aMoment, () => scene.is('south', 'in-sync'))
    await scene.until('the alarm is gone', 35_000, () => scene.alarms('north').every((key) => !key.includes('south')))
  }))

test('GR-3: a change while the secondary is away', () =>
  theatre.play('GR-3', async (scene) => {
    await secondaryDown(scene)
    const [member] = scene.members('north')
    const answer = await scene.accepted('north', describe(member!.id, 'changed-while-away'))
    assert.match(JSON.stringify(answer['info_message'] ?? ''), /sync/i)
    const { status, message } = await scene.association('north')
    assert.equal(status, 'failed')
    assert.match(message, /unreachable/)
    join(scene)
    await scene.until(
      'both ends are out-of-sync',
      2 * (heartbeatMs + attemptMs),
      async () => (await scene.is('north', 'out-of-sync')) && (await scene.is('south', 'out-of-sync')),
    )
    await scene.accepted('north', requests.synchronise((await scene.association('north')).id))
    await scene.until(
      'both ends are in-sync',
      heartbeatMs + attemptMs,
      async () => (await scene.is('north', 'in-sync')) && (await scene.is('south', 'in-sync')),
    )
    assert.equal(scene.members('south').find((row) => row.name === member!.name)?.['description'], 'changed-while-away')
    await scene.rest()
  }))

test('GR-4: the group is not updated from its secondary site', () =>
  theatre.play('GR-4', async (scene) => {
    await background(scene)
    const twenty = requests.changePeerGroup('spg-a', { 'max-subcloud-rehoming': 20 })
    const refused = await scene.ask('south', twenty)
    assert.equal(refused.status, 400)
    assert.match(JSON.stringify(refused.json), /Cannot update a peer group from a non-primary site\./)
    const both = (): number[] => (['north', 'south'] as const).map((at) => scene.group(at).max_subcloud_rehoming)
    assert.deepEqual(both(), [2, 2])
    // The agent's name alone is nothing, and the account alone is not either.
    assert.equal((await scene.asPeer('south', twenty, { user: 'somebody' })).status, 400)
    assert.equal((await scene.asPeer('south', twenty, { agent: 'curl/8' })).status, 400)
    assert.deepEqual(both(), [2, 2])
    await scene.accepted('north', twenty)
    assert.deepEqual(both(), [20, 20])
    assert.equal((await scene.asPeer('south', requests.changePeerGroup('spg-a', { 'max-subcloud-rehoming': 5 }))).status, 200)
    assert.deepEqual(both(), [20, 5])
  }))

test('what belongs to the site that manages a member is refused at its standby', () =>
  theatre.play('at a standby', async (scene) => {
    const facts = (): unknown[] => (['north', 'south'] as const).flatMap((at) => scene.members(at).map((row) => [at, row.id, row.revision]))
    const before_ = facts()
    for (const { id, management_start_ip: address } of scene.members('south'))
      for (const [call, reason] of [
        [requests.restoreLocally(id, siteAt(address)), /another system controller manages it/],
        [backup(id), /must be deployed, online and managed/],
        [manage(id, 'managed', false), /management state/],
        [requests.join(id, 'none'), /north/],
        [describe(id, 'from-its-standby'), /primary/],
      ] as const) {
        const { status, json } = await scene.ask('south', call)
        assert.equal(status, 400, `${call.method} ${call.path}: ${JSON.stringify(json)}`)
        assert.match(JSON.stringify(json), reason)
      }
    assert.deepEqual(facts(), before_)
  }))

/** GR-5 until the migration is under way, the primary is back in the middle of it, and both ends are out-of-sync. */
async function primaryReturns(scene: Scene): Promise<void> {
  await background(scene)
  const [north, south] = [scene.machine('north'), scene.machine('south')]
  north.shutDown()
  await scene.until('north is unavailable for south', detectionMs + aMoment, () => scene.availability('south', 'north') === 'unavailable')
  // Long enough for the primary to come back meanwhile.
  south.playbooks.model = { failure: 0, hang: 0, stubborn: 0, longestTaskMs: 20_000 }
  await scene.accepted('south', requests.migrate('spg-a'))
  assert.equal(scene.group('south').migration_status, 'migrating')
  await scene.until('the first subcloud is being rehomed', 30_000, () =>
    scene.members('south').some((row) => row.deploy_status === 'rehoming'),
  )
  north.start()
  await scene.until('north gives its members up', 3 * heartbeatMs, () =>
    scene
      .members('north')
      .every((row) => row.management_state === 'unmanaged' && ['rehome-pending', 'secondary'].includes(row.deploy_status)),
  )
  assert.equal(scene.group('south').migration_status, 'migrating', 'and the migration is still under way')
  await scene.until('both ends are out-of-sync', 2 * heartbeatMs, () => bothAre(scene, 'out-of-sync'))
}

const bothAre = async (scene: Scene, status: string): Promise<boolean> =>
  (await scene.is('north', status)) && (await scene.is('south', status))

/** The migration has ended, and north knows it. */
async function concluded(scene: Scene): Promise<void> {
  const { uuid } = scene.machine('south').place
  await scene.until('the migration is complete', 300_000, () => scene.group('south').migration_status !== 'migrating')
  const standby = (name: string): boolean => {
    const copy = scene.members('north').find((row) => row.name === name)
    return copy?.deploy_status === 'secondary' && copy.management_state === 'unmanaged'
  }
  await scene.until(
    'north has drawn its conclusions',
    heartbeatMs + attemptMs + aMoment,
    () =>
      scene
        .members('south')
        .filter((row) => row.management_state === 'managed')
        .every((row) => standby(row.name)) &&
      [scene.group('north'), scene.group('south')].every((group) => group.system_leader_id === uuid && group.migration_status === null),
  )
}

test('GR-5: the primary returns during the migration', () =>
  theatre.play('GR-5', async (scene) => {
    const alarmsBefore = new Set(scene.alarms('north'))
    await primaryReturns(scene)
    const takenOver = (): SubcloudRow | undefined =>
      scene.members('south').find((row) => row.management_state === 'unmanaged' && row.deploy_status === 'complete')
    await scene.until('the first subcloud is taken over', 120_000, () => takenOver() !== undefined)
    const { id, management_start_ip: address } = takenOver()!
    const restore = await scene.ask('south', requests.restoreLocally(id, siteAt(address)))
    assert.match(JSON.stringify(restore.json), /its peer group is being migrated to this system controller/)
    assert.equal(restore.status, 400)
    await concluded(scene)
    assert.ok(scene.members('south').every((row) => row.management_state === 'managed' && row.deploy_status === 'complete'))
    await scene.until('both ends are in-sync', 2 * heartbeatMs, () => bothAre(scene, 'in-sync'))
    await scene.until('an alarm tells that another site manages the group', 35_000, () =>
      scene.alarms('north').some((key) => !alarmsBefore.has(key)),
    )
    await scene.rest()
  }))

test('GR-5: with a member that could not be taken over the association stays out-of-sync', () =>
  theatre.play('GR-5 and a failure', async (scene) => {
    const { network } = scene.world.simulation
    const last = (): SubcloudRow => scene.members('south').at(-1)!
    const site = `site-${siteAt(last().management_start_ip)}`
    await primaryReturns(scene)
    await scene.until('the last subcloud is being rehomed', 120_000, () => last().deploy_status === 'rehoming')
    network.partition('south', site)
    await concluded(scene)
    const [failed, ...others] = scene.members('south').toReversed()
    assert.equal(failed!.deploy_status, 'rehome-failed')
    assert.ok(others.every((row) => row.management_state === 'managed' && row.deploy_status === 'complete'))
    assert.equal(scene.members('north').find((row) => row.name === failed!.name)?.deploy_status, 'rehome-failed')
    for (let heartbeat = 1; heartbeat <= 4; heartbeat += 1) {
      assert.ok(await bothAre(scene, 'out-of-sync'))
      await scene.pass(heartbeatMs)
    }
    // Until it is taken over as well.
    network.heal('south', site)
    await scene.accepted('south', requests.migrate('spg-a'))
    await concluded(scene)
    assert.ok(scene.members('south').every((row) => row.management_state === 'managed' && row.deploy_status === 'complete'))
    await scene.rest()
  }))
