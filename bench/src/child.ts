import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What a site's process has besides `--max-semi-space-size=4`: it matters where memory is measured. */
const siteEnvironment = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '1048576' }

/** Starts a module of this folder as a process of its own, as a site runs; resolves with its first message. It ends with this process. */
export function startChild<T>(module: string, args: readonly string[] = []): Promise<{ ready: T; child: ChildProcess }> {
  const child = fork(fileURLToPath(new URL(module, import.meta.url)), args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...siteEnvironment, ...process.env },
  })
  process.once('exit', () => child.kill('SIGKILL'))
  return new Promise((resolve, reject) => {
    child.once('message', (ready) => resolve({ ready: ready as T, child }))
    child.once('exit', (code) => reject(new Error(`${module} ended with ${code}`)))
  })
}

/** Sends a message and waits for the answer. */
export function ask<T>(child: ChildProcess, message: object): Promise<T> {
  return new Promise((resolve) => {
    child.once('message', (answer) => resolve(answer as T))
    child.send(message)
  })
}
