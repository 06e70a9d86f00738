import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createIneligible, deleteIneligible, restoreIneligible, underWay, type RestoreFacts } from './backup-eligibility.ts'
import { brokenCombination, combinationRules, impliedOptions, type BackupOptions, type BackupVerb } from './backup-request.ts'
import {
  allBackupStatuses,
  backupEdges,
  backupStatuses,
  failedBackupStatusOf,
  isBackupTransient,
  prestageVersionsAfterRestore,
} from './backup-status.ts'
import { allDeployStatuses, isTransient, ruleOf } from './lifecycle.ts'
import type { Subject } from './management.ts'

const subject = (changes: Partial<Subject> = {}): Subject => ({
  name: 'sc1',
  deploy_status: 'complete',
  management_state: 'managed',
  availability_status: 'online',
  backup_status: null,
  prestage_status: null,
  initial_deployment: 0,
  enrolled_with_vcsr: 0,
  ...changes,
})

test('the machine: failures exist and are settled, every transitional status is reached and left', () => {
  assert.deepEqual(
    allBackupStatuses.filter(isBackupTransient),
    ['initial', 'validating', 'pre-backup', 'backing-up', 'deleting-backup'],
    'reference §3.4',
  )
  for (const status of allBackupStatuses) {
    const failed = failedBackupStatusOf(status)
    assert.ok(failed !== null && Object.hasOwn(backupStatuses, failed) && !isBackupTransient(failed), status)
  }
  assert.equal(failedBackupStatusOf(null), null)
  assert.equal(failedBackupStatusOf('something else'), 'something else')
  for (const [from] of backupEdges) assert.ok(isBackupTransient(from))
})

test('what is under way is told in the order of the reference: prestage, backup, deploy, then a job that no status shows', () => {
  const all = { prestage_status: 'prestaging', backup_status: 'backing-up', deploy_status: 'restoring' } as const
  assert.equal(underWay(all, undefined), 'its prestage status is prestaging')
  assert.equal(underWay({ ...all, prestage_status: 'complete' }, undefined), 'its backup status is backing-up')
  assert.equal(underWay({ ...all, prestage_status: null, backup_status: 'failed' }, undefined), 'its deploy status is restoring')
  assert.equal(underWay(subject(), { operation: 'subcloud.delete' }), 'the operation subcloud.delete is in progress')
  assert.equal(underWay(subject(), undefined), undefined)
})

test('create: online, managed, complete and at rest', () => {
  assert.equal(createIneligible(subject(), undefined), undefined)
  for (const status of allBackupStatuses)
    assert.equal(createIneligible(subject({ backup_status: status }), undefined) !== undefined, isBackupTransient(status), status)
  for (const status of allDeployStatuses)
    assert.equal(createIneligible(subject({ deploy_status: status }), undefined) === undefined, status === 'complete', status)
  assert.match(createIneligible(subject({ backup_status: 'backing-up' }), undefined)!.reason, /backing-up/)
  assert.ok(createIneligible(subject({ availability_status: 'offline' }), undefined))
  assert.ok(createIneligible(subject({ management_state: 'unmanaged' }), undefined))
  assert.ok(createIneligible(subject(), { operation: 'subcloud.configure' }))
})

test('delete: what lies at the system controller needs no subcloud that answers, only that nothing is under way', () => {
  for (const status of allDeployStatuses) {
    const gone = subject({ deploy_status: status, management_state: 'unmanaged', availability_status: 'offline' })
    assert.equal(deleteIneligible(gone, undefined, false) !== undefined, isTransient(status), status)
    assert.ok(deleteIneligible(gone, undefined, true))
  }
  assert.equal(deleteIneligible(subject(), undefined, true), undefined)
})

const facts = (changes: Partial<RestoreFacts> = {}): RestoreFacts => ({
  bootstrapAddress: '192.0.2.1',
  withInstall: false,
  byBmc: false,
  release: '26.09',
  hasInstallValues: true,
  hasBackup: true,
  hasArchiveKey: true,
  migrates: false,
  bmcAnswers: true,
  simplex: true,
  ...changes,
})

