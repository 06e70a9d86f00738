import { fileURLToPath } from 'node:url'
import type { Secret } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import { ansibleDocument, type AnsibleValue } from './documents.ts'
import { ansibleEnvironment } from './environment.ts'
import { readEvent, type TaskFailed } from './events.ts'
import { AbortFailed, failureOf, PlaybookFailed, type Stage } from './failure.ts'
import { logPathOf, openOutputLog } from './output-log.ts'
import { operationFolderOf } from './operation-folder.ts'
import { redactor } from './redact.ts'
import type { PlaybookSlots } from './slots.ts'

/** Ours, and the callback plugin for whichever folder of playbooks is in use. */
export const shippedPlaybooksFolder = fileURLToPath(new URL('../../../../../playbooks', import.meta.url)).replace(/\/$/, '')

export interface PlaybookRun {
  readonly jobId: string
  readonly epoch: number
  readonly subcloudId: number
  /** The only host that the run touches: the inventory's name of the subcloud. */
  readonly host: string
  /** The subcloud's name, for error texts. */
  readonly name: string
  readonly stage: Stage
  /** Absolute path. */
  readonly playbook: string
  /** Name in the run's folder → document; written 0600 and removed with the folder. */
  readonly files: Readonly<Record<string, AnsibleValue>>
  /** Texts as they are (rvmc-config.yaml of foreign playbooks). */
  readonly texts?: Readonly<Record<string, string>>
  /** Extra variables: they win over every other source, so they never come from a user. */
  readonly variables: (folder: string) => AnsibleValue
  readonly secrets: Readonly<Record<string, Secret>>
  /** Seconds that one connection attempt may take (`--timeout`). */
  readonly connectTimeoutSeconds?: number
  readonly deadlineMs: number
  readonly signal: AbortSignal
  /** True for a reason that waits for the playbook's leave (somebody's wish), false for one that can't (lost lease, shutdown). */
  readonly abortWaits: (reason: unknown) => boolean
  readonly progress: (text: string) => void
  /** Somebody waits for it: it may use the places that are kept for such runs. */
  readonly prompt?: boolean
  /** Names of files that the playbook may leave in its folder for the manager to read. */
  readonly results?: readonly string[]
}

export interface PlaybookRunnerOptions {
  readonly varFolder: string
  readonly playbooksFolder: string
  readonly sshKeyFile: string | undefined
  readonly command?: string
  /** Fires when this process goes down: from then on nothing is waited for. */
  readonly stopping?: AbortSignal
  /** How many may run at once; without it nobody waits. */
  readonly slots?: PlaybookSlots
}

export interface PlaybookRunner {
  /**
   * Runs one playbook to its end. Rejects with PlaybookFailed, with AbortFailed, or with the signal's reason when it was
   * ended. Nothing stays behind but the log, and no process either. Gives the texts of those `results` that it left.
   */
  run(run: PlaybookRun): Promise<Readonly<Record<string, string>>>
}

/** Held by a playbook as long as one of its processes lives. */
export const playbookLockOf = (varFolder: string, subcloudId: number): string => `${varFolder}/run/subcloud-${subcloudId}.lock`

/** A playbook puts it into its folder while it must not be ended (reference dcmanager §4.1). */
export const notAbortableMarker = (host: string): string => `.${host}_deploy_not_abortable`
const longestNotAbortableMs = 600_000
const markerPollMs = 250
const lastErrorLines = 20
const waiting = 'waiting until fewer playbooks run (playbooks.processes)'

export function createPlaybookRunner(world: World, options: PlaybookRunnerOptions): PlaybookRunner {
  return {
    async run(run) {
      run.signal.throwIfAborted()
      const leave = await options.slots?.take({ prompt: run.prompt === true, signal: run.signal, waits: () => run.progress(waiting) })
      try {
        return await play(run)
      } finally {
        leave?.()
      }
    },
  }

  async function play(run: PlaybookRun): Promise<Readonly<Record<string, string>>> {
    const folder = operationFolderOf(options.varFolder, run.jobId, run.epoch)
    const log = await openOutputLog(world, logPathOf(options.varFolder, run.jobId))
    try {
      await writeFolder(world, folder, run)
      await supervise(world, options, run, folder, (text) => log.line(text))
      return await readResults(world, folder, run.results ?? [])
    } finally {
      await world.files.remove(folder)
      await log.close()
    }
  }
}

/** A result is a small document of ours; more than this is not one. */
const longestResultBytes = 1024 * 1024

async function readResults(world: World, folder: string, names: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const results: Record<string, string> = {}
  for (const name of names) {
    const size = await world.files.size(`${folder}/${name}`)
    if (size === undefined || size > longestResultBytes) continue
    const data = await world.files.read(`${folder}/${name}`)
    if (data !== undefined) results[name] = new TextDecoder().decode(data)
  }
  return results
}

async function writeFolder(world: World, folder: string, run: PlaybookRun): Promise<void> {
  // Ansible makes neither of them, and fails without.
  await world.files.write(`${folder}/home/.keep`, '')
  await world.files.write(`${folder}/tmp/.keep`, '')
  await world.files.write(`${folder}/variables.json`, ansibleDocument(run.variables(folder)))
  for (const [name, document] of Object.entries(run.files)) await world.files.write(`${folder}/${name}`, ansibleDocument(document))
  for (const [name, text] of Object.entries(run.texts ?? {})) await world.files.write(`${folder}/${name}`, text)
}

