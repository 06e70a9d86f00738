import type { JobRow, StepRow } from '@murmuration/jobs'

/**
 * An operation as callers see it: only named members, so that inputs (which carry sealed passwords) and results of steps stay
 * inside whatever a job kind puts there.
 */
export const operationToWire = ({ job, steps }: { job: JobRow; steps: readonly StepRow[] }, logTail: readonly string[]): object => ({
  id: job.id,
  kind: job.kind,
  state: job.state,
  attempt: job.attempt,
  progress: job.progress,
  error: job.error,
  'cancel-requested': job.cancel_requested === 1,
  'requested-by': job.requested_by,
  'request-id': job.request_id,
  'created-at': job.created_at,
  'started-at': job.started_at,
  'finished-at': job.finished_at,
  steps: steps.map((step) => ({ name: step.name, 'started-at': step.started_at, 'finished-at': step.finished_at })),
  'log-tail': logTail,
})
