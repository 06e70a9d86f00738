import type { JobContext } from '@murmuration/jobs'
import { Secret } from '@murmuration/trust'
import type { BackupInput, DeleteBackupInput, RestoreInput } from '../rules/operations.ts'
import type { RestoreRoute } from '../rules/restore-routes.ts'
import type { BackupRow } from '../store/backups.ts'
import type { SubcloudRow } from '../store/subclouds.ts'
import { archiveKey, centralFolderOf, centralPathOf, digestOf, platformBackupFolderOf, storedArchiveKey } from './backup-files.ts'
import { bmcPasswordOf, bmcSettings } from './bmc.ts'
import { imageUrl } from './image-server.ts'
import { inventoryOf } from './inventory.ts'
import { controllerCommandOf, murmurCommandOf, siteFolderOf } from './murmur-command.ts'
import { OperationRefused, ownSystem, playbook, sysadminPasswordOf, valuesOf, type OperationParts } from './operations.ts'
import { operatorValuesOf } from './operator-values.ts'
import { Expression, type AnsibleValue } from './playbooks/documents.ts'
import { bootstrapAddressOf, readySite, secretsOf, siteDocument, siteVariables } from './site-runs.ts'

/** The reference has no limit for these (§4.2), and a playbook that hangs then hangs for ever. */
const deadlineMs = 120 * 60_000
/** Reference §6.3: bytes that an archive for the system controller may take at the subcloud. */
const centralMegabytes = 100
/** What the playbook says of the archive, in its own folder. */
const resultName = 'backup_result.json'
const overridesName = 'backup_values.yml'

export interface Archive {
  readonly bytes: number
  readonly sha256: string | null
  readonly manifest: unknown
}

/** Where everything is, for all of these playbooks. */
const places = (parts: OperationParts, row: SubcloudRow): Record<string, AnsibleValue> => ({
  region_name: row.region_name,
  site_folder: siteFolderOf(parts.site.config, row),
  murmur_command: murmurCommandOf(parts.site.config),
  controller_murmur_command: controllerCommandOf(),
  platform_backup_folder: platformBackupFolderOf(parts.site.config, row),
})

/** As foreign playbooks know it: where archives lie at the system controller. */
const centralDir = (parts: OperationParts, row: SubcloudRow): string => centralFolderOf(parts.site.config.varFolder, row.id)

/** Reference dcmanager §6.3, create_subcloud_backup.yml. Resolves when the archive lies where the reservation says, verified. */
export async function createArchive(
  parts: OperationParts,
  context: JobContext<BackupInput>,
  row: SubcloudRow,
  reservation: BackupRow,
  older: readonly string[],
): Promise<Archive> {
  const { input } = context
  const central = centralPathOf(parts.site.config.varFolder, reservation)
  const ready = await readySite(parts, row)
  const results = await playbook(parts, context, row, {
    stage: 'backing up',
    playbook: 'create_subcloud_backup.yml',
    files: {
      'inventory.yml': inventoryOf(parts.site.config, row, bootstrapAddressOf(row)),
      [overridesName]: {
        max_home_dir_usage: centralMegabytes,
        ...operatorValuesOf(parts, row.id, input.operatorValues),
        local: input.localOnly,
        backup_registry_images: input.registryImages,
        ...(input.localOnly ? {} : { central_backup_dir: centralDir(parts, row), backup_central_file: central }),
        software_version: input.release,
        backup_file_name: reservation.file_name,
        backup_older_files: [...older],
      },
    },
    variables: (folder) => ({
      ...places(parts, row),
      subcloud_bnr_overrides: `${folder}/${overridesName}`,
      override_files_dir: folder,
      backup_result_file: `${folder}/${resultName}`,
    }),
    secrets: {
      ...secretsOf(ready, sysadminPasswordOf(parts, row.id, input.sysadminPassword)),
      SUBCLOUD_ARCHIVE_KEY: await archiveKey(parts.site, row.id),
    },
    results: [resultName],
    deadlineMs,
  })
  const said = saidOf(results[resultName])
  if (input.localOnly) return said ?? { bytes: 0, sha256: null, manifest: undefined }
  // What lies there decides; a foreign playbook says nothing of it.
  const found = await digestOf(parts.site, central)
  if (found === undefined)
    throw new OperationRefused('The backup playbook ended well, but its archive did not arrive at the system controller.')
  if (said !== undefined && (said.sha256 !== found.sha256 || said.bytes !== found.bytes))
    throw new OperationRefused('The archive that arrived is not the one that the subcloud made: its digest differs. Repeat the backup.')
  return { ...found, manifest: said?.manifest }
}

