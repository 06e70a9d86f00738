import { createHash } from 'node:crypto'
import type { ProcessSpec, World } from '@murmuration/world'
import type { ChildContext, ChildScript, ChildStep, SeededRandom } from '@murmuration/world/simulated'

/** One run of ansible-playbook, as the harness follows it. */
export interface PlaybookRun {
  readonly pid: number
  readonly processName: string
  readonly jobId: string
  readonly epoch: number
  readonly subcloudId: number
  /** `bootstrap`, `install`, … */
  readonly playbook: string
  readonly startedMs: number
  /** False until its first line: one that is ended before that has done nothing and never tells of its end. */
  begun: boolean
  holdsLock: boolean
  hangs: boolean
  /** TERM does not end it, or it says that it must not be ended now. */
  stubborn: boolean
  /** It came to a bad end by itself. */
  failed: boolean
  endedMs: number | undefined
  /** Since when nobody reads its lines. */
  orphanedMs: number | undefined
}

/** Why a task can't be done, as ansible would say it. */
export interface Refusal {
  readonly task: string
  readonly msg: string
}

export interface PlaybookParts {
  readonly random: SeededRandom
  readonly nowMs: () => number
  /** Files of the controller, for what playbooks do to them. */
  readonly files: () => World['files']
  readonly started: (run: PlaybookRun) => void
  /**
   * What a run does to its site, and where: before its first task, in every task, and after the last one. Resolves with why it can't.
   */
  readonly act?: (run: PlaybookRun, moment: 'first' | 'task' | 'last', spec: ProcessSpec) => Promise<Refusal | undefined>
  /** A playbook came to a good end: what it has done to the site is to be done now. */
  readonly succeeded: (run: PlaybookRun) => void
  readonly ended: (run: PlaybookRun) => void
}

/** How playbooks behave in a seed. */
export interface PlaybookModel {
  readonly failure: number
  readonly hang: number
  readonly stubborn: number
  readonly longestTaskMs: number
}

const readable = /\/run\/operations\/([0-9a-f-]{36})\.(\d+)$/
const lockPatienceMs = 60_000
/** The callback plugin looks once a second whether it is still read. */
const orphanNoticedMs = 1_000
const hangStepMs = 1_000

/**
 * Stands for ansible-playbook with our callback plugin: JSON lines, one run per subcloud by a lock, and an end by itself when its
 * reader is gone. What each run does follows from the seed: success, failure in some task, slow, or hanging until it is ended.
 */
export class Playbooks {
  model: PlaybookModel = { failure: 0, hang: 0, stubborn: 0, longestTaskMs: 1_000 }
  /** Subclouds whose playbooks do not come to their end before they are let go. */
  readonly held = new Set<number>()
  readonly runs: PlaybookRun[] = []
  readonly #parts: PlaybookParts
  readonly #locks = new Map<number, PlaybookRun>()

  constructor(parts: PlaybookParts) {
    this.#parts = parts
  }

  /** For `Simulation.onProcess`. */
  script(spec: ProcessSpec, context: ChildContext): ChildScript | undefined {
    const [, jobId, epoch] = readable.exec(spec.cwd ?? '') ?? []
    const subcloudId = Number(/subcloud-(\d+)\.lock$/.exec(spec.env['PLAYBOOK_RUN_LOCK'] ?? '')?.[1])
    const playbook = /([a-z_]+)\.yml$/.exec(spec.args.at(-1) ?? '')?.[1]
    if (spec.command !== 'ansible-playbook' || jobId === undefined || playbook === undefined) return undefined
    const run: PlaybookRun = {
      pid: context.pid,
      processName: context.processName,
      jobId,
      epoch: Number(epoch),
      subcloudId,
      playbook,
      startedMs: this.#parts.nowMs(),
      begun: false,
      holdsLock: false,
      hangs: false,
      failed: false,
      stubborn: false,
      endedMs: undefined,
      orphanedMs: undefined,
    }
    this.runs.push(run)
    this.#parts.started(run)
    return this.#steps(run, spec, context)
  }

  /** The process that read their lines died. */
  orphan(processName: string): void {
    for (const run of this.runs) if (run.processName === processName && run.endedMs === undefined) run.orphanedMs ??= this.#parts.nowMs()
  }

  hasFailed(jobId: string): boolean {
    return this.runs.some((run) => run.jobId === jobId && run.failed)
  }

  live(): PlaybookRun[] {
    return this.runs.filter((run) => run.begun && run.endedMs === undefined)
  }

