import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createStockPeer, formParts, type StockPeer } from '@murmuration/clients/testing'
import { eachEngine, type TestEngine } from '@murmuration/data/testing'
import { createWorker, enqueue, readJobs, type JobRow } from '@murmuration/jobs'
import { crashEverywhere, createManualWorld, runEachStepTwice, type ManualWorld, type Prepare } from '@murmuration/jobs/testing'
import type { World } from '@murmuration/world'
import { associationKeyOf, type AssociationDeleteInput, type AssociationSyncInput } from '../rules/operations.ts'
import { migrations } from '../store/migrations/index.ts'
import { queued } from '../store/operations.ts'
import { announceChange, touchMember } from '../store/peer-groups.ts'
import type { Schema } from '../store/schema.ts'
import { away, createLinks, here, openGeoFixture, type GeoFixture, type TestLinks } from '../testing/geo-fixture.ts'
import { associationDeleteKind } from './association-delete.ts'
import { associationSyncKind } from './association-sync.ts'

interface Scene extends GeoFixture {
  readonly manual: ManualWorld
  readonly stock: StockPeer
  readonly links: TestLinks
  readonly associationId: number
  readonly groupId: number
  run(kind: 'sync' | 'delete', input?: Partial<AssociationSyncInput>): Promise<JobRow>
}

const kindsOf = (fixture: GeoFixture) => [associationSyncKind(fixture), associationDeleteKind(fixture)]

async function openScene(engine: TestEngine, members = 3, given?: World): Promise<Scene> {
  const manual = createManualWorld({ instant: engine.engine === 'sqlite' })
  const links = createLinks()
  const world = links.worldOf(given ?? manual.world)
  const stock = createStockPeer({ origin: away.origin, uuid: away.uuid, name: away.name, nowMs: () => world.clock.nowMs() })
  links.answers.set(away.origin, (request) => stock.answer(request))
  stock.addSystemPeer(here.uuid)
  const fixture = await openGeoFixture(world, await engine.open<Schema>(migrations))
  const group = await fixture.addGroup()
  const peer = await fixture.addPeer()
  await fixture.database.query.updateTable('system_peer').set({ availability_state: 'available' }).execute()
  const association = await fixture.addAssociation(group, peer)
  await fixture.addMembers(group.id, members)
  return {
    ...fixture,
    manual,
    stock,
    links,
    associationId: association.id,
    groupId: group.id,
    async run(kind, input = {}) {
      const id = await fixture.database.transaction((tx) =>
        enqueue(tx, world, queued<AssociationSyncInput | AssociationDeleteInput>(`association.${kind}`), {
          subject: associationKeyOf(association.id),
          input: { associationId: association.id, ...input },
        }),
      )
      const worker = createWorker({ world, database: fixture.database, owner: 'test', kinds: kindsOf(fixture) })
      worker.start()
      const read = async () => (await readJobs(fixture.database, { ids: [id] }))[0]!
      await manual.until('the job to end', async () => (await read()).finished_at !== null, 250)
      await worker.stop()
      return await read()
    },
  }
}

const touch = (scene: Scene, name: string) =>
  scene.database.transaction(async (tx) => {
    const row = await tx.query.selectFrom('subclouds').select('id').where('name', '=', name).executeTakeFirstOrThrow()
    await touchMember(tx, scene.world, [row.id])
  })
const sent = (stock: StockPeer, since = 0) => stock.requests.slice(since).filter(({ what }) => /^(POST|PATCH|DELETE)/.test(what))
const whats = (stock: StockPeer, since = 0) => sent(stock, since).map(({ what }) => what)