function saidOf(text: string | undefined): Archive | undefined {
  if (text === undefined) return undefined
  const { path: _path, ...description } = JSON.parse(text) as Record<string, unknown>
  const { bytes, sha256 } = description
  if (typeof bytes !== 'number' || typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256))
    throw new OperationRefused('The backup playbook told nothing of its archive that could be understood.')
  return { bytes, sha256, manifest: description }
}

/** Reference §6.4, delete_subcloud_backup.yml: those at the system controller need nothing of the subcloud. */
export async function deleteArchives(
  parts: OperationParts,
  context: JobContext<DeleteBackupInput>,
  row: SubcloudRow,
  fileNames: readonly string[],
): Promise<void> {
  const { input } = context
  const here: AnsibleValue = {
    all: {
      hosts: {
        [`subcloud-${row.id}`]: {
          ansible_connection: 'local',
          ansible_python_interpreter: new Expression('{{ ansible_playbook_python }}'),
        },
      },
    },
  }
  const sysadmin = sysadminPasswordOf(parts, row.id, input.sysadminPassword)
  await playbook(parts, context, input.localOnly ? row : { id: row.id, name: `subcloud-${row.id}` }, {
    stage: 'deleting backups of',
    prompt: true,
    playbook: 'delete_subcloud_backup.yml',
    files: {
      'inventory.yml': input.localOnly ? inventoryOf(parts.site.config, row, bootstrapAddressOf(row)) : here,
      [overridesName]: {
        software_version: input.release,
        local: input.localOnly,
        ...(input.localOnly ? {} : { central_backup_dir: centralDir(parts, row) }),
        backup_files: [...fileNames],
      },
    },
    variables: (folder) => ({ ...places(parts, row), subcloud_bnr_overrides: `${folder}/${overridesName}` }),
    secrets: sysadmin === undefined ? {} : { SUBCLOUD_SYSADMIN_PASSWORD: sysadmin },
    deadlineMs,
  })
}

/** What a restore is made from: an archive at the system controller, or the newest at the subcloud. */
export interface RestoreSource {
  readonly fileName: string | null
  readonly sha256: string | null
}

/** Install values for playbooks of operators: ours have no Ceph to wipe, and follow a restore over Redfish, not by the BMC's event log. */
const ofOperators = ['wipe_ceph_osds', 'ipmi_sel_event_monitoring'] as const

/** What the request says, for every way to restore. */
const wishesOf = (
  parts: OperationParts,
  row: SubcloudRow,
  input: RestoreInput,
  installValues: Readonly<Record<string, unknown>>,
): Record<string, AnsibleValue> => ({
  ...Object.fromEntries(ofOperators.flatMap((name) => (typeof installValues[name] === 'boolean' ? [[name, installValues[name]]] : []))),
  ...operatorValuesOf(parts, row.id, input.operatorValues),
  local: input.localOnly,
  restore_registry_images: input.registryImages,
  software_version: input.release,
  restore_timeout: input.timeoutSeconds,
})

