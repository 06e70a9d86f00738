import { AsyncLocalStorage } from 'node:async_hooks'
import type { Database } from '@murmuration/data'
import type { Timer, World } from '@murmuration/world'
import { JobCancelled, LeaseLost, Shutdown, type JobRow, type JobTables } from './job.ts'
import { createLeaseStore } from './leases.ts'
import { startRun, type AnyKind, type Run } from './run.ts'

export interface WorkerOptions {
  readonly world: World
  // oxlint-disable-next-line typescript/no-explicit-any -- every service mixes JobTables into a schema of its own
  readonly database: Database<any>
  /** Unique per process start: host, pid and a random part. */
  readonly owner: string
  readonly kinds: readonly AnyKind[]
  /** A lease that is not renewed for this long is taken by another worker. Default 15,000; renewed at a third of it. */
  readonly leaseMs?: number
  /** How often to look without being woken: the bound on latency when every wake-up is lost. Default 1,000. */
  readonly pollMs?: number
  /** Jobs of all kinds at once in this process. Default 64. */
  readonly maxRunning?: number
  /** Slots of `maxRunning` that only these kinds may take: what callers wait for does not queue behind what runs for hours. */
  readonly reserved?: { readonly kinds: readonly string[]; readonly slots: number }
  /** Kinds that share slots: all of them together run at most so many at once, whatever each may by itself. */
  readonly together?: { readonly kinds: readonly string[]; readonly slots: number }
  /** How long an aborted run may take to end before its slot is given away. Default `leaseMs`. */
  readonly graceMs?: number
}

export interface Worker {
  start(): void
  /** Look now (a wake-up arrived). Coalesced; safe to call at any rate. */
  wake(): void
  /** Stops taking jobs, aborts the running ones with reason Shutdown, waits until they have let go of their leases. */
  stop(): Promise<void>
  /** Jobs running in this process now. */
  readonly running: number
}

/** A run that lives for so many leases does not die of its job. */
const provenLeases = 4
const sweepEveryMs = 60_000
const sweptAtOnce = 500
const sweepRounds = 20
const defaultRetentionMs = 30 * 24 * 3_600_000
const cancelledAtOnce = 50

/**
 * Takes due jobs from the database and runs them. Any number of workers may share a database: leases with epochs decide who runs
 * what, and a run whose lease was taken can't write any more. Losing every wake-up costs at most `pollMs` of latency.
 */
