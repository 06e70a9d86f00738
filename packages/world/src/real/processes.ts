import { spawn, type ChildProcess } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import type { Processes, ProcessExit, ProcessSpec, RunningProcess } from '../world.ts'
import { eachLine } from './lines.ts'

const defaultKillGraceMs = 5_000
/** How often a group is looked at while we wait for its last member: often at first, then less. */
const firstPollMs = 5
const lastPollMs = 200
/** After KILL: members that are still there then are stuck in the kernel. */
const afterKillMs = 2_000
/** Output that is still open when the group is gone belongs to a process that left the group; it is not waited for longer. */
const lastOutputMs = 500

export const realProcesses: Processes = {
  async start(spec) {
    spec.signal?.throwIfAborted()
    const child = spawn(spec.command, [...spec.args], {
      cwd: spec.cwd,
      env: { ...spec.env },
      // A group of its own: signals reach what the child started too (Ansible's workers, their ssh and shells).
      detached: true,
      stdio: [spec.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    await started(child, spec)
    return supervise(child, spec)
  },
}

function started(child: ChildProcess, spec: ProcessSpec): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', (cause: NodeJS.ErrnoException) => {
      const where = spec.cwd === undefined ? '' : ` in ${spec.cwd}`
      const error = new Error(`${spec.command} could not be started${where} (${cause.code}): is it installed and may we run it?`, { cause })
      reject(Object.assign(error, { code: cause.code }))
    })
  })
}

function supervise(child: ChildProcess, spec: ProcessSpec): RunningProcess {
  const group = child.pid!
  const killGraceMs = spec.killGraceMs ?? defaultKillGraceMs
  let reason: ProcessExit['reason'] = 'exited'
  let killTimer: NodeJS.Timeout | undefined

  const terminate = (why: ProcessExit['reason']): void => {
    if (killTimer !== undefined) return
    reason = why
    signalGroup(group, 'SIGTERM')
    killTimer = setTimeout(() => signalGroup(group, 'SIGKILL'), killGraceMs)
  }
  const onAbort = (): void => terminate('aborted')
  spec.signal?.addEventListener('abort', onAbort, { once: true })
  // Aborted between the check before the start and the listener.
  if (spec.signal?.aborted) onAbort()
  const deadline = spec.deadlineMs === undefined ? undefined : setTimeout(() => terminate('deadline'), spec.deadlineMs)

  let outputError: Error | undefined
  const output = Promise.all(
    (['stdout', 'stderr'] as const).map((name) =>
      eachLine(child[name]!, (line) => spec.onLine?.(name, line)).catch((error: unknown) => {
        // The listener failed: without it the run makes no sense, so it ends, and `done` says why.
        outputError ??= error as Error
        terminate('aborted')
      }),
    ),
  )
  // A child that does not read its input closes it early; that is its right.
  child.stdin?.on('error', () => {})
  child.stdin?.end(spec.input)

  const finish = async (): Promise<ProcessExit> => {
    const [code, signal] = await exited(child)
    clearTimeout(deadline)
    spec.signal?.removeEventListener('abort', onAbort)
    await endGroup(group, killGraceMs)
    clearTimeout(killTimer)
    const gaveUp = new AbortController()
    await Promise.race([output, wait(lastOutputMs, undefined, { signal: gaveUp.signal }).catch(() => {})])
    gaveUp.abort()
    child.stdout?.destroy()
    child.stderr?.destroy()
    await output
    if (outputError !== undefined) throw outputError
    return { code, signal, reason }
  }
  const done = finish()
  // Whoever looks at `done` later still sees the failure; until then it is not an unhandled one.
  done.catch(() => {})
  return { pid: group, done }
}

function exited(child: ChildProcess): Promise<[number | null, string | null]> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve([code, signal])))
}

/** The leader is gone; whatever it left behind in its group goes too: TERM, then KILL. */
async function endGroup(group: number, killGraceMs: number): Promise<void> {
  if (!signalGroup(group, 'SIGTERM')) return
  if (await groupGone(group, killGraceMs)) return
  signalGroup(group, 'SIGKILL')
  await groupGone(group, afterKillMs)
}

async function groupGone(group: number, withinMs: number): Promise<boolean> {
  let pollMs = firstPollMs
  for (let waitedMs = 0; waitedMs < withinMs; waitedMs += pollMs) {
    if (!(await isGroupAlive(group))) return true
    pollMs = Math.min(2 * pollMs, lastPollMs)
    await wait(pollMs)
  }
  return !(await isGroupAlive(group))
}

/** Orphans that have ended stay in the group until init reaps them, which may take a while: those do not count. */
async function isGroupAlive(group: number): Promise<boolean> {
  if (!signalGroup(group, 0)) return false
  const names = await readdir('/proc').catch(() => undefined)
  if (names === undefined) return true
  const statuses = await Promise.all(
    names.filter((name) => /^\d+$/.test(name)).map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')),
  )
  return statuses.some((status) => {
    // The command's name stands in parentheses and may hold anything; what follows its last one is regular.
    const [state, , processGroup] = status.slice(status.lastIndexOf(')') + 2).split(' ')
    return Number(processGroup) === group && state !== 'Z' && state !== 'X'
  })
}

/** False when nobody is in the group any more. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal)
    return true
  } catch {
    return false
  }
}