/** Reference §6.5, restore_subcloud_backup.yml. The archive is verified before anything is touched. */
export async function restoreArchive(
  parts: OperationParts,
  context: JobContext<RestoreInput>,
  row: SubcloudRow,
  source: RestoreSource,
  run: { readonly playbook: string; readonly variables?: Record<string, AnsibleValue>; readonly deadlineMs: number },
): Promise<void> {
  const { input } = context
  const { config } = parts.site
  const ready = await readySite(parts, row)
  const system = await ownSystem(parts, context.signal)
  await playbook(parts, context, row, {
    stage: 'restoring',
    playbook: run.playbook,
    files: {
      'inventory.yml': inventoryOf(config, row, input.bootstrapAddress),
      [overridesName]: {
        ...wishesOf(parts, row, input, await valuesOf(parts, row.id, 'install_values')),
        expected_region_name: row.region_name,
        ...(input.localOnly
          ? {}
          : { central_backup_dir: centralDir(parts, row), restore_central_file: centralFile(config.varFolder, row, input, source) }),
        restore_file_name: source.fileName ?? '',
        restore_sha256: source.sha256 ?? '',
      },
      'site_overrides.yml': siteDocument(parts, row, ready),
    },
    variables: (folder) => ({
      ...siteVariables(parts, row, folder, system),
      ...places(parts, row),
      ...run.variables,
      subcloud_bnr_overrides: `${folder}/${overridesName}`,
      overrides_file: `${folder}/site_overrides.yml`,
      install_release_version: input.release,
    }),
    secrets: {
      ...secretsOf(ready, sysadminPasswordOf(parts, row.id, input.sysadminPassword)),
      SUBCLOUD_ARCHIVE_KEY: await keyOf(parts, row.id),
    },
    deadlineMs: run.deadlineMs,
  })
}

/**
 * A restore that the host does by itself (reference §6.5 "auto", "factory"): its seed is put into the BMC's drive unless the installation
 * has brought it, then it is waited for, and the drive is emptied. Nothing is asked of the host over SSH.
 */
export async function restoreByBmc(
  parts: OperationParts,
  context: JobContext<RestoreInput>,
  row: SubcloudRow,
  run: { readonly route: RestoreRoute; readonly token: Secret; readonly deadlineMs: number },
): Promise<void> {
  const { input } = context
  const { config } = parts.site
  const ready = await readySite(parts, row)
  const values = await valuesOf(parts, row.id, 'install_values')
  const password = bmcPasswordOf(values)
  const name = run.route.image === 'seed' ? 'seed.iso' : 'bootimage.iso'
  const image = imageUrl(config, { release: input.release, subcloudId: row.id, token: run.token, name })
  await playbook(parts, context, row, {
    stage: 'restoring',
    playbook: 'restore_subcloud_backup.yml',
    files: {
      'inventory.yml': inventoryOf(config, row, input.bootstrapAddress),
      [overridesName]: {
        ...wishesOf(parts, row, input, values),
        ...(run.route.from === 'factory' ? {} : { expected_region_name: row.region_name }),
      },
      'rvmc-config.yaml': bmcSettings(values, image, parts.secretsInFiles ? password : undefined),
      'site_overrides.yml': siteDocument(parts, row, ready),
    },
    variables: (folder) => ({
      ...places(parts, row),
      override_files_dir: folder,
      subcloud_bnr_overrides: `${folder}/${overridesName}`,
      overrides_file: `${folder}/site_overrides.yml`,
      rvmc_config_file: `${folder}/rvmc-config.yaml`,
      install_release_version: input.release,
      auto_restore_mode: run.route.from === 'factory' ? 'factory' : 'auto',
      mount_seed_iso: run.route.image === 'seed',
    }),
    secrets: { SUBCLOUD_BMC_PASSWORD: password },
    deadlineMs: run.deadlineMs,
  })
}

const centralFile = (varFolder: string, row: SubcloudRow, input: RestoreInput, source: RestoreSource): string =>
  source.fileName === null ? '' : centralPathOf(varFolder, { subcloud_id: row.id, release: input.release, file_name: source.fileName })

async function keyOf(parts: OperationParts, id: number): Promise<Secret> {
  const key = await storedArchiveKey(parts.site, id)
  if (key === undefined) throw new OperationRefused('The vault has no key for archives of this subcloud: it was never backed up from here.')
  return key
}
