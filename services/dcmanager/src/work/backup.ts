import { json, timestamp, type Transaction } from '@murmuration/data'
import { defineJob, type JobContext, type JobKind } from '@murmuration/jobs'
import { noError } from '../rules/error-description.ts'
import type { BackupInput } from '../rules/operations.ts'
import { backupStored, expectedBytes, forgetBackups, listBackups, readBackup, reserveBackup, type BackupRow } from '../store/backups.ts'
import type { Schema } from '../store/schema.ts'
import { archiveKey, archiveNameOf, centralPathOf } from './backup-files.ts'
import { createArchive } from './backup-runs.ts'
import { retryOfFaults, withoutRetry } from './deploy.ts'
import { OperationRefused, subcloudOf, type OperationParts } from './operations.ts'
import { moveBackupStatus, settleBackup } from './settle-backup.ts'

type BackupContext = JobContext<BackupInput>

const keptMs = 90 * 24 * 3_600_000
/** What a first backup is thought to take, as long as no other tells better. */
const firstBytes = 1024 * 1024

/** POST subcloud-backup (reference dcmanager §6.3): looked at, prepared, made by the playbook, verified, and the oldest removed. */
export const backupKind = (parts: OperationParts): JobKind<BackupInput, void> =>
  defineJob<BackupInput, void>({
    name: 'subcloud.backup',
    concurrency: parts.site.config.backup.concurrency,
    retentionMs: keptMs,
    retry: retryOfFaults,
    run: (context) =>
      withoutRetry(async () => {
        await context.step('backup.health', () => requireHealthy(parts, context))
        await context.step('backup.begin', () => moveBackupStatus(parts, context, 'validating', 'pre-backup'))
        await context.step('backup.prepare', () => prepare(parts, context))
        await context.step('backup.playing', () => moveBackupStatus(parts, context, 'pre-backup', 'backing-up'))
        await context.step('backup.run', () => store(parts, context))
        await context.step('backup.trim', () => trim(parts, context))
      }),
    async settle(tx: Transaction<Schema>, job, outcome, world) {
      const input = json.read<BackupInput>(job.input as never)
      await settleBackup(tx, world, input.subcloudId, outcome, {
        from: 'backing-up',
        columns: {
          backup_status: input.localOnly ? 'complete-local' : 'complete-central',
          backup_datetime: timestamp(world.clock.nowMs()),
          error_description: noError,
        },
        tells: true,
      })
      // What was reserved for it and did not come is free again.
      const reservation = outcome.state === 'done' ? undefined : await readBackup(tx, job.id)
      if (reservation?.state !== 'storing') return
      await forgetBackups(tx, [job.id])
      if (reservation.storage === 'central') tx.afterCommit(() => void removeHalves(parts, reservation))
    },
  })

async function requireHealthy(parts: OperationParts, context: BackupContext): Promise<void> {
  context.progress('backup: the health of the subcloud')
  const row = await subcloudOf(parts, context.input.subcloudId)
  let problems: readonly string[]
  try {
    problems = await parts.healthProblems(row)
  } catch (error) {
    throw new OperationRefused(
      `The subcloud could not be asked for its health: ${error instanceof Error ? error.message : String(error)}. Repeat the backup when it answers.`,
    )
  }
  if (problems.length > 0)
    throw new OperationRefused(`The subcloud is not in good health: ${problems.join('; ')}. Mend what its alarms tell, then back it up.`)
}

/** The archive's key, name and place. What is beyond retention already makes room first. */
async function prepare(parts: OperationParts, context: BackupContext): Promise<void> {
  context.progress('backup: the place of the archive')
  const { site, database } = parts
  const { input } = context
  const { quotaBytes } = site.config.backup
  const row = await subcloudOf(parts, input.subcloudId)
  await archiveKey(site, row.id)
  await trim(parts, context)
  const bytes = input.localOnly ? 0 : ((await expectedBytes(database, row.id)) ?? firstBytes)
  // By itself and not under the lease: the lock comes first, so that many at once wait for each other instead of losing races. A
  // reservation of a run that is over is forgotten with its job.
  const reserved = await database.transaction(
    (tx) =>
      reserveBackup(
        tx,
        site.world,
        {
          id: context.id,
          subcloudId: row.id,
          release: input.release,
          storage: input.localOnly ? 'local' : 'central',
          fileName: archiveNameOf(row, site.world.clock.nowMs()),
          bytes,
          registryImages: input.registryImages,
        },
        quotaBytes,
      ),
    { isolation: 'read committed' },
  )
  if ('used' in reserved) throw overQuota(reserved.used, bytes, quotaBytes)
}

const overQuota = (used: number, bytes: number, quota: number): OperationRefused =>
  new OperationRefused(
    `The backups at the system controller take ${used} bytes; with this one (${bytes} bytes) they would pass the quota of ${quota} (backup.quotaBytes). Delete some, or raise the quota.`,
  )

/** The playbook, and what it has made as a row: from here on it can be restored. */
async function store(parts: OperationParts, context: BackupContext): Promise<void> {
  const reservation = await readBackup(parts.database, context.id)
  if (reservation === undefined) throw new OperationRefused('The place of this backup was given away: repeat the backup.')
  const subcloud = await subcloudOf(parts, context.input.subcloudId)
  const older = (await beyond(parts, context, parts.site.config.backup.keep - 1)).map((row) => row.file_name)
  // What a failure leaves of it goes with the end of the job, and not here: this run may have lost its job without knowing it, and at
  // the same place lies what its successor has made by now.
  const made = await createArchive(parts, context, subcloud, reservation, older)
  const { quotaBytes } = parts.site.config.backup
  const over = await context.transaction((tx: Transaction<Schema>) => backupStored(tx, context.id, made, quotaBytes))
  if (over !== undefined) throw overQuota(over.used, made.bytes, quotaBytes)
}

/** Half an archive is none. What can't be removed now is swept. */
async function removeHalves({ site }: OperationParts, reservation: BackupRow): Promise<void> {
  const path = centralPathOf(site.config.varFolder, reservation)
  for (const file of [path, `${path}.part`])
    await site.world.files.remove(file).catch((error: unknown) => site.world.log.debug('half an archive is left to the sweep', { error }))
}

/** Stored archives of the same kind beyond the newest `kept`. */
async function beyond(parts: OperationParts, context: BackupContext, kept: number): Promise<BackupRow[]> {
  const { subcloudId, release, localOnly } = context.input
  const rows = await listBackups(parts.database, subcloudId, { release, storage: localOnly ? 'local' : 'central' })
  return rows.filter((row) => row.id !== context.id).slice(kept)
}

/** Removes what is beyond retention: the file first, so that no row is without one for long. Those at the subcloud went with the playbook. */
async function trim(parts: OperationParts, context: BackupContext): Promise<void> {
  const { site, database } = parts
  const made = (await readBackup(database, context.id))?.state === 'stored'
  const rows = await beyond(parts, context, made ? site.config.backup.keep - 1 : site.config.backup.keep)
  const removable = rows.filter((row) => row.storage === 'central' || made)
  for (const row of removable) if (row.storage === 'central') await site.world.files.remove(centralPathOf(site.config.varFolder, row))
  if (removable.length > 0)
    await context.transaction((tx: Transaction<Schema>) =>
      forgetBackups(
        tx,
        removable.map((row) => row.id),
      ),
    )
}
