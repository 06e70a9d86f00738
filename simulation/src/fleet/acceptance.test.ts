import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Call } from '../operator/client.ts'
import * as requests from '../operator/requests.ts'
import { siteAt } from './places.ts'
import { openScene, type Scene } from './scene.ts'

/* BK-1 to BK-6 of the reference (dcmanager §9), on one fleet and in virtual time: g1 has sc1 to sc3, and playbooks can be held running. */

const [sc1, sc2, sc3] = [1, 2, 3] as const
const all = [sc1, sc2, sc3] as const
const minuteMs = 60_000
/** Shorter than a lease: the manager does not lose what it works on. */
const standstillMs = 3_000

let stage: Awaited<ReturnType<typeof openScene>>
before(async () => {
  stage = await openScene('backup')
  await stage.play(async (scene) => {
    await scene.accepted(requests.addGroup('g1'))
    const { id: group } = scene.reader.groups().find(({ name }) => name === 'g1')!
    for (const id of all) await scene.accepted(requests.moveToGroup(id, group))
  })
})
after(() => stage.close())

const backupStatus = (scene: Scene, id: number): unknown => scene.row(id)['backup_status']
const untilBackup = (scene: Scene, id: number, status: string): Promise<void> =>
  scene.until(`the backup of sc${id} is ${status}`, minuteMs, () => backupStatus(scene, id) === status)
const untilDeployed = (scene: Scene, id: number, status: string): Promise<void> =>
  scene.until(`sc${id} is ${status}`, minuteMs, () => scene.row(id).deploy_status === status)
const untilPlaying = (scene: Scene, id: number, playbook: string): Promise<void> =>
  scene.until(`${playbook} of sc${id} runs`, minuteMs, () => scene.runs(id, playbook).some((run) => run.endedMs === undefined))

const hold = ({ fleet }: Scene, ...ids: readonly number[]): void => ids.forEach((id) => fleet.playbooks.held.add(id))
const letGo = ({ fleet }: Scene, ...ids: readonly number[]): void => ids.forEach((id) => fleet.playbooks.held.delete(id))
const stopManager = ({ fleet }: Scene): void => fleet.process('manager-1').pauseFor(standstillMs)

/** What the change stream has told of it since: deploy statuses or backup statuses. */
const toldSince = ({ reader }: Scene, seq: number, id: number, field: 'backup-status' | 'deploy-status'): unknown[] =>
  reader
    .changesAfter(seq)
    .filter((change) => change.subcloud_id === id)
    .map((change) => (JSON.parse(change.fields) as Record<string, unknown>)[field])
    .filter((status) => status !== undefined)

const runsEver = ({ fleet }: Scene): number => fleet.playbooks.runs.length

const named = (json: Readonly<Record<string, unknown>>, field: string): unknown[] =>
  (json['subclouds'] as Record<string, unknown>[]).map((each) => each[field])

test('BK-1: no second create on one subcloud, whatever its backup is busy with', () =>
  stage.play(async (scene) => {
    const seq = scene.reader.lastChange()
    hold(scene, sc1)
    assert.equal(backupStatus(scene, sc1), null)
    await scene.accepted(requests.backup(sc1))
    for (const status of ['validating', 'pre-backup', 'backing-up']) {
      await untilBackup(scene, sc1, status)
      // The moment is held on to: what is asked meanwhile meets this status.
      stopManager(scene)
      await scene.refused(requests.backup(sc1), new RegExp(status))
      assert.equal(backupStatus(scene, sc1), status)
    }
    await untilPlaying(scene, sc1, 'create_subcloud_backup')
    await scene.refused(requests.backup(sc1), /backing-up/)
    letGo(scene, sc1)
    await untilBackup(scene, sc1, 'complete-central')
    assert.equal(scene.runs(sc1, 'create_subcloud_backup').length, 1)
    assert.deepEqual(toldSince(scene, seq, sc1, 'backup-status'), ['validating', 'pre-backup', 'backing-up', 'complete-central'])
    hold(scene, sc1)
    const deleted = scene.begin(requests.deleteBackup(sc1))
    await untilPlaying(scene, sc1, 'delete_subcloud_backup')
    await scene.refused(requests.backup(sc1), /deleting-backup/)
    letGo(scene, sc1)
    assert.equal((await deleted()).status, 204)
    assert.equal(backupStatus(scene, sc1), 'unknown')
  }))

