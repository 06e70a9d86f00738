import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { siteAt } from '../fleet/places.ts'
import type { SubcloudRow } from '../check/reader.ts'
import { describe, manage } from '../operator/requests.ts'
import { fan, pair, ring } from './layout.ts'
import type { ControllerName } from './places.ts'
import { uuidOf } from './places.ts'
import * as requests from './requests.ts'
import { openTheatre, type Scene } from './scene.ts'

/* What breaks pairs of controllers: a network that is split, two who want the same, a crash at any step, a peer that is not who it was. */

let theatre: Awaited<ReturnType<typeof openTheatre>>
before(async () => {
  theatre = await openTheatre()
})
after(() => theatre.close())

const migrated = (scene: Scene, to: ControllerName, group = 'spg-a'): boolean =>
  scene.group(to, group).migration_status !== 'migrating' &&
  scene.members(to, group).every((row) => row.management_state === 'managed' && row.deploy_status === 'complete')

const minuteMs = 60_000

for (const [title, split] of [
  ['both ways', (scene: Scene) => scene.world.simulation.network.partition('north', 'south')],
  ['from north to south', (scene: Scene) => scene.world.simulation.network.partition('north', 'south', { oneWay: true })],
  ['from south to north', (scene: Scene) => scene.world.simulation.network.partition('south', 'north', { oneWay: true })],
] as const)
  test(`the network between the controllers is split ${title} during a migration`, () =>
    theatre.play(`split ${title}`, async (scene) => {
      await scene.accepted('south', requests.migrate('spg-a'))
      await scene.until('it is under way', minuteMs, () => scene.members('south').some((row) => row.deploy_status === 'rehoming'))
      split(scene)
      await scene.until('south has taken all of them', 5 * minuteMs, () => migrated(scene, 'south'))
      // Nobody has told north; its subclouds do.
      await scene.until('north knows that it manages none of them', 3 * minuteMs, () =>
        scene.members('north').every((row) => row.management_state === 'unmanaged'),
      )
      scene.world.simulation.network.healAll()
      await scene.rest()
      assert.equal(scene.group('north').system_leader_id, uuidOf('south'))
      assert.equal((await scene.association('north')).status, 'in-sync')
    }))

test('a controller that is cut off from everything while its group is migrated finds out by itself', () =>
  theatre.play('cut off', async (scene) => {
    const { network } = scene.world.simulation
    network.partition('north', 'south')
    for (const row of scene.members('north')) network.partition('north', `site-${siteAt(row.management_start_ip)}`)
    await scene.accepted('south', requests.migrate('spg-a'))
    await scene.until('south has taken all of them', 5 * minuteMs, () => migrated(scene, 'south'))
    network.healAll()
    await scene.rest()
    assert.ok(scene.members('north').every((row) => row.deploy_status === 'secondary'))
  }))

test('both sites migrate the same group at once', () =>
  theatre.play('both at once', async (scene) => {
    const statuses = await scene.askBoth(['south', requests.migrate('spg-a')], ['north', requests.migrate('spg-a')])
    assert.ok(statuses.includes(200), `one of them goes on: ${statuses.join()}`)
    await scene.rest()
  }))

test('both sites migrate the same group at once while they do not hear each other', () =>
  theatre.play('both at once, split', async (scene) => {
    // First to the south and back half of the way, so that either could take it.
    const { network } = scene.world.simulation
    network.partition('north', 'south')
    await scene.accepted('south', requests.migrate('spg-a'))
    await scene.until('north has lost one', 3 * minuteMs, () => scene.members('north').some((row) => row.deploy_status === 'secondary'))
    const back = await scene.ask('north', requests.migrate('spg-a'))
    assert.equal(back.status, 200, JSON.stringify(back.json))
    await scene.pass(2 * minuteMs)
    network.healAll()
    await scene.rest()
  }))

test('a peer whose password was changed is unavailable, and available when it was told', () =>
  theatre.play('password', async (scene) => {
    scene.machine('south').passwordGeneration += 1
    // Tokens that were given stay good, so the session has to be a new one.
    scene.machine('north').shutDown()
    scene.machine('north').start()
    await scene.until('south is unavailable for north', 2 * minuteMs, () => scene.availability('north', 'south') === 'unavailable')
    assert.equal((await scene.association('north')).status, 'unknown')
    await scene.accepted('north', requests.tellPassword('south', 2))
    await scene.until('south is available again', 30_000, () => scene.availability('north', 'south') === 'available')
    await scene.rest()
  }))

