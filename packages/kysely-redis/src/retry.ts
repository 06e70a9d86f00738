import type { Kysely, Transaction } from 'kysely'
import { isSerializationFailure } from './errors.ts'
import type { Environment } from './options.ts'

export interface RetryOptions {
  /** Default 8. */
  readonly attempts?: number
  /** No attempt begins later. Default: none. */
  readonly deadlineMs?: number
}

const shortestPauseMs = 5
const longestPauseMs = 250

/** A pause before attempt `attempt + 1`: exponential from 5 to 250 ms, with full jitter. */
export const pauseMs = (attempt: number, random: number): number => random * Math.min(longestPauseMs, shortestPauseMs * 2 ** (attempt - 1))

/**
 * Runs a transaction, and runs it again when another one got in between. The work may run several times: it does nothing but talk
 * to the database. The last failure is thrown when the attempts are used up.
 */
export async function withRetry<DB, T>(
  db: Kysely<DB>,
  environment: Pick<Environment, 'monotonicMs' | 'random' | 'sleep'>,
  work: (trx: Transaction<DB>) => Promise<T>,
  options: RetryOptions = {},
): Promise<T> {
  const { attempts = 8, deadlineMs } = options
  const startMs = environment.monotonicMs()
  for (let attempt = 1; ; attempt++) {
    try {
      return await db.transaction().execute(work)
    } catch (error) {
      const late = deadlineMs !== undefined && environment.monotonicMs() - startMs >= deadlineMs
      if (!isSerializationFailure(error) || attempt >= attempts || late) throw error
    }
    await environment.sleep(pauseMs(attempt, environment.random()))
  }
}
