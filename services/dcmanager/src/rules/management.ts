import { errors } from '../errors.ts'
import { isBackupTransient } from './backup-status.ts'
import type { DeployStatus } from './lifecycle.ts'
import { allowsVerb, isTransient, ruleOf, statusesAllowing, type PhasedVerb } from './lifecycle.ts'

/** What a row must say for a rule about its life. */
export interface Subject {
  readonly name: string
  readonly deploy_status: DeployStatus
  readonly management_state: 'managed' | 'unmanaged'
  readonly availability_status: 'online' | 'offline'
  readonly backup_status: string | null
  readonly prestage_status: string | null
  readonly initial_deployment: 0 | 1
  readonly enrolled_with_vcsr: 0 | 1
}

/** Refused (409) while any operation works on the subcloud (reference dcmanager §3.2). */
export function requireResting(subject: Subject): void {
  if (isTransient(subject.deploy_status)) throw errors.transient({ what: `deploy status ${subject.deploy_status}` })
  if (isBackupTransient(subject.backup_status)) throw errors.transient({ what: `backup status ${subject.backup_status}` })
  if (subject.prestage_status === 'prestaging') throw errors.transient({ what: 'prestage status prestaging' })
}

/** Manage (reference §4.6). Returns the deploy status to write besides, if any: a subcloud that waited for its new home has it. */
export function requireManageable(subject: Subject, force: boolean): DeployStatus | undefined {
  if (subject.management_state === 'managed') throw errors.alreadyManaged()
  // Another controller manages it: no force makes that two.
  requireNotSecondary(subject)
  const waiting = subject.deploy_status === 'rehome-pending'
  if (!force) {
    if (subject.deploy_status !== 'complete' && !waiting) throw errors.manageNotDeployed({ status: subject.deploy_status })
    if (subject.availability_status !== 'online' && !waiting) throw errors.manageOffline()
  }
  return waiting ? 'complete' : undefined
}

export function requireUnmanageable(subject: Subject): void {
  if (subject.management_state === 'unmanaged') throw errors.alreadyUnmanaged()
}

/** Reference §1.7 `name`: order of the checks as there. */
export function requireRenamable(subject: Subject, name: string): void {
  requireResting(subject)
  if (subject.management_state !== 'unmanaged' || subject.deploy_status !== 'complete')
    throw errors.renameState({ management: subject.management_state, status: subject.deploy_status })
  if (subject.name === name) throw errors.renameSame()
}

export interface DeletionContext {
  /** Peers delete standby copies out of their groups. */
  readonly byPeer?: boolean
  /** Name of the peer group that the subcloud is in. */
  readonly peerGroup?: string
}

/** Reference §1.7 DELETE. */
export function requireDeletable(subject: Subject, { byPeer = false, peerGroup }: DeletionContext = {}): void {
  if (subject.management_state === 'managed') throw byPeer ? errors.deleteManagedLate() : errors.deleteManaged()
  if (!ruleOf(subject.deploy_status).deletable) throw errors.deleteForbidden({ status: subject.deploy_status })
  if (peerGroup !== undefined && !byPeer) throw errors.memberDelete({ group: peerGroup })
  if (subject.availability_status === 'online') throw errors.deleteOnline()
}

/** Reference §1.7 redeploy. */
export function requireRedeployable(subject: Subject): void {
  requireNotSecondary(subject)
  if (subject.deploy_status === 'rehome-pending') throw errors.redeployGivenUp()
  if (subject.availability_status === 'online' || subject.management_state === 'managed') throw errors.redeployOnline()
  if (subject.enrolled_with_vcsr === 1) throw errors.redeployEnrolled()
  requireResting(subject)
}

export function requireNotSecondary(subject: Subject): void {
  if (subject.deploy_status === 'secondary' || subject.deploy_status === 'secondary-failed') throw errors.secondary()
}

const onlyAtFirst: ReadonlySet<PhasedVerb> = new Set(['install', 'abort', 'resume'])

/** Reference §1.8: the deploy statuses that allow a phased verb, and those that are for a first deployment only. */
export function requireVerb(subject: Subject, verb: PhasedVerb): void {
  if (!allowsVerb(subject.deploy_status, verb))
    throw errors.wrongState({ verb, status: subject.deploy_status, wanted: `one of ${statusesAllowing(verb).join(', ')}` })
  if (onlyAtFirst.has(verb) && subject.initial_deployment === 0) throw errors.notInitialDeployment({ verb })
}
