import type { FastifyReply, FastifyRequest } from 'fastify'
import { json } from '@murmuration/data'
import type { JobRow } from '@murmuration/jobs'
import { errors } from '../errors.ts'
import { deleteIneligible } from '../rules/backup-eligibility.ts'
import { firstBackupStatus } from '../rules/backup-status.ts'
import { noError } from '../rules/error-description.ts'
import type { DeleteBackupInput } from '../rules/operations.ts'
import { isRelease } from '../rules/releases.ts'
import { claimBackups, sealFor, type Outcome } from '../store/backup-claims.ts'
import type { Asker } from '../store/claims.ts'
import { outcomesToWire, type BackupOutcome } from '../wire/backup.ts'
import type { DeletedBackups } from '../work/delete-backup.ts'
import { accept } from './accept.ts'
import { readBackupRequest, targetOf, type BackupRequest } from './backup-request.ts'
import type { ApiContext } from './context.ts'
import type { Form } from './form.ts'
import { refuseAll } from './backup-refusal.ts'

/**
 * PATCH subcloud-backup/delete/{release} (reference dcmanager §6.4): accepted as jobs, answered when they have ended or the patience of
 * a caller has; `Prefer: respond-async` is answered at once.
 */
export async function deleteBackups(
  context: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
  form: Form,
  release: string | undefined,
): Promise<FastifyReply> {
  if (release === undefined) throw errors.backupReleaseMissing({}, { field: 'release' })
  if (!isRelease(release)) throw errors.releaseInvalid({ release: release.slice(0, 64), wanted: 'of the form MM.mm' }, { field: 'release' })
  const asynchronous = /(^|[,;\s])respond-async($|[,;\s])/.test(String(request.headers['prefer'] ?? ''))
  const render = async (kept: string): Promise<string> => {
    if (asynchronous) {
      void reply.code(202).header('preference-applied', 'respond-async')
      return kept
    }
    const { outcomes } = JSON.parse(kept) as { outcomes: readonly BackupOutcome[] }
    const text = await endOf(context, outcomes)
    void reply.code(text === undefined ? 204 : 207)
    return text === undefined ? '' : JSON.stringify(text)
  }
  return accept(
    context.desk,
    request,
    reply,
    form.content,
    async (asker) => render(await claim(context, readBackupRequest(context, 'delete', form), release, asker)),
    render,
  )
}

async function claim(context: ApiContext, request: BackupRequest, release: string, asker: Asker): Promise<string> {
  const { desk } = context
  const { options, sysadminPassword } = request
  const { target } = await targetOf(context, options)
  const answerOf = (outcomes: readonly Outcome[]): string => JSON.stringify({ outcomes: outcomesToWire(outcomes) })
  return answerOf(
    await claimBackups<DeleteBackupInput>(desk, asker, answerOf, {
      target,
      operation: 'subcloud.delete-backup',
      judge: (row, around) => deleteIneligible(row, around.busy, options.localOnly),
      columns: { backup_status: firstBackupStatus.delete, error_description: noError },
      inputOf: (row) => ({
        subcloudId: row.id,
        release,
        localOnly: options.localOnly,
        ...(sysadminPassword === undefined ? {} : { sysadminPassword: sealFor(desk, row.id, 'sysadmin_password', sysadminPassword) }),
      }),
      refuse: (outcomes) => refuseAll('delete', options.group, outcomes),
    }),
  )
}

/** Undefined when all was deleted; else the text of a 207. Throws when everything failed. */
async function endOf(context: ApiContext, outcomes: readonly BackupOutcome[]): Promise<string | undefined> {
  const accepted = outcomes.filter((outcome) => outcome['operation-id'] !== undefined)
  const jobs = new Map((await context.waitForJobs(accepted.map((outcome) => outcome['operation-id']!))).map((job) => [job.id, job]))
  const namesOf = (fits: (job: JobRow | undefined) => boolean): string[] =>
    accepted.filter((outcome) => fits(jobs.get(outcome['operation-id']!))).map(({ name }) => name)
  const failed = namesOf((job) => job?.state === 'failed' || job?.state === 'cancelled')
  const skipped = outcomes.filter((outcome) => outcome.outcome === 'skipped').map(({ name }) => name)
  const under = namesOf((job) => job === undefined || job.state === 'queued' || job.state === 'running')
  const empty = namesOf((job) => job?.state === 'done' && (json.read(job.outcome!) as DeletedBackups).removed === 0)
  if (failed.length > 0 && failed.length === outcomes.length)
    throw errors.backupDeleteFailed({ why: `Failed to delete backup of the following subclouds: ${failed.join(' ')}` })
  const lines = [
    line('The following subclouds were skipped for the backup delete operation', skipped),
    line('The following subclouds failed to delete their backup', failed),
    line('The following subclouds had no backup of this release', empty),
    line('The following subclouds are still deleting it', under),
  ].filter((each) => each !== '')
  if (lines.length === 0) return undefined
  return `Subcloud backup delete operation completed with warnings:\n${lines.join('\n')}`
}

const line = (what: string, names: readonly string[]): string => (names.length === 0 ? '' : `${what}: ${names.join(' ')}.`)
