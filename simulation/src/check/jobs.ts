import type { PlaybookRun } from '../fleet/playbooks.ts'
import { backupProblem, deleteProblem, transientBackups, transientStatuses, type Before } from './lifecycle-edges.ts'
import type { JobRow, Reader } from './reader.ts'
import { Violation } from './violation.ts'

/** By playbook: the step under whose name the job records that it ran. */
const stepOf: Readonly<Record<string, string>> = {
  install: 'install.run',
  bootstrap: 'bootstrap.run',
  configure: 'configure.run',
  update_subcloud: 'network.run',
  delete_subcloud: 'delete.files',
  create_subcloud_backup: 'backup.run',
  delete_subcloud_backup: 'delete-backup.run',
  restore_subcloud_backup: 'restore.run',
  ownership: 'rehome.ownership',
  rehome_subcloud: 'rehome.run',
}

/** A run that lost its lease is ended by its own process within two thirds of a lease, when that process runs at all. */
const fencedLifeMs = 15_000

export interface Excuses {
  /** Something outside failed that this job may fail of, or be tried again. */
  readonly hasCause: (job: JobRow) => boolean
  /** Something was done to the controller's processes, so that leases may be lost. */
  readonly disturbed: () => boolean
}

export interface ProcessFacts {
  readonly isPaused: (processName: string) => boolean
  /** It was stopped, or its clock was changed: a lease may have been lost without its noticing. */
  readonly wasDisturbed: (processName: string) => boolean
}

/** One operation at a time on a subcloud, under the newest lease; what is recorded as done is not done again. */
export class JobCheck {
  readonly #reader: Reader
  readonly #note: (what: string) => void
  readonly #excuses: Excuses
  readonly #live = new Map<string, JobRow>()
  readonly #requests = new Map<string, string>()
  readonly #epochs = new Map<string, number>()
  readonly #seen = new Set<string>()
  #lastStep: number

  constructor(reader: Reader, note: (what: string) => void, excuses: Excuses) {
    this.#reader = reader
    this.#note = note
    this.#excuses = excuses
    this.#lastStep = reader.lastStep()
  }

  /** Jobs that were alive at some time. */
  get seen(): number {
    return this.#epochs.size
  }

