import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  accepted,
  alarmsAt,
  associationAt,
  background,
  cycleMs,
  detectionMs,
  groupAt,
  groupName,
  membersAt,
  peerAt,
  process,
  startPair,
  untilAssociation,
  untilPeer,
} from './geo/sites.ts'
import { encoded, show, sysadminPassword, type Subject } from './lifecycle/cloud.ts'

const subjects: readonly Subject[] = [1, 2, 3, 4].map((n) => ({ name: `edge-${n}`, n }))
const [one] = subjects as [Subject]
const unreachable = /^Peer site \(peer-controller\) is unreachable\.$/

/** Reference dcmanager §7.12, with two real system controllers and four real subclouds. Each scenario begins where the one before ended. */
test('geo-redundancy: GR-1 to GR-5', { timeout: 900_000 }, async (t) => {
  const pair = await startPair()
  t.after(() => pair.end())
  const { site1, site2 } = pair
  await t.test('the background', () => background(pair, subjects))

  await t.test('GR-4: an update of the group on the secondary is refused', async () => {
    const before = [await groupAt(site1), await groupAt(site2)]
    const path = `/v1.0/subcloud-peer-groups/${groupName}`
    const wish = { json: { 'max-subcloud-rehoming': 20 } }
    const refused = await site2.dcmanager.send('PATCH', path, wish)
    assert.equal(refused.status, 400)
    assert.match(refused.text, /Cannot update a peer group from a non-primary site\./)
    assert.deepEqual([await groupAt(site1), await groupAt(site2)], before)

    accepted('at the primary', await site1.dcmanager.send('PATCH', path, wish))
    for (const site of [site1, site2]) assert.equal((await groupAt(site)).max_subcloud_rehoming, 20, site.name)
    const byPeer = { json: { 'max-subcloud-rehoming': 21 }, headers: { 'user-agent': 'dcmanager/1.0' } }
    accepted('as the peer does', await site2.dcmanager.send('PATCH', path, byPeer))
    accepted('and back', await site1.dcmanager.send('PATCH', path, { json: { 'max-subcloud-rehoming': 10 } }))
    await untilAssociation(site1, 'in-sync', cycleMs)
  })

  await t.test('GR-1: the secondary is down', async () => {
    const before = await associationAt(site2)
    // It holds its connections and answers nothing: the worst kind of away.
    site2.pause(process)
    await untilPeer(site1, 'unavailable', detectionMs)
    const association = await associationAt(site1)
    assert.equal(association['sync-status'], 'unknown')
    assert.match(association['sync-message'] ?? '', unreachable)
    const [alarm] = await site1.until('the alarm of the peer is raised', async () => {
      const found = await alarmsAt(site1, /peer-controller/)
      return found.length > 0 && found
    })
    assert.equal(alarm!.severity, 'major', 'it leads no group')
    site2.goOn(process)
    assert.deepEqual(await associationAt(site2), before, 'nobody has touched the copy of the secondary')
  })

  await t.test('GR-2: the secondary is restored', async () => {
    await untilPeer(site1, 'available', cycleMs)
    const association = await untilAssociation(site1, 'in-sync', cycleMs)
    assert.equal(association['sync-message'], null)
    await untilAssociation(site2, 'in-sync', cycleMs)
    await site1.until('the alarm of the peer is cleared', async () => (await alarmsAt(site1, /peer-controller/)).length === 0, cycleMs)
  })

  await t.test('GR-3: a change while the secondary is offline', async () => {
    await site2.kill(process)
    await untilPeer(site1, 'unavailable', detectionMs)
    const changed = accepted<{ info_message?: string }>(
      'the change',
      await site1.dcmanager.send('PATCH', `/v1.0/subclouds/${one.name}`, { form: { description: 'moved to the new hall' } }),
    )
    const { id } = await associationAt(site1)
    assert.match(changed.info_message ?? '', new RegExp(`peer-group-association sync ${id}`))
    const failed = await associationAt(site1)
    assert.equal(failed['sync-status'], 'failed')
    assert.match(failed['sync-message'] ?? '', /unreachable/)

    await site2.start(process)
    await untilAssociation(site1, 'out-of-sync', cycleMs)
    await untilAssociation(site2, 'out-of-sync', cycleMs)
    accepted('sync', await site1.dcmanager.send('PATCH', `/v1.0/peer-group-associations/${id}/sync`))
    await untilAssociation(site1, 'in-sync')
    await untilAssociation(site2, 'in-sync')
    assert.equal((await show(site2, one.name))['description'], 'moved to the new hall')
  })

  await t.test('GR-5: the primary returns during the migration', async () => {
    await untilPeer(site2, 'available', cycleMs)
    await site1.kill(process)
    await untilPeer(site2, 'unavailable', detectionMs)
    await site1.hold(one.name)
    const started = accepted<{ subclouds: { name: string }[] }>(
      'migrate',
      await site2.dcmanager.send('PATCH', `/v1.0/subcloud-peer-groups/${groupName}/migrate`, {
        json: { sysadmin_password: encoded(sysadminPassword) },
      }),
    )
    assert.deepEqual(
      started.subclouds.map(({ name }) => name).toSorted(),
      subjects.map(({ name }) => name),
    )
    assert.equal((await groupAt(site2)).migration_status, 'migrating')
    await site1.start(process)
    await site1.until(
      'the returning primary has let its members go',
      async () => {
        const members = await membersAt(site1)
        return members.every((member) => member['management-state'] === 'unmanaged' && member['deploy-status'] === 'rehome-pending')
      },
      cycleMs,
    )
    await untilAssociation(site1, 'out-of-sync', cycleMs)
    await untilAssociation(site2, 'out-of-sync', cycleMs)

    await site1.release(one.name)
    await site2.until('the migration is over', async () => (await groupAt(site2)).migration_status !== 'migrating', 180_000)
    await site1.until(
      'the members are secondary at the old home',
      async () => {
        const members = await membersAt(site1)
        return members.every((member) => member['management-state'] === 'unmanaged' && member['deploy-status'] === 'secondary')
      },
      cycleMs,
    )
    for (const member of await membersAt(site2))
      assert.deepEqual(
        [member['deploy-status'], member['management-state'], member['availability-status']],
        ['complete', 'managed', 'online'],
        member.name,
      )
    await untilAssociation(site1, 'in-sync', 2 * cycleMs)
    await untilAssociation(site2, 'in-sync', 2 * cycleMs)
    for (const site of [site1, site2]) assert.equal((await groupAt(site)).system_leader_name, (await peerAt(site1))['peer-name'], site.name)
    await site2.until('site1 has taken note of the end', async () => (await groupAt(site2)).migration_status === null, cycleMs)
    await site1.until('the alarm says who manages the group', async () => (await alarmsAt(site1, /spg-a/)).length > 0, cycleMs)
  })

  await t.test('the primary takes its group back', async () => {
    accepted(
      'migrate back',
      await site1.dcmanager.send('PATCH', `/v1.0/subcloud-peer-groups/${groupName}/migrate`, {
        json: { sysadmin_password: encoded(sysadminPassword) },
      }),
    )
    await site1.until(
      'all members are managed at home again',
      async () => {
        const members = await membersAt(site1)
        return members.every((member) => member['management-state'] === 'managed' && member['availability-status'] === 'online')
      },
      180_000,
    )
    await site2.until(
      'and secondary at the peer',
      async () => (await membersAt(site2)).every((member) => member['deploy-status'] === 'secondary'),
      2 * cycleMs,
    )
    await site1.until('the alarm is cleared', async () => (await alarmsAt(site1, /spg-a/)).length === 0, 2 * cycleMs)
  })
})