  async *#steps(run: PlaybookRun, spec: ProcessSpec, context: ChildContext): AsyncGenerator<ChildStep> {
    const random = this.#parts.random.fork(`${run.jobId} ${run.epoch} ${run.playbook}`)
    const { failure, hang, stubborn, longestTaskMs } = this.model
    const quiet = run.playbook === 'delete_subcloud' || run.playbook === 'power_off'
    const fate = random.float()
    const fails = fate < failure
    run.hangs = !quiet && !fails && fate < failure + hang
    context.ignoreTerm = random.chance(stubborn)
    const tasks = quiet ? 1 : random.between(1, 4)
    const guarded = !quiet && random.chance(stubborn) ? random.int(tasks) : undefined
    run.stubborn = context.ignoreTerm || guarded !== undefined
    const marker = `${spec.cwd}/.${spec.args[spec.args.indexOf('--limit') + 1]}_deploy_not_abortable`
    run.begun = true
    try {
      yield* this.#lock(run)
      yield { line: JSON.stringify({ event: 'play', play: run.playbook }) }
      yield* this.#act(run, 'first', spec)
      for (let task = 0; task < tasks; task += 1) {
        yield { line: JSON.stringify({ event: 'task', number: task + 1, task: `task ${task + 1} of ${run.playbook}` }) }
        if (task === guarded) await this.#parts.files().write(marker, '')
        yield* this.#act(run, 'task', spec)
        yield* this.#wait(run, random.between(50, longestTaskMs))
        if (task === guarded) await this.#parts.files().remove(marker)
        if (fails && task === tasks - 1) {
          run.failed = true
          return yield* failing(random, spec)
        }
        yield { line: JSON.stringify({ event: 'ok', host: 'site', task: `task ${task + 1}`, durationMs: 10 }) }
      }
      while (run.hangs || this.held.has(run.subcloudId)) yield* this.#wait(run, hangStepMs)
      yield* this.#act(run, 'last', spec)
      if (run.playbook === 'delete_subcloud') await this.#removeLeftovers(spec)
      if (run.playbook === 'create_subcloud_backup') await this.#makeArchive(run, spec)
      if (run.playbook === 'delete_subcloud_backup') await this.#removeArchives(spec)
      yield { line: JSON.stringify({ event: 'stats' }) }
      if (this.#locks.get(run.subcloudId) === run) this.#parts.succeeded(run)
    } finally {
      run.endedMs = this.#parts.nowMs()
      if (this.#locks.get(run.subcloudId) === run) this.#locks.delete(run.subcloudId)
      this.#parts.ended(run)
    }
  }

  async *#act(run: PlaybookRun, moment: 'first' | 'task' | 'last', spec: ProcessSpec): AsyncGenerator<ChildStep> {
    const problem = await this.#parts.act?.(run, moment, spec)
    if (problem === undefined) return
    run.failed = true
    const error = { msg: problem.msg, rc: 1 }
    yield {
      line: JSON.stringify({ event: 'failed', host: 'site', task: problem.task, durationMs: 5, ignored: false, error }),
    }
    yield { exit: 2 }
  }

  *#lock(run: PlaybookRun): Generator<ChildStep> {
    const fromMs = this.#parts.nowMs()
    while (this.#locks.has(run.subcloudId)) {
      if (this.#parts.nowMs() - fromMs >= lockPatienceMs) {
        run.failed = true
        yield { line: 'another playbook still works on this subcloud', stream: 'stderr' }
        yield { exit: 5 }
        return
      }
      yield* this.#wait(run, 500)
    }
    this.#locks.set(run.subcloudId, run)
    run.holdsLock = true
  }

  /** Waits in pieces, so that a run that nobody reads any more comes to its end. */
  *#wait(run: PlaybookRun, forMs: number): Generator<ChildStep> {
    for (let left = forMs; left > 0; left -= 500) {
      yield { waitMs: Math.min(left, 500) }
      if (run.orphanedMs !== undefined && this.#parts.nowMs() - run.orphanedMs >= orphanNoticedMs) yield { dieOf: 'SIGTERM' }
    }
  }

  async #document(spec: ProcessSpec, name: string): Promise<Readonly<Record<string, unknown>>> {
    const data = await this.#parts.files().read(`${spec.cwd}/${name}`)
    return JSON.parse(new TextDecoder().decode(data)) as Readonly<Record<string, unknown>>
  }

  async #makeArchive(run: PlaybookRun, spec: ProcessSpec): Promise<void> {
    const files = this.#parts.files()
    const path = (await this.#document(spec, 'backup_values.yml'))['backup_central_file'] as string | undefined
    // One that stays at the subcloud.
    if (path === undefined) return
    const content = `archive of ${run.jobId}, epoch ${run.epoch}`
    await files.write(path, content)
    const result = String((await this.#document(spec, 'variables.json'))['backup_result_file'])
    await files.write(result, JSON.stringify({ path, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') }))
  }

  async #removeArchives(spec: ProcessSpec): Promise<void> {
    const { central_backup_dir: folder, software_version: release } = await this.#document(spec, 'backup_values.yml')
    await this.#parts.files().remove(`${String(folder)}/${String(release)}`)
  }

  async #removeLeftovers(spec: ProcessSpec): Promise<void> {
    const files = this.#parts.files()
    const data = await files.read(`${spec.cwd}/variables.json`)
    const { subcloud_leftovers: leftovers } = JSON.parse(new TextDecoder().decode(data)) as { subcloud_leftovers: readonly string[] }
    for (const path of leftovers) await files.remove(path)
  }
}

/** As foreign playbooks do, it may tell what it should not: a password of its environment. */
function* failing(random: SeededRandom, spec: ProcessSpec): Generator<ChildStep> {
  const secrets = Object.entries(spec.env).filter(([name]) => name.endsWith('_PASSWORD'))
  const told = secrets.length > 0 && random.chance(0.7) ? ` with ${secrets[random.int(secrets.length)]![1]}` : ''
  const error = { msg: `the host refused${told}`, rc: 1, stderr: `login failed${told}` }
  if (random.chance(0.7))
    yield { line: JSON.stringify({ event: 'failed', host: 'site', task: 'log in', durationMs: 5, ignored: false, error }) }
  else yield { line: `ERROR! unexpected${told}`, stream: 'stderr' }
  yield { exit: random.chance(0.5) ? 2 : 4 }
}
