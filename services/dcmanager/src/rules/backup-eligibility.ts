import { firstAutoRelease } from './backup-request.ts'
import { isBackupTransient } from './backup-status.ts'
import { isTransient, ruleOf } from './lifecycle.ts'
import type { Subject } from './management.ts'
import { isStandby } from './peer-groups.ts'

/** Why a subcloud can't be worked on now, for people. */
export interface Ineligible {
  readonly reason: string
  readonly hint: string
}

/** A live job of the subcloud, whatever its status says. */
export interface Busy {
  readonly operation: string
}

const wait = 'Wait until this operation has ended, then repeat the request.'

/** The first thing that is under way, in the order of the reference (dcmanager §6.1); undefined when the subcloud rests. */
export function underWay(
  subject: Pick<Subject, 'prestage_status' | 'backup_status' | 'deploy_status'>,
  busy: Busy | undefined,
): string | undefined {
  if (subject.prestage_status === 'prestaging') return 'its prestage status is prestaging'
  if (isBackupTransient(subject.backup_status)) return `its backup status is ${subject.backup_status}`
  if (isTransient(subject.deploy_status)) return `its deploy status is ${subject.deploy_status}`
  return busy === undefined ? undefined : `the operation ${busy.operation} is in progress`
}

const resting = (subject: Subject, busy: Busy | undefined): Ineligible | undefined => {
  const what = underWay(subject, busy)
  return what === undefined ? undefined : { reason: `another operation is in progress on it: ${what}`, hint: wait }
}

const told = (subject: Subject): string =>
  `it is ${subject.management_state}, ${subject.availability_status} and its deploy status is ${subject.deploy_status}`

/** Reference §6.1 "create". What is under way is told first: it passes by itself. */
export function createIneligible(subject: Subject, busy: Busy | undefined): Ineligible | undefined {
  const transient = resting(subject, busy)
  if (transient !== undefined) return transient
  if (subject.deploy_status === 'complete' && subject.management_state === 'managed' && subject.availability_status === 'online')
    return undefined
  return {
    reason: `it must be deployed, online and managed, and no operation may be in progress; ${told(subject)}`,
    hint: 'Manage the subcloud and see that it is online, then back it up.',
  }
}

/** Reference §6.1 "delete": what lies at the system controller needs no subcloud. */
export function deleteIneligible(subject: Subject, busy: Busy | undefined, localOnly: boolean): Ineligible | undefined {
  const transient = resting(subject, busy)
  if (transient !== undefined || !localOnly) return transient
  if (subject.management_state === 'managed' && subject.availability_status === 'online') return undefined
  return {
    reason: `it must be online and managed for backups at the subcloud to be deleted; ${told(subject)}`,
    hint: 'Bring the subcloud online, or delete its backups at the system controller (without local_only).',
  }
}

/** What a restore of one subcloud is to be, and what is known for it. */
export interface RestoreFacts {
  /** From the restore values, else the install values, else what the subcloud was deployed at; undefined: from none of them. */
  readonly bootstrapAddress: string | undefined
  readonly withInstall: boolean
  /** auto or factory: driven through the BMC. */
  readonly byBmc: boolean
  /** Of what is restored. */
  readonly release: string
  readonly hasInstallValues: boolean
  /** Where the request wants it: false when the system controller should have one of the release, and has none. */
  readonly hasBackup: boolean
  /** Where an archive is read at all: what this system controller encrypts them with; another one has another key. */
  readonly hasArchiveKey: boolean
  /** Its peer group is being taken over by this site: the subcloud belongs to that until it has ended. */
  readonly migrates: boolean
  readonly bmcAnswers: boolean
  /** Of the saved bootstrap values. */
  readonly simplex: boolean
}

/**
 * Reference §6.1 "restore". That an address is given does not spare the look at the system mode, as in the original. Other than there,
 * what another system controller manages, or may manage, is not restored from here: a BMC obeys whoever asks (decision 9).
 */
export function restoreIneligible(subject: Subject, busy: Busy | undefined, facts: RestoreFacts): Ineligible | undefined {
  if (isStandby(subject) || subject.deploy_status === 'rehome-pending')
    return {
      reason: `another system controller manages it, or may: its deploy status is ${subject.deploy_status}`,
      hint: 'Restore it at the site that manages it, or migrate it to this one first.',
    }
  if (subject.management_state !== 'unmanaged' || !ruleOf(subject.deploy_status).restorable)
    return {
      reason: `it must be unmanaged and in a valid deploy state for a restore; it is ${subject.management_state} and its deploy status is ${subject.deploy_status}`,
      hint: 'Unmanage it, and wait for the end of an operation in progress.',
    }
  const transient = resting(subject, busy)
  if (transient !== undefined) return transient
  if (facts.migrates) return { reason: 'its peer group is being migrated to this system controller', hint: wait }
  if (!facts.hasBackup)
    return {
      reason: 'the system controller has no backup of this release of it',
      hint: 'Back it up first, name another release (with_install), or restore what lies at the subcloud (local_only).',
    }
  if (!facts.hasArchiveKey)
    return {
      reason: 'the system controller has no key for archives of it: it was never backed up from here',
      hint: 'Restore it at the system controller that made its backups, or deploy it anew.',
    }
  if (facts.byBmc && facts.release < firstAutoRelease)
    return {
      reason: `its release ${facts.release} is older than ${firstAutoRelease}, the first that restores itself by auto or factory`,
      hint: 'Restore it without auto and factory, with_install where it has to be installed.',
    }
  if (facts.byBmc && !facts.simplex)
    return {
      reason: 'its saved bootstrap values do not say system_mode simplex, and only such subclouds are restored by auto or factory',
      hint: 'Restore it without auto and factory.',
    }
  if (facts.bootstrapAddress === undefined)
    return {
      reason: 'the address of its host is not known',
      hint: 'Give it in the restore values: bootstrap_address: { <name>: <address> }.',
    }
  if (!facts.withInstall && !facts.byBmc) return undefined
  if (facts.withInstall && !facts.byBmc && subject.enrolled_with_vcsr === 1)
    return { reason: 'it was enrolled with a reconfiguration at its site', hint: 'Restore it without with_install.' }
  if (!facts.hasInstallValues) return { reason: 'it has no install values', hint: 'Update the subcloud with install_values first.' }
  if (!facts.bmcAnswers)
    return { reason: 'its BMC does not answer as a Redfish service', hint: 'Check bmc_address in the install values and the route to it.' }
  return undefined
}
