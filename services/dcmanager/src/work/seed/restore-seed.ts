import type { JobContext } from '@murmuration/jobs'
import type { Site } from '@murmuration/site'
import { Secret, type Sealed } from '@murmuration/trust'
import type { RestoreInput } from '../../rules/operations.ts'
import { epochOf } from '../../rules/ownership.ts'
import { restoreRouteOf } from '../../rules/restore-routes.ts'
import { restoreSeedContext } from '../../store/install-grants.ts'
import type { SubcloudRow } from '../../store/subclouds.ts'
import { centralPathOf, platformBackupFolderOf, storedArchiveKey } from '../backup-files.ts'
import type { RestoreSource } from '../backup-runs.ts'
import { operatorValuesOf } from '../operator-values.ts'
import { murmurCommandOf, siteFolderOf } from '../murmur-command.ts'
import { OperationRefused, ownSystem, type OperationParts } from '../operations.ts'
import { readySite, siteDocument, type ReadySite } from '../site-runs.ts'
import { graftIso, isoImage, NotIso, type IsoFile } from './iso9660.ts'
import type { Piece } from './pieces.ts'
import { restoreScript, seedLabel, seedNames } from './restore-script.ts'

/** What a seed holds: its small files, and an archive where it lies. */
export interface RestoreSeed {
  readonly texts: Readonly<Record<string, string>>
  readonly archive: { readonly path: string; readonly sizeBytes: number } | null
}

/**
 * Everything that a host needs to restore itself without any network of its own (reference dcmanager §6.5 "auto", "factory"). Sealed: it
 * holds the site's key and passwords. It becomes an image only while that is read.
 */
export async function makeSeed(
  parts: OperationParts,
  context: JobContext<RestoreInput>,
  row: SubcloudRow,
  source: RestoreSource,
): Promise<Sealed> {
  const { input } = context
  const { config, keyring, world } = parts.site
  const route = restoreRouteOf(input)
  const factory = route.from === 'factory'
  const system = await ownSystem(parts, context.signal)
  const path =
    source.fileName === null
      ? undefined
      : centralPathOf(config.varFolder, { subcloud_id: row.id, release: input.release, file_name: source.fileName })
  const sizeBytes = path === undefined ? undefined : await world.files.size(path)
  if (path !== undefined && sizeBytes === undefined)
    throw new OperationRefused(`The archive ${source.fileName} is gone. Restore another backup.`)
  const platformBackupFolder = platformBackupFolderOf(config, row)
  const values = {
    ...operatorValuesOf(parts, row.id, input.operatorValues),
    auto_restore_mode: factory ? 'factory' : 'auto',
    local: input.localOnly,
    restore_registry_images: input.registryImages,
    software_version: input.release,
    skip_registry_login: true,
    initial_backup_dir: factory ? `${platformBackupFolder}/factory/${input.release}` : `${platformBackupFolder}/backups`,
    ...(factory
      ? { kickstart: `partition://platform_backup:factory/${input.release}/miniboot.cfg` }
      : { expected_region_name: row.region_name }),
  }
  const seed: RestoreSeed = {
    texts: {
      [seedNames.meta]: `instance-id: restore-${context.id}\n`,
      [seedNames.values]: `${JSON.stringify(values, undefined, 2)}\n`,
      [seedNames.script]: restoreScript({
        mode: factory ? 'factory' : 'auto',
        release: input.release,
        region: row.region_name,
        siteFolder: siteFolderOf(config, row),
        platformBackupFolder,
        murmurCommand: murmurCommandOf(config),
        archiveInSeed: path !== undefined,
        owner: { ...system, epoch: epochOf(row) },
      }),
      ...(factory ? {} : await siteTexts(parts, row)),
    },
    archive: path === undefined ? null : { path, sizeBytes: sizeBytes! },
  }
  return keyring.seal(new Secret(JSON.stringify(seed)), restoreSeedContext(context.id))
}

async function siteTexts(parts: OperationParts, row: SubcloudRow): Promise<Record<string, string>> {
  const key = await storedArchiveKey(parts.site, row.id)
  if (key === undefined) throw new OperationRefused('The vault has no key for archives of this subcloud: it was never backed up from here.')
  const ready: ReadySite = await readySite(parts, row)
  const site = siteDocument(parts, row, ready)['subcloud_site'] as Record<string, unknown>
  const authority = parts.site.authority?.certificate ?? ''
  return {
    [seedNames.key]: key.reveal(),
    // One member a line, so that a shell may add one.
    [seedNames.site]: Object.entries(site)
      .map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
      .join(''),
    'ca.pem': authority,
    'clients.pem': `${authority}\n`,
    'site.pem': ready.certificate.certificate,
    'site.key': ready.certificate.privateKey.reveal(),
    'service-password': ready.service.reveal(),
    ...(ready.admin === undefined ? {} : { 'admin-password': ready.admin.reveal() }),
  }
}

const filesOf = ({ texts, archive }: RestoreSeed): IsoFile[] => [
  ...Object.entries(texts).map(([name, text]) => ({ name, content: { data: Buffer.from(text, 'utf8') } })),
  ...(archive === null ? [] : [{ name: seedNames.archive, content: { ...archive, start: 0 } }]),
]

export const openSeed = (site: Pick<Site, 'keyring'>, jobId: string, sealed: Sealed): RestoreSeed =>
  JSON.parse(site.keyring.open(sealed, restoreSeedContext(jobId)).reveal()) as RestoreSeed

/** The seed as an image of its own. */
export const seedImage = (seed: RestoreSeed): readonly Piece[] => isoImage(seedLabel, filesOf(seed))

/** The release's image with the seed's files in its root. */
export async function imageWithSeed(site: Pick<Site, 'world'>, image: string, seed: RestoreSeed): Promise<readonly Piece[]> {
  try {
    return await graftIso(site.world.files, image, filesOf(seed))
  } catch (error) {
    if (!(error instanceof NotIso)) throw error
    throw new OperationRefused(`The data of the restore can not be added to the installation image ${image}: ${error.message}.`)
  }
}
