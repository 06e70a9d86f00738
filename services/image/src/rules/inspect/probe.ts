/** What of a stream is kept to judge it by: its beginning, its end, and places that its beginning points to. */
export interface Seen {
  readonly head: Buffer
  readonly tail: Buffer
  readonly size: number
  /** Bytes from a place beyond the head; undefined when nobody asked for it or the stream ended before. */
  at(offset: number, length: number): Buffer | undefined
}

/** Reaches over both region tables of a VHDX. */
export const headBytes = 320 * 1024
const tailBytes = 1536
const capturesMost = 8
const captureBytesMost = 128 * 1024

export interface Wanted {
  readonly offset: number
  readonly length: number
}

interface Capture extends Wanted {
  readonly bytes: Buffer
  filled: number
}

/**
 * Looks at a stream that passes by, in memory of fixed size. `wants` is asked when the head is whole and after each capture: formats that
 * keep what matters at a place that they tell themselves say it there.
 */
export class Probe {
  readonly #head = Buffer.alloc(headBytes)
  #headFilled = 0
  #tail = Buffer.alloc(0)
  #size = 0
  readonly #captures: Capture[] = []
  readonly #wants: (seen: Seen) => readonly Wanted[]
  #asked = false

  constructor(wants: (seen: Seen) => readonly Wanted[]) {
    this.#wants = wants
  }

  push(piece: Uint8Array): void {
    if (this.#headFilled < headBytes) {
      const taken = piece.subarray(0, headBytes - this.#headFilled)
      this.#head.set(taken, this.#headFilled)
      this.#headFilled += taken.length
    }
    const start = this.#size
    this.#size += piece.length
    if (piece.length >= tailBytes) this.#tail = Buffer.from(piece.subarray(piece.length - tailBytes))
    else {
      const joined = Buffer.concat([this.#tail, piece])
      this.#tail = joined.subarray(Math.max(0, joined.length - tailBytes))
    }
    this.#feed(piece, start)
    if (!this.#asked && this.#headFilled === headBytes) {
      this.#asked = true
      this.#ask(piece, start)
    }
  }

  /** A piece may hold what a capture points to, and that the next one, and so on: asked until nothing new is wanted. */
  #ask(piece: Uint8Array, start: number): void {
    for (let known = -1; known !== this.#captures.length && this.#captures.length < capturesMost;) {
      known = this.#captures.length
      for (const { offset, length } of this.#wants(this.seen)) {
        const have = this.#captures.some((one) => one.offset === offset && one.length === length)
        // What has passed already can't be had any more, unless it is in this piece.
        if (have || length <= 0 || length > captureBytesMost || offset < start || this.#captures.length >= capturesMost) continue
        const capture = { offset, length, bytes: Buffer.alloc(length), filled: 0 }
        this.#captures.push(capture)
        fill(capture, piece, start)
      }
    }
  }

  #feed(piece: Uint8Array, start: number): void {
    let completed = false
    for (const capture of this.#captures) {
      const before = capture.filled
      fill(capture, piece, start)
      if (before < capture.length && capture.filled === capture.length) completed = true
    }
    if (completed) this.#ask(piece, start)
  }

  get seen(): Seen {
    return {
      head: this.#head.subarray(0, this.#headFilled),
      tail: this.#tail,
      size: this.#size,
      at: (offset, length) => {
        if (offset + length <= this.#headFilled) return this.#head.subarray(offset, offset + length)
        return this.#captures.find((one) => one.offset === offset && one.length === length && one.filled === length)?.bytes
      },
    }
  }
}

function fill(capture: Capture, piece: Uint8Array, start: number): void {
  const from = Math.max(capture.offset + capture.filled, start)
  const to = Math.min(capture.offset + capture.length, start + piece.length)
  if (from >= to || from !== capture.offset + capture.filled) return
  capture.bytes.set(piece.subarray(from - start, to - start), capture.filled)
  capture.filled += to - from
}
