import type { Transaction } from '@murmuration/data'
import type { JobOutcome } from '@murmuration/jobs'
import type { World } from '@murmuration/world'
import { failedBackupStatusOf, isBackupTransient, type BackupStatus } from '../rules/backup-status.ts'
import type { Schema } from '../store/schema.ts'
import { readSubcloud, updateSubcloud, type SubcloudColumns } from '../store/subclouds.ts'
import type { JobContext } from '@murmuration/jobs'
import { StatusMoved, type OperationParts } from './operations.ts'
import { causeOf, errorText } from './settle.ts'

/** Moves the backup status under the job's lease. Fine when it has been moved already: the step's record was lost in a crash. */
export async function moveBackupStatus(
  parts: OperationParts,
  context: JobContext<{ readonly subcloudId: number }>,
  from: BackupStatus,
  to: BackupStatus,
): Promise<void> {
  const id = context.input.subcloudId
  await context.transaction(async (tx: Transaction<Schema>) => {
    const row = await updateSubcloud(tx, parts.site.world, id, { backup_status: to }, { backupStatus: from })
    if (row !== undefined) return
    const found = await readSubcloud(tx, id)
    if (found?.backup_status !== to) throw new StatusMoved(id, found?.backup_status ?? undefined, [from])
  })
}

/**
 * The last backup status, in the transaction of the job's end: what `goodEnd` says when it ended well, else the failure of what was
 * under way, with its reason where `tells`.
 */
export async function settleBackup(
  tx: Transaction<Schema>,
  world: World,
  subcloudId: number,
  outcome: JobOutcome<unknown>,
  end: { readonly from: BackupStatus; readonly columns: SubcloudColumns; readonly tells: boolean },
): Promise<void> {
  if (outcome.state === 'done' && (await updateSubcloud(tx, world, subcloudId, end.columns, { backupStatus: end.from })) !== undefined)
    return
  const row = await readSubcloud(tx, subcloudId)
  if (row === undefined || !isBackupTransient(row.backup_status)) return
  const error = end.tells ? { error_description: errorText(causeOf(outcome.error), row.backup_status as BackupStatus) } : {}
  await updateSubcloud(
    tx,
    world,
    subcloudId,
    { backup_status: failedBackupStatusOf(row.backup_status), ...error },
    { backupStatus: row.backup_status! },
  )
}
