import type { Database } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { JobKind } from './job.ts'

export interface WorkerOptions {
  readonly world: World
  readonly database: Database<any>
  /** Unique per process start: host, pid and a random part. */
  readonly owner: string
  readonly kinds: readonly JobKind<any, any>[]
  /** A lease that is not renewed for this long is taken by another worker. Default 15,000; renewed at a third of it. */
  readonly leaseMs?: number
  /** How often to look without being woken: the bound on latency when every wake-up is lost. Default 1,000. */
  readonly pollMs?: number
  /** Jobs of all kinds at once in this process. Default 64. */
  readonly maxRunning?: number
}

export interface Worker {
  start(): void
  /** Look now (a wake-up arrived). Coalesced; safe to call at any rate. */
  wake(): void
  /** Stops taking jobs, aborts the running ones with reason Shutdown, waits until they have let go of their leases. */
  stop(): Promise<void>
  /** Jobs running in this process now. */
  readonly running: number
}

export declare function createWorker(options: WorkerOptions): Worker
