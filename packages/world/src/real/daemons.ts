import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * A process as it can be recognised later: a number alone may belong to another one by then.
 * `startTicks` is the kernel's start time of the process, 0 where there is no /proc.
 */
export interface ProcessIdentity {
  readonly pid: number
  readonly startTicks: number
}

/** Processes that outlive the one that starts them: sites of a lab. Only the command uses this. */
export interface Daemons {
  /** Starts a detached process in a session of its own; its output is appended to `logFile` (0600). */
  start(spec: DaemonSpec): Promise<ProcessIdentity>
  isAlive(process: ProcessIdentity): Promise<boolean>
  /** Sends a signal when this very process still runs; false when it is gone. */
  signal(process: ProcessIdentity, name: 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<boolean>
  /** The identity of a running process, undefined when there is none of that number. */
  identify(pid: number): Promise<ProcessIdentity | undefined>
}

export interface DaemonSpec {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly logFile: string
}

export function createDaemons(): Daemons {
  const isAlive = async (process: ProcessIdentity): Promise<boolean> => {
    const now = await identify(process.pid)
    return now !== undefined && now.startTicks === process.startTicks
  }
  return {
    isAlive,
    identify,
    async start(spec) {
      mkdirSync(dirname(spec.logFile), { recursive: true, mode: 0o700 })
      const log = openSync(spec.logFile, 'a', 0o600)
      try {
        const child = spawn(spec.command, [...spec.args], {
          cwd: spec.cwd,
          env: { ...spec.env },
          detached: true,
          stdio: ['ignore', log, log],
        })
        await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject))
        child.unref()
        return (await identify(child.pid!)) ?? { pid: child.pid!, startTicks: 0 }
      } finally {
        closeSync(log)
      }
    },
    async signal(process_, name) {
      if (!(await isAlive(process_))) return false
      try {
        process.kill(process_.pid, name)
        return true
      } catch {
        return false
      }
    },
  }
}

async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The command's name stands in parentheses and may hold anything; what follows its last one is regular.
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : { pid, startTicks: Number(fields[19]) }
  } catch {
    return signalable(pid) ? { pid, startTicks: 0 } : undefined
  }
}

/** Where there is no /proc: does any process of that number take signals? */
function signalable(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
