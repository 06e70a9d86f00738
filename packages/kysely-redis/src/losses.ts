import type { Engine } from './engine.ts'
import type { LostCommits } from './options.ts'

const remembered = 1_000

/**
 * Remembers which commits were answered last. Replication is asynchronous: when the history of the data changes, because a replica was
 * promoted or a server came back, the new one is asked which of them it has.
 */
export class Losses {
  readonly #engine: Engine
  readonly #told: ((loss: LostCommits) => void) | undefined
  readonly #histories = new Map<string, string>()
  readonly #commits = new Map<string, Map<string, number>>()

  constructor(engine: Engine, told: ((loss: LostCommits) => void) | undefined) {
    this.#engine = engine
    this.#told = told
  }

  answeredCommit(group: string, id: string): void {
    if (!this.#told) return
    let commits = this.#commits.get(group)
    if (!commits) this.#commits.set(group, (commits = new Map()))
    commits.set(id, this.#engine.environment.monotonicMs())
    if (commits.size > remembered) commits.delete(commits.keys().next().value as string)
  }

  /** Of a server that has answered something of the group. */
  answered(group: string, history: string): void {
    const before = this.#histories.get(group)
    if (before === history) return
    this.#histories.set(group, history)
    if (before !== undefined && this.#told) void this.#ask(group, this.#told).catch(() => this.#histories.set(group, 'not asked'))
  }

  async #ask(group: string, told: (loss: LostCommits) => void): Promise<void> {
    const { environment, limits, wire } = this.#engine
    const nowMs = environment.monotonicMs()
    // Outcomes are kept for a while only; half of it is on the safe side.
    const commits = [...(this.#commits.get(group) ?? [])].filter(([, atMs]) => nowMs - atMs < limits.outcomeKeptMs / 2)
    if (commits.length === 0) return
    const base = this.#engine.base(group)
    const found = (await wire.call(base, ['MGET', ...commits.map(([id]) => `${base}:c:${id}`)])) as (string | null)[]
    for (const [id] of commits) this.#commits.get(group)?.delete(id)
    const gone = commits.filter((_, at) => found[at] === null)
    const [, oldestMs] = gone[0] ?? []
    if (oldestMs !== undefined) told({ group, lost: gone.length, asked: commits.length, sinceMs: nowMs - oldestMs })
  }
}
