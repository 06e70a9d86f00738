import type { Site } from '@murmuration/site'
import { errors } from '../errors.ts'
import { restoreIneligible, type RestoreFacts } from '../rules/backup-eligibility.ts'
import { noError } from '../rules/error-description.ts'
import type { RestoreInput } from '../rules/operations.ts'
import { restoreRouteOf } from '../rules/restore-routes.ts'
import { asMap } from '../rules/problems.ts'
import { majorMinor } from '../rules/releases.ts'
import { backupCandidates, claimBackups, sealFor, type Outcome, type Surroundings } from '../store/backup-claims.ts'
import type { Asker } from '../store/claims.ts'
import type { SubcloudRow } from '../store/subclouds.ts'
import { backupAnswer } from '../wire/backup.ts'
import { hasArchiveKey } from '../work/backup-files.ts'
import { bmcAnswers } from '../work/bmc.ts'
import type { BackupRequest } from './backup-request.ts'
import { targetOf } from './backup-request.ts'
import type { ApiContext } from './context.ts'
import { requireInstallImage } from './install-image.ts'
import { refuseAll } from './backup-refusal.ts'

/** Subclouds that are asked about at once (of BMCs: reference dcmanager §1.10 "Live check"). */
const probesAtOnce = 100

/** PATCH subcloud-backup/restore (reference §1.10, §6.5). */
export async function restore(context: ApiContext, request: BackupRequest, asker: Asker): Promise<string> {
  const { desk, site } = context
  const { options, values } = request
  const { target } = await targetOf(context, options)
  const route = restoreRouteOf(options)
  const byBmc = route.by === 'bmc'
  const own = majorMinor(site.config.softwareVersion) ?? site.config.softwareVersion
  const releaseOf = (row: SubcloudRow): string => options.release ?? (options.withInstall ? own : row.software_version)

  const rows = await backupCandidates(desk.database, target)
  let answering: ReadonlySet<number> = new Set()
  if (options.withInstall || byBmc) {
    const missing = rows.filter((row) => row.data_install === null).map((row) => row.name)
    if (missing.length > 0) throw errors.backupInstallValuesMissing({ names: missing.slice(0, 20).join(', ') })
    for (const release of new Set(rows.map(releaseOf))) await requireInstallImage(context, release)
    answering = await idsOf(rows, (row) => hasAnsweringBmc(site, row))
  }
  const withKey = await idsOf(rows, async (row) => route.from === 'factory' || (await hasArchiveKey(site, row.id)))

  const factsOf = (row: SubcloudRow, around: Surroundings): RestoreFacts => ({
    bootstrapAddress: bootstrapAddressOf(row, values.bootstrapAddresses),
    withInstall: options.withInstall,
    byBmc,
    release: releaseOf(row),
    hasInstallValues: row.data_install !== null,
    hasBackup: options.localOnly || around.backups.some((each) => each.storage === 'central' && each.release === releaseOf(row)),
    hasArchiveKey: withKey.has(row.id),
    migrates: around.migrates,
    bmcAnswers: answering.has(row.id),
    simplex: asMap(around.documents.bootstrap_values)?.['system_mode'] === 'simplex',
  })
  const answerOf = (outcomes: readonly Outcome[]): string => backupAnswer(outcomes, 'accepted')
  const outcomes = await claimBackups<RestoreInput>(desk, asker, answerOf, {
    target,
    operation: 'subcloud.restore',
    reads: { backups: true, ...(byBmc ? { documents: true } : {}) },
    judge: (row, around) => restoreIneligible(row, around.busy, factsOf(row, around)),
    columns: { deploy_status: 'pre-restore', error_description: noError, initial_deployment: 0 },
    inputOf: (row, around) => ({
      subcloudId: row.id,
      release: releaseOf(row),
      localOnly: options.localOnly,
      registryImages: options.registryImages,
      withInstall: options.withInstall,
      auto: options.auto,
      factory: options.factory,
      onSite: options.onSite,
      bootstrapAddress: factsOf(row, around).bootstrapAddress!,
      timeoutSeconds: values.timeoutSeconds,
      sysadminPassword: sealFor(desk, row.id, 'sysadmin_password', request.sysadminPassword!),
      ...(values.rest === undefined ? {} : { operatorValues: sealFor(desk, row.id, 'operator_values', values.rest) }),
    }),
    refuse: (all) => refuseAll('restore', options.group, all),
  })
  return answerOf(outcomes)
}

/** Restore values, else install values, else where it was deployed (reference §6.5). */
function bootstrapAddressOf(row: SubcloudRow, given: Readonly<Record<string, string>>): string | undefined {
  if (Object.hasOwn(given, row.name)) return given[row.name]
  const installed = shownValue(row, 'bootstrap_address')
  return installed ?? row.bootstrap_address ?? undefined
}

/** A member of the install values that is no secret: those stand in the row. */
function shownValue(row: SubcloudRow, member: string): string | undefined {
  const value = row.data_install === null ? undefined : (JSON.parse(row.data_install) as Record<string, unknown>)[member]
  return typeof value === 'string' && value !== '' ? value : undefined
}

async function hasAnsweringBmc(site: Pick<Site, 'world'>, row: SubcloudRow): Promise<boolean> {
  const address = shownValue(row, 'bmc_address')
  return address !== undefined && (await bmcAnswers(site.world, address))
}

/** Ids of the subclouds of which it is true. */
async function idsOf(rows: readonly SubcloudRow[], isTrue: (row: SubcloudRow) => Promise<boolean>): Promise<ReadonlySet<number>> {
  const found = new Set<number>()
  const waiting = [...rows]
  const one = async (): Promise<void> => {
    for (let row = waiting.shift(); row !== undefined; row = waiting.shift()) if (await isTrue(row)) found.add(row.id)
  }
  await Promise.all(Array.from({ length: Math.min(probesAtOnce, rows.length) }, one))
  return found
}
