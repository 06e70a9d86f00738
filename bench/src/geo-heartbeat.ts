import { createStockPeer } from '@murmuration/clients/testing'
import { countStatements, updateFrom, type Database } from '@murmuration/data'
import { away, createLinks, createPeerMonitor, here, openGeoFixture, recordSent, type Schema } from '@murmuration/dcmanager/bench'
import { createRealWorld } from '@murmuration/world'
import { openBenchSite } from './site.ts'

const membersEach = Number(process.env['BENCH_MEMBERS'] ?? 1_000)

interface Measured {
  readonly statements: number
  readonly ms: number
  readonly cpuMs: number
}

/**
 * Issue 3 §5: a heartbeat of one peer with 10 associations of 1,000 members each, and the audit of all of them when the peer migrates and
 * when it has. Statements must not depend on how many there are; the time compares with writing as many rows in one bare statement.
 */
export async function geoHeartbeat(): Promise<string[]> {
  const few = await measure(1, 2)
  const many = await measure(10, membersEach)
  const line = (what: string, from: Measured, to: Measured, limit: number): string =>
    `${what}: ${to.statements} statements (${from.statements} for one association of two members), ${to.ms.toFixed(0)} ms, ` +
    `${to.cpuMs.toFixed(0)} ms of CPU; goal the same statements but for those that carry more rows than one may: ${to.statements - from.statements <= limit ? 'met' : 'NOT met'}`
  return [
    `one peer, 10 associations × ${membersEach} members, a stock peer in the same process; SQLite`,
    line('heartbeat in which nothing changed', few.heartbeat, many.heartbeat, 0),
    // Ten groups are ten transactions; of each the bulk writes are cut at the engine's parameters.
    `audit of all ten groups while the peer migrates: ${many.migrating.statements} statements, ${(many.migrating.statements / 10).toFixed(0)} a group ` +
      `(${few.migrating.statements} for two members), ${many.migrating.ms.toFixed(0)} ms`,
    `audit of all ten groups when it has: ${many.complete.statements} statements, ${(many.complete.statements / 10).toFixed(0)} a group ` +
      `(${few.complete.statements} for two members), ${many.complete.ms.toFixed(0)} ms`,
    `one bare update of as many rows: ${many.bareMs.toFixed(0)} ms; the audits take ${(many.complete.ms / many.bareMs).toFixed(1)} times that, with answers of the peer, ` +
      `statuses of seven endpoints, alarms and the change stream`,
  ]
}

async function measure(associations: number, members: number) {
  const real = createRealWorld({ timersKeepAlive: true, log: { level: 'error' } })
  const site = await openBenchSite(real)
  const links = createLinks()
  const world = links.worldOf(real)
  const stock = createStockPeer({ origin: away.origin, uuid: away.uuid, name: away.name, nowMs: () => world.clock.nowMs() })
  links.answers.set(away.origin, (request) => stock.answer(request))
  const database: Database<Schema> = await site.openDatabase<Schema>('dcmanager')
  const fixture = await openGeoFixture(world, database)
  const peer = await fixture.addPeer({ heartbeat_interval: 600 })
  const systemPeerId = stock.addSystemPeer(here.uuid)
  for (let n = 1; n <= associations; n++) {
    const name = `spg-${n}`
    const group = await fixture.addGroup({ peer_group_name: name })
    const association = await fixture.addAssociation(group, peer, { synced_revision: 1, reported_status: 'in-sync' })
    await fixture.addMembers(group.id, members)
    const copy = stock.addGroup({ peer_group_name: name, group_priority: 1, system_leader_id: here.uuid })
    stock.associations.push({ id: 100_000 + n, 'peer-group-id': copy.id, 'system-peer-id': systemPeerId, 'sync-status': 'in-sync' })
    const rows = await database.query
      .selectFrom('subclouds')
      .select(['name', 'region_name'])
      .where('peer_group_id', '=', group.id)
      .execute()
    await database.transaction((tx) =>
      recordSent(
        tx,
        world,
        association.id,
        rows.map((row) => ({ regionName: row.region_name, revision: 1, failure: null })),
      ),
    )
    for (const row of rows) stock.addSubcloud({ name: row.name, 'region-name': row.region_name, peer_group_id: copy.id })
  }

  const during = async (done: () => boolean): Promise<Measured> => {
    await database.query.updateTable('system_peer').set({ next_heartbeat_at: '2026-01-01T00:00:00.000000' }).execute()
    const startedMs = performance.now()
    const cpu = process.cpuUsage()
    let ms = 0
    const { texts } = await countStatements(async () => {
      const monitor = createPeerMonitor(fixture)
      await monitor.start()
      while (!done()) await world.timers.sleep(2)
      ms = performance.now() - startedMs
      // What follows the last request: the statuses that the copies have now.
      await world.timers.sleep(300)
      await monitor.stop()
    })
    const used = process.cpuUsage(cpu)
    const statements = texts.filter((text) => !/^(with "due"|select "next_heartbeat_at"|begin|commit|rollback)/.test(text)).length
    return { statements, ms, cpuMs: (used.user + used.system) / 1_000 }
  }
  const asked = (what: string): number => stock.requests.filter((request) => request.what === what).length
  const known = asked('GET /v1.0/controller-authority')
  // A first one asks who it is; the second is what happens every interval.
  await during(() => asked('GET /v1.0/controller-authority') > known)
  const lists = asked('GET /v1.0/peer-group-associations')
  const heartbeat = await during(() => asked('GET /v1.0/peer-group-associations') > lists)
  for (const group of stock.groups) group.migration_status = 'migrating'
  const migrating = await during(() => stock.associations.every((each) => each['sync-status'] === 'out-of-sync'))
  for (const group of stock.groups)
    Object.assign(group, { migration_status: 'complete', system_leader_id: away.uuid, system_leader_name: away.name })
  for (const subcloud of stock.subclouds) Object.assign(subcloud, { 'deploy-status': 'complete', 'management-state': 'managed' })
  const complete = await during(() => stock.associations.every((each) => each['sync-status'] === 'in-sync'))

  const ids = await database.query.selectFrom('subclouds').select('id').execute()
  const startedMs = performance.now()
  await updateFrom(
    database,
    'subclouds',
    ['id'],
    ids.map(({ id }) => ({ id, management_state: 'unmanaged', deploy_status: 'secondary' })),
  )
  const bareMs = performance.now() - startedMs
  await database.close()
  return { heartbeat, migrating, complete, bareMs }
}
