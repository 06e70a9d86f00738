import { createHash } from 'node:crypto'
import { Secret, type Sealed } from '@murmuration/trust'
import type { Site } from '@murmuration/site'
import type { BackupRow } from '../store/backups.ts'
import type { SubcloudRow } from '../store/subclouds.ts'
import { vaultFolderOf } from './credentials.ts'
import { inventoryHostOf } from './inventory.ts'

/** Archives of one subcloud at the system controller; below it one folder a release (reference dcmanager §4.1, by id). */
export const centralFolderOf = (varFolder: string, subcloudId: number): string => `${varFolder}/vault/backups/${subcloudId}`

export const centralPathOf = (varFolder: string, row: Pick<BackupRow, 'subcloud_id' | 'release' | 'file_name'>): string =>
  `${centralFolderOf(varFolder, row.subcloud_id)}/${row.release}/${row.file_name}`

/**
 * On the subcloud's host, beside the site's folder and not in it: what a reinstallation wipes is the site, as with the partition of
 * its own that the original keeps backups on.
 */
export const platformBackupFolderOf = (config: Pick<Site['config'], 'playbooks'>, row: Pick<SubcloudRow, 'region_name'>): string =>
  `${config.playbooks.sitesFolder}/${row.region_name}.platform-backup`

const longestHost = 100

/** `<name>_platform_backup_<UTC>.tgz`, as the reference; the inventory's name, which is safe in every path. */
export function archiveNameOf(row: Pick<SubcloudRow, 'id' | 'name'>, nowMs: number): string {
  const stamp = new Date(nowMs)
    .toISOString()
    .replace(/\.\d+Z$/, '')
    .replaceAll(/[-:]/g, '')
    .replace('T', '_')
  return `${inventoryHostOf(row).slice(0, longestHost)}_platform_backup_${stamp}.tgz`
}

const keyBytes = 32
const keyContext = (id: number): string => `subcloud:${id}:archive_key`
export const archiveKeyFileOf = (varFolder: string, id: number): string => `${vaultFolderOf(varFolder, id)}/archive-key.json`

/** What a subcloud's archives are encrypted with. Made once and kept sealed with what else the vault has of it; gone when it is deleted. */
export async function archiveKey(site: Site, subcloudId: number): Promise<Secret> {
  const stored = await storedArchiveKey(site, subcloudId)
  if (stored !== undefined) return stored
  const made = new Secret(Buffer.from(site.world.random.bytes(keyBytes)).toString('base64'))
  const path = archiveKeyFileOf(site.config.varFolder, subcloudId)
  await site.world.files.write(path, `${JSON.stringify({ sealed: site.keyring.seal(made, keyContext(subcloudId)) })}\n`)
  return made
}

export async function storedArchiveKey(site: Site, subcloudId: number): Promise<Secret | undefined> {
  const data = await site.world.files.read(archiveKeyFileOf(site.config.varFolder, subcloudId))
  if (data === undefined) return undefined
  const { sealed } = JSON.parse(new TextDecoder().decode(data)) as { readonly sealed: Sealed }
  return site.keyring.open(sealed, keyContext(subcloudId))
}

export const hasArchiveKey = async (site: Pick<Site, 'world' | 'config'>, subcloudId: number): Promise<boolean> =>
  (await site.world.files.size(archiveKeyFileOf(site.config.varFolder, subcloudId))) !== undefined

/** Hex digest and length of a file, a piece at a time; undefined when there is none. */
export async function digestOf(site: Pick<Site, 'world'>, path: string): Promise<{ sha256: string; bytes: number } | undefined> {
  if ((await site.world.files.size(path)) === undefined) return undefined
  const hash = createHash('sha256')
  let bytes = 0
  for await (const piece of site.world.files.stream(path)) {
    hash.update(piece)
    bytes += piece.length
  }
  return { sha256: hash.digest('hex'), bytes }
}
