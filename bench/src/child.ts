import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Starts a module of this folder as a process of its own; resolves with its first message. It ends with this process. */
export function startChild<T>(module: string, args: readonly string[] = []): Promise<{ ready: T; child: ChildProcess }> {
  const child = fork(fileURLToPath(new URL(module, import.meta.url)), args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
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