test('another system answers at the address of a peer: nothing is told to it', () =>
  theatre.play('wrong uuid', async (scene) => {
    await scene.accepted('north', requests.changePeer('south', { peer_uuid: uuidOf('east') }))
    const [member] = scene.members('north')
    await scene.accepted('north', describe(member!.id, 'not-for-strangers'))
    const { id } = await scene.association('north')
    await scene.ask('north', requests.synchronise(id))
    await scene.until('the sync has failed', 2 * minuteMs, () => scene.is('north', 'failed'))
    assert.match((await scene.association('north')).message, /uuid|UUID|system/)
    assert.notEqual(scene.members('south').find((row) => row.name === member!.name)?.['description'], 'not-for-strangers')
    await scene.accepted('north', requests.changePeer('south', { peer_uuid: uuidOf('south') }))
    await scene.accepted('north', requests.synchronise(id))
    await scene.until('it is in-sync', minuteMs, () => scene.is('north', 'in-sync'))
    await scene.rest()
  }))

test('three controllers in a ring: each takes over from the one before it, and back', () =>
  theatre.play(
    'ring',
    async (scene) => {
      const takers = [
        ['spg-a', 'south'],
        ['spg-b', 'east'],
        ['spg-c', 'north'],
      ] as const
      for (const [group, at] of takers) await scene.accepted(at, requests.migrate(group))
      await scene.until('each has the group of the one before', 6 * minuteMs, () =>
        takers.every(([group, at]) => migrated(scene, at, group)),
      )
      await scene.rest()
      const owners = [
        ['spg-a', 'north'],
        ['spg-b', 'south'],
        ['spg-c', 'east'],
      ] as const
      for (const [group, at] of owners) await scene.accepted(at, requests.migrate(group))
      await scene.until('each has its own group again', 6 * minuteMs, () => owners.every(([group, at]) => migrated(scene, at, group)))
      await scene.rest()
      for (const [group, at] of owners) assert.equal(scene.group(at, group).system_leader_id, uuidOf(at))
    },
    ring,
  ))

test('a controller whose database was restored from before a migration learns that its subclouds are not its own, and who leads', () =>
  theatre.play('restored', async (scene) => {
    const north = scene.machine('north')
    const kept = north.keepDatabase()
    await scene.accepted('south', requests.migrate('spg-a'))
    await scene.until('south has taken all of them', 5 * minuteMs, () => migrated(scene, 'south'))
    await scene.rest()
    north.restoreDatabase(kept)
    assert.ok(
      scene.members('north').every((row) => row.management_state === 'managed'),
      'it believes that it manages them',
    )
    await scene.until('it knows better', 3 * minuteMs, () =>
      scene.members('north').every((row) => row.management_state === 'unmanaged' && row.deploy_status === 'secondary'),
    )
    await scene.rest()
    assert.equal(scene.group('north').system_leader_id, uuidOf('south'))
  }))

test('a standby whose database was restored from before its migration leads nothing: its owner may take the group back', () =>
  theatre.play('standby restored', async (scene) => {
    const south = scene.machine('south')
    const kept = south.keepDatabase()
    await scene.accepted('south', requests.migrate('spg-a'))
    await scene.until('south has taken all of them', 5 * minuteMs, () => migrated(scene, 'south'))
    await scene.rest()
    south.restoreDatabase(kept)
    await scene.until('it is back', minuteMs, () => south.ready)
    await scene.rest()
    assert.equal(scene.group('south').system_leader_id, scene.group('north').system_leader_id)
    await scene.accepted('north', requests.migrate('spg-a'))
    await scene.until('north has taken all of them', 5 * minuteMs, () => migrated(scene, 'north'))
    await scene.rest()
  }))

test('members that a standby leads come out of their group by the end of its association, and their owner takes them back', () =>
  theatre.play('out of a group and back', async (scene) => {
    await scene.accepted('south', requests.migrate('spg-a'))
    await scene.until('south has taken all of them', 5 * minuteMs, () => migrated(scene, 'south'))
    await scene.rest()
    const [{ id }] = scene.members('south') as [SubcloudRow]
    assert.equal((await scene.ask('south', manage(id, 'unmanaged', false))).status, 400)
    await scene.accepted('north', requests.dissociate((await scene.association('north')).id))
    const atSouth = (): SubcloudRow[] => scene.machine('south').checks.reader.subclouds()
    await scene.until('they are in no group', minuteMs, () => atSouth().find((row) => row.id === id)!['peer_group_id'] === null)
    // What a restore needs, and what follows it.
    await scene.accepted('south', manage(id, 'unmanaged', false))
    await scene.accepted('south', manage(id, 'managed', false))
    await scene.accepted('north', requests.migrate('spg-a'))
    await scene.until('north has taken all of them', 5 * minuteMs, () => migrated(scene, 'north'))
    await scene.until('south knows', 2 * minuteMs, () =>
      atSouth().every((row) => row.deploy_status === 'secondary' || row['peer_group_id'] !== null),
    )
    await scene.accepted('north', requests.associate(scene.group('north').id, 1, 1))
    await scene.until(
      'both ends are in-sync',
      minuteMs,
      async () => (await scene.is('north', 'in-sync')) && (await scene.is('south', 'in-sync')),
    )
    await scene.rest()
  }))

