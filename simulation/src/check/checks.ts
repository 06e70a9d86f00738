import type { Simulation } from '@murmuration/world/simulated'
import type { SimulatedBus } from '../fleet/bus.ts'
import type { ControllerProcess } from '../fleet/controller.ts'
import type { FleetEars } from '../fleet/fleet.ts'
import { auditConcurrency, failuresToOffline, times } from '../fleet/places.ts'
import type { Playbooks, PlaybookRun } from '../fleet/playbooks.ts'
import { ChangeCheck } from './changes.ts'
import { JobCheck } from './jobs.ts'
import { promisesHold } from './liveness.ts'
import { Reader, type JobRow } from './reader.ts'
import { RequestCheck } from './requests.ts'
import { Violation } from './violation.ts'

/** Playbooks at once in one process (services/dcmanager/src/work/deploy.ts), and messages in line (state-keeper.ts). */
const playbooksAtOnce = 16
const messagesInLine = 64

/** A site that does not answer is not backed up, and one whose last backup was deleted meanwhile is not restored. */
const noSiteToAsk = /could not be asked for its health|it was deleted meanwhile|not what was stored/

/** One system controller, as far as checks look at it. */
export interface Watched {
  readonly simulation: Simulation
  readonly processes: readonly ControllerProcess[]
  readonly playbooks: Playbooks
  readonly bus: SimulatedBus
  /** Its disk fails now, or has failed since this seed began. */
  readonly unreliableDisk: boolean
  /** Something was done to its processes in this seed. */
  readonly disturbed: boolean
  /** When its wall clock was changed last. */
  readonly clockSteppedMs: number
}

export interface ChecksOptions {
  /** Its database. */
  readonly path: string
  /** A playbook came to a good end: what it has done to the site is to be done now. */
  readonly succeeded: (run: PlaybookRun) => void
  /** A job that failed has a reason outside of it, besides playbooks and disk. */
  readonly isExcused?: (job: JobRow) => boolean
}

/** All invariants over one system controller and its database. The first that does not hold ends the seed. */
export class Checks {
  readonly reader: Reader
  readonly requests: RequestCheck
  readonly #jobs: JobCheck
  readonly #changes: ChangeCheck
  readonly #succeeded: ChecksOptions['succeeded']
  #fleet: Watched | undefined
  #violation: Violation | undefined
  #playbooksMoved = false

