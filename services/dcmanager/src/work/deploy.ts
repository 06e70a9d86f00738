import { defineJob, TerminalError, type JobContext, type JobKind } from '@murmuration/jobs'
import { json } from '@murmuration/data'
import { deployOperations, type DeployInput, type OperationName } from '../rules/operations.ts'
import { OperationRefused, StatusMoved, type OperationParts } from './operations.ts'
import { endOf, endPhase, phases } from './phases.ts'
import { AbortFailed, PlaybookFailed } from './playbooks/failure.ts'
import { settleSubcloud } from './settle.ts'

/** Operations at once in one process, of all kinds: each runs a Python program of some 60 MiB. */
export const operationsAtOnce = 32
/** Of these, the slots that deployments, which take an hour, leave to what callers wait for: a phased create, a delete, a look at a host. */
export const promptSlots = { kinds: ['subcloud.create', 'subcloud.delete', 'host.find-site'] satisfies OperationName[], slots: 4 } as const
const keptMs = 90 * 24 * 3_600_000

/** Short faults of what we stand on (the database was away); a playbook that failed is never run again by itself. */
export const retryOfFaults = { attempts: 4, baseMs: 2_000, capMs: 60_000 } as const

/** All deploy flows: one runner over the phases of the request, by as many names as there are requests. */
export const deployKinds = (parts: OperationParts): readonly JobKind<DeployInput, void>[] =>
  deployOperations.map((name) =>
    defineJob<DeployInput, void>({
      name,
      concurrency: operationsAtOnce,
      retentionMs: keptMs,
      retry: retryOfFaults,
      run: (context) =>
        withoutRetry(async () => {
          try {
            for (const [index, phase] of context.input.phases.entries()) {
              if (index > 0) await endPhase(parts, context, context.input.phases[index - 1]!)
              await phases[phase](parts, context)
            }
          } catch (error) {
            if (error instanceof AbortFailed) await abortFailed(context, parts, error)
            throw error
          }
        }),
      settle(tx, job, outcome, world) {
        const input = json.read<DeployInput>(job.input as never)
        const last = input.phases.at(-1)
        return settleSubcloud(tx, world, input.subcloudId, outcome, last === undefined ? undefined : endOf[last])
      },
    }),
  )

/** Written at once: the end of a cancelled job is told that it was cancelled, not how. */
const abortFailed = (context: JobContext<DeployInput>, parts: OperationParts, error: AbortFailed): Promise<void> =>
  context.transaction((tx) => settleSubcloud(tx, parts.site.world, context.input.subcloudId, { state: 'failed', error }))

/** What an operator has to mend, or has wished, is no fault that passes: it ends the job at once. */
export async function withoutRetry(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (
      error instanceof PlaybookFailed ||
      error instanceof OperationRefused ||
      error instanceof StatusMoved ||
      error instanceof AbortFailed
    )
      throw new TerminalError(error.message, { cause: error })
    throw error
  }
}
