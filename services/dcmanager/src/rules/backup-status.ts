/** What a backup status means, and what becomes of it when the work that wrote it is gone or failed; one row of the table below. */
export interface BackupStatusRule {
  readonly meaning: string
  /** Present on transitional statuses. */
  readonly onLostJob?: string
}

/**
 * Every backup status (reference dcmanager §3.4). Null, not in the table, is a subcloud that was never backed up. `initial` was written
 * by releases before 2026-02: an imported row may hold it.
 */
export const backupStatuses = {
  initial: { meaning: 'legacy name of validating', onLostJob: 'validate-failed' },
  validating: { meaning: 'a backup was accepted; the subcloud is being looked at', onLostJob: 'validate-failed' },
  'validate-failed': { meaning: 'the subcloud was not in a state to be backed up' },
  'pre-backup': { meaning: 'the backup is being prepared', onLostJob: 'backup-prep-failed' },
  'backup-prep-failed': { meaning: 'preparing the backup failed' },
  'backing-up': { meaning: 'the backup playbook runs', onLostJob: 'failed' },
  failed: { meaning: 'the backup failed; an alarm says so until the next one begins' },
  'complete-local': { meaning: 'backed up; the archive lies at the subcloud' },
  'complete-central': { meaning: 'backed up; the archive lies at the system controller' },
  'deleting-backup': { meaning: 'backups are being deleted', onLostJob: 'delete-failed' },
  'delete-failed': { meaning: 'deleting backups failed' },
  unknown: { meaning: 'backups were deleted; what else there is was not looked at' },
} as const satisfies Record<string, BackupStatusRule>

export type BackupStatus = keyof typeof backupStatuses

export const allBackupStatuses = Object.keys(backupStatuses) as readonly BackupStatus[]

const ruleOf = (status: string | null): BackupStatusRule | undefined =>
  status !== null && Object.hasOwn(backupStatuses, status) ? backupStatuses[status as BackupStatus] : undefined

/** Somebody works on the subcloud's backups now: other operations are refused until it ends. */
export const isBackupTransient = (status: string | null): boolean => ruleOf(status)?.onLostJob !== undefined

export const transientBackupStatuses: readonly BackupStatus[] = allBackupStatuses.filter(isBackupTransient)

/** What a failed or lost operation leaves; other statuses stay. */
export const failedBackupStatusOf = (status: string | null): string | null => ruleOf(status)?.onLostJob ?? status

/** The status that an accepted operation shows at once. */
export const firstBackupStatus = { create: 'validating', delete: 'deleting-backup' } as const satisfies Record<string, BackupStatus>

/** This status is an alarm (reference §3.4). */
export const alarmingBackupStatus = 'failed' satisfies BackupStatus

/**
 * How a backup goes from one status to the next. The work follows it, the page of statuses and the simulation's check are made from it.
 */
export const backupEdges: readonly (readonly [from: BackupStatus, to: BackupStatus, event: string])[] = [
  ['validating', 'pre-backup', 'healthy'],
  ['pre-backup', 'backing-up', 'playbook begins'],
  ['backing-up', 'complete-local', 'local'],
  ['backing-up', 'complete-central', 'central'],
  ['deleting-backup', 'unknown', 'deleted'],
]

/** After a restore nobody knows what is still prestaged for a software deployment (reference §3.5). */
export const prestageVersionsAfterRestore = (versions: string | null): string | null =>
  versions === null ? null : versions.replace(/(for-sw-deploy:).*$/s, '$1 None')
