import type { ScenarioName } from '../scenarios.ts'

/** A guard of the product that is taken away on purpose: the simulation has to notice. */
export interface Mutant {
  readonly name: string
  /** Path from the root of the repository. */
  readonly file: string
  /** Text that stands there exactly once, and what stands there instead. */
  readonly find: string
  readonly replace: string
  /** Whose seeds notice. Default `fleet`. */
  readonly scenario?: ScenarioName
  /** Seeds to try first, where it takes an unlikely moment. */
  readonly seeds?: readonly number[]
  /** The written story or test that notices, where seeds rarely have its moment: a file, as seen from this package, and a part of its title. */
  readonly story?: { readonly file: string; readonly title: string }
}

const rules = 'services/dcmanager/src/rules'
const store = 'services/dcmanager/src/store'
const work = 'services/dcmanager/src/work'
const jobs = 'packages/jobs/src'
const split = 'src/geo/split.test.ts'
const observation = '../services/dcmanager/src/rules/peer-observation.test.ts'
const acceptance = 'src/geo/acceptance.test.ts'
const backupStories = 'src/fleet/acceptance.test.ts'

export const mutants: readonly Mutant[] = [
  {
    name: 'transactions of a run do not prove its lease',
    file: `${jobs}/leases.ts`,
    find: 'if (numUpdatedRows === 0n) throw new LeaseLost(held.id)',
    replace: 'void numUpdatedRows',
  },
  {
    name: 'leases are taken while they hold',
    file: `${jobs}/leases.ts`,
    find: "eb.or([eb('lease_until', '<', now), eb('lease_until', '>', absurd)])",
    replace: "eb.or([eb('lease_until', '<', absurd), eb('lease_until', '>', absurd)])",
  },
  {
    name: 'runs that could not renew their lease go on',
    file: `${jobs}/worker.ts`,
    find: 'if (isOverdue(run.renewedAtMs)) run.abort(new LeaseLost(run.held.id))',
    replace: 'void isOverdue',
  },
  {
    name: 'work begins under a lease that was over when it was had',
    file: `${jobs}/worker.ts`,
    find: 'if (isOverdue(claimedAtMs)) {',
    replace: 'if (claimedAtMs < 0) {',
    story: { file: '../packages/jobs/src/simulated.test.ts', title: 'work does not begin under a lease that is over' },
  },
  {
    name: 'playbooks start although their run was asked to end',
    file: `${work}/playbooks/run-playbook.ts`,
    find: 'run.signal.throwIfAborted()\n  const child',
    replace: 'const child',
    story: {
      file: '../services/dcmanager/src/work/playbooks/run-playbook.test.ts',
      title: 'nothing is started for a run that was asked to end',
    },
  },
  {
    name: 'leases are not renewed',
    file: `${jobs}/worker.ts`,
    find: 'if (running.size === 0) return\n    const startedMs',
    replace: 'if (running.size >= 0) return\n    const startedMs',
  },
  {
    name: 'recorded steps run again',
    file: `${jobs}/steps.ts`,
    find: 'if (before !== undefined) return JSON.parse(before) as T',
    replace: 'void before',
  },
  {
    name: 'cancellations are not noticed while a job runs',
    file: `${jobs}/worker.ts`,
    find: "running.get(id)?.abort(new JobCancelled(cancel_reason ?? 'cancelled'))",
    replace: 'void [id, cancel_reason]',
  },
  {
    name: 'two operations may be queued for one subcloud',
    file: `${jobs}/queue.ts`,
    find: 'exclusive_key: job.exclusiveKey === undefined ? job.subject : job.exclusiveKey,',
    replace: 'exclusive_key: null,',
  },
  {
    name: 'verbs are allowed in every deploy status',
    file: `${rules}/management.ts`,
    find: 'if (!allowsVerb(subject.deploy_status, verb))',
    replace: 'if (!allowsVerb(subject.deploy_status, verb) && verb === undefined)',
  },
  {
    name: 'online subclouds may be deleted',
    file: `${rules}/management.ts`,
    find: "if (subject.availability_status === 'online') throw errors.deleteOnline()",
    replace: '',
  },
  {
    name: 'managed subclouds may be deleted',
    file: `${rules}/management.ts`,
    find: "if (subject.management_state === 'managed') throw byPeer ? errors.deleteManagedLate() : errors.deleteManaged()",
    replace: '',
  },
  {
    name: 'online subclouds may be deployed anew',
    file: `${rules}/management.ts`,
    find: "if (subject.availability_status === 'online' || subject.management_state === 'managed') throw errors.redeployOnline()",
    replace: '',
  },
  {
    name: 'subclouds that are not deployed may be managed',
    file: `${rules}/management.ts`,
    find: "if (subject.deploy_status !== 'complete' && !waiting) throw errors.manageNotDeployed({ status: subject.deploy_status })",
    replace: '',
  },
  {
    name: 'subclouds may be renamed in any state',
    file: `${rules}/management.ts`,
    find: "if (subject.management_state !== 'unmanaged' || subject.deploy_status !== 'complete')",
    replace: 'if (subject.name === undefined)',
  },
  {
    name: 'an abort does not reach the job',
    file: `${store}/claims.ts`,
    find: "!(await cancel(tx, desk.world, running.id, 'aborted by request'))",
    replace: 'cancel === undefined',
  },
  {
    name: 'statuses are written over whatever stands there',
    file: `${store}/subclouds.ts`,
    find: '.$if(expected.deployStatus !== undefined, (query) =>',
    replace: '.$if(expected.deployStatus === null, (query) =>',
  },
  {
    name: 'writes do not count the revision up',
    file: `${store}/subclouds.ts`,
    find: ".set((eb) => ({ revision: eb('revision', '+', 1) }))",
    replace: '',
  },
  {
    name: 'writes of audits do not tell the change stream',
    file: `${store}/statuses.ts`,
    find: 'writes.map(({ current, columns, shown }): SubcloudChange => ({',
    replace: 'writes.slice(1).map(({ current, columns, shown }): SubcloudChange => ({',
  },
  {
    name: 'a failed operation leaves its transitional status',
    file: `${work}/settle.ts`,
    find: 'if (isTransient(status)) return { status: failedStatusOf(status), error: errorText(error, status) }',
    replace: 'void [isTransient, failedStatusOf]',
  },
  {
    name: 'the repair sweep takes living operations for lost',
    file: `${work}/repair.ts`,
    find: 'const lost = rows.filter((row) => !busy.has(row.id))\n  for (const [status, members] of Map.groupBy(lost, (row) => row.deploy_status))',
    replace:
      'const lost = rows.filter((row) => busy.has(row.id))\n  for (const [status, members] of Map.groupBy(lost, (row) => row.deploy_status))',
  },
  {
    name: 'one failed audit makes offline',
    file: `${rules}/availability.ts`,
    find: "current.status === 'online' && failCount < failuresToOffline",
    replace: "current.status === 'online' && failCount < 1",
  },
  {
    name: 'nothing ever goes offline',
    file: `${rules}/availability.ts`,
    find: "current.status === 'online' && failCount < failuresToOffline",
    replace: "current.status === 'online' && failCount < 9_000",
  },
  {
    name: 'in-sync needs neither online nor managed',
    file: `${rules}/sync-status.ts`,
    find: "return subcloud.availabilityStatus === 'online' && (subcloud.managementState === 'managed' || endpoint === 'dc-cert')",
    replace: 'return true',
  },
  {
    name: 'statuses stay when a subcloud is unmanaged',
    file: `${store}/statuses.ts`,
    find: 'await writeChanged(tx, world, current, changedStatuses(current, wanted))\n  await resetAlarms',
    replace: 'await resetAlarms',
  },
  {
    name: 'leases of dead auditors are never taken',
    file: `${store}/audits.ts`,
    find: "eb.or([eb('a.lease_until', 'is', null), eb('a.lease_until', '<=', now), eb('a.lease_until', '>', tooLate)])",
    replace: "eb('a.lease_until', 'is', null)",
  },
  {
    name: 'a clock that is set back stops audits',
    file: `${store}/audits.ts`,
    find: "eb.or([eb('a.next_audit_at', '<=', now), eb('a.next_audit_at', '>', tooLate)])",
    replace: "eb('a.next_audit_at', '<=', now)",
  },
  {
    name: 'more audits at once than allowed',
    file: `${work}/audit-loop.ts`,
    find: 'const limit = Math.min(config.audit.concurrency - running, claimMost)',
    replace: 'const limit = claimMost',
  },
  {
    name: 'audits all at the same moment',
    file: `${rules}/audit-plan.ts`,
    find: '(subcloudId * 0.618_033_988_749_895) % 1',
    replace: 'subcloudId * 0',
  },
  {
    name: 'what playbooks print is kept as it is',
    file: `${work}/playbooks/run-playbook.ts`,
    find: 'const redact = redactor(Object.values(run.secrets).map((secret) => secret.reveal()))',
    replace: 'const redact = (text: string): string => text\n  void redactor',
  },
  {
    name: 'answers are not kept for repeated requests',
    file: `${store}/claims.ts`,
    find: 'await remember(tx, desk.world, desk.keyring, asker.userId, asker.repeat.key, answer)',
    replace: 'void [remember, answer]',
  },
  {
    name: 'folders of runs that died are left behind',
    file: `${work}/playbooks/operation-folder.ts`,
    find: 'if (found.length === 0) return []',
    replace: 'if (found.length >= 0) return []',
  },
  {
    name: 'backups that failed stay under way',
    file: `${work}/settle-backup.ts`,
    find: '{ backup_status: failedBackupStatusOf(row.backup_status), ...error }',
    replace: '(void failedBackupStatusOf, error)',
    scenario: 'backup',
  },
  {
    name: 'managed subclouds are restored',
    file: `${rules}/backup-eligibility.ts`,
    find: "subject.management_state !== 'unmanaged' || !ruleOf(subject.deploy_status).restorable",
    replace: '!ruleOf(subject.deploy_status).restorable',
    scenario: 'backup',
  },
  {
    name: 'what is not online, managed and complete is backed up',
    file: `${rules}/backup-eligibility.ts`,
    find: "if (subject.deploy_status === 'complete' && subject.management_state === 'managed' && subject.availability_status === 'online')",
    replace: 'if (subject.deploy_status !== undefined)',
    scenario: 'backup',
  },
  {
    name: 'a restore needs no backup',
    file: `${rules}/backup-eligibility.ts`,
    find: 'if (!facts.hasBackup)',
    replace: 'if (!facts.hasBackup && facts.release === undefined)',
    story: { file: backupStories, title: 'BK-4' },
  },
  {
    name: 'what is being migrated here is restored',
    scenario: 'geo',
    file: `${rules}/backup-eligibility.ts`,
    find: 'if (facts.migrates)',
    replace: 'if (facts.migrates && facts.release === undefined)',
    story: { file: acceptance, title: 'GR-5: the primary returns' },
  },
  {
    name: 'standby copies are restored',
    scenario: 'geo',
    file: `${rules}/backup-eligibility.ts`,
    find: "if (isStandby(subject) || subject.deploy_status === 'rehome-pending')\n    return {\n      reason: `another system controller manages it, or may: its deploy status is ${subject.deploy_status}`,\n      hint: 'Restore it at the site that manages it, or migrate it to this one first.',\n    }\n  if (subject.management_state !== 'unmanaged' || !ruleOf(subject.deploy_status).restorable)",
    replace: "if (subject.management_state !== 'unmanaged')",
    story: { file: acceptance, title: 'is refused at its standby' },
  },
  {
    name: 'members of a peer group are managed and unmanaged in it',
    scenario: 'geo',
    file: `${rules}/peer-groups.ts`,
    find: 'if (update.managementState) throw errors.memberManagementState({ group: group.peer_group_name })',
    replace: '',
  },
  {
    name: 'members leave a peer group at its standby',
    scenario: 'geo',
    file: `${rules}/peer-groups.ts`,
    find: 'if (!leads(group, here)) throw errors.memberLedElsewhere({ group: group.peer_group_name, leader: group.system_leader_name })\n  if (group.group_priority > 0 && !here.ownerAway)',
    replace: 'if (group.group_priority > 9_000 && !here.ownerAway)',
  },
  {
    name: 'in-sync after a takeover in which a member failed',
    scenario: 'geo',
    file: `${work}/peer-group-audit.ts`,
    find: '!(outOfSyncThere && anyFailed) &&',
    replace: '[outOfSyncThere, anyFailed].length > 0 &&',
    story: { file: acceptance, title: 'GR-5: with a member that could not be taken over' },
  },
  {
    name: 'backups go from one status to any other',
    file: `${work}/backup.ts`,
    find: "moveBackupStatus(parts, context, 'pre-backup', 'backing-up')",
    replace: "moveBackupStatus(parts, context, 'pre-backup', 'deleting-backup')",
    scenario: 'backup',
  },
  {
    name: 'sites take claims of any epoch',
    scenario: 'geo',
    file: 'services/platform/src/rules/ownership.ts',
    find: 'current === undefined || claim.epoch > current.epoch ||',
    replace: 'current === undefined || claim.epoch > 0 ||',
  },
  {
    name: 'sites serve controllers that have lost them',
    scenario: 'geo',
    file: 'services/platform/src/rules/ownership.ts',
    find: 'sameSystem(presented.system, current.owner) && presented.epoch === current.epoch)',
    replace: 'presented.epoch <= current.epoch)',
  },
  {
    name: 'takeovers by themselves ask no witness',
    scenario: 'geo',
    file: `${rules}/ownership.ts`,
    find: 'return seen.silentMs < witnessIntervals * here.auditIntervalMs',
    replace: 'return seen.silentMs < 0 * here.auditIntervalMs',
    story: { file: split, title: 'a takeover by itself leaves every subcloud' },
  },
  {
    name: 'each site believes that it is the stronger one',
    scenario: 'geo',
    file: `${rules}/migration-conclusions.ts`,
    find: '(managedHere === managedThere ? priorityThere < priorityHere : managedThere > managedHere)',
    replace: '(managedThere < 0 && priorityThere < priorityHere)',
  },
  {
    name: 'copies that name different leaders stay so',
    scenario: 'geo',
    file: `${work}/peer-monitor.ts`,
    find: 'if (migration !== null || leader === there.leaderId ||',
    replace: 'if (migration !== null || leader === there.leaderId || leader !== undefined ||',
    story: { file: split, title: 'learns that its subclouds are not its own, and who leads' },
  },
  {
    name: 'of two standbys that both lead nobody decides',
    scenario: 'geo',
    file: `${work}/peer-group-audit.ts`,
    find: 'group.group_priority < there.priority &&',
    replace: 'group.group_priority < 0 &&',
    story: { file: split, title: 'two standbys take over what they reach' },
  },
  {
    name: 'the end of a migration at a peer is not concluded',
    scenario: 'geo',
    file: `${work}/peer-group-audit.ts`,
    find: "if (there.migrationStatus === undefined || record.group.migration_status === 'migrating') return 'nothing'",
    replace: "if (there.migrationStatus !== 'migrating' || record.group.migration_status === 'migrating') return 'nothing'",
  },
  {
    name: 'two migrations of one group at once',
    scenario: 'geo',
    file: `${store}/claims.ts`,
    find: 'const job: Enqueue<Input> = {\n    subject,\n    input,\n    requestedBy: asker.userId,\n    requestId: asker.requestId,\n  }\n  const id',
    replace:
      "const job: Enqueue<Input> = {\n    subject,\n    ...(operation === 'peer-group.migrate' ? { exclusiveKey: null } : {}),\n    input,\n    requestedBy: asker.userId,\n    requestId: asker.requestId,\n  }\n  const id",
  },
  {
    name: 'in-sync whatever the revisions are',
    scenario: 'geo',
    file: `${rules}/association-status.ts`,
    find: 'facts.syncedRevision >= facts.revision &&',
    replace: 'facts.syncedRevision >= 0 &&',
  },
  {
    name: 'a sync that failed leaves its association out-of-sync without a word',
    scenario: 'geo',
    file: `${rules}/association-status.ts`,
    find: "if (facts.syncFailure !== null) return { status: 'failed', message: facts.syncFailure }",
    replace: '',
    story: { file: split, title: 'another system answers at the address of a peer' },
  },
  {
    name: 'in-sync while a peer takes the group over',
    scenario: 'geo',
    file: `${rules}/association-status.ts`,
    find: '&& facts.remoteMigration === null',
    replace: '',
    story: { file: acceptance, title: 'GR-5' },
  },
  {
    name: 'in-sync with a peer that is away',
    scenario: 'geo',
    file: `${rules}/association-status.ts`,
    find: "if (facts.peer.availability === 'unavailable')",
    replace: 'if (facts.peer.availability === undefined)',
    story: { file: acceptance, title: 'GR-1' },
  },
  {
    name: 'changes of a group do not count its revision up',
    scenario: 'geo',
    file: `${store}/peer-groups.ts`,
    find: ".set((eb) => ({ revision: eb('revision', '+', 1) }))",
    replace: ".set((eb) => ({ revision: eb('revision', '+', 0) }))",
  },
  {
    name: 'changes of a member do not count its document up',
    scenario: 'geo',
    file: `${store}/peer-groups.ts`,
    find: ".set((eb) => ({ document_revision: eb('document_revision', '+', 1) }))",
    replace: ".set((eb) => ({ document_revision: eb('document_revision', '+', 0) }))",
  },
  {
    name: 'a takeover confirms what the peer never had',
    scenario: 'geo',
    file: `${rules}/migration-conclusions.ts`,
    find: 'here.members.every((member) => !member.pending && copies.has(member.regionName)) &&',
    replace: '',
    seeds: [23],
  },
  {
    name: 'a peer that was restored is believed to have what it had',
    scenario: 'geo',
    file: `${rules}/peer-observation.ts`,
    find: 'const older = received !== undefined && received < synced',
    replace: 'const older = received !== undefined && received < 0',
    story: { file: observation, title: 'a peer that was restored from a backup' },
  },
  {
    name: 'a site that was restored does not learn it from its peers',
    scenario: 'geo',
    file: `${rules}/peer-observation.ts`,
    find: 'const newer = received !== undefined && received > group.revision',
    replace: 'const newer = received !== undefined && received < 0',
    story: { file: observation, title: 'a peer that has more than this site ever made' },
  },
  {
    name: 'a user agent alone is a peer',
    scenario: 'geo',
    file: 'services/dcmanager/src/api/peer-privileges.ts',
    find: '&& (await isPeerAccount(desk.database, request.identity.userName))',
    replace: '&& [isPeerAccount, desk].length > 0',
    story: { file: acceptance, title: 'GR-4' },
  },
  {
    name: 'backups of whatever is in the group',
    scenario: 'backup',
    file: `${store}/backup-claims.ts`,
    find: 'why: request.judge(row, around(row)) }))',
    replace: 'why: request.columns === undefined ? request.judge(row, around(row)) : undefined }))',
  },
  {
    name: 'backups are kept for ever',
    scenario: 'backup',
    file: `${work}/backup.ts`,
    find: 'return rows.filter((row) => row.id !== context.id).slice(kept)',
    replace: 'return rows.filter((row) => row.id !== context.id).slice(kept + 1_000)',
  },
]
