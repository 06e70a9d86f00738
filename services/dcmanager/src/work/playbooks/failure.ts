import type { ProcessExit } from '@murmuration/world'
import type { TaskFailed } from './events.ts'

/** As the reference names them in its error texts (dcmanager §4.2). */
export type Stage =
  | 'installing'
  | 'bootstrapping'
  | 'configuring'
  | 'reconfiguring'
  | 'deleting'
  | 'backing up'
  | 'deleting backups of'
  | 'restoring'
  | 'rehoming'

export type FailureKind = 'task' | 'unreachable' | 'unreadable' | 'timeout' | 'interrupted' | 'runner'

/** Why a playbook failed, in parts: nothing has to be scraped from a log. */
export interface PlaybookFailure {
  readonly kind: FailureKind
  /** Present when a task failed. */
  readonly task?: string
  readonly message: string
  /** What the task's command wrote last, where that says more. */
  readonly cause?: string
}

/** `message` is what the subcloud's error_description gets. */
export class PlaybookFailed extends Error {
  readonly failure: PlaybookFailure
  readonly exitCode: number | null
  constructor(stage: Stage, name: string, failure: PlaybookFailure, exitCode: number | null) {
    super(errorDescription(stage, name, failure))
    this.name = 'PlaybookFailed'
    this.failure = failure
    this.exitCode = exitCode
  }
}

/** The run was to be ended while its playbook said that it must not be, and it did not come out of that state in time. */
export class AbortFailed extends Error {
  constructor(name: string) {
    super(`The operation on ${name} could not be aborted: its playbook is in a part that must not be interrupted.`)
    this.name = 'AbortFailed'
  }
}

/** What failed, from the events first; the exit code only decides where no event tells (4 is an unreachable host and a YAML error alike). */
export function failureOf(exit: ProcessExit, failed: TaskFailed | undefined, lastErrors: readonly string[]): PlaybookFailure {
  if (exit.reason === 'deadline')
    return { kind: 'timeout', ...(failed ? { task: failed.task } : {}), message: 'the time limit was reached' }
  if (failed !== undefined) {
    const cause = failed.error.stderr ?? failed.error.stdout
    return {
      kind: failed.event === 'unreachable' ? 'unreachable' : 'task',
      task: failed.task,
      message: failed.error.rc === undefined ? failed.error.msg : `${failed.error.msg} (rc ${failed.error.rc})`,
      ...(cause === undefined ? {} : { cause: cause.trim() }),
    }
  }
  const errors = lastErrors.join('\n').trim()
  if (exit.signal !== null) return { kind: 'interrupted', message: `ansible-playbook was ended by signal ${exit.signal}` }
  if (exit.code === 4) return { kind: 'unreadable', message: errors || 'the playbook or one of its files could not be read' }
  return { kind: 'runner', message: errors || `ansible-playbook ended with exit code ${String(exit.code)}` }
}

export const longestErrorDescription = 2048

/** The reference's format: FAILED … / detail / FAILED TASK, at most 2,048 characters; the detail is what gets cut. */
export function errorDescription(stage: Stage, name: string, failure: PlaybookFailure): string {
  if (failure.kind === 'timeout') return `Timeout occurred while ${stage} subcloud ${name}`
  const head = `FAILED ${stage} playbook of (${name}).\n`
  const task = failure.task === undefined ? '' : `\nFAILED TASK: ${failure.task.slice(0, 300)}`
  const detail = `detail: ${[failure.message, failure.cause].filter((part) => part !== undefined && part !== '').join('\n')}`
  return `${head}${cut(detail, longestErrorDescription - head.length - task.length)}${task}`
}

/** From the front: of a long output the end matters, but the message stands first and says what it was. */
const cut = (value: string, length: number): string => (value.length <= length ? value : `${value.slice(0, length - 1)}…`)
