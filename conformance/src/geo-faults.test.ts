import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { closeRing, killAtEachStep, migrate, startRing, syncAt, untilLedBy } from './geo/ring.ts'
import {
  accepted,
  associationAt,
  cycleMs,
  detectionMs,
  groupAt,
  membersAt,
  peerAt,
  process,
  untilAssociation,
  untilPeer,
} from './geo/sites.ts'
import { encoded, show, untilHeld, type Subject } from './lifecycle/cloud.ts'
import type { Fleet } from './testing/fleet.ts'

const subjects: readonly [Subject, Subject, Subject, Subject] = [
  { name: 'edge-1', n: 1 },
  { name: 'edge-2', n: 2 },
  { name: 'edge-3', n: 3 },
  { name: 'edge-4', n: 4 },
]
const [one] = subjects
/** And `report`, after which nothing is left to do: nobody can be sure to kill before the end. */
const syncSteps = ['begin', 'peer', 'group', 'association', 'syncing', 'update group', 'members']
const takeoverKinds = ['peer-group.migrate', 'subcloud.rehome']
const takeoverSteps = [
  'rehome.begin',
  'rehome.give-up',
  'rehome.ownership',
  'rehome.prepare',
  'rehome.playing',
  'rehome.run',
  'migrate.end',
]

/**
 * What goes wrong between controllers: three real ones in a ring of associations, four real subclouds, wires that are cut, processes
 * that are killed. Each scenario begins where the one before ended.
 */
test('geo-redundancy under faults', { timeout: 1_440_000 }, async (t) => {
  const ring = await startRing(subjects)
  t.after(() => ring.end())
  const { site1, site2, site3 } = ring
  const [a, b, c] = ring.groups as [(typeof ring.groups)[number], (typeof ring.groups)[number], (typeof ring.groups)[number]]
  const there = ring.wire(site1, site2)
  const back = ring.wire(site2, site1)

  const describe = async (at: Fleet, description: string): Promise<void> =>
    void accepted('the change', await at.dcmanager.send('PATCH', `/v1.0/subclouds/${one.name}`, { form: { description } }))
  const changePeer = async (json: object): Promise<void> =>
    void accepted('the peer', await site1.dcmanager.send('PATCH', `/v1.0/system-peers/${(await peerAt(site1, site2.name)).id}`, { json }))
  const bothInSync = async (): Promise<void> => {
    for (const site of [site1, site2]) await untilAssociation(site, 'in-sync', 2 * cycleMs)
  }

  await t.test('a ring of associations', () => closeRing(ring))

  await t.test('another system answers under the address of the peer', async () => {
    await changePeer({ peer_uuid: randomUUID() })
    await syncAt(site1, a.name)
    const failed = await untilAssociation(site1, 'failed', cycleMs)
    assert.match(failed['sync-message'] ?? '', /another system answers there/)
    await changePeer({ peer_uuid: (await peerAt(site3, site2.name))['peer-uuid'] })
    await syncAt(site1, a.name)
    await bothInSync()
  })

  await t.test('the peer does not take our password any more', async () => {
    await changePeer({ manager_password: encoded('not the one any more') })
    await untilPeer(site1, 'unavailable', detectionMs, site2.name)
    await untilAssociation(site1, 'unknown', cycleMs)
    await changePeer({ manager_password: encoded(site2.openrc['OS_PASSWORD']!) })
    await untilPeer(site1, 'available', cycleMs, site2.name)
    await bothInSync()
  })

  await t.test('the peer is of an older release: it knows neither revisions nor owners', async () => {
    for (const wire of [there, back]) wire.old(true)
    await describe(site1, 'told to an old one')
    for (const site of [site1, site2]) await untilAssociation(site, 'out-of-sync', cycleMs)
    await syncAt(site1, a.name)
    await bothInSync()
    assert.equal((await show(site2, one.name))['description'], 'told to an old one')
    for (const wire of [there, back]) wire.old(false)
  })

  for (const victim of [site1, site2])
    await t.test(`${victim.name} dies at every recorded step of a sync`, async () => {
      const text = `synced while ${victim.name} died`
      await describe(site1, text)
      there.slow(150)
      const steps = await killAtEachStep(
        victim,
        site1,
        ['association.sync'],
        () => syncAt(site1, a.name),
        async () => {
          const status = (await associationAt(site1))['sync-status']
          // Who loses the peer on the way says so, and the operator asks again.
          if (status === 'failed' || status === 'out-of-sync') await syncAt(site1, a.name)
          return status === 'in-sync'
        },
      )
      there.slow(0)
      for (const step of syncSteps) assert.ok(steps.includes(step), `${step}: ${steps.join(', ')}`)
      await bothInSync()
      assert.equal((await show(site2, one.name))['description'], text)
    })

  await t.test('the network between the sites is split while the standby takes over', async () => {
    await site1.hold(one.name)
    accepted('migrate', await migrate(site2, a.name))
    await untilHeld(site2, one)
    for (const wire of [there, back]) wire.cut()
    await site1.release(one.name)
    await site2.until(
      'all members are managed at the standby',
      async () => (await membersAt(site2)).every((member) => member['management-state'] === 'managed'),
      180_000,
    )
    for (const wire of [there, back]) wire.mend()
    await untilLedBy(site2, site1, a)
  })

  await t.test('home takes the group back, and dies at every recorded step', async () => {
    const steps = await killAtEachStep(
      site1,
      site1,
      takeoverKinds,
      async () => accepted('migrate', await migrate(site1, a.name)),
      async () => (await groupAt(site1)).migration_status !== 'migrating',
    )
    for (const step of takeoverSteps) assert.ok(steps.includes(step), `${step}: ${steps.join(', ')}`)
    await untilLedBy(site1, site2, a)
  })

  await t.test('home is not heard any more, and dies at every recorded step of the takeover', async () => {
    await site1.hold(one.name)
    const steps = await killAtEachStep(
      site1,
      site2,
      takeoverKinds,
      async () => {
        accepted('migrate', await migrate(site2, a.name))
        await untilHeld(site2, one)
        there.cut()
        await site1.release(one.name)
      },
      async () => (await groupAt(site2)).migration_status !== 'migrating',
    )
    for (const step of takeoverSteps) assert.ok(steps.includes(step), `${step}: ${steps.join(', ')}`)
    there.mend()
    await untilLedBy(site2, site1, a)
  })

  await t.test('both sites migrate the same group at once', async () => {
    const answers = await Promise.all([migrate(site1, a.name), migrate(site2, a.name)])
    for (const { status, text } of answers) assert.ok(status < 500, text)
    assert.ok(answers.some(({ status }) => status === 200))
    await untilLedBy(site1, site2, a)
  })

  await t.test('one of the ring dies, and comes back', async () => {
    await site3.kill(process)
    await untilPeer(site2, 'unavailable', detectionMs, site3.name)
    await untilAssociation(site2, 'unknown', cycleMs, b.name)
    assert.equal((await associationAt(site1, a.name))['sync-status'], 'in-sync')
    await site3.start(process)
    for (const group of [a, b, c]) await untilLedBy(group.home, group.standby, group, 3 * cycleMs)
  })
})