  get live(): readonly JobRow[] {
    return [...this.#live.values()]
  }

  look(processName: string, before: (subcloudId: number) => Before | undefined): void {
    const now = this.#reader.liveJobs()
    const subjects = new Set<string>()
    for (const job of now) {
      if (subjects.has(job.subject)) throw new Violation('one-operation', `two live jobs work on ${job.subject}, one of them ${job.kind}`)
      subjects.add(job.subject)
      this.#follow(job, processName, before)
    }
    const alive = new Set(now.map((job) => job.id))
    for (const job of this.#live.values()) {
      if (alive.has(job.id)) continue
      this.#live.delete(job.id)
      const ended = this.#reader.job(job.id)
      if (ended === undefined) throw new Violation('job-lost', `job ${job.id} (${job.kind} of ${job.subject}) is gone while it lived`)
      this.#note(
        `${processName}: ${ended.kind} of ${ended.subject} ${ended.state}${ended.error === null ? '' : `: ${ended.error.slice(0, 120)}`}`,
      )
      // One that was to be aborted may notice it as "somebody has moved the status".
      if (ended.state === 'failed' && ended.cancel_requested === 0 && !this.#excuses.hasCause(ended))
        throw new Violation(
          'failed-without-cause',
          `${ended.kind} of ${ended.subject} failed although nothing outside of it did: ${String(ended.error)}`,
        )
    }
  }

  steps(processName: string): void {
    for (const step of this.#reader.stepsAfter(this.#lastStep)) {
      this.#lastStep = step.rowid
      const key = `${step.job_id} ${step.name}`
      if (this.#seen.has(key)) throw new Violation('step-again', `step ${step.name} of job ${step.job_id} was recorded again`)
      this.#seen.add(key)
      const job = this.#reader.job(step.job_id)
      if (job !== undefined && job.lease_epoch !== step.epoch)
        throw new Violation(
          'fencing',
          `${processName} recorded step ${step.name} of ${job.kind} under epoch ${step.epoch}, while epoch ${job.lease_epoch} holds the job`,
        )
    }
  }

  /** Nothing is in a transitional state without somebody who works on it. */
  nobodyLost(): void {
    for (const { id, deploy_status } of this.#reader.lost(transientStatuses))
      throw new Violation('transitional', `subcloud ${id} is ${deploy_status}, and no live job works on it`)
    for (const { id, backup_status } of this.#reader.lostBackups(transientBackups))
      throw new Violation('transitional', `the backup of subcloud ${id} is ${backup_status}, and no live job works on it`)
    for (const { id, deploy_status } of this.#reader.abortsUnheard())
      throw new Violation('transitional', `subcloud ${id} is ${deploy_status}, and its job was not asked to end`)
  }

  /** An operation that lives has not failed yet: nobody but its own end may say so. */
  failedWhileAlive(id: number, from: string, to: string): void {
    const job = [...this.#live.values()].find((each) => each.subject === `subcloud:${id}`)
    if (job !== undefined && to.endsWith('-failed') && !from.startsWith('aborting-') && this.#reader.job(job.id)?.exclusive_key !== null)
      throw new Violation('given-up', `subcloud ${id} became ${to} while ${job.kind} still works on it`)
  }

  playbookStarted(run: PlaybookRun): void {
    const job = this.#reader.job(run.jobId)
    if (job === undefined) throw new Violation('unknown-run', `a playbook was started for job ${run.jobId}, which is not there`)
    const step = stepOf[run.playbook]
    if (step !== undefined && this.#reader.hasStep(run.jobId, step))
      throw new Violation('step-again', `${run.playbook} of ${job.kind} (${job.subject}) was started again after its step was recorded`)
  }

  /** Two runs at once: only while the older one has lost its lease and is being ended. */
  playbooksAlone(live: readonly PlaybookRun[], nowMs: number, processes: ProcessFacts): void {
    const holders = new Map<number, PlaybookRun>()
    for (const run of live) {
      const job = this.#reader.job(run.jobId)
      const fenced = job === undefined || job.lease_epoch !== run.epoch || job.state !== 'running'
      if (fenced) this.#tooOld(run, nowMs, processes)
      else {
        const other = holders.get(run.subcloudId)
        if (other !== undefined)
          throw new Violation(
            'one-playbook',
            `two playbooks with a lease work on subcloud ${run.subcloudId}: ${other.playbook} and ${run.playbook}`,
          )
        holders.set(run.subcloudId, run)
      }
    }
  }

  readonly #fencedSinceMs = new Map<PlaybookRun, number>()

  #tooOld(run: PlaybookRun, nowMs: number, { isPaused, wasDisturbed }: ProcessFacts): void {
    const known = this.#fencedSinceMs.get(run)
    const since = known ?? nowMs
    this.#fencedSinceMs.set(run, since)
    const taken = (this.#epochs.get(run.jobId) ?? 0) > run.epoch
    if (known === undefined && taken && run.orphanedMs === undefined && !run.stubborn && !wasDisturbed(run.processName))
      throw new Violation(
        'fenced-run-lives',
        `${run.playbook} of job ${run.jobId} still lives when somebody else takes the job: who can't renew a lease ends its work before`,
      )
    if (isPaused(run.processName)) this.#fencedSinceMs.set(run, nowMs)
    else if (nowMs - since > fencedLifeMs)
      throw new Violation('fenced-run-lives', `${run.playbook} of job ${run.jobId} lives ${nowMs - since} ms after its lease was lost`)
  }

  #follow(job: JobRow, processName: string, before: (subcloudId: number) => Before | undefined): void {
    const known = this.#live.get(job.id)
    this.#live.set(job.id, job)
    if (known === undefined) this.#begun(job, processName, before)
    if (known !== undefined && known.cancel_requested === 0 && job.cancel_requested === 1)
      this.#note(`${processName}: ${job.kind} of ${job.subject} is to be cancelled`)
    const epoch = this.#epochs.get(job.id) ?? 0
    if (job.lease_epoch < epoch) throw new Violation('fencing', `the epoch of job ${job.id} went back from ${epoch} to ${job.lease_epoch}`)
    if (job.lease_epoch > epoch) {
      this.#epochs.set(job.id, job.lease_epoch)
      if (job.lease_epoch > 1 && !this.#excuses.disturbed() && !this.#excuses.hasCause(job))
        throw new Violation(
          'lease-lost',
          `${String(job.lease_owner)} took ${job.kind} of ${job.subject} from somebody to whom nothing had happened`,
        )
      this.#note(`${String(job.lease_owner)} takes ${job.kind} of ${job.subject}, epoch ${job.lease_epoch}`)
    }
  }

  #begun(job: JobRow, processName: string, before: (subcloudId: number) => Before | undefined): void {
    this.#note(`${processName}: ${job.kind} of ${job.subject} queued`)
    // A job may begin others, as many as it has members; they name it as their request.
    if (job.request_id !== null && this.#reader.job(job.request_id) === undefined) {
      // One request may be about a group: one job a member then.
      const key = /backup|restore/.test(job.kind) ? `${job.request_id} ${job.subject}` : job.request_id
      const other = this.#requests.get(key)
      if (other !== undefined) throw new Violation('accepted-twice', `request ${job.request_id} made two jobs: ${other} and ${job.id}`)
      this.#requests.set(key, job.id)
    }
    const problem = this.#problemOf(job, before(Number(job.subject.replace('subcloud:', ''))))
    if (problem !== undefined) throw new Violation('lifecycle', `${job.kind} of ${job.subject} was accepted although ${problem}`)
  }

  /** Why it should have been refused; `state` is what its subcloud was before. */
  #problemOf(job: JobRow, state: Before | undefined): string | undefined {
    if (job.kind === 'subcloud.delete') return state === undefined ? 'it is not there' : deleteProblem(state)
    if (job.kind === 'subcloud.backup') return state === undefined ? 'it is not there' : backupProblem(state)
    if (job.kind !== 'subcloud.restore') return undefined
    const { subcloudId, release, localOnly } = JSON.parse(this.#reader.jobInput(job.id)) as RestoreInput
    const has = this.#reader.backups().some((row) => row.subcloud_id === subcloudId && row.release === release && row.state === 'stored')
    return localOnly || has ? undefined : `the system controller has no backup of ${release} of it`
  }
}

interface RestoreInput {
  readonly subcloudId: number
  readonly release: string
  readonly localOnly: boolean
}
