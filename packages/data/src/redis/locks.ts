import type { HeldLock, Locks } from 'kysely-redis'
import type { World } from '@murmuration/world'
import { DatabaseError } from '../errors.ts'
import { createMutex, type Mutex } from '../mutex.ts'

/** A lock of a process that was killed ends after so long. Commits check it, so a holder that was stopped for longer does no harm. */
const lifeMs = 4_000
const longestPauseMs = 40

export interface TransactionLock {
  readonly lock: HeldLock
  release(): void
}

/** Locks that a transaction holds until it ends. Within the process they are handed on in order; between processes by asking again. */
export class TransactionLocks {
  readonly #locks: Locks
  readonly #world: World
  readonly #waitMs: number
  readonly #queues = new Map<string, { readonly mutex: Mutex; users: number }>()

  constructor(locks: Locks, world: World, waitMs: number) {
    this.#locks = locks
    this.#world = world
    this.#waitMs = waitMs
  }

  /** Throws `timeout` when another holder keeps it for too long. */
  async take(name: string): Promise<TransactionLock> {
    const leave = await this.#enter(name)
    try {
      const lock = await this.#locks.acquire(name, { ttlMs: lifeMs, waitMs: this.#waitMs, longestPauseMs })
      if (!lock) throw lockTimeout(name)
      const stopRenewing = this.#renew(lock)
      const release = (): void => {
        stopRenewing()
        // Not waited for: what the next one of this process sends goes after it on the same connection.
        this.#locks.release(lock).catch(() => {})
        leave()
      }
      return { lock, release }
    } catch (error) {
      leave()
      throw error
    }
  }

  #renew(lock: HeldLock): () => void {
    let timer = this.#world.timers.after(lifeMs / 3, again)
    const locks = this.#locks
    const { timers } = this.#world
    function again(): void {
      // Lost or unreachable: the commit will tell.
      locks.renew(lock, lifeMs).catch(() => {})
      timer = timers.after(lifeMs / 3, again)
    }
    return () => timer.cancel()
  }

  async #enter(name: string): Promise<() => void> {
    const queue = this.#queues.get(name) ?? { mutex: createMutex(), users: 0 }
    this.#queues.set(name, queue)
    queue.users++
    const entered = queue.mutex.acquire()
    const tooLong = Promise.withResolvers<never>()
    const deadline = this.#world.timers.after(this.#waitMs, () => tooLong.reject(lockTimeout(name)))
    const leave = (release: () => void): void => {
      release()
      if (--queue.users === 0) this.#queues.delete(name)
    }
    try {
      const release = await Promise.race([entered, tooLong.promise])
      return () => leave(release)
    } catch (error) {
      // Its turn will come, and pass.
      void entered.then(leave)
      throw error
    } finally {
      deadline.cancel()
    }
  }
}

const lockTimeout = (name: string): DatabaseError =>
  new DatabaseError('timeout', `Redis: the lock ${name} was held by somebody else for too long.`)
