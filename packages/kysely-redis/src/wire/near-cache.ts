import type { Reply } from './resp.ts'

export interface NearCacheOptions {
  /** Answers that are kept for each server. Default 10,000. */
  readonly entries?: number
  /** Characters of all of them together. Default 16 Mi. */
  readonly characters?: number
  /**
   * An answer is given again only when the server was heard of so lately (ms): nobody tells us that a line is dead, and what it
   * would have told us is missing then. Default 1,000.
   */
  readonly heardWithinMs?: number
}

/** They only grow, but for `entries`. */
export interface NearCacheCounters {
  hits: number
  misses: number
  /** Keys that the server, or a commit of our own, said were changed. */
  invalidations: number
  entries: number
}

export interface Kept {
  readonly results: readonly Reply[]
  /** Table → the version at which it was read. */
  readonly versions: ReadonlyMap<number, string>
}

/** Keys that changed while reads were on their way. */
const changesMost = 10_000

interface Entry {
  readonly kept: Kept
  readonly keys: readonly string[]
  readonly size: number
}

/**
 * What was read through one connection, as long as the server has not said that it changed: `CLIENT TRACKING` makes it say so, never
 * before the answer that was made earlier, on the connection that read. So a cache lives and dies with its connection.
 */
export class NearCache {
  readonly #entries = new Map<string, Entry>()
  readonly #byKey = new Map<string, Set<string>>()
  readonly #counters: NearCacheCounters
  readonly #most: { readonly entries: number; readonly characters: number }
  #characters = 0
  /** Reads on their way; and which keys were changed since the oldest of them was sent. */
  #reading = 0
  readonly #changed = new Map<string, number>()
  #forgotten = 0
  #sequence = 0

  constructor(options: NearCacheOptions, counters: NearCacheCounters) {
    this.#most = { entries: options.entries ?? 10_000, characters: options.characters ?? 16 * 1024 * 1024 }
    this.#counters = counters
  }

  /** Grows with everything that is said to have changed: what was found at the same number is of one moment. */
  get sequence(): number {
    return this.#sequence
  }

  find(question: string): Kept | undefined {
    const entry = this.#entries.get(question)
    if (!entry) {
      this.#counters.misses++
      return undefined
    }
    this.#counters.hits++
    // The one that was used last is thrown away last.
    this.#entries.delete(question)
    this.#entries.set(question, entry)
    return entry.kept
  }

  /** Before a read is sent. The number goes to `keep` or, when there is nothing to keep, to `abandon`. */
  begin(): number {
    this.#reading++
    return this.#sequence
  }

  abandon(): void {
    if (--this.#reading === 0) this.#changed.clear()
  }

  /** Keeps an answer, unless something of it has changed since it was asked for: the news may be processed before the answer is. */
  keep(question: string, since: number, kept: Kept, keys: readonly string[], size: number): void {
    const stale = this.#forgotten > since || keys.some((key) => (this.#changed.get(key) ?? 0) > since)
    this.abandon()
    if (stale || size > this.#most.characters / 8) return
    this.#drop(question)
    this.#entries.set(question, { kept, keys, size })
    this.#characters += size
    for (const key of keys) {
      const questions = this.#byKey.get(key)
      if (questions) questions.add(question)
      else this.#byKey.set(key, new Set([question]))
    }
    this.#counters.entries++
    while (this.#entries.size > this.#most.entries || this.#characters > this.#most.characters)
      this.#drop(this.#entries.keys().next().value as string)
  }

  /** These keys have changed; null: all of them. */
  invalidate(keys: readonly string[] | null): void {
    this.#sequence++
    if (keys === null) {
      this.#forgotten = this.#sequence
      this.#counters.invalidations += this.#byKey.size
      for (const question of this.#entries.keys()) this.#drop(question)
      return
    }
    for (const key of keys) {
      if (this.#reading > 0) this.#change(key)
      const questions = this.#byKey.get(key)
      if (!questions) continue
      this.#counters.invalidations++
      for (const question of questions) this.#drop(question)
    }
  }

  /** On a long line there may always be a read on its way: what changed is not noted for ever, and then none of those is kept. */
  #change(key: string): void {
    if (this.#changed.size >= changesMost) {
      this.#changed.clear()
      this.#forgotten = this.#sequence
    }
    this.#changed.set(key, this.#sequence)
  }

  #drop(question: string): void {
    const entry = this.#entries.get(question)
    if (!entry) return
    this.#entries.delete(question)
    this.#characters -= entry.size
    this.#counters.entries--
    for (const key of entry.keys) {
      const questions = this.#byKey.get(key)
      questions?.delete(question)
      if (questions?.size === 0) this.#byKey.delete(key)
    }
  }
}
