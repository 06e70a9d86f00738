import { DatabaseError, json, timestamp, type Database, type Transaction } from '@murmuration/data'
import type { Timer, World } from '@murmuration/world'
import {
  JobCancelled,
  LeaseLost,
  LeasesLostInARow,
  Shutdown,
  TerminalError,
  type JobContext,
  type JobKind,
  type JobOutcome,
  type JobRow,
  type JobTables,
} from './job.ts'
import { proveLease, type Held, type LeaseStore } from './leases.ts'
import { createStepLog } from './steps.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a worker runs kinds of all inputs and outputs
export type AnyKind = JobKind<any, any>

/** So many leases lost in a row, with nothing done, are the job's own doing: without it the others have a process again. */
const lostLeasesMost = 5
const endingAttempts = 5
const endingPauseMs = 200
const longestErrorChars = 2_000
const longestProgressChars = 500

export interface RunOptions {
  readonly world: World
  readonly database: Database<JobTables>
  readonly leases: LeaseStore
  readonly kind: AnyKind
  readonly row: JobRow
  readonly owner: string
  readonly leaseMs: number
  /** A run that has not ended so long after its signal was aborted is left to itself: its slot and its job go on without it. */
  readonly graceMs: number
}

/** One run of one job in this process. */
export interface Run {
  readonly kind: AnyKind
  readonly held: Held
  /** Monotonic time when the statement that last took or renewed the lease was begun. */
  renewedAtMs: number
  readonly startedAtMs: number
  /** Earlier runs that died, as far as nobody has forgiven them. */
  lostLeases: number
  abort(reason: JobCancelled | LeaseLost | Shutdown): void
  /** The last line said since the last call. */
  takeProgress(): string | undefined
  /** Resolves, always, when the job is ended, released or lost. */
  readonly done: Promise<void>
}

type Ending = { readonly output: unknown; readonly outputText: string } | { readonly error: unknown }

/** Zero characters are the one thing that PostgreSQL's text can't keep, and an error's text may come from anywhere. */
const clip = (text: string, chars: number): string => text.replaceAll('\0', '\uFFFD').slice(0, chars)
const errorText = (error: unknown): string => clip(error instanceof Error ? error.message : String(error), longestErrorChars)

