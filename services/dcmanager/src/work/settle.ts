import type { Transaction } from '@murmuration/data'
import { JobCancelled, LeasesLostInARow, type JobOutcome } from '@murmuration/jobs'
import type { World } from '@murmuration/world'
import type { BackupStatus } from '../rules/backup-status.ts'
import { abortedStatusOf, failedStatusOf, isTransient, type DeployStatus } from '../rules/lifecycle.ts'
import type { Schema } from '../store/schema.ts'
import { readSubcloud, updateSubcloud, type SubcloudColumns } from '../store/subclouds.ts'
import { OperationRefused, StatusMoved } from './operations.ts'
import { AbortFailed, longestErrorDescription, PlaybookFailed } from './playbooks/failure.ts'

/** What the end of an operation leaves behind in the row of its subcloud. */
export interface Settlement {
  readonly status: DeployStatus
  /** Absent: the text that stands there is kept. */
  readonly error?: string
}

/**
 * The settled status of a subcloud whose operation has ended (reference dcmanager §3.2): an abort ends as X-aborted, even when the
 * playbook failed on the way; when it could not be ended, as X-failed. What else was under way has failed.
 */
export function settlementOf(status: DeployStatus, outcome: Pick<JobOutcome<unknown>, 'state' | 'error'>): Settlement {
  const error = causeOf(outcome.error)
  const aborted = abortedStatusOf(status)
  if (aborted !== undefined && !(error instanceof AbortFailed)) return { status: aborted }
  if (isTransient(status)) return { status: failedStatusOf(status), error: errorText(error, status) }
  return outcome.state === 'failed' && !(error instanceof StatusMoved) ? { status, error: errorText(error, status) } : { status }
}

/** For people: what operators may mend in full, our own defects without their insides (the log has them). */
export function errorText(error: unknown, status: DeployStatus | BackupStatus): string {
  if (error instanceof PlaybookFailed || error instanceof AbortFailed || error instanceof OperationRefused)
    return error.message.slice(0, longestErrorDescription)
  if (error instanceof LeasesLostInARow)
    return `The operation was given up: ${error.message}. Look for the end of managers in their logs before you ask for it again.`
  if (error instanceof JobCancelled) return `The operation was cancelled: ${error.message}.`
  if (error instanceof StatusMoved) return `The operation was given up: ${error.message}.`
  return `The operation failed while the subcloud was ${status}, for a reason that its playbook did not give. The log of the manager has the details.`
}

/** The job wraps what must not be tried again. */
export const causeOf = (error: unknown): unknown =>
  error instanceof Error && error.name === 'TerminalError' && error.cause !== undefined ? error.cause : error

/** `goodEnd`: what an operation that is done leaves. In the transaction of its end: who sees it finds the subcloud free. */
export async function settleSubcloud(
  tx: Transaction<Schema>,
  world: World,
  subcloudId: number,
  outcome: JobOutcome<unknown>,
  goodEnd?: { readonly from: DeployStatus; readonly to: DeployStatus; readonly columns?: SubcloudColumns },
): Promise<void> {
  if (outcome.state === 'done' && goodEnd !== undefined) {
    const columns = { ...goodEnd.columns, deploy_status: goodEnd.to }
    const done = await updateSubcloud(tx, world, subcloudId, columns, { deployStatus: goodEnd.from })
    if (done !== undefined) return
  }
  const row = await readSubcloud(tx, subcloudId)
  if (row === undefined) return
  const { status, error } = settlementOf(row.deploy_status, outcome)
  if (status === row.deploy_status && error === undefined) return
  await updateSubcloud(
    tx,
    world,
    subcloudId,
    { deploy_status: status, ...(error === undefined ? {} : { error_description: error }) },
    { deployStatus: row.deploy_status },
  )
}
