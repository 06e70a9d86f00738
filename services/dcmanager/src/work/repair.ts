import type { Database, Transaction } from '@murmuration/data'
import { readJobs } from '@murmuration/jobs'
import type { Site } from '@murmuration/site'
import { failedBackupStatusOf, transientBackupStatuses } from '../rules/backup-status.ts'
import { failedStatusOf, transientStatuses } from '../rules/lifecycle.ts'
import type { Schema } from '../store/schema.ts'
import { releaseReserved } from '../store/networks.ts'
import { busySubclouds } from '../store/operations.ts'
import { updateSubclouds } from '../store/subclouds.ts'
import { leftoversOf } from './delete.ts'
import { sweepOperationFolders } from './playbooks/operation-folder.ts'
import { sweepArchives } from './sweep-archives.ts'
import { sweepOutputLogs } from './playbooks/output-log.ts'

const lostText = 'The operation was interrupted and nobody carries it on. Repeat or resume it.'
const idsAtOnce = 500

/** What an unlucky moment may leave behind is put in order: rows, private folders, logs, vaults. Safe to run anywhere, any time. */
export async function repair(site: Site, database: Database<Schema>): Promise<void> {
  await repairRows(site, database)
  await repairBackups(site, database)
  await sweepFiles(site, database)
  await sweepArchives(site, database)
}

/**
 * Rows in a transitional status without a live job get the status that the reference's manager writes at its start (dcmanager
 * §3.3): rows of an imported database, or of an operation that this version does not know. Claim and job are one transaction,
 * so a row that has just been claimed is never taken for a lost one. Two reads a page, one write for each status that is found.
 */
export async function repairRows(site: Site, database: Database<Schema>): Promise<number> {
  let repaired = 0
  for (let after: number | undefined = 0; after !== undefined;) {
    const page = await database.transaction((tx) => repairPage(site, tx, after!))
    repaired += page.repaired
    after = page.next
  }
  if (repaired > 0) site.world.log.warn('subclouds were in a transitional status without an operation', { count: repaired })
  return repaired
}

async function repairPage(site: Site, tx: Transaction<Schema>, after: number): Promise<{ repaired: number; next: number | undefined }> {
  const rows = await tx.query
    .selectFrom('subclouds')
    .select(['id', 'deploy_status'])
    .where('deploy_status', 'in', [...transientStatuses])
    .where('id', '>', after)
    .orderBy('id')
    .limit(idsAtOnce)
    .execute()
  if (rows.length === 0) return { repaired: 0, next: undefined }
  const busy = await busySubclouds(
    tx,
    rows.map((row) => row.id),
  )
  const lost = rows.filter((row) => !busy.has(row.id))
  for (const [status, members] of Map.groupBy(lost, (row) => row.deploy_status)) {
    const ids = members.map((row) => row.id)
    const columns = { deploy_status: failedStatusOf(status), error_description: lostText }
    await updateSubclouds(tx, site.world, ids, columns, { deployStatus: status })
    if (status === 'reconfiguring-network') await releaseReserved(tx, ids)
  }
  return { repaired: lost.length, next: rows.length < idsAtOnce ? undefined : rows.at(-1)!.id }
}

/** As `repairRows`, for the status of backups (reference §3.4 "restart"). */
export async function repairBackups(site: Site, database: Database<Schema>): Promise<number> {
  let repaired = 0
  for (let after: number | undefined = 0; after !== undefined;) {
    const page = await database.transaction((tx) => repairBackupPage(site, tx, after!))
    repaired += page.repaired
    after = page.next
  }
  if (repaired > 0) site.world.log.warn('backups of subclouds were under way without an operation', { count: repaired })
  return repaired
}

async function repairBackupPage(
  site: Site,
  tx: Transaction<Schema>,
  after: number,
): Promise<{ repaired: number; next: number | undefined }> {
  const rows = await tx.query
    .selectFrom('subclouds')
    .select(['id', 'backup_status'])
    .where('backup_status', 'in', [...transientBackupStatuses])
    .where('id', '>', after)
    .orderBy('id')
    .limit(idsAtOnce)
    .execute()
  if (rows.length === 0) return { repaired: 0, next: undefined }
  const busy = await busySubclouds(
    tx,
    rows.map((row) => row.id),
  )
  const lost = rows.filter((row) => !busy.has(row.id))
  for (const [status, members] of Map.groupBy(lost, (row) => row.backup_status!)) {
    const ids = members.map((row) => row.id)
    await updateSubclouds(tx, site.world, ids, { backup_status: failedBackupStatusOf(status) }, { backupStatus: status })
  }
  return { repaired: lost.length, next: rows.length < idsAtOnce ? undefined : rows.at(-1)!.id }
}

async function sweepFiles(site: Site, database: Database<Schema>): Promise<void> {
  const { files } = site.world
  const { varFolder } = site.config
  await sweepOperationFolders(files, varFolder, async (ids) => (await readJobs(database, { ids })).filter((job) => job.state === 'running'))
  await sweepOutputLogs(files, varFolder, (ids) => readJobs(database, { ids }))

  // Vaults of subclouds that are gone. Listed before the rows are read, so a subcloud that is added meanwhile is not in the list.
  const folders = (await files.list(`${varFolder}/vault/subclouds`)).filter((name) => /^\d{1,10}$/.test(name)).map(Number)
  for (let at = 0; at < folders.length; at += idsAtOnce) {
    const ids = folders.slice(at, at + idsAtOnce)
    const rows = await database.query.selectFrom('subclouds').select('id').where('id', 'in', ids).execute()
    const there = new Set(rows.map((row) => row.id))
    for (const id of ids.filter((id) => !there.has(id))) for (const path of leftoversOf(varFolder, id)) await files.remove(path)
  }
}
