import type { CompiledQuery } from 'kysely'
import { ownStatement } from './compile/own-words.ts'
import type { Engine } from './engine.ts'
import { RedisDatabaseError } from './errors.ts'

/** A lock that is held, until `expires` unless it is renewed. */
export interface HeldLock {
  readonly name: string
  readonly group: string
  /** Larger than that of every holder before. */
  readonly token: number
  /** As stored on the server; see `fencedBy`. */
  readonly value: string
}

export interface LockOptions {
  /** The lock ends by itself after so long, by the server's clock. */
  readonly ttlMs: number
  /** How long to wait for another holder. Default 0: one attempt. */
  readonly waitMs?: number
  /** How long to pause at most before asking again. Default 250. */
  readonly longestPauseMs?: number
  /** The group whose transactions it fences. Default `main`. */
  readonly group?: string
}

const shortestPauseMs = 10

/**
 * Locks with fencing tokens. A lock saves work, it does not give safety: a holder that was stopped for longer than the lock's life does
 * not know that it has lost it. Safety comes from `fencedBy`, which makes a transaction's commit check the lock.
 */
export class Locks {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Undefined when somebody else held it all the time. */
  async acquire(name: string, options: LockOptions): Promise<HeldLock | undefined> {
    const { environment } = this.#engine
    const { ttlMs, waitMs = 0, group = 'main', longestPauseMs = 250 } = options
    const owner = environment.uniqueId()
    const deadline = environment.monotonicMs() + waitMs
    for (let pause = shortestPauseMs; ; pause = Math.min(pause * 2, longestPauseMs)) {
      const value = String(await this.#engine.call('lock_acquire', group, [name, owner, ttlMs]))
      if (value !== '') return { name, group, value, token: Number(value.slice(owner.length + 1)) }
      const leftMs = deadline - environment.monotonicMs()
      if (leftMs <= 0) return undefined
      await environment.sleep(Math.min(leftMs, pause * (0.5 + environment.random())))
    }
  }

  /** False when the lock was lost. */
  async renew(lock: HeldLock, ttlMs: number): Promise<boolean> {
    return Number(await this.#engine.call('lock_keep', lock.group, [lock.name, lock.value, ttlMs])) === 1
  }

  /** False when it was lost before. */
  async release(lock: HeldLock): Promise<boolean> {
    return Number(await this.#engine.call('lock_keep', lock.group, [lock.name, lock.value, 0])) === 1
  }

  /** Holds a lock while `work` runs, renewing it at a third of its life. The signal aborts when it is lost. */
  async hold<T>(name: string, options: LockOptions, work: (lock: HeldLock, lost: AbortSignal) => Promise<T>): Promise<T> {
    const lock = await this.acquire(name, options)
    if (!lock) throw new RedisDatabaseError('lock-lost', `The lock ${name} is held by somebody else.`)
    const done = new AbortController()
    const lost = new AbortController()
    const renewing = this.#keep(lock, options.ttlMs, done.signal, lost)
    try {
      return await work(lock, lost.signal)
    } finally {
      done.abort()
      await renewing
      await this.release(lock).catch(() => false)
    }
  }

  async #keep(lock: HeldLock, ttlMs: number, done: AbortSignal, lost: AbortController): Promise<void> {
    while (!done.aborted) {
      await this.#engine.environment.sleep(ttlMs / 3, done)
      if (done.aborted) return
      const kept = await this.renew(lock, ttlMs).catch(() => true)
      if (!kept) return lost.abort()
    }
  }
}

/** `await trx.executeQuery(fencedBy(lock))`: the transaction commits only while the lock is still held under this token. */
export const fencedBy = (lock: HeldLock): CompiledQuery => ownStatement({ t: 'fence', lock: lock.name, value: lock.value })
