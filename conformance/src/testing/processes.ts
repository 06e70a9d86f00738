import { spawn, type ChildProcess } from 'node:child_process'
import { openSync, closeSync } from 'node:fs'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { patience, until } from './until.ts'

export const repository = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')
export const murmurProgram = join(repository, 'apps/murmur/src/main.js')

/** What our programs get: the pinned Node first, nothing of the caller's settings. */
export const cleanEnvironment = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  PATH: [join(repository, 'node_modules/.bin'), process.env['PATH'] ?? '/usr/bin:/bin'].join(':'),
  HOME: process.env['HOME'] ?? '/',
  LANG: 'C.UTF-8',
  NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? join(repository, 'node_modules/.cache/compile'),
  ...more,
})

export interface Started {
  readonly child: ChildProcess
  readonly pid: number
  /** Resolves with its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
}

/** Starts a program of ours whose words go to a file. */
export async function startLogged(args: readonly string[], env: Record<string, string>, logFile: string): Promise<Started> {
  await mkdir(dirname(logFile), { recursive: true })
  const log = openSync(logFile, 'a')
  const child = spawn(process.execPath, args, { cwd: repository, env, stdio: ['ignore', log, log] })
  closeSync(log)
  const ended = new Promise<number | NodeJS.Signals>((done) => child.once('exit', (code, signal) => done(code ?? signal ?? 1)))
  if (child.pid === undefined) throw new Error(`${args.join(' ')} could not be started`)
  return { child, pid: child.pid, ended }
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly done: Promise<Ran>
  readonly said: () => string
  readonly child: ChildProcess
}

/** Runs a command; it is killed when it takes longer than `timeoutMs`, and our patience times that. */
export function run(
  command: string,
  args: readonly string[],
  options: { readonly env?: Record<string, string>; readonly timeoutMs?: number; readonly input?: string } = {},
): Running {
  const child = spawn(command, args, { cwd: repository, env: options.env ?? cleanEnvironment(), stdio: ['pipe', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const timer = setTimeout(() => child.kill('SIGKILL'), (options.timeoutMs ?? 120_000) * patience)
  const done = new Promise<Ran>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code: code ?? -1, stdout, stderr })
    })
  })
  return { done, said: () => stdout + stderr, child }
}

export const murmur = (args: readonly string[], env: Record<string, string>, timeoutMs?: number): Running =>
  run(process.execPath, [murmurProgram, ...args], { env: cleanEnvironment(env), ...(timeoutMs === undefined ? {} : { timeoutMs }) })

export interface FoundProcess {
  readonly pid: number
  readonly command: string
}

/** Live processes (no zombies) whose command line names `text`: a folder of ours, which nobody else has. */
export async function processesNaming(text: string): Promise<FoundProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name))
  const found = await Promise.all(
    pids.map(async (pid) => {
      try {
        const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim()
        return command.includes(text) ? [{ pid: Number(pid), command }] : []
      } catch {
        return []
      }
    }),
  )
  return found.flat().filter(({ pid }) => pid !== process.pid)
}

/** Ends everything that works below a folder, however it was started, and returns when it is gone. */
export async function endAllNaming(folder: string): Promise<void> {
  if (folder.length < 12) throw new Error(`${folder} is no folder of a test`)
  await until(
    `nothing runs below ${folder}`,
    async () => {
      const found = await processesNaming(folder)
      for (const { pid } of found) kill(pid, 'SIGKILL')
      return found.length === 0
    },
    { timeoutMs: 20_000, everyMs: 50 },
  )
}

export const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** True when there was such a process. */
export function kill(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}
