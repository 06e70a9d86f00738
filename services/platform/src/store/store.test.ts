import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countStatements, timestamp } from '@murmuration/data'
import { eachEngine } from '@murmuration/data/testing'
import type { SiteConfig } from '@murmuration/site'
import { createRealWorld } from '@murmuration/world'
import { clearAlarms, countAlarms, listAlarms, raiseAlarms } from './alarms.ts'
import { readFacts } from './facts.ts'
import { prepareStore } from './first-start.ts'
import { listHosts, listServiceGroups } from './hosts.ts'
import { migrations } from './migrations.ts'
import { listReleases, moveRelease, softwareVersionOf } from './releases.ts'
import type { AlarmRow, Schema } from './schema.ts'
import { readSystem } from './system.ts'

const world = createRealWorld({ log: { level: 'silent' } })
const config = { name: 'north', role: 'system-controller', systemMode: 'duplex', softwareVersion: '26.09' } as SiteConfig
const now = timestamp(1_700_000_000_000)
const alarm = (n: number, more: Partial<AlarmRow> = {}): AlarmRow => ({
  uuid: world.random.uuid(),
  alarm_id: '280.001',
  entity_type_id: 'subcloud',
  entity_instance_id: `subcloud=s${n}`,
  severity: 'major',
  reason_text: 'x',
  alarm_type: 'communication',
  probable_cause: 'unknown',
  proposed_repair_action: '',
  service_affecting: 0,
  mgmt_affecting: 0,
  degrade_affecting: 0,
  raised_at: now,
  ...more,
})

eachEngine('platform store', (engine) => {
  void test('processes that start a new site at once make one system', async () => {
    const url = await engine.freshUrl()
    const one = await engine.open<Schema>(migrations, { url })
    const other = await engine.open<Schema>(migrations, { url })
    await Promise.all([prepareStore(world, config, one), prepareStore(world, config, other), prepareStore(world, config, one)])
    assert.equal((await readSystem(one)).uuid, (await readSystem(other)).uuid)
    assert.deepEqual(
      (await listHosts(one)).map((host) => host.hostname),
      ['controller-0', 'controller-1'],
    )
    const groups = await listServiceGroups(one)
    assert.equal(groups.filter((group) => group.name === 'distributed-cloud-services').length, 2)
    assert.equal(groups.filter((group) => group.state === 'active').length, groups.length / 2)
  })

  void test('a later start changes nothing but adds the release that the configuration names', async () => {
    const db = await engine.open<Schema>(migrations)
    await prepareStore(world, config, db)
    await db.query.updateTable('systems').set({ name: 'renamed' }).execute()
    await prepareStore(world, { ...config, name: 'south', softwareVersion: '27.03' }, db)
    assert.equal((await readSystem(db)).name, 'renamed')
    assert.deepEqual(
      (await listReleases(db)).map((release) => release.release_id),
      ['starlingx-26.09.0', 'starlingx-27.03.0'],
    )
    assert.equal(await softwareVersionOf(db), '27.03')
  })

  void test('of two who take the last two deployed releases away, one is refused', async () => {
    const db = await engine.open<Schema>(migrations)
    await prepareStore(world, config, db)
    await prepareStore(world, { ...config, softwareVersion: '27.03' }, db)
    const outcomes = await Promise.allSettled(
      ['starlingx-26.09.0', 'starlingx-27.03.0'].map((id) => moveRelease(db, id, 'unavailable', now)),
    )
    assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  })

  void test('1,000 alarms: raised twice, counted, cleared in a handful of statements', async () => {
    const db = await engine.open<Schema>(migrations)
    const alarms = Array.from({ length: 1_000 }, (_, n) => alarm(n))
    const { statements } = await countStatements(() => raiseAlarms(db, alarms))
    assert.ok(statements <= 5, `${statements} statements`)
    await raiseAlarms(db, [alarm(0, { severity: 'critical' }), alarm(0, { severity: 'minor', reason_text: 'later wins' })])
    assert.deepEqual(await countAlarms(db), { critical: 0, major: 999, minor: 1, warning: 0 })
    const [changed] = (await listAlarms(db, { severity: 'minor' }, {})).rows
    assert.equal(changed?.reason_text, 'later wins')
    assert.equal(changed?.uuid, alarms[0]?.uuid)
    assert.equal(await clearAlarms(db, alarms), 1_000)
  })

  void test('the picture for an audit costs the same number of statements, however much there is', async () => {
    const db = await engine.open<Schema>(migrations)
    await prepareStore(world, config, db)
    const before = await countStatements(() => readFacts(db))
    await raiseAlarms(
      db,
      Array.from({ length: 100 }, (_, n) => alarm(n, { alarm_id: '500.200' })),
    )
    const after = await countStatements(() => readFacts(db))
    assert.equal(after.statements, before.statements)
    assert.equal(after.result.certificateAlarms.length, 100)
  })
})
