import { json, type Transaction } from '@murmuration/data'
import { defineJob, type JobContext, type JobKind } from '@murmuration/jobs'
import type { Sealed } from '@murmuration/trust'
import { prestageVersionsAfterRestore } from '../rules/backup-status.ts'
import { noError } from '../rules/error-description.ts'
import type { DeployStatus } from '../rules/lifecycle.ts'
import type { RestoreInput } from '../rules/operations.ts'
import { restoreRouteOf, type RestoreRoute } from '../rules/restore-routes.ts'
import { listBackups } from '../store/backups.ts'
import { restoreSeedStep } from '../store/install-grants.ts'
import type { Schema } from '../store/schema.ts'
import { readSubcloud } from '../store/subclouds.ts'
import { restoreArchive, restoreByBmc, type RestoreSource } from './backup-runs.ts'
import { retryOfFaults, withoutRetry } from './deploy.ts'
import { installToken } from './image-server.ts'
import { runInstall } from './install.ts'
import { moveStatus, OperationRefused, subcloudOf, type OperationParts } from './operations.ts'
import { imageWithSeed, makeSeed, openSeed } from './seed/restore-seed.ts'
import { settleSubcloud } from './settle.ts'
import { readySite } from './site-runs.ts'
import { installImage } from './vault.ts'

type RestoreContext = JobContext<RestoreInput>

/** What the playbook itself needs beside the time that the operator gives the restore (reference dcmanager §4.2). */
const slackSeconds = { remote: 600, onSite: 300 } as const

/** PATCH subcloud-backup/restore (reference §6.5). Ends unmanaged: the operator looks at the subcloud, then manages it again. */
export const restoreKind = (parts: OperationParts): JobKind<RestoreInput, void> =>
  defineJob<RestoreInput, void>({
    name: 'subcloud.restore',
    concurrency: parts.site.config.backup.restoreConcurrency,
    retentionMs: 90 * 24 * 3_600_000,
    retry: retryOfFaults,
    run: (context) =>
      withoutRetry(async () => {
        const route = restoreRouteOf(context.input)
        const source = await context.step('restore.prepare', () => prepare(parts, context))
        if (route.by === 'staff') return await onSite(parts, context, source)
        if (route.by === 'bmc') await context.step(restoreSeedStep, () => seed(parts, context, route, source))
        const before = route.installs ? await install(parts, context) : 'pre-restore'
        await context.step('restore.playing', () => moveStatus(parts, context, [before], 'restoring'))
        const token = route.by === 'bmc' ? await installToken(parts.site, context) : undefined
        await context.step('restore.run', async () => {
          const row = await subcloudOf(parts, context.input.subcloudId)
          const deadlineMs = (context.input.timeoutSeconds + slackSeconds.remote) * 1_000
          if (token !== undefined) await restoreByBmc(parts, context, row, { route, token, deadlineMs })
          else await restoreArchive(parts, context, row, source, { playbook: 'restore_subcloud_backup.yml', deadlineMs })
        })
      }),
    async settle(tx: Transaction<Schema>, job, outcome, world) {
      const input = json.read<RestoreInput>(job.input as never)
      const row = await readSubcloud(tx, input.subcloudId)
      if (row === undefined) return
      await settleSubcloud(tx, world, input.subcloudId, outcome, {
        from: input.onSite ? 'onsite-restoring' : 'restoring',
        to: restoreRouteOf(input).end,
        columns: {
          error_description: noError,
          prestage_versions: prestageVersionsAfterRestore(row.prestage_versions),
          bootstrap_address: input.bootstrapAddress,
          ...(input.withInstall ? { software_version: input.release } : {}),
        },
      })
    },
  })

/** What it is restored from. Everything that may be missing is told before anything is touched. */
async function prepare(parts: OperationParts, context: RestoreContext): Promise<RestoreSource> {
  context.progress('restore: the archive')
  const { subcloudId, release, localOnly, withInstall } = context.input
  await readySite(parts, await subcloudOf(parts, subcloudId))
  if (withInstall) await installImage(parts.site, release)
  if (localOnly) return { fileName: null, sha256: null }
  const [newest] = await listBackups(parts.database, subcloudId, { release, storage: 'central' })
  if (newest === undefined)
    throw new OperationRefused(
      `The system controller has no backup of release ${release} of this subcloud any more: it was deleted meanwhile.`,
    )
  return { fileName: newest.file_name, sha256: newest.sha256 }
}

/** What the host needs to restore itself. That it can be added to the installation image is seen now. */
async function seed(parts: OperationParts, context: RestoreContext, route: RestoreRoute, source: RestoreSource): Promise<Sealed> {
  context.progress('restore: the seed')
  const { subcloudId, release } = context.input
  const made = await makeSeed(parts, context, await subcloudOf(parts, subcloudId), source)
  if (route.image === 'release-with-seed')
    await imageWithSeed(parts.site, await installImage(parts.site, release), openSeed(parts.site, context.id, made))
  return made
}

/** The install phase, as a deployment has it (reference §3.2 flow "restore"). */
async function install(parts: OperationParts, context: RestoreContext): Promise<DeployStatus> {
  await context.step('install.begin', () => moveStatus(parts, context, ['pre-restore'], 'pre-install'))
  await context.step('install.playing', () => moveStatus(parts, context, ['pre-install'], 'installing'))
  const token = await installToken(parts.site, context)
  await context.step('install.run', () => runInstall(parts, context, token))
  return 'installing'
}

/** The archive is brought to the site, then it is watched until its staff has restored it there (reference §6.5 "on_site"). */
async function onSite(parts: OperationParts, context: RestoreContext, source: RestoreSource): Promise<void> {
  const run = async (part: 'transfer' | 'monitor', seconds: number): Promise<void> =>
    restoreArchive(parts, context, await subcloudOf(parts, context.input.subcloudId), source, {
      playbook: 'onsite_restore_subcloud.yml',
      variables: { onsite_part: part },
      deadlineMs: seconds * 1_000,
    })
  await context.step('onsite.transfer', () => run('transfer', slackSeconds.onSite * 2))
  await context.step('onsite.playing', () => moveStatus(parts, context, ['pre-restore'], 'onsite-restoring'))
  await context.step('onsite.monitor', () => run('monitor', context.input.timeoutSeconds + slackSeconds.onSite))
}