test('a takeover by itself leaves every subcloud to the controller that it hears, and takes them when it hears it no more', () =>
  theatre.play('takeover', async (scene) => {
    await scene.accepted('south', requests.takesOver('north'))
    scene.world.simulation.network.partition('north', 'south')
    const begun = (requests.maintenanceSeconds + 60) * 1_000
    const begins = (): boolean => scene.group('south').migration_status === 'migrating'
    await scene.until('south begins', begun, begins)
    await scene.until('it has asked all of them', minuteMs, () => !begins())
    assert.ok(
      scene
        .members('south')
        .every((row) => row.deploy_status === 'secondary' && /still hears north/.test(String(row['error_description']))),
    )
    assert.ok(scene.members('north').every((row) => row.management_state === 'managed'))
    assert.equal(scene.group('south').system_leader_id, uuidOf('north'))
    scene.machine('north').shutDown()
    await scene.until('south has taken all of them', begun + 5 * minuteMs, () => migrated(scene, 'south'))
    scene.world.simulation.network.healAll()
    scene.machine('north').start()
    await scene.until('north is back', minuteMs, () => scene.machine('north').ready)
    await scene.rest()
    assert.equal(scene.group('north').system_leader_id, uuidOf('south'))
  }))

test('two standbys take over what they reach while the owner is away: each subcloud has one manager, the group one leader', () =>
  theatre.play(
    'two takers',
    async (scene) => {
      const { network } = scene.world.simulation
      scene.machine('north').shutDown()
      const cut = { south: [3, 4], east: [1, 2] } as const
      for (const [controller, sites] of Object.entries(cut)) for (const site of sites) network.partition(controller, `site-${site}`)
      for (const taker of ['south', 'east'] as const) {
        await scene.accepted(taker, requests.migrate('spg-a'))
        await scene.until(`${taker} is done`, 40 * minuteMs, () => scene.group(taker).migration_status !== 'migrating')
      }
      const managed = (at: ControllerName): string[] =>
        scene
          .members(at)
          .filter((row) => row.management_state === 'managed')
          .map((row) => row.name)
      const two = { south: ['edge-1', 'edge-2'], east: ['edge-3', 'edge-4'] }
      assert.deepEqual({ south: managed('south'), east: managed('east') }, two)
      assert.deepEqual([scene.group('south').system_leader_id, scene.group('east').system_leader_id], [uuidOf('south'), uuidOf('east')])
      network.healAll()
      scene.machine('north').start()
      await scene.until('north is back', minuteMs, () => scene.machine('north').ready)
      await scene.rest()
      // As many are managed here as there: the lower priority number leads.
      for (const at of ['north', 'south', 'east'] as const) assert.equal(scene.group(at).system_leader_id, uuidOf('south'), at)
      assert.deepEqual({ south: managed('south'), east: managed('east') }, two)
      assert.ok(scene.members('north').every((row) => row.deploy_status === 'secondary'))
    },
    fan,
  ))

test('with peers of the original, which know nothing of revisions and epochs, a group is taken over, changed and taken back', () =>
  theatre.play(
    'old peers',
    async (scene) => {
      const [member] = scene.members('north')
      await scene.accepted('north', describe(member!.id, 'told-to-old-peers'))
      await scene.accepted('north', requests.synchronise((await scene.association('north')).id))
      await scene.until('it is in-sync', minuteMs, () => scene.is('north', 'in-sync'))
      assert.equal(scene.members('south').find((row) => row.name === member!.name)?.['description'], 'told-to-old-peers')
      for (const taker of ['south', 'north'] as const) {
        await scene.accepted(taker, requests.migrate('spg-a'))
        await scene.until(`${taker} has taken all of them`, 5 * minuteMs, () => migrated(scene, taker))
        await scene.rest()
        assert.equal((await scene.association('north')).status, 'in-sync')
      }
    },
    pair,
    { oldPeers: true },
  ))