  constructor({ path, succeeded, isExcused }: ChecksOptions) {
    this.#succeeded = succeeded
    this.reader = new Reader(path)
    const note = (what: string): void => this.#fleet?.simulation.note(what)
    this.requests = new RequestCheck(
      this.reader,
      (violation) => this.fail(violation),
      () => this.#fleet?.unreliableDisk === true,
    )
    this.#jobs = new JobCheck(this.reader, note, {
      hasCause: (job) =>
        this.#fleet?.playbooks.hasFailed(job.id) === true ||
        this.#fleet?.unreliableDisk === true ||
        isExcused?.(job) === true ||
        noSiteToAsk.test(job.error ?? ''),
      disturbed: () => this.#fleet?.disturbed !== false,
    })
    this.#changes = new ChangeCheck(this.reader, {
      failuresToOffline,
      note,
      moved: (id, from, to) => this.#jobs.failedWhileAlive(id, from, to),
      isForced: (id) => this.requests.isForced(id),
    })
  }

  get violation(): Violation | undefined {
    return this.#violation
  }

  get jobs(): JobCheck {
    return this.#jobs
  }

  get jobsSeen(): number {
    return this.#jobs.seen
  }

  watch(fleet: Watched): void {
    this.#fleet = fleet
  }

  /** Something is wrong; the first one counts. */
  fail(error: unknown): void {
    if (this.#violation !== undefined) return
    this.#violation =
      error instanceof Violation ? error : new Violation('harness', error instanceof Error ? (error.stack ?? error.message) : String(error))
    this.#fleet?.simulation.note(`VIOLATION ${this.#violation.invariant}: ${this.#violation.message}`)
  }

  readonly ears: FleetEars = {
    committed: (processName, tables) => {
      this.requests.committed()
      // At once: what the next commit of the same process makes of it is another story.
      this.#guarded(() => this.reader.atOnce(() => this.#lookAfter(processName, tables)))
    },
    tap: (endpoint, process) => this.requests.tap(endpoint, process),
    auditsUnderWay: (processName, count) => {
      if (count > auditConcurrency)
        this.fail(new Violation('caps', `${processName} has ${count} audits under way, ${auditConcurrency} at most are allowed`))
    },
    playbookStarted: (run) => this.#guarded(() => this.#playbookStarted(run)),
    playbookSucceeded: (run) => this.#succeeded(run),
    playbookEnded: (run) => {
      this.#playbooksMoved = true
      this.#fleet?.simulation.note(`${run.playbook} of subcloud ${run.subcloudId} has ended (pid ${run.pid} of ${run.processName})`)
    },
  }

  /** To be called after every event; cheap when nothing has moved. True when the seed is over. */
  look(): boolean {
    if (this.#playbooksMoved) {
      this.#playbooksMoved = false
      this.#guarded(() => this.#playbooksAlone())
    }
    return this.#violation !== undefined
  }

  mustBeEnded(run: PlaybookRun): boolean {
    const job = this.reader.job(run.jobId)
    return job === undefined || job.cancel_requested === 1 || job.lease_epoch !== run.epoch || job.state !== 'running'
  }

  /** At rest: all of it once more, from the rows themselves. */
  final(): void {
    this.#guarded(() => {
      this.#changes.compare()
      this.#jobs.nobodyLost()
      promisesHold(this.reader)
      for (const { subcloud_id: id } of this.reader.reservations())
        throw new Violation('left-behind', `subcloud ${id} still holds the addresses of a network reconfiguration that is over`)
      const fleet = this.#fleet!
      if (fleet.bus.mostWaiting > messagesInLine + 1)
        throw new Violation('caps', `${fleet.bus.mostWaiting} messages stood in line, ${messagesInLine} at most are allowed`)
    })
  }

  close(): void {
    this.reader.close()
  }

  #lookAfter(writer: string, written: ReadonlySet<string>): void {
    const has = (...tables: string[]): boolean => written.has('*') || tables.some((table) => written.has(table))
    const jobs = has('jobs')
    const subclouds = has('subclouds', 'subcloud_changes')
    if (has('job_steps')) this.#jobs.steps(writer)
    if (jobs) this.#jobs.look(writer, (id) => this.#changes.before(id))
    if (subclouds) this.#changes.look(writer)
    if (jobs || subclouds) this.#jobs.nobodyLost()
    if (subclouds || has('subcloud_status')) promisesHold(this.reader)
    if (jobs) this.#playbooksAlone()
  }

  #playbooksAlone(): void {
    const fleet = this.#fleet!
    const live = fleet.playbooks.live()
    if (live.length === 0) return
    this.#jobs.playbooksAlone(live, fleet.simulation.nowMs, {
      isPaused: (name) => fleet.processes.some((each) => each.process?.name === name && each.state === 'paused'),
      wasDisturbed: (name) =>
        fleet.processes.some((each) => each.lastPaused === name) || fleet.simulation.nowMs - fleet.clockSteppedMs < 4 * times.jobLease,
    })
  }

  #playbookStarted(run: PlaybookRun): void {
    const fleet = this.#fleet!
    fleet.simulation.note(`${run.processName} starts ${run.playbook} of subcloud ${run.subcloudId}, epoch ${run.epoch} (pid ${run.pid})`)
    this.#playbooksMoved = true
    this.#jobs.playbookStarted(run)
    const mine = fleet.playbooks.live().filter((each) => each.processName === run.processName)
    if (mine.length > playbooksAtOnce * 2) throw new Violation('caps', `${run.processName} runs ${mine.length} playbooks at once`)
  }

  #guarded(check: () => void): void {
    try {
      check()
    } catch (error) {
      this.fail(error)
    }
  }
}
