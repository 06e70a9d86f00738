import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Address, Environment, Socket } from './options.ts'

/** Node's own clock, timers, randomness and sockets: what a program passes that has no other of its own. */
export const nodeEnvironment: Environment = {
  monotonicMs: () => performance.now(),
  random: () => Math.random(),
  uniqueId: () => randomUUID(),
  sleep: (durationMs, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const timer = setTimeout(end, durationMs)
      function end(): void {
        clearTimeout(timer)
        signal?.removeEventListener('abort', end)
        resolve()
      }
      signal?.addEventListener('abort', end)
    }),
  connect: ({ host, port }: Address): Socket => connect({ host, port, noDelay: true }),
}
