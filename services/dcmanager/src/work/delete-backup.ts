import { json, type Transaction } from '@murmuration/data'
import { defineJob, type JobContext, type JobKind } from '@murmuration/jobs'
import type { DeleteBackupInput } from '../rules/operations.ts'
import { forgetBackups, listBackups } from '../store/backups.ts'
import type { Schema } from '../store/schema.ts'
import { deleteArchives } from './backup-runs.ts'
import { retryOfFaults, withoutRetry } from './deploy.ts'
import { subcloudOf, type OperationParts } from './operations.ts'
import { settleBackup } from './settle-backup.ts'

export interface DeletedBackups {
  /** Archives that were known and are gone. */
  readonly removed: number
}

/** PATCH subcloud-backup/delete (reference dcmanager §6.4). Files first, then their rows: a stop in between repeats what changes nothing. */
export const deleteBackupKind = (parts: OperationParts): JobKind<DeleteBackupInput, DeletedBackups> =>
  defineJob<DeleteBackupInput, DeletedBackups>({
    name: 'subcloud.delete-backup',
    concurrency: parts.site.config.backup.concurrency,
    retentionMs: 90 * 24 * 3_600_000,
    retry: retryOfFaults,
    run: async (context) => {
      let removed = 0
      await withoutRetry(async () => {
        const ids = await context.step('delete-backup.find', async () =>
          (await found(parts, context)).map((row) => ({ id: row.id, fileName: row.file_name })),
        )
        await context.step('delete-backup.run', async () => {
          context.progress('delete backup: the archives')
          const names = ids.map(({ fileName }) => fileName)
          await deleteArchives(parts, context, await subcloudOf(parts, context.input.subcloudId), names)
        })
        await context.step('delete-backup.rows', () =>
          context.transaction((tx: Transaction<Schema>) =>
            forgetBackups(
              tx,
              ids.map(({ id }) => id),
            ),
          ),
        )
        removed = ids.length
        if (removed === 0) context.progress(`there was no backup of release ${context.input.release}`)
      })
      return { removed }
    },
    settle: (tx: Transaction<Schema>, job, outcome, world) =>
      settleBackup(tx, world, json.read<DeleteBackupInput>(job.input as never).subcloudId, outcome, {
        from: 'deleting-backup',
        // Where there was nothing to delete, what the time tells of is another backup (reference dcmanager §3.4).
        columns: { backup_status: 'unknown', ...(outcome.output?.removed === 0 ? {} : { backup_datetime: null }) },
        // The subcloud may be in any state, and the text that stands there is about that.
        tells: false,
      }),
  })

const found = (parts: OperationParts, context: JobContext<DeleteBackupInput>) =>
  listBackups(parts.database, context.input.subcloudId, {
    release: context.input.release,
    storage: context.input.localOnly ? 'local' : 'central',
  })