test('BK-1: every final status of a backup may be followed by the next one', () =>
  stage.play(async (scene) => {
    const { fleet } = scene
    const site = fleet.site(siteAt(scene.row(sc1).management_start_ip))
    const failing = async (call: Call, expected: number, status: string): Promise<void> => {
      fleet.playbooks.model = { ...fleet.playbooks.model, failure: 1 }
      assert.equal((await scene.ask(call)).status, expected)
      await untilBackup(scene, sc1, status)
      fleet.playbooks.model = { ...fleet.playbooks.model, failure: 0 }
    }
    // After `unknown`, where the story before has left it: its site goes away before anybody asks for its health.
    stopManager(scene)
    await scene.accepted(requests.backup(sc1))
    site.crash()
    await untilBackup(scene, sc1, 'validate-failed')
    site.start()
    await failing(requests.backup(sc1), 200, 'failed')
    fleet.unreliableDisk = true
    fleet.controller.onDisk((_, path) => (path.includes('/vault/subclouds/') ? 'EIO' : undefined))
    await scene.accepted(requests.backup(sc1))
    await untilBackup(scene, sc1, 'backup-prep-failed')
    fleet.controller.onDisk(undefined)
    fleet.unreliableDisk = false
    await scene.accepted(requests.backup(sc1, true))
    await untilBackup(scene, sc1, 'complete-local')
    await scene.accepted(requests.backup(sc1))
    await untilBackup(scene, sc1, 'complete-central')
    await failing(requests.deleteBackup(sc1), 422, 'delete-failed')
    await scene.accepted(requests.backup(sc1))
    await untilBackup(scene, sc1, 'complete-central')
    await scene.accepted(requests.backup(sc1))
    await untilBackup(scene, sc1, 'backing-up')
    await scene.rest()
  }))

test('BK-2: an error when every requested subcloud is busy', () =>
  stage.play(async (scene) => {
    hold(scene, ...all)
    for (const id of all) await scene.accepted(requests.backup(id))
    for (const id of all) await untilPlaying(scene, id, 'create_subcloud_backup')
    const started = runsEver(scene)
    await scene.refused(requests.backupGroup('g1'), /None of the subclouds/)
    letGo(scene, ...all)
    await scene.rest()
    assert.equal(runsEver(scene), started)
    for (const id of all) assert.equal(backupStatus(scene, id), 'complete-central')
  }))

test('BK-3: a create for a group skips its busy members', () =>
  stage.play(async (scene) => {
    const seq = scene.reader.lastChange()
    const runs = (id: number): number => scene.runs(id, 'create_subcloud_backup').length
    const before_ = all.map(runs)
    hold(scene, sc1)
    await scene.accepted(requests.backup(sc1))
    await untilPlaying(scene, sc1, 'create_subcloud_backup')
    const json = await scene.accepted(requests.backupGroup('g1'))
    assert.deepEqual(named(json, 'id'), [...all])
    for (const id of [sc2, sc3])
      await scene.until(`sc${id} is backed up`, minuteMs, () => toldSince(scene, seq, id, 'backup-status').at(-1) === 'complete-central')
    assert.equal(backupStatus(scene, sc1), 'backing-up')
    letGo(scene, sc1)
    await scene.rest()
    for (const [index, id] of all.entries()) {
      assert.equal(runs(id), before_[index]! + 1)
      assert.deepEqual(toldSince(scene, seq, id, 'backup-status'), ['validating', 'pre-backup', 'backing-up', 'complete-central'])
    }
  }))