async function supervise(
  world: World,
  options: PlaybookRunnerOptions,
  run: PlaybookRun,
  folder: string,
  log: (text: string) => void,
): Promise<void> {
  const redact = redactor(Object.values(run.secrets).map((secret) => secret.reveal()))
  const say = (text: string): void => log(redact(text))
  let failed: TaskFailed | undefined
  const errors: string[] = []

  const onLine = (stream: 'stdout' | 'stderr', line: string): void => {
    const event = stream === 'stdout' ? readEvent(line) : undefined
    if (event === undefined) {
      say(line)
      if (stream === 'stderr' && line.trim() !== '') errors.push(redact(line))
      if (errors.length > lastErrorLines) errors.shift()
      return
    }
    switch (event.event) {
      case 'task':
        run.progress(redact(`${phaseOf[run.stage]}: task ${event.number} — ${event.task}`))
        say(`TASK ${event.number} [${event.task}]`)
        return
      case 'play':
        say(`PLAY [${event.play}]`)
        return
      case 'failed':
      case 'unreachable':
        say(`${event.event}${event.ignored ? ' (ignored)' : ''}: ${event.host} [${event.task}] ${JSON.stringify(event.error)}`)
        if (!event.ignored) failed = JSON.parse(redact(JSON.stringify(event))) as TaskFailed
        return
      case 'ok':
      case 'changed':
      case 'skipped':
      case 'retry':
        say(`${event.event}: ${event.host} [${event.task}] ${event.durationMs} ms`)
        return
      case 'no-hosts':
      case 'stats':
        say(event.event)
    }
  }

  const configFile = await ansibleConfig(world, options, folder)
  const ending = new AbortController()
  let endingFailed: AbortFailed | undefined
  const endWhenAbortable = async (): Promise<void> => {
    if (!(await whenAbortable(world, `${folder}/${notAbortableMarker(run.host)}`, run.abortWaits(run.signal.reason), options.stopping)))
      endingFailed = new AbortFailed(run.name)
    ending.abort(run.signal.reason)
  }
  const onAbort = (): void => void endWhenAbortable()
  say(`RUN ${run.playbook}`)
  // Asked to end since: somebody else may work on the subcloud by now.
  run.signal.throwIfAborted()
  const child = await world.processes.start({
    command: options.command ?? 'ansible-playbook',
    args: [
      '--inventory',
      `${folder}/inventory.yml`,
      '--limit',
      run.host,
      '--extra-vars',
      `@${folder}/variables.json`,
      ...(run.connectTimeoutSeconds === undefined ? [] : ['--timeout', String(run.connectTimeoutSeconds)]),
      run.playbook,
    ],
    cwd: folder,
    env: ansibleEnvironment({
      folder,
      configFile,
      pluginsFolder: `${shippedPlaybooksFolder}/callback_plugins`,
      lockFile: playbookLockOf(options.varFolder, run.subcloudId),
      secrets: run.secrets,
      sshKeyFile: options.sshKeyFile,
    }),
    onLine,
    deadlineMs: run.deadlineMs,
    signal: ending.signal,
  })
  run.signal.addEventListener('abort', onAbort, { once: true })
  if (run.signal.aborted) onAbort()
  try {
    const exit = await child.done
    say(`END code ${String(exit.code)}, signal ${String(exit.signal)}, ${exit.reason}`)
    // It came to its end by itself, well: what was done is done, and the next status change notices the abort.
    if (exit.code === 0 && exit.reason === 'exited') return
    if (endingFailed !== undefined) throw endingFailed
    run.signal.throwIfAborted()
    throw new PlaybookFailed(run.stage, run.name, failureOf(exit, failed, errors), exit.code)
  } finally {
    run.signal.removeEventListener('abort', onAbort)
  }
}

const phaseOf: Readonly<Record<Stage, string>> = {
  installing: 'install',
  bootstrapping: 'bootstrap',
  configuring: 'configure',
  reconfiguring: 'network',
  deleting: 'delete',
  'backing up': 'backup',
  'deleting backups of': 'delete backup',
  restoring: 'restore',
  rehoming: 'rehome',
}

/** An operator's folder may bring its own settings; otherwise there are none: neither the machine's nor a user's are read. */
async function ansibleConfig(world: World, options: PlaybookRunnerOptions, folder: string): Promise<string> {
  const own = `${options.playbooksFolder}/ansible.cfg`
  if ((await world.files.size(own)) !== undefined) return own
  await world.files.write(`${folder}/ansible.cfg`, '')
  return `${folder}/ansible.cfg`
}

/**
 * Only somebody's wish to abort waits for the playbook's leave (at most 600 s, reference dcmanager §4.2). A run that lost its
 * lease or whose process shuts down ends at once: another run begins from the same step.
 */
async function whenAbortable(world: World, marker: string, waits: boolean, stopping: AbortSignal | undefined): Promise<boolean> {
  if (!waits) return true
  const startedMs = world.clock.monotonicMs()
  while (stopping?.aborted !== true && (await world.files.size(marker)) !== undefined) {
    if (world.clock.monotonicMs() - startedMs >= longestNotAbortableMs) return false
    await world.timers.sleep(markerPollMs)
  }
  return true
}
