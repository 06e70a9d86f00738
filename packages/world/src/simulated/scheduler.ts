import type { Timer } from '../world.ts'
import { hash32 } from './random.ts'

/** Whose event it is: those of the dead are dropped, those of the paused wait. */
export interface Owner {
  readonly name: string
  readonly state: 'running' | 'paused' | 'dead'
  /** Keeps an event until the owner goes on. */
  hold(event: ScheduledEvent): void
}

export interface ScheduledEvent {
  atMs: number
  readonly order: number
  sequence: number
  readonly owner: Owner
  readonly what: string
  readonly fire: () => void
  cancelled: boolean
}

/**
 * Virtual time: a heap of events. At the same instant events of one owner come in the order in which they were made, as in
 * one real process; which owner goes first follows from the seed.
 */
export class Scheduler {
  readonly #seed: string
  readonly #heap: ScheduledEvent[] = []
  #sequence = 0
  nowMs = 0

  constructor(seed: string) {
    this.#seed = seed
  }

  after(delayMs: number, owner: Owner, what: string, fire: () => void): Timer & ScheduledEvent {
    const atMs = this.nowMs + delayMs
    this.#sequence += 1
    const event = {
      atMs,
      order: hash32(`${this.#seed} ${atMs} ${owner.name}`),
      sequence: this.#sequence,
      owner,
      what,
      fire,
      cancelled: false,
      cancel(): void {
        event.cancelled = true
      },
    }
    this.#push(event)
    return event
  }

  /** Puts back what a paused owner held, to be done now. */
  again(event: ScheduledEvent): void {
    this.#sequence += 1
    event.atMs = this.nowMs
    event.sequence = this.#sequence
    this.#push(event)
  }

  /** The next event that is due; it stays in the heap. */
  peek(): ScheduledEvent | undefined {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (!first.cancelled && first.owner.state !== 'dead') return first
      this.#pop()
    }
    return undefined
  }

  /** Moves the time to the next event and lets it happen, or lets its paused owner keep it. */
  step(): void {
    const event = this.peek()
    if (event === undefined) return
    this.#pop()
    this.nowMs = event.atMs
    if (event.owner.state === 'paused') event.owner.hold(event)
    else event.fire()
  }

  /** What is still to come, soonest first, for people. */
  describe(most: number): string[] {
    return this.#heap
      .filter((event) => !event.cancelled && event.owner.state !== 'dead')
      .toSorted(compare)
      .slice(0, most)
      .map((event) => `${event.owner.name}: ${event.what} in ${event.atMs - this.nowMs} ms`)
  }

  #push(event: ScheduledEvent): void {
    const heap = this.#heap
    let child = heap.push(event) - 1
    while (child > 0) {
      const parent = (child - 1) >> 1
      if (compare(heap[parent]!, event) <= 0) break
      heap[child] = heap[parent]!
      child = parent
    }
    heap[child] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let parent = 0
    for (;;) {
      let child = 2 * parent + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && compare(heap[child + 1]!, heap[child]!) < 0) child += 1
      if (compare(last, heap[child]!) <= 0) break
      heap[parent] = heap[child]!
      parent = child
    }
    heap[parent] = last
  }
}

function compare(one: ScheduledEvent, other: ScheduledEvent): number {
  return one.atMs - other.atMs || one.order - other.order || one.sequence - other.sequence
}
