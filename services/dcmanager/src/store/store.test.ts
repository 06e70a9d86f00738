import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countStatements, type Database } from '@murmuration/data'
import { eachEngine, type TestEngine } from '@murmuration/data/testing'
import { openKeyring, Secret, type Keyring } from '@murmuration/trust'
import { createRealWorld } from '@murmuration/world'
import { networkKeys } from '../rules/addresses.ts'
import { claimFlow, claimNewSubcloud, claimStandbyCopies, type Asker, type Desk, type NewSubcloud } from './claims.ts'
import { readDocuments } from './documents.ts'
import { countMembers, findGroup, insertGroup, listGroups } from './groups.ts'
import { findRemembered } from './idempotency.ts'
import { migrations } from './migrations/index.ts'
import { adoptNetwork, findConflict, reserveNetwork } from './networks.ts'
import { insertPeerGroup } from './peer-groups.ts'
import type { Schema, SyncStatus } from './schema.ts'
import { listSubclouds, sortColumns } from './subcloud-list.ts'
import { deleteSubcloud, findSubcloud, updateSubcloud, updateSubclouds } from './subclouds.ts'

const world = createRealWorld()
const asker: Asker = { userId: 'u', requestId: 'req-1' }

async function memoryKeyring(): Promise<Keyring> {
  const files = new Map<string, Uint8Array>()
  const disk = {
    ...world.files,
    read: async (path: string) => files.get(path),
    write: async (path: string, data: string | Uint8Array) => void files.set(path, Buffer.from(data)),
    mode: async () => 0o600,
  }
  return openKeyring({ ...world, files: disk }, '/keys.json')
}

async function openDesk(engine: TestEngine): Promise<Desk> {
  const database: Database<Schema> = await engine.open<Schema>(migrations)
  const nothing = (): void => {}
  return { database, world, keyring: await memoryKeyring(), wakeManagers: nothing, wakeAuditors: nothing, wakeReaders: nothing }
}

const newSubcloud = (n: number, changes: Partial<NewSubcloud['columns']> = {}): NewSubcloud => {
  const network = { subnet: `10.0.${n}.0/28`, start: `10.0.${n}.2`, end: `10.0.${n}.10`, gateway: `10.0.${n}.1` }
  return {
    columns: {
      name: `subcloud${n}`,
      description: null,
      location: null,
      software_version: '26.09',
      region_name: n.toString(16).padStart(31, '0') + 'a',
      management_subnet: network.subnet,
      management_start_ip: network.start,
      management_end_ip: network.end,
      management_gateway_ip: network.gateway,
      systemcontroller_gateway_ip: '10.255.0.1',
      external_oam_subnet_ip_family: '4',
      data_install: null,
      bootstrap_address: null,
      ...changes,
    },
    groupId: undefined,
    documents: { bootstrap_values: { name: `subcloud${n}`, admin_password: 'S3cret' } },
    network: { keys: networkKeys(network), oam: undefined, field: 'management_start_address' },
    operation: 'subcloud.add',
    phases: ['create'],
    sysadminPassword: new Secret('pw'),
  }
}
const add = (desk: Desk, n: number, changes?: Partial<NewSubcloud['columns']>, who = asker) =>
  claimNewSubcloud(desk, who, () => `"${n}"`, newSubcloud(n, changes))

const everything = async (desk: Desk): Promise<unknown> => {
  const { query } = desk.database
  return Promise.all(
    (
      [
        'subclouds',
        'subcloud_status',
        'subcloud_audits',
        'subcloud_documents',
        'subcloud_networks',
        'subcloud_changes',
        'jobs',
        'idempotency_keys',
        'subcloud_group',
      ] as const
    ).map((table) => query.selectFrom(table).selectAll().execute()),
  )
}