export function createWorker(options: WorkerOptions): Worker {
  const { world, owner, kinds, leaseMs = 15_000, pollMs = 1_000, maxRunning = 64 } = options
  const database = options.database as Database<JobTables>
  const leases = createLeaseStore(database, world, owner, leaseMs)
  const log = world.log.child({ worker: owner })
  const byName = new Map(kinds.map((kind) => [kind.name, kind]))
  const names = [...byName.keys()]
  const running = new Map<string, Run>()
  const timers = new Map<string, Timer>()
  let state: 'new' | 'started' | 'stopping' = 'new'
  let looking: Promise<void> | undefined
  let lookAgain = false
  let turn = 0
  const inOwnContext = AsyncLocalStorage.snapshot()

  const started = (): boolean => state === 'started'

  const ids = (): string[] => [...running.keys()]
  const reservedKinds = new Set(options.reserved?.kinds)
  const sharingKinds = new Set(options.together?.kinds)
  const openSlots = maxRunning - (options.reserved?.slots ?? 0)
  const slots = (kind: AnyKind): number => {
    let taken = 0
    let takenOpen = 0
    let takenTogether = 0
    for (const run of running.values()) {
      if (sharingKinds.has(run.kind.name)) takenTogether++
      if (run.kind === kind) taken++
      if (!reservedKinds.has(run.kind.name)) takenOpen++
    }
    const free = maxRunning - running.size
    const own = Math.min(kind.concurrency - taken, sharingKinds.has(kind.name) ? options.together!.slots - takenTogether : free)
    return Math.min(own, reservedKinds.has(kind.name) ? free : Math.min(free, openSlots - takenOpen))
  }

  /** Of a lease that was asked for at that moment (monotonic): it is given up before another worker may take it. */
  const isOverdue = (sinceMs: number): boolean => world.clock.monotonicMs() - sinceMs >= (leaseMs * 4) / 6

  const begin = async (rows: readonly JobRow[], claimedAtMs: number): Promise<void> => {
    if (isOverdue(claimedAtMs)) {
      // The claim waited for the database until the lease in it was as good as over: begun now, the work would soon run twice.
      for (const row of rows) await leases.release({ id: row.id, owner, epoch: row.lease_epoch }, { delayMs: 0 })
      return
    }
    for (const row of rows) {
      const kind = byName.get(row.kind)
      if (!kind) continue
      const run = startRun({ world, database, leases, kind, row, owner, leaseMs, graceMs: options.graceMs ?? leaseMs })
      run.renewedAtMs = claimedAtMs
      running.set(row.id, run)
      if (state === 'stopping') run.abort(new Shutdown())
      const forget = (): void => {
        // By then the same worker may run the job again, under the next epoch.
        if (running.get(row.id) === run) running.delete(row.id)
        wake()
      }
      void run.done.finally(forget)
    }
  }

  async function takeJobs(): Promise<void> {
    const { due, cancelled } = await leases.probe(names, ids())
    if (cancelled && state === 'started') {
      const claimedAtMs = world.clock.monotonicMs()
      await begin(await leases.claimCancelled(names, cancelledAtOnce, ids()), claimedAtMs)
    }
    // Whose turn it is first changes, so that one busy kind can't keep the others from the last slots.
    turn++
    for (const [index] of due.entries()) {
      const kind = byName.get(due[(index + turn) % due.length] as string)
      const free = kind ? slots(kind) : 0
      if (!kind || free <= 0 || state !== 'started') continue
      const claimedAtMs = world.clock.monotonicMs()
      await begin(await leases.claim(kind.name, free, ids()), claimedAtMs)
    }
  }

  async function noticeCancellations(): Promise<void> {
    if (running.size === 0) return
    for (const { id, cancel_reason } of await leases.cancellations(ids())) {
      running.get(id)?.abort(new JobCancelled(cancel_reason ?? 'cancelled'))
    }
  }

  async function writeProgress(): Promise<void> {
    const lines = [...running.values()].flatMap((run) => {
      const text = run.takeProgress()
      return text === undefined ? [] : [{ id: run.held.id, epoch: run.held.epoch, text }]
    })
    if (lines.length > 0) await leases.writeProgress(lines)
  }

  async function renew(): Promise<void> {
    if (running.size === 0) return
    const startedMs = world.clock.monotonicMs()
    const runs = [...running.values()]
    const renewed = new Map((await leases.renew(runs.map((run) => run.held.id))).map((row) => [row.id, row.lease_epoch]))
    const missing: Run[] = []
    for (const run of runs) {
      if (renewed.get(run.held.id) === run.held.epoch) run.renewedAtMs = startedMs
      else if (running.get(run.held.id) === run) missing.push(run)
    }
    await forgive(runs.filter((run) => run.renewedAtMs === startedMs))
    if (missing.length === 0) return
    const ours = new Map((await leases.stillOurs(missing.map((run) => run.held.id))).map((row) => [row.id, row.lease_epoch]))
    for (const run of missing) if (ours.get(run.held.id) !== run.held.epoch) run.abort(new LeaseLost(run.held.id))
  }

  async function forgive(living: readonly Run[]): Promise<void> {
    const nowMs = world.clock.monotonicMs()
    const proven = living.filter((run) => run.lostLeases > 0 && nowMs - run.startedAtMs >= provenLeases * leaseMs)
    if (proven.length === 0) return
    await leases.forgive(proven.map((run) => run.held.id))
    for (const run of proven) run.lostLeases = 0
  }

  /** Who could not renew in time stops by itself, before another may take over: judged by a clock that never steps. */
  async function dropOverdue(): Promise<void> {
    for (const run of running.values()) if (isOverdue(run.renewedAtMs)) run.abort(new LeaseLost(run.held.id))
  }

  async function sweep(): Promise<void> {
    for (const kind of kinds) {
      for (let round = 0; round < sweepRounds && started(); round++) {
        if ((await leases.sweep(kind.name, kind.retentionMs ?? defaultRetentionMs, sweptAtOnce)) < sweptAtOnce) break
      }
    }
  }

  /** Nothing that fails here may end the worker: the next time may go better. */
  const carefully = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      log.warn(`${what} failed and is tried again later`, { error })
    }
  }

  const lookAround = async (): Promise<void> => {
    do {
      lookAgain = false
      await carefully('looking for cancelled jobs', noticeCancellations)
      await carefully('writing progress', writeProgress)
      if (started()) await carefully('taking jobs', takeJobs)
    } while (lookAgain && started())
  }

  function wake(): void {
    if (state !== 'started') return
    if (looking) {
      lookAgain = true
      return
    }
    // Whoever wakes us may be inside of a transaction of its own; we are not.
    looking = inOwnContext(lookAround).finally(() => {
      looking = undefined
      // A wake-up that came between the last look and now.
      if (lookAgain) wake()
    })
  }

  const every = (name: string, intervalMs: () => number, work: () => void | Promise<void>): void => {
    const again = async (): Promise<void> => {
      await work()
      if (timers.has(name)) timers.set(name, world.timers.after(intervalMs(), fire))
    }
    const fire = (): void => void again()
    timers.set(name, world.timers.after(intervalMs(), fire))
  }

  const stopTimers = (): void => {
    for (const timer of timers.values()) timer.cancel()
    timers.clear()
  }

  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    const wasStarted = state === 'started'
    state = 'stopping'
    timers.get('look')?.cancel()
    timers.delete('look')
    timers.get('sweep')?.cancel()
    timers.delete('sweep')
    if (wasStarted) for (const run of running.values()) run.abort(new Shutdown())
    // What is being claimed at this moment is begun with an aborted signal, and let go like the others.
    await looking
    await Promise.all([...running.values()].map((run) => run.done))
    stopTimers()
  }

  return {
    start() {
      if (state !== 'new') return
      state = 'started'
      every('look', () => pollMs * (0.9 + 0.1 * world.random.float()), wake)
      every(
        'renew',
        () => leaseMs / 3,
        () => carefully('renewing leases', renew),
      )
      every('overdue', () => leaseMs / 6, dropOverdue)
      every(
        'sweep',
        () => sweepEveryMs * (0.5 + world.random.float()),
        () => carefully('removing old jobs', sweep),
      )
      wake()
    },
    wake,
    stop: () => (stopped ??= stop()),
    get running() {
      return running.size
    },
  }
}