export function startRun(options: RunOptions): Run {
  const { world, database, leases, kind, row, leaseMs } = options
  const held: Held = { id: row.id, owner: options.owner, epoch: row.lease_epoch }
  const log = world.log.child({ job: row.id, kind: kind.name, epoch: held.epoch })
  const controller = new AbortController()
  const { signal } = controller
  let progress: string | undefined
  let untold = false
  let lostLeases = row.lost_leases

  const transaction = <T>(work: (tx: Transaction<JobTables>) => Promise<T>): Promise<T> =>
    database.transaction(async (tx) => {
      await proveLease(tx, world, held)
      return await work(tx)
    })

  const steps = createStepLog(database, world, held, signal)
  const context: JobContext<unknown> = {
    world,
    id: row.id,
    input: json.read(row.input),
    attempt: row.attempt,
    epoch: held.epoch,
    signal,
    step: (name, work) => steps.step(name, work),
    async proven() {
      if (lostLeases > 0) await leases.forgive([row.id])
      lostLeases = 0
    },
    progress(text) {
      progress = clip(text, longestProgressChars)
      untold = true
    },
    transaction,
  }

  const execute = async (): Promise<Ending> => {
    if (row.lost_leases >= lostLeasesMost) return { error: new LeasesLostInARow(row.lost_leases) }
    try {
      const output: unknown = await kind.run(context)
      return { output, outputText: JSON.stringify(output ?? null) }
    } catch (error) {
      return { error }
    }
  }

  /** Resolves some time after the signal was aborted. */
  let patience: Timer | undefined
  const leftAlone = new Promise<Ending>((resolve) => {
    signal.addEventListener(
      'abort',
      () => {
        patience = world.timers.after(options.graceMs, () => resolve({ error: signal.reason }))
      },
      { once: true },
    )
  })

  /** Writes the end and settles the subject in one transaction, which only the holder of the lease can commit. */
  const writeEnd = (state: JobOutcome<unknown>['state'], ending: Ending, error: string | null): Promise<void> =>
    database.transaction(async (tx) => {
      const now = timestamp(world.clock.nowMs())
      const ended = await tx.query
        .updateTable('jobs')
        .set({
          state,
          exclusive_key: null,
          lease_owner: null,
          lease_until: null,
          outcome: state === 'done' && 'outputText' in ending ? ending.outputText : null,
          error,
          // Also what was taken to be written: that may come too late, and is left out then.
          ...(progress === undefined ? {} : { progress }),
          finished_at: now,
          updated_at: now,
        })
        .where('id', '=', held.id)
        .where('state', '=', 'running')
        .where('lease_owner', '=', held.owner)
        .where('lease_epoch', '=', held.epoch)
        .returningAll()
        .executeTakeFirst()
      if (!ended) throw new LeaseLost(held.id)
      await kind.settle?.(tx, ended, 'error' in ending ? { state, error: ending.error } : { state, output: ending.output }, world)
    })

  /** A job without its end written is never forgotten: after the last attempt it goes back to the queue. */
  const end = async (state: JobOutcome<unknown>['state'], ending: Ending, error: string | null): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await writeEnd(state, ending, error)
      } catch (failure) {
        if (failure instanceof LeaseLost) throw failure
        log.error('the end of a job could not be written', { state, attempt, error: errorText(failure) })
        if (attempt >= endingAttempts || signal.reason instanceof LeaseLost) break
      }
      await world.timers.sleep(endingPauseMs * 2 ** attempt * world.random.float())
    }
    await leases.release(held, { delayMs: leaseMs })
  }

  const afterFailure = async (ending: Ending, error: unknown): Promise<void> => {
    if (error instanceof LeaseLost) throw error
    if (error instanceof DatabaseError && (error.kind === 'unavailable' || error.kind === 'serialization')) {
      // Not the job's fault: it goes on when the database does.
      await leases.release(held, { delayMs: leaseMs * world.random.float(), error: errorText(error) })
      return
    }
    const retry = kind.retry
    if (retry && row.attempt < retry.attempts && !(error instanceof TerminalError || error instanceof LeasesLostInARow)) {
      const capMs = Math.min(retry.capMs, retry.baseMs * 2 ** (row.attempt - 1))
      log.warn('a job failed and is tried again', { attempt: row.attempt, error: errorText(error) })
      await leases.release(held, { delayMs: capMs * world.random.float(), attempt: row.attempt + 1, error: errorText(error) })
      return
    }
    await end('failed', ending, errorText(error))
  }

  const conclude = async (ending: Ending): Promise<void> => {
    const reason: unknown = signal.aborted ? signal.reason : undefined
    if (reason instanceof LeaseLost) throw reason
    if (!('error' in ending)) return await end('done', ending, null)
    if (reason instanceof Shutdown) return void (await leases.release(held, { delayMs: 0 }))
    if (reason instanceof JobCancelled) return await end('cancelled', { error: reason }, errorText(reason))
    return await afterFailure(ending, ending.error)
  }

  const live = async (): Promise<void> => {
    try {
      // Asked to end before it began, or taken over from a worker that died while it was asked.
      if (row.cancel_requested === 1) controller.abort(new JobCancelled(row.cancel_reason ?? 'cancelled'))
      await conclude(signal.aborted ? { error: signal.reason } : await Promise.race([execute(), leftAlone]))
    } catch (error) {
      if (error instanceof LeaseLost) log.warn('a job is held by a newer run; this one is dropped')
      // The lease runs out by itself, and then somebody takes the job.
      else log.error('a job could not be let go', { error: errorText(error) })
    } finally {
      patience?.cancel()
    }
  }

  return {
    kind,
    held,
    renewedAtMs: world.clock.monotonicMs(),
    startedAtMs: world.clock.monotonicMs(),
    get lostLeases() {
      return lostLeases
    },
    set lostLeases(count) {
      lostLeases = count
    },
    abort: (reason) => controller.abort(reason),
    takeProgress() {
      if (!untold) return undefined
      untold = false
      return progress
    },
    done: live(),
  }
}
