import type { Connection } from '../api/connection.ts'
import { Unreachable } from '../api/unreachable.ts'
import type { OperationBody } from '../api/types.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { tell } from '../terminal.ts'
import type { Context } from './context.ts'

/** An API that is started again, or fails over, is back sooner; the operation does not depend on it. */
const longestSilenceMs = 60_000

/**
 * Follows the newest operation of a subcloud to its end, one line whenever its progress changes.
 * Goes on while the API is away for less than a minute. Ends with code 7 when the time is up (the operation goes on), 1 when the operation failed or was cancelled.
 */
export async function waitForOperation(context: Context, api: Connection, ref: string, timeoutMs: number): Promise<void> {
  const { clock, timers } = context.world
  const deadlineMs = clock.monotonicMs() + timeoutMs
  let said = ''
  let heardAtMs = clock.monotonicMs()
  const newestOperation = async (): Promise<OperationBody | 'unknown' | undefined> => {
    try {
      const path = `/subclouds/${encodeURIComponent(ref)}/operations?limit=1`
      const { operations } = await api.request<{ operations: OperationBody[] }>('GET', path)
      heardAtMs = clock.monotonicMs()
      return operations[0]
    } catch (error) {
      if (error instanceof Unreachable && clock.monotonicMs() - heardAtMs < longestSilenceMs) return 'unknown'
      throw error
    }
  }
  for (;;) {
    const newest = await newestOperation()
    if (newest === undefined) return
    if (newest === 'unknown') {
      await timers.sleep(500)
      continue
    }
    const line = `${newest.kind}: ${newest.progress ?? newest.state}`
    if (line !== said) tell(line)
    said = line
    if (newest.state === 'done') return
    if (newest.state === 'failed' || newest.state === 'cancelled') {
      throw new CommandFailed(
        exitCodes.refused,
        `${newest.kind} ${newest.state}: ${newest.error ?? 'no reason was recorded'}`,
        `murmur subcloud errors ${ref}`,
      )
    }
    if (clock.monotonicMs() >= deadlineMs) {
      throw new CommandFailed(
        exitCodes.waitTimeout,
        `${newest.kind} has not ended after ${timeoutMs / 1_000} s; it goes on.`,
        `murmur subcloud operations ${ref}`,
      )
    }
    await timers.sleep(500)
  }
}