eachEngine('dcmanager store', (engine) => {
  test('a claim writes everything; a second one for the same name or range writes nothing', async () => {
    const desk = await openDesk(engine)
    const { row } = await add(desk, 1)
    assert.equal(row.id, 1)
    assert.equal(row.group_id, 1)
    const before = await everything(desk)
    await assert.rejects(add(desk, 2, { name: 'subcloud1' }), { status: 409, code: 'nameTaken' })
    const overlapping = newSubcloud(2)
    await assert.rejects(
      claimNewSubcloud(desk, asker, () => '', { ...overlapping, network: newSubcloud(1).network }),
      { status: 400, code: 'networkOverlap' },
    )
    await assert.rejects(
      claimNewSubcloud(desk, asker, () => '', { ...overlapping, groupId: '99' }),
      { status: 400, code: 'groupInvalid' },
    )
    // Its OAM subnet inside the management subnet of another.
    const oam = {
      first: networkKeys({ subnet: '10.0.1.4/30', start: '10.0.1.5', end: '10.0.1.5', gateway: '10.0.1.6' }).subnetFirst,
      last: networkKeys({ subnet: '10.0.1.4/30', start: '10.0.1.5', end: '10.0.1.5', gateway: '10.0.1.6' }).subnetLast,
    }
    await assert.rejects(
      claimNewSubcloud(desk, asker, () => '', { ...overlapping, network: { ...overlapping.network, oam } }),
      { status: 400, code: 'oamOverlap' },
    )
    assert.deepEqual(await everything(desk), before)
  })

  test('of many claims of one range at once exactly one wins', async () => {
    const desk = await openDesk(engine)
    const shared = newSubcloud(1).network
    const results = await Promise.allSettled(
      [1, 2, 3, 4].map((n) => claimNewSubcloud(desk, asker, () => '', { ...newSubcloud(n), network: shared })),
    )
    assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1)
    for (const result of results) if (result.status === 'rejected') assert.equal(result.reason.code, 'networkOverlap')
    const names = await Promise.allSettled([5, 6, 7].map((n) => add(desk, n, { name: 'twin' })))
    assert.equal(names.filter((result) => result.status === 'fulfilled').length, 1)
    for (const result of names) if (result.status === 'rejected') assert.equal(result.reason.code, 'nameTaken')
    assert.equal((await listSubclouds(desk.database, {})).rows.length, 2)
  })

  test('a second operation meets the first: 409, and nothing changed', async () => {
    const desk = await openDesk(engine)
    const { row } = await add(desk, 1)
    const before = await everything(desk)
    await assert.rejects(
      claimFlow(desk, asker, () => '', row.id, {
        sysadminPassword: undefined,
        decide: () => ({
          columns: { deploy_status: 'pre-install' },
          documents: { install_values: { a: 1 } },
          operation: 'subcloud.install',
          phases: ['install'],
        }),
      }),
      { status: 409, code: 'subjectBusy' },
    )
    assert.deepEqual(await everything(desk), before)
  })

  test('the number of statements of a claim does not depend on the fleet', async () => {
    const desk = await openDesk(engine)
    const counts: number[] = []
    for (const n of [1, 2, 3, 4, 5]) counts.push((await countStatements(() => add(desk, n))).statements)
    assert.equal(new Set(counts).size, 1, counts.join())
    assert.ok(counts[0]! <= 20, String(counts[0]))
  })

  test('documents are sealed at rest and belong to their subcloud', async () => {
    const desk = await openDesk(engine)
    const { row } = await add(desk, 1)
    const other = await add(desk, 2)
    const stored = JSON.stringify(await everything(desk))
    assert.ok(!stored.includes('S3cret'))
    assert.equal((await readDocuments(desk.database, desk.keyring, row.id)).bootstrap_values !== undefined, true)
    const sealed = await desk.database.query
      .selectFrom('subcloud_documents')
      .selectAll()
      .where('subcloud_id', '=', row.id)
      .executeTakeFirstOrThrow()
    await desk.database.query
      .updateTable('subcloud_documents')
      .set({ sealed: sealed.sealed })
      .where('subcloud_id', '=', other.row.id)
      .execute()
    await assert.rejects(readDocuments(desk.database, desk.keyring, other.row.id), /does not open/)
  })

  test('every write counts the revision and stands in the change stream, in order', async () => {
    const desk = await openDesk(engine)
    const { row } = await add(desk, 1)
    await add(desk, 2)
    await desk.database.transaction((tx) => updateSubcloud(tx, world, row.id, { description: 'new', bootstrap_address: '10.0.0.1' }))
    const refused = await desk.database.transaction((tx) =>
      updateSubcloud(tx, world, row.id, { description: 'x' }, { deployStatus: 'complete' }),
    )
    assert.equal(refused, undefined)
    await desk.database.transaction((tx) =>
      updateSubclouds(tx, world, [1, 2], { management_state: 'managed' }, { deployStatus: ['not-deployed', 'complete'] }),
    )
    await desk.database.transaction((tx) => deleteSubcloud(tx, world, 2))
    const changes = await desk.database.query.selectFrom('subcloud_changes').selectAll().orderBy('seq').execute()
    assert.deepEqual(
      changes.map((change) => [change.subcloud_id, change.kind]),
      [
        [1, 'created'],
        [2, 'created'],
        [1, 'updated'],
        [1, 'updated'],
        [2, 'updated'],
        [2, 'deleted'],
      ],
    )
    assert.deepEqual(JSON.parse(changes[2]!.fields), { description: 'new' })
    assert.equal((await findSubcloud(desk.database, '1'))?.revision, 3)
    assert.equal(await findSubcloud(desk.database, '2'), undefined)
    // What belonged to it went with it, and its addresses are free again.
    assert.equal((await desk.database.query.selectFrom('subcloud_status').selectAll().where('subcloud_id', '=', 2).execute()).length, 0)
    assert.equal(await findConflict(desk.database, newSubcloud(2).network.keys, undefined), undefined)
  })

  test('standby copies of a peer: many with as many statements as one; each is judged with those before it', async () => {
    const desk = await openDesk(engine)
    await add(desk, 1)
    const { id: groupId } = await insertPeerGroup(desk.database, world, {
      peer_group_name: 'spg-a',
      group_priority: 1,
      group_state: 'enabled',
      max_subcloud_rehoming: 10,
      system_leader_id: 'x',
      system_leader_name: 'x',
      migration_status: null,
    })
    const claimed = (...list: readonly NewSubcloud[]) => countStatements(() => claimStandbyCopies(desk, asker, list, groupId))
    const one = await claimed(newSubcloud(2))
    const sameRange = { ...newSubcloud(9), network: newSubcloud(4).network }
    const many = await claimed(
      newSubcloud(3),
      newSubcloud(4),
      newSubcloud(5, { name: 'subcloud3' }),
      sameRange,
      newSubcloud(6, { name: 'subcloud1' }),
      { ...newSubcloud(7), groupId: '999' },
      newSubcloud(8),
    )
    assert.deepEqual(
      many.result.map((each) => (each instanceof Error ? each.code : `${each.name} ${each.deploy_status} ${each.peer_group_id}`)),
      [
        `subcloud3 secondary ${groupId}`,
        `subcloud4 secondary ${groupId}`,
        'nameTaken',
        'networkOverlap',
        'nameTaken',
        'groupInvalid',
        `subcloud8 secondary ${groupId}`,
      ],
    )
    assert.equal(many.texts.length, one.texts.length)
    for (const added of many.result)
      if (!(added instanceof Error))
        assert.deepEqual(await readDocuments(desk.database, desk.keyring, added.id), {
          bootstrap_values: { name: added.name, admin_password: 'S3cret' },
        })
    assert.equal((await desk.database.query.selectFrom('subcloud_peer_group').select('revision').executeTakeFirstOrThrow()).revision, 3)
    await assert.rejects(claimStandbyCopies(desk, asker, [newSubcloud(10)], 77), /Subcloud Peer Group not found/)
  })

  test('refs: ids, names, regions', async () => {
    const desk = await openDesk(engine)
    const { row } = await add(desk, 1)
    assert.equal((await findSubcloud(desk.database, 'subcloud1'))?.id, 1)
    assert.equal((await findSubcloud(desk.database, row.region_name, { byRegion: true }))?.id, 1)
    assert.equal(await findSubcloud(desk.database, row.region_name), undefined)
    assert.equal(await findSubcloud(desk.database, '99999999999999999999'), undefined)
    assert.equal(await findSubcloud(desk.database, "x' or '1'='1"), undefined)
  })

  test('a reconfigured network is reserved, adopted, and no longer where it was', async () => {
    const desk = await openDesk(engine)
    const { row } = await add(desk, 1)
    const next = { subnet: '10.9.0.0/28', start: '10.9.0.2', end: '10.9.0.9', gateway: '10.9.0.1' }
    await desk.database.transaction((tx) => reserveNetwork(tx, row.id, 'next', networkKeys(next)))
    assert.equal((await findConflict(desk.database, networkKeys(next), undefined))?.name, 'subcloud1')
    assert.equal(await findConflict(desk.database, networkKeys(next), undefined, row.id), undefined)
    await desk.database.transaction((tx) => adoptNetwork(tx, desk, row.id, next, { deploy_status: 'complete' }))
    assert.equal(await findConflict(desk.database, newSubcloud(1).network.keys, undefined), undefined)
    assert.equal((await findSubcloud(desk.database, '1'))?.management_start_ip, '10.9.0.2')
  })

  test('list: filters, aggregate, pages; two statements', async () => {
    const desk = await openDesk(engine)
    for (const n of [1, 2, 3, 4, 5, 6]) await add(desk, n, { location: n % 2 === 0 ? 'Lisboa 100%' : null })
    const set = async (id: number, statuses: Record<string, SyncStatus>): Promise<void> => {
      for (const [type, status] of Object.entries(statuses))
        await desk.database.query
          .updateTable('subcloud_status')
          .set({ sync_status: status })
          .where('subcloud_id', '=', id)
          .$if(type !== 'all', (query) => query.where('endpoint_type', '=', type as 'platform'))
          .execute()
    }
    await set(1, { all: 'in-sync' })
    await set(2, { all: 'in-sync', software: 'out-of-sync' })
    await set(3, { platform: 'in-sync' })
    await set(4, { all: 'out-of-sync' })
    await desk.database.query.deleteFrom('subcloud_status').where('subcloud_id', '=', 6).execute()
    const ids = async (filter: Parameters<typeof listSubclouds>[1]): Promise<number[]> =>
      (await listSubclouds(desk.database, filter)).rows.map(({ row }) => row.id)
    assert.deepEqual(await ids({}), [1, 2, 3, 4, 5, 6])
    assert.deepEqual(await ids({ syncStatus: 'in-sync' }), [1])
    assert.deepEqual(await ids({ syncStatus: 'out-of-sync' }), [2, 3, 4])
    assert.deepEqual(await ids({ syncStatus: 'unknown' }), [5, 6])
    assert.deepEqual(await ids({ text: 'LISBOA' }), [2, 4, 6])
    assert.deepEqual(await ids({ text: '100%' }), [2, 4, 6])
    assert.deepEqual(await ids({ text: '%' }), [2, 4, 6])
    assert.deepEqual(await ids({ text: '_' }), [])
    assert.deepEqual(await ids({ name: 'subcloud3', groupId: 1 }), [3])
    assert.deepEqual(await ids({ deployStatus: ['complete'] }), [])
    const first = (await listSubclouds(desk.database, {})).rows
    assert.deepEqual(first[1]!.statuses, ['in-sync', 'in-sync', 'in-sync', 'in-sync', 'in-sync', 'in-sync', 'out-of-sync'])
    assert.deepEqual(new Set(first[5]!.statuses), new Set(['unknown']))

    for (const key of Object.keys(sortColumns)) {
      const seen: number[] = []
      let marker: string | undefined
      do {
        const page = await listSubclouds(
          desk.database,
          {},
          { limit: 2, sort: [{ key, direction: 'desc' }], ...(marker === undefined ? {} : { marker }) },
        )
        seen.push(...page.rows.map(({ row }) => row.id))
        marker = page.next
      } while (marker !== undefined)
      assert.deepEqual(
        seen.toSorted((a, b) => a - b),
        [1, 2, 3, 4, 5, 6],
        key,
      )
    }
    const { statements } = await countStatements(() => listSubclouds(desk.database, {}, { limit: 3, sort: [] }))
    assert.equal(statements, 2)
    assert.equal((await countStatements(() => listSubclouds(desk.database, {}))).statements, 2)
  })

  test('idempotency: the answer is kept with the work, or neither', async () => {
    const desk = await openDesk(engine)
    const who: Asker = { ...asker, repeat: { key: 'k', digest: 'd1' } }
    await add(desk, 1, {}, who)
    assert.deepEqual(await findRemembered(desk.database, world, desk.keyring, 'u', 'k'), { digest: 'd1', status: 200, body: '"1"' })
    await assert.rejects(add(desk, 2, {}, who))
    assert.equal((await listSubclouds(desk.database, {})).rows.length, 1)
    await assert.rejects(add(desk, 3, { name: 'subcloud1' }, { ...asker, repeat: { key: 'other', digest: 'd' } }))
    assert.equal(await findRemembered(desk.database, world, desk.keyring, 'u', 'other'), undefined)
    assert.ok(!JSON.stringify(await everything(desk)).includes('"d1"'))
  })

  test('groups', async () => {
    const desk = await openDesk(engine)
    await add(desk, 1)
    const group = await insertGroup(desk.database, world, {
      name: 'north',
      description: 'd',
      update_apply_type: 'serial',
      max_parallel_subclouds: 3,
    })
    assert.equal(group.id, 2)
    assert.deepEqual(
      (await listGroups(desk.database)).map((each) => [each.name, each.subcloud_count]),
      [
        ['Default', 1],
        ['north', 0],
      ],
    )
    assert.equal((await findGroup(desk.database, 'north'))?.id, 2)
    assert.equal((await findGroup(desk.database, '2'))?.name, 'north')
    assert.equal(await countMembers(desk.database, 1), 1)
  })
})
