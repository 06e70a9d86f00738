import type { Connection } from '../api/connection.ts'
import type { OperationBody } from '../api/types.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { tell } from '../terminal.ts'
import type { Context } from './context.ts'

/**
 * Follows the newest operation of a subcloud to its end, one line whenever its progress changes.
 * Ends with code 7 when the time is up (the operation goes on), 1 when the operation failed or was cancelled.
 */
export async function waitForOperation(context: Context, api: Connection, ref: string, timeoutMs: number): Promise<void> {
  const { clock, timers } = context.world
  const deadlineMs = clock.monotonicMs() + timeoutMs
  let said = ''
  for (;;) {
    const { operations } = await api.request<{ operations: OperationBody[] }>(
      'GET',
      `/subclouds/${encodeURIComponent(ref)}/operations?limit=1`,
    )
    const newest = operations[0]
    if (newest === undefined) return
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