test('BK-3: nor does it touch one that becomes busy before the manager begins, or at the same moment', () =>
  stage.play(async (scene) => {
    const runs = (): number[] => all.map((id) => scene.runs(id, 'create_subcloud_backup').length)
    const [before_, seq] = [runs(), scene.reader.lastChange()]
    // Nobody works on any of it before both have their answers, of two APIs.
    stopManager(scene)
    const [group, one] = await scene.askAtOnce(requests.backupGroup('g1'), requests.backup(sc1))
    assert.equal(group!.status, 200)
    assert.ok([200, 400].includes(one!.status), JSON.stringify(one!.json))
    await scene.refused(requests.backup(sc1), /validating/)
    await scene.rest()
    assert.deepEqual(
      runs(),
      before_.map((count) => count + 1),
    )
    for (const id of all)
      assert.deepEqual(toldSince(scene, seq, id, 'backup-status'), ['validating', 'pre-backup', 'backing-up', 'complete-central'])
  }))

test('BK-4: no second restore on one subcloud, and nothing else of backups either', () =>
  stage.play(async (scene) => {
    for (const id of all) await scene.accepted(requests.manage(id, 'unmanaged', false))
    const seq = scene.reader.lastChange()
    hold(scene, sc1)
    stopManager(scene)
    await scene.accepted(requests.restore(sc1))
    for (const status of ['pre-restore', 'restoring']) {
      await untilDeployed(scene, sc1, status)
      stopManager(scene)
      await scene.refused(requests.restore(sc1), /must be unmanaged and in a valid deploy state/)
      await scene.refused(requests.backup(sc1), new RegExp(status))
      await scene.refused(requests.deleteBackup(sc1), new RegExp(status))
      assert.equal(scene.row(sc1).deploy_status, status)
    }
    await untilPlaying(scene, sc1, 'restore_subcloud_backup')
    await scene.refused(requests.restore(sc1), /must be unmanaged and in a valid deploy state/)
    assert.equal(scene.runs(sc1, 'restore_subcloud_backup').length, 1)
    assert.deepEqual(toldSince(scene, seq, sc1, 'deploy-status'), ['pre-restore', 'restoring'])
    // A busy backup keeps a restore away as well.
    hold(scene, sc2)
    const deleted = scene.begin(requests.deleteBackup(sc2))
    await untilBackup(scene, sc2, 'deleting-backup')
    await scene.refused(requests.restore(sc2), /deleting-backup/)
    letGo(scene, sc2)
    assert.equal((await deleted()).status, 204)
    await scene.refused(requests.restore(sc2), /no backup of this release/)
    await scene.accepted(requests.manage(sc2, 'managed', false))
    await scene.accepted(requests.backup(sc2))
    await untilBackup(scene, sc2, 'complete-central')
    await scene.accepted(requests.manage(sc2, 'unmanaged', false))
  }))

test('BK-6: a restore of a group skips its busy members', () =>
  stage.play(async (scene) => {
    const seq = scene.reader.lastChange()
    hold(scene, sc2, sc3)
    assert.equal(scene.row(sc1).deploy_status, 'restoring')
    const json = await scene.accepted(requests.restoreGroup('g1'))
    assert.deepEqual(named(json, 'id'), [sc2, sc3])
    assert.deepEqual(named(json, 'deploy-status'), ['pre-restore', 'pre-restore'])
    for (const id of [sc2, sc3]) await untilPlaying(scene, id, 'restore_subcloud_backup')
    for (const id of all) assert.equal(scene.runs(id, 'restore_subcloud_backup').length, 1)
    assert.deepEqual(toldSince(scene, seq, sc1, 'deploy-status'), [])
  }))

test('BK-5: an error when every requested subcloud is being restored; all of them come back', () =>
  stage.play(async (scene) => {
    for (const id of all) assert.equal(scene.row(id).deploy_status, 'restoring')
    const started = runsEver(scene)
    await scene.refused(requests.restoreGroup('g1'), /None of the subclouds/)
    letGo(scene, ...all)
    for (const id of all) await untilDeployed(scene, id, 'complete')
    assert.equal(runsEver(scene), started)
    await scene.rest()
  }))
