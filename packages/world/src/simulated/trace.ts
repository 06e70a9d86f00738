const defaultKeptLines = 100_000

/** What happened, one printable line an event, and a hash over all of it: two runs are the same when their hashes are. */
export interface Trace {
  /** The newest lines; `dropped` older ones are only in the hash. */
  readonly lines: readonly string[]
  readonly dropped: number
  /** Of every line and every event so far. */
  readonly hash: string
}

export class RecordedTrace implements Trace {
  readonly #kept: number
  #lines: string[] = []
  dropped = 0
  #low = 0xdeadbeef | 0
  #high = 0x41c6ce57 | 0

  constructor(kept = defaultKeptLines) {
    this.#kept = kept
  }

  add(atMs: number, who: string, what: string): void {
    const line = `${(atMs / 1_000).toFixed(3).padStart(10)} ${who.padEnd(12)} ${what}`
    for (let index = 0; index < line.length; index += 1) {
      const code = line.charCodeAt(index)
      this.#low = Math.imul(this.#low ^ code, 0x9e3779b1)
      this.#high = Math.imul(this.#high ^ code, 0x5f356495)
    }
    // Lines have ends: "ab", "c" is not "a", "bc".
    this.#low = Math.imul(this.#low ^ (this.#high >>> 15), 0x85ebca77)
    this.#high = Math.imul(this.#high ^ (this.#low >>> 13), 0xc2b2ae3d)
    this.#lines.push(line)
    if (this.#lines.length > 2 * this.#kept) {
      this.dropped += this.#lines.length - this.#kept
      this.#lines = this.#lines.slice(-this.#kept)
    }
  }

  /** An event without a line of its own (a timer): its place in the order counts for the hash. */
  mix(atMs: number, sequence: number): void {
    this.#low = Math.imul(this.#low ^ atMs, 0x9e3779b1) ^ sequence
    this.#high = Math.imul(this.#high ^ this.#low, 0x5f356495)
  }

  get lines(): readonly string[] {
    return this.#lines
  }

  get hash(): string {
    return [this.#low, this.#high].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
  }
}