eachEngine('the sync of an association', (engine) => {
  test('all ten steps with a stock peer: group, association, members with the gateway of that site; both sites in-sync', async () => {
    const scene = await openScene(engine, 3)
    const { stock } = scene
    const job = await scene.run('sync')
    assert.equal(job.state, 'done', job.error ?? '')
    assert.equal(await scene.status(scene.associationId), 'in-sync')
    assert.deepEqual(
      stock.groups.map((group) => [group.peer_group_name, group.group_priority, group.system_leader_id]),
      [['spg-a', 1, here.uuid]],
    )
    assert.deepEqual(
      stock.associations.map((each) => each['sync-status']),
      ['in-sync'],
    )
    assert.deepEqual(
      stock.subclouds.map((each) => `${each.name} ${each['deploy-status']} ${each.peer_group_id}`).toSorted(),
      [1, 2, 3].map((n) => `edge-${n} secondary ${stock.groups[0]!.id}`),
    )
    const posted = stock.requests.find(({ what }) => what === 'POST /v1.0/subclouds')!
    const form = formParts(`multipart/form-data; boundary=${/^--(\S+)/.exec(posted.body)![1]}`, posted.body)
    assert.equal((JSON.parse(form['bootstrap_values']!) as Record<string, string>)['systemcontroller_gateway_address'], '203.0.113.254')
    assert.equal(form['bmc_password'], 'Qm1jIQ==')
    assert.ok(!form['install_values']!.includes('bmc_password'))
    const order = whats(stock)
    assert.equal(order[0], 'POST /v1.0/subcloud-peer-groups')
    assert.equal(order.at(-1), `PATCH /v1.0/peer-group-associations/${stock.associations[0]!.id}`)
  })

  test('the next sync sends what differs, and takes away what is no member any more', async () => {
    const scene = await openScene(engine, 4)
    const { stock, database } = scene
    await scene.run('sync')
    const before = stock.requests.length
    await touch(scene, 'edge-2')
    assert.equal(await scene.status(scene.associationId), 'out-of-sync')
    await database.query.updateTable('subclouds').set({ peer_group_id: null }).where('name', '=', 'edge-4').execute()
    stock.addSubcloud({ name: 'theirs', 'deploy-status': 'complete', 'management-state': 'managed', peer_group_id: stock.groups[0]!.id })
    await scene.run('sync')
    assert.equal(await scene.status(scene.associationId), 'in-sync')
    assert.deepEqual(
      whats(stock, before).filter((what) => what.includes('/subclouds')),
      [`PATCH /v1.0/subclouds/${'2'.padStart(32, '0')}`, 'DELETE /v1.0/subclouds/edge-4'],
    )
    assert.ok(
      stock.subclouds.some((each) => each.name === 'theirs'),
      'what that site manages itself is never removed',
    )
    // One that it has given up is not its own any more, and nobody's here: both sites differ.
    Object.assign(
      stock.subclouds.find((each) => each.name === 'theirs')!,
      { 'deploy-status': 'rehome-pending', 'management-state': 'unmanaged' },
    )
    await scene.run('sync')
    assert.match(await scene.status(scene.associationId), /^failed: .*theirs \(it is no member here, and waits there/)
  })

  test('what the peer manages itself is not sent; the association is in-sync only when its copy here did not change since', async () => {
    const scene = await openScene(engine, 2)
    const { stock, database } = scene
    await scene.run('sync')
    await database.query.updateTable('subclouds').set({ deploy_status: 'secondary' }).where('name', '=', 'edge-2').execute()
    Object.assign(stock.subclouds[1]!, { 'deploy-status': 'complete', 'management-state': 'managed' })
    await scene.run('sync')
    assert.equal(await scene.status(scene.associationId), 'in-sync')
    await touch(scene, 'edge-2')
    await scene.run('sync')
    assert.equal(await scene.status(scene.associationId), 'out-of-sync')
    assert.equal(stock.associations[0]!['sync-status'], 'out-of-sync')
    await database.query.updateTable('subclouds').set({ deploy_status: 'complete' }).where('name', '=', 'edge-2').execute()
    Object.assign(stock.subclouds[1]!, { 'deploy-status': 'secondary', 'management-state': 'unmanaged' })
    await scene.run('sync')
    assert.equal(await scene.status(scene.associationId), 'in-sync')
  })

  test('members that do not go well are named, the others are kept: the next sync sends what is left', async () => {
    const scene = await openScene(engine, 3)
    const { stock, database, groupId } = scene
    await database.query.updateTable('subclouds').set({ bootstrap_address: null }).where('name', '=', 'edge-1').execute()
    stock.addSubcloud({ name: 'edge-2', 'region-name': '2'.padStart(32, '0'), 'deploy-status': 'complete' })
    const job = await scene.run('sync')
    assert.equal(job.state, 'done')
    assert.match(
      await scene.status(scene.associationId),
      /^failed: Peer site \(dc-madrid\): 2 subcloud\(s\) .* edge-1 \(its rehome data has no bootstrap-address; .*\), edge-2 \(it is complete there/,
    )
    assert.equal(stock.associations[0]!['sync-status'], 'failed')
    stock.subclouds.splice(0, 1)
    await database.query.updateTable('subclouds').set({ bootstrap_address: '192.0.2.77' }).execute()
    const before = stock.requests.length
    await database.transaction((tx) => announceChange(tx, scene.world, [groupId]))
    await scene.run('sync')
    assert.equal(await scene.status(scene.associationId), 'in-sync')
    assert.equal(whats(stock, before).filter((what) => what === 'POST /v1.0/subclouds').length, 2)
  })

  test('a change while it runs makes the association out-of-sync when it has ended', async () => {
    const scene = await openScene(engine, 2)
    let done = false
    scene.stock.refuse = (what) => {
      if (what === 'POST /v1.0/subclouds' && !done) {
        done = true
        void touch(scene, 'edge-1')
      }
      return undefined
    }
    await scene.run('sync')
    assert.equal(await scene.status(scene.associationId), 'out-of-sync')
    await scene.run('sync')
    assert.equal(await scene.status(scene.associationId), 'in-sync')
  })

  test('of the group only: the priority is told; members that differ stay different', async () => {
    const scene = await openScene(engine, 2)
    const { stock, database } = scene
    await scene.run('sync')
    await database.query.updateTable('peer_group_association').set({ peer_group_priority: 7, synced_revision: 0 }).execute()
    await scene.run('sync', { groupOnly: true })
    assert.equal(stock.groups[0]!.group_priority, 7)
    assert.equal(await scene.status(scene.associationId), 'in-sync')
    await touch(scene, 'edge-1')
    await scene.run('sync', { groupOnly: true })
    assert.equal(await scene.status(scene.associationId), 'out-of-sync')
    assert.equal(stock.associations[0]!['sync-status'], 'out-of-sync')
  })

  for (const [what, prepare, message] of [
    ['is another system', (scene: Scene) => void Object.assign(scene.stock, { uuid: here.uuid }), /another system answers there/],
    ['has no system peer for us', (scene: Scene) => void scene.stock.systemPeers.splice(0), /has no system peer for this site/],
    ['owns a group of that name', (scene: Scene) => void scene.stock.addGroup({ peer_group_name: 'spg-a' }), /of its own, with priority 0/],
    ['refuses the password', (scene: Scene) => void (scene.stock.password = 'other'), /refused the user name and password/],
    ['does not answer', (scene: Scene) => void scene.links.down.add(away.origin), /did not answer in time/],
    [
      'answers nonsense',
      (scene: Scene) => void (scene.stock.refuse = () => ({ status: 200, headers: {}, body: Buffer.from('<html>') })),
      /it is not JSON/,
    ],
  ] as const)
    test(`a peer that ${what}: failed, with the reason, and nothing was changed there`, async () => {
      const scene = await openScene(engine, 1)
      prepare(scene)
      const job = await scene.run('sync')
      assert.equal(job.state, 'failed')
      const status = await scene.status(scene.associationId)
      assert.match(status, /^failed: /)
      assert.match(status, message)
      assert.deepEqual(
        whats(scene.stock).filter((each) => each.includes('subcloud')),
        [],
      )
    })

  test('deletion takes the copies, the association and the group there, then the association here', async () => {
    const scene = await openScene(engine, 2)
    const { stock } = scene
    await scene.run('sync')
    stock.addSubcloud({ name: 'moved', 'deploy-status': 'complete', 'management-state': 'managed', peer_group_id: stock.groups[0]!.id })
    const job = await scene.run('delete')
    assert.equal(job.state, 'done')
    assert.match(job.progress ?? '', /1 subcloud\(s\) were left at dc-madrid, .*: moved \(complete\)/)
    assert.equal(await scene.status(scene.associationId), 'gone')
    assert.deepEqual([stock.associations, stock.groups], [[], []])
    assert.deepEqual(
      stock.subclouds.map((each) => each.name),
      ['moved'],
    )
  })

  test('deletion: copies that stay keep the association, failed; an unreachable peer keeps all; another system there has nothing of ours', async () => {
    const scene = await openScene(engine, 2)
    const { stock, links } = scene
    await scene.run('sync')
    stock.refuse = (what) =>
      what === 'DELETE /v1.0/subclouds/edge-1' ? { status: 400, headers: {}, body: Buffer.from('{"description":"is busy"}') } : undefined
    const kept = await scene.run('delete')
    assert.equal(kept.state, 'failed')
    assert.match(await scene.status(scene.associationId), /^failed: .*1 standby copies could not be deleted there: edge-1 \(.*is busy\)/)
    stock.refuse = undefined
    // What that site takes over is kept until this one has heard of it.
    const [group] = stock.groups
    const untouched = JSON.stringify([stock.subclouds, stock.associations])
    for (const [columns, why] of [
      [{ migration_status: 'migrating' }, /^failed: .*dc-madrid\) migrates spg-a to itself/],
      [{ migration_status: 'complete' }, /^failed: .*has taken spg-a over/],
      [{ migration_status: null, system_leader_id: away.uuid }, /^failed: .*has taken spg-a over/],
    ] as const) {
      Object.assign(group!, columns)
      assert.equal((await scene.run('delete')).state, 'failed')
      assert.match(await scene.status(scene.associationId), why)
      assert.equal(JSON.stringify([stock.subclouds, stock.associations]), untouched)
    }
    Object.assign(group!, { system_leader_id: here.uuid })
    links.down.add(away.origin)
    const unreachable = await scene.run('delete')
    assert.match(unreachable.error ?? '', /the peer is unreachable/)
    links.down.clear()
    Object.assign(stock, { uuid: here.uuid })
    assert.equal((await scene.run('delete')).state, 'done')
    assert.equal(await scene.status(scene.associationId), 'gone')
    assert.equal(stock.groups.length, 1)
  })
})

const sqlite = { engine: 'sqlite', open: (given: never) => openMemory(given) } as unknown as TestEngine
async function openMemory(given: never): Promise<never> {
  const { openDatabase } = await import('@murmuration/data')
  const { createRealWorld } = await import('@murmuration/world')
  const database = await openDatabase<Schema>('sqlite::memory:', { world: createRealWorld(), name: 'geo' })
  await database.migrate(given)
  return database as never
}

const prepared =
  (kind: 'sync' | 'delete', scenes: Scene[]): Prepare =>
  async (world) => {
    const scene = await openScene(sqlite, 12, world)
    scenes.push(scene)
    if (kind === 'delete') {
      // What a sync has made there, without running one.
      const group = scene.stock.addGroup({ peer_group_name: 'spg-a', group_priority: 1, system_leader_id: here.uuid })
      scene.stock.associations.push({
        id: 90,
        'peer-group-id': group.id,
        'system-peer-id': scene.stock.systemPeers[0]!.id,
        'sync-status': 'in-sync',
      })
      for (let n = 1; n <= 12; n++) scene.stock.addSubcloud({ name: `edge-${n}`, peer_group_id: group.id })
    }
    return {
      database: scene.database,
      kinds: kindsOf(scene),
      enqueue: () =>
        scene.database.transaction((tx) =>
          enqueue(tx, scene.world, queued<AssociationSyncInput>(`association.${kind}`), {
            subject: associationKeyOf(scene.associationId),
            input: { associationId: scene.associationId },
          }),
        ),
      async check(job) {
        assert.equal(job.state, 'done', job.error ?? '')
        if (kind === 'delete') {
          assert.equal(await scene.status(scene.associationId), 'gone')
          assert.deepEqual([scene.stock.subclouds, scene.stock.groups, scene.stock.associations], [[], [], []])
          return
        }
        assert.equal(await scene.status(scene.associationId), 'in-sync')
        assert.equal(scene.stock.subclouds.length, 12)
        assert.equal(scene.stock.associations.length, 1)
        assert.equal(scene.stock.groups.length, 1)
      },
    }
  }

for (const kind of ['sync', 'delete'] as const)
  test(`association.${kind} ends well after a crash at any point, and when each step is done twice`, { timeout: 120_000 }, async () => {
    const scenes: Scene[] = []
    const points = await crashEverywhere(prepared(kind, scenes))
    assert.ok(points.length >= 12, points.join())
    await runEachStepTwice(prepared(kind, scenes))
    for (const scene of scenes) await scene.database.close()
  })
