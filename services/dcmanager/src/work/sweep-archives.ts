import type { Database } from '@murmuration/data'
import type { Site } from '@murmuration/site'
import type { Schema } from '../store/schema.ts'
import { forgetBackups } from '../store/backups.ts'
import { centralFolderOf, centralPathOf } from './backup-files.ts'

/** Subclouds whose archives are compared with their rows by one statement. */
const subcloudsAtOnce = 500

/**
 * Central archives and their rows tell the same: a file that no row names (a backup that failed, half a copy) goes, and so does a row
 * whose file is gone, or whose reservation nobody works for any more. Folders are listed before rows are read, so what comes meanwhile
 * is not in the list.
 */
export async function sweepArchives(site: Site, database: Database<Schema>): Promise<void> {
  await database.query
    .deleteFrom('subcloud_backups')
    .where('state', '=', 'storing')
    .where('id', 'not in', (eb) => eb.selectFrom('jobs').select('jobs.id').where('exclusive_key', 'is not', null))
    .execute()
  const names = await site.world.files.list(`${site.config.varFolder}/vault/backups`)
  const ids = names.filter((name) => /^\d{1,10}$/.test(name)).map(Number)
  for (let from = 0; from < ids.length; from += subcloudsAtOnce) await sweepPage(site, database, ids.slice(from, from + subcloudsAtOnce))
}

async function sweepPage(site: Site, database: Database<Schema>, ids: readonly number[]): Promise<void> {
  const { files, log } = site.world
  const { varFolder } = site.config
  const found: { readonly id: number; readonly release: string; readonly file: string }[] = []
  for (const id of ids)
    for (const release of await files.list(centralFolderOf(varFolder, id)))
      for (const file of await files.list(`${centralFolderOf(varFolder, id)}/${release}`)) found.push({ id, release, file })
  const rows = await database.query
    .selectFrom('subcloud_backups')
    .selectAll()
    .where('subcloud_id', 'in', ids)
    .where('storage', '=', 'central')
    .execute()
  const known = new Set(rows.map((row) => `${row.subcloud_id}/${row.release}/${row.file_name}`))
  for (const { id, release, file } of found)
    if (!known.has(`${id}/${release}/${file.replace(/\.part$/, '')}`)) {
      await files.remove(`${centralFolderOf(varFolder, id)}/${release}/${file}`)
      log.info('an archive without a backup was removed', { subcloudId: id, release, file })
    }
  const gone: string[] = []
  for (const row of rows)
    if (row.state === 'stored' && (await files.size(centralPathOf(varFolder, row))) === undefined) {
      gone.push(row.id)
      log.warn('the archive of a backup is gone; the backup is forgotten', {
        subcloudId: row.subcloud_id,
        release: row.release,
        file: row.file_name,
      })
    }
  if (gone.length > 0) await database.transaction((tx) => forgetBackups(tx, gone))
}
