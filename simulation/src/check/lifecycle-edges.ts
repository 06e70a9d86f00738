/**
 * Which deploy status may follow which, told from the reference's flows (dcmanager §1.8, §3.2, §3.3) and not from the product's table:
 * the two are to be compared, so they have to come from different hands.
 */
const edges: Readonly<Record<string, readonly string[]>> = {
  'not-deployed': ['creating', 'create-failed'],
  creating: ['create-complete', 'create-failed'],
  'create-failed': [],
  'create-complete': ['pre-install', 'pre-bootstrap'],
  'pre-install': ['installing', 'pre-install-failed'],
  'pre-install-failed': ['pre-install'],
  installing: ['install-complete', 'install-failed', 'aborting-install'],
  'install-failed': ['pre-install'],
  'install-complete': ['pre-install', 'pre-bootstrap'],
  'aborting-install': ['install-aborted', 'install-failed'],
  'install-aborted': ['pre-install'],
  'pre-bootstrap': ['bootstrapping', 'pre-bootstrap-failed'],
  'pre-bootstrap-failed': ['pre-bootstrap'],
  bootstrapping: ['bootstrap-complete', 'bootstrap-failed', 'aborting-bootstrap'],
  'bootstrap-failed': ['pre-bootstrap'],
  'aborting-bootstrap': ['bootstrap-aborted', 'bootstrap-failed'],
  'bootstrap-aborted': ['pre-bootstrap'],
  'bootstrap-complete': ['pre-bootstrap', 'pre-config', 'complete'],
  'pre-config': ['configuring', 'pre-config-failed'],
  'pre-config-failed': ['pre-config'],
  configuring: ['complete', 'config-failed', 'aborting-config'],
  'config-failed': ['pre-config'],
  'aborting-config': ['config-aborted', 'config-failed'],
  'config-aborted': ['pre-config'],
  complete: ['pre-config'],
  'reconfiguring-network': ['complete', 'network-reconfiguration-failed'],
  'network-reconfiguration-failed': [],
  'pre-restore': ['restoring', 'restore-prep-failed'],
  'restore-prep-failed': [],
  restoring: ['complete', 'restore-failed'],
  'restore-failed': [],
  // Reference §7.9 and §7.10.
  secondary: ['pre-rehome', 'rehome-failed'],
  'secondary-failed': [],
  'rehome-prep-failed': ['pre-rehome', 'rehome-failed'],
  'rehome-failed': ['pre-rehome'],
  'pre-rehome': ['rehoming', 'rehome-prep-failed', 'secondary'],
  rehoming: ['complete', 'rehome-failed', 'secondary'],
  'rehome-pending': ['rehome-failed', 'complete'],
}

/** Somebody works on it: an operation ends with another status, and no second one begins. */
export const transientStatuses = [
  'not-deployed',
  'creating',
  'pre-install',
  'installing',
  'aborting-install',
  'pre-bootstrap',
  'bootstrapping',
  'aborting-bootstrap',
  'pre-config',
  'configuring',
  'aborting-config',
  'reconfiguring-network',
  'pre-rehome',
  'rehoming',
  'pre-restore',
  'restoring',
] as const

/** The same of backups (reference §3.4). */
export const transientBackups = ['validating', 'pre-backup', 'backing-up', 'deleting-backup'] as const

/** A copy of what another controller manages, or is about to. */
export const standbyStatuses: ReadonlySet<string> = new Set([
  'secondary',
  'secondary-failed',
  'rehome-failed',
  'rehome-prep-failed',
  'rehome-pending',
])

const isTransient = (status: string): boolean => (transientStatuses as readonly string[]).includes(status)

export interface Before {
  readonly deployStatus: string
  readonly managementState: string
  readonly availability: string
}

/** Why this step is not allowed; undefined when it is. */
export function edgeProblem(before: Before, to: string): string | undefined {
  const from = before.deployStatus
  if (edges[from]?.includes(to) === true) return undefined
  if (isTransient(from)) return `${from} → ${to} while an operation is under way`
  // From any resting status: given up to another controller, or found to be its (reference §7.9 step 4a, §7.10).
  if (to === 'rehome-pending' || to === 'secondary' || (to === 'rehome-failed' && from === 'complete')) return undefined
  // From any resting status: deployed anew, or moved to another network.
  if (to === 'pre-install')
    return before.managementState === 'unmanaged' && before.availability === 'offline'
      ? undefined
      : `a redeploy of a subcloud that is ${before.managementState} and ${before.availability}`
  if (to === 'pre-restore')
    return before.managementState === 'unmanaged' && !standbyStatuses.has(from)
      ? undefined
      : `a restore of a subcloud that is ${before.managementState} and ${from}`
  if (to === 'reconfiguring-network')
    return before.managementState === 'unmanaged' ? undefined : `a network reconfiguration of a subcloud that is ${before.managementState}`
  return `${from} → ${to}`
}

/** Statuses in which a subcloud may not be deleted (reference §3.2 column Del), of those that a simulation meets. */
const notDeletable: ReadonlySet<string> = new Set(transientStatuses.filter((status) => status !== 'not-deployed'))

export function deleteProblem(before: Before): string | undefined {
  if (before.managementState !== 'unmanaged') return 'it is managed'
  if (before.availability !== 'offline') return 'it is online'
  return notDeletable.has(before.deployStatus) ? `its deploy status is ${before.deployStatus}` : undefined
}

/** Why no backup of it may begin (reference §6.1). */
export function backupProblem(before: Before): string | undefined {
  const { managementState, availability, deployStatus } = before
  const may = managementState === 'managed' && availability === 'online' && deployStatus === 'complete'
  return may ? undefined : `it is ${managementState}, ${availability} and ${deployStatus}`
}

const backupEdges: Readonly<Record<string, readonly string[]>> = {
  validating: ['pre-backup', 'validate-failed'],
  'pre-backup': ['backing-up', 'backup-prep-failed'],
  'backing-up': ['complete-central', 'complete-local', 'failed'],
  'deleting-backup': ['unknown', 'delete-failed'],
}

/** Why a backup status may not follow another; undefined when it may. From every resting one a backup or a delete begins. */
export function backupEdgeProblem(from: string | null, to: string): string | undefined {
  const next = from === null ? undefined : backupEdges[from]
  if (next !== undefined) return next.includes(to) ? undefined : `${from} → ${to} while an operation is under way`
  return to === 'validating' || to === 'deleting-backup' ? undefined : `${String(from)} → ${to}`
}
