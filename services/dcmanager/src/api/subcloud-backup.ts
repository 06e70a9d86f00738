import type { App } from '@murmuration/http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors } from '../errors.ts'
import { createIneligible } from '../rules/backup-eligibility.ts'
import { firstBackupStatus } from '../rules/backup-status.ts'
import { noError } from '../rules/error-description.ts'
import type { BackupVerb } from '../rules/backup-request.ts'
import type { BackupInput } from '../rules/operations.ts'
import { claimBackups, sealFor, type Outcome } from '../store/backup-claims.ts'
import type { Asker } from '../store/claims.ts'
import type { SubcloudRow } from '../store/subclouds.ts'
import { backupAnswer } from '../wire/backup.ts'
import { accept } from './accept.ts'
import { BackupCreateForm, BackupDeleteForm, BackupReply, BackupRestoreForm, DeleteReplies } from './backup-schemas.ts'
import { refuseAll } from './backup-refusal.ts'
import { readBackupForm, readBackupRequest, targetOf, type BackupRequest } from './backup-request.ts'
import type { ApiContext } from './context.ts'
import { bound } from './refs.ts'
import { formRoute } from './schemas.ts'
import { deleteBackups } from './subcloud-backup-delete.ts'
import { restore } from './subcloud-backup-restore.ts'

const policies = {
  create: 'dc_api:subcloud_backup:create',
  delete: 'dc_api:subcloud_backup:delete',
  restore: 'dc_api:subcloud_backup:restore',
} as const satisfies Record<BackupVerb, string>

/** Subcloud backup, operations 25–27 (reference dcmanager §1.10, §6). */
export function subcloudBackupRoutes(app: App, context: ApiContext): void {
  app.post(
    '/v1.0/subcloud-backup',
    formRoute(policies.create, 'Back up a subcloud or the subclouds of a group', BackupCreateForm, BackupReply),
    async (request, reply) => {
      const form = await readBackupForm(request, 'create')
      return accept(context.desk, request, reply, form.content, (asker) =>
        create(context, readBackupRequest(context, 'create', form), asker),
      )
    },
  )
  const remove = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const form = await readBackupForm(request, 'delete')
    return deleteBackups(context, request, reply, form, releaseOf(request))
  }
  const deleteRoute = formRoute(policies.delete, 'Delete the backups of a release', BackupDeleteForm)
  const deleteSchema = { ...(deleteRoute.schema as object), response: DeleteReplies }
  app.patch('/v1.0/subcloud-backup/delete/:release', { ...deleteRoute, schema: deleteSchema }, remove)
  app.patch('/v1.0/subcloud-backup/delete', { ...deleteRoute, schema: { hide: true } }, remove)

  const again = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const form = await readBackupForm(request, 'restore')
    return accept(context.desk, request, reply, form.content, (asker) =>
      restore(context, readBackupRequest(context, 'restore', form), asker),
    )
  }
  app.patch(
    '/v1.0/subcloud-backup/restore',
    formRoute(policies.restore, 'Restore a subcloud or the subclouds of a group', BackupRestoreForm, BackupReply),
    again,
  )
  // Verbs that do not exist, and names bound from the query (reference §1.1).
  for (const path of ['', '/:verb', '/:verb/:release'])
    app.patch(
      `/v1.0/subcloud-backup${path}`,
      { ...formRoute('in-handler', '', BackupRestoreForm), schema: { hide: true } },
      (request, reply) => {
        const verb = bound(request, 'verb')
        request.authorize(verb === 'delete' ? policies.delete : policies.restore)
        if (verb === 'delete') return remove(request, reply)
        if (verb === 'restore') return again(request, reply)
        throw errors.unknownVerb({ verb: verb?.slice(0, 64) ?? '', known: 'delete, restore' })
      },
    )
}

/** In the path, or bound by the name that the original's handler has. */
function releaseOf(request: FastifyRequest): string | undefined {
  const query = request.query as Readonly<Record<string, unknown>>
  const named = query['release_version']
  return bound(request, 'release') ?? (typeof named === 'string' && named !== '' ? named : undefined)
}

async function create(context: ApiContext, request: BackupRequest, asker: Asker): Promise<string> {
  const { desk } = context
  const { options, values } = request
  const { target, single } = await targetOf(context, options)
  if (single !== undefined) await requireHealthy(context, single)
  const answerOf = (outcomes: readonly Outcome[]): string => backupAnswer(outcomes, 'all')
  return answerOf(
    await claimBackups<BackupInput>(desk, asker, answerOf, {
      target,
      operation: 'subcloud.backup',
      judge: (row, around) => createIneligible(row, around.busy),
      columns: { backup_status: firstBackupStatus.create, error_description: noError, initial_deployment: 0 },
      inputOf: (row) => ({
        subcloudId: row.id,
        release: row.software_version,
        localOnly: options.localOnly,
        registryImages: options.registryImages,
        sysadminPassword: sealFor(desk, row.id, 'sysadmin_password', request.sysadminPassword!),
        ...(values.rest === undefined ? {} : { operatorValues: sealFor(desk, row.id, 'operator_values', values.rest) }),
      }),
      refuse: (outcomes) => refuseAll('create', options.group, outcomes),
    }),
  )
}

/** Reference §1.10 "Live check": one subcloud must be healthy; those of a group are looked at when their turn comes. */
async function requireHealthy(context: ApiContext, row: SubcloudRow): Promise<void> {
  // Told first, since nobody has to be asked for it; asked again where it counts, in the claim.
  const why = createIneligible(row, undefined)
  if (why !== undefined) throw errors.backupIneligible({ name: row.name, verb: 'create', ...why })
  let problems: readonly string[]
  try {
    problems = await context.healthProblems(row)
  } catch (error) {
    throw errors.backupHealthUnknown({ name: row.name, reason: error instanceof Error ? error.message : String(error) }, { cause: error })
  }
  if (problems.length > 0) throw errors.backupUnhealthy({ name: row.name, reasons: problems.join('; ') })
}
