import type { SeededRandom } from './random.ts'

/** One direction between two hosts. */
export interface LinkModel {
  /** Uniform, both ends included. */
  readonly delayMs: readonly [least: number, most: number]
  /** Probability that a message (a request or a reply) never arrives. */
  readonly loss: number
  /** Probability that a request arrives twice. */
  readonly duplicate: number
  /** Delays are multiplied by it. */
  readonly slowdown: number
}

export const healthyLink: LinkModel = { delayMs: [1, 5], loss: 0, duplicate: 0, slowdown: 1 }

/** What a scenario may do to the network. Host names; a link is one direction. */
export interface NetworkFaults {
  /** For every link that has no model of its own. */
  setDefault(model: Partial<LinkModel>): void
  /** Changes the given values of one direction, and keeps the others. */
  setLink(from: string, to: string, model: Partial<LinkModel>): void
  /** Nothing passes from `one` to `other`, nor back unless `oneWay`. What is on its way is lost too. */
  partition(one: string, other: string, options?: { oneWay?: boolean }): void
  heal(one: string, other: string): void
  healAll(): void
}

/** What will happen to one message. */
export interface Passage {
  readonly lost: boolean
  readonly delayMs: number
  /** When the copy arrives, if there is one. */
  readonly copyDelayMs: number | undefined
}

export class Links implements NetworkFaults {
  readonly #random: SeededRandom
  readonly #note: (what: string) => void
  readonly #streams = new Map<string, SeededRandom>()
  readonly #own = new Map<string, Partial<LinkModel>>()
  readonly #cut = new Set<string>()
  #default = healthyLink

  constructor(random: SeededRandom, note: (what: string) => void) {
    this.#random = random
    this.#note = note
  }

  setDefault(model: Partial<LinkModel>): void {
    this.#default = { ...this.#default, ...model }
    this.#note(`links ${JSON.stringify(model)}`)
  }

  setLink(from: string, to: string, model: Partial<LinkModel>): void {
    this.#own.set(key(from, to), { ...this.#own.get(key(from, to)), ...model })
    this.#note(`link ${key(from, to)} ${JSON.stringify(model)}`)
  }

  partition(one: string, other: string, options: { oneWay?: boolean } = {}): void {
    this.#cut.add(key(one, other))
    if (options.oneWay !== true) this.#cut.add(key(other, one))
    this.#note(`partition ${one} ${options.oneWay === true ? '->' : '<->'} ${other}`)
  }

  heal(one: string, other: string): void {
    this.#cut.delete(key(one, other))
    this.#cut.delete(key(other, one))
    this.#note(`heal ${one} <-> ${other}`)
  }

  healAll(): void {
    this.#cut.clear()
    this.#note('heal all partitions')
  }

  isCut(from: string, to: string): boolean {
    return this.#cut.has(key(from, to))
  }

  /** Draws the same number of times whatever the model says, so that a changed probability shifts nothing else. */
  pass(from: string, to: string): Passage {
    const link = key(from, to)
    let random = this.#streams.get(link)
    if (random === undefined) this.#streams.set(link, (random = this.#random.fork(`link ${link}`)))
    const [lossDraw, copyDraw, delayDraw, copyDelayDraw] = [random.float(), random.float(), random.float(), random.float()]
    // A machine talks to itself without a network in between.
    if (from === to) return { lost: false, delayMs: 0, copyDelayMs: undefined }
    const model = { ...this.#default, ...this.#own.get(link) }
    const delay = (draw: number): number => {
      const [least, most] = model.delayMs
      return Math.floor(least + draw * (most - least + 1)) * model.slowdown
    }
    const delayMs = delay(delayDraw)
    return {
      lost: this.isCut(from, to) || lossDraw < model.loss,
      delayMs,
      copyDelayMs: copyDraw < model.duplicate ? delayMs + delay(copyDelayDraw) : undefined,
    }
  }
}

const key = (from: string, to: string): string => `${from}->${to}`