test('restore: unmanaged, in a status that the table calls restorable, with an address, and what its mode needs', () => {
  const rests = subject({ management_state: 'unmanaged' })
  const why = (changes: Partial<RestoreFacts>, row = rests): string | undefined => restoreIneligible(row, undefined, facts(changes))?.reason
  assert.equal(why({}), undefined)
  for (const status of allDeployStatuses)
    assert.equal(why({}, { ...rests, deploy_status: status }) === undefined, ruleOf(status).restorable && !isTransient(status), status)
  for (const status of ['secondary', 'secondary-failed', 'rehome-pending', 'rehome-failed', 'rehome-prep-failed'] as const)
    assert.match(why({ withInstall: true }, { ...rests, deploy_status: status })!, /another system controller manages it, or may/)
  assert.match(why({}, subject())!, /must be unmanaged and in a valid deploy state/)
  assert.match(why({}, { ...rests, deploy_status: 'restoring' })!, /must be unmanaged and in a valid deploy state/)
  assert.match(why({}, { ...rests, backup_status: 'deleting-backup' })!, /deleting-backup/)
  assert.match(why({}, { ...rests, prestage_status: 'prestaging' })!, /prestaging/)
  assert.match(why({ bootstrapAddress: undefined })!, /address of its host is not known/)
  assert.match(why({ hasArchiveKey: false })!, /no key for archives of it/)
  assert.match(why({ migrates: true })!, /is being migrated to this system controller/)
  assert.match(why({ hasBackup: false })!, /no backup of this release/)
  assert.match(why({ withInstall: true, bmcAnswers: false })!, /BMC does not answer/)
  assert.match(why({ withInstall: true, hasInstallValues: false })!, /no install values/)
  assert.equal(why({ bmcAnswers: false, hasInstallValues: false }), undefined, 'nobody drives its BMC')
  // The original skips this look when an address is given.
  assert.match(why({ byBmc: true, simplex: false })!, /system_mode simplex/)
  assert.match(why({ byBmc: true, release: '25.09' })!, /older than 26\.03/)
  assert.equal(why({ byBmc: true, release: '26.03' }), undefined)
  assert.equal(why({ release: '25.09' }), undefined)
  assert.match(why({ byBmc: true, bmcAnswers: false })!, /BMC does not answer/)
  assert.match(why({ byBmc: true, hasInstallValues: false })!, /no install values/)
  const enrolled = { ...rests, enrolled_with_vcsr: 1 } as const
  assert.match(why({ withInstall: true }, enrolled)!, /enrolled/)
  assert.equal(why({ withInstall: true, byBmc: true }, enrolled), undefined)
})

const options = (changes: Partial<BackupOptions> = {}): BackupOptions => ({
  subcloud: 'sc1',
  group: undefined,
  localOnly: false,
  registryImages: false,
  withInstall: false,
  auto: false,
  factory: false,
  onSite: false,
  release: undefined,
  ...changes,
})

test('combinations: each rule of reference §1.10 is broken by its case and by no other', () => {
  const cases: readonly (readonly [BackupVerb, Partial<BackupOptions>, RegExp | undefined])[] = [
    ['create', {}, undefined],
    ['create', { group: 'g1' }, /not be given at the same time/],
    ['delete', { subcloud: undefined }, /is required/],
    ['create', { registryImages: true }, /registry_images/],
    ['create', { registryImages: true, localOnly: true }, undefined],
    ['restore', { registryImages: true }, /registry_images/],
    ['restore', { release: '26.09' }, /with_install or factory/],
    ['restore', { release: '26.09', withInstall: true }, undefined],
    ['restore', { release: '26.09', factory: true }, undefined],
    ['restore', { release: '26', withInstall: true }, /MM\.mm/],
    ['restore', { auto: true, withInstall: true, release: '25.09' }, /26\.03/],
    ['restore', { factory: true, release: '25.09' }, /26\.03/],
    ['restore', { auto: true }, undefined],
    ['restore', { onSite: true }, undefined],
    ['restore', { onSite: true, withInstall: true }, /on_site excludes/],
    ['restore', { onSite: true, factory: true }, /on_site excludes/],
    ['restore', { onSite: true, auto: true }, /on_site excludes/],
    ['restore', { onSite: true, subcloud: undefined, group: 'g1' }, /on_site excludes/],
  ]
  const met = new Set<string>()
  for (const [verb, changes, wanted] of cases) {
    const broken = brokenCombination(verb, options(changes), '26.09')
    if (wanted === undefined) assert.equal(broken, undefined, JSON.stringify(changes))
    else assert.match(broken?.message ?? '', wanted, JSON.stringify(changes))
    if (broken !== undefined) met.add(broken.message)
  }
  assert.equal(met.size, combinationRules.length, 'every rule has a case')
  assert.ok(brokenCombination('restore', options({ auto: true }), '25.09'), 'the own release counts when none is named')
})

test('what options imply', () => {
  assert.deepEqual(
    impliedOptions(options({ factory: true })),
    options({ factory: true, registryImages: true, withInstall: true, localOnly: true }),
  )
  assert.deepEqual(impliedOptions(options({ auto: true })), options({ auto: true, registryImages: true }))
  assert.deepEqual(impliedOptions(options()), options())
})

test('after a restore nothing is known to be prestaged for a software deployment', () => {
  assert.equal(prestageVersionsAfterRestore('for-install: 26.09.1 - for-sw-deploy: 26.09.1'), 'for-install: 26.09.1 - for-sw-deploy: None')
  assert.equal(prestageVersionsAfterRestore(null), null)
})
