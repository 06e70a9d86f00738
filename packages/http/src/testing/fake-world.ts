import { randomBytes, randomUUID } from 'node:crypto'
import type { Log, Timer, World } from '@murmuration/world'

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

export interface FakeWorld extends World {
  readonly lines: LogLine[]
  readonly disk: Map<string, string>
  /** Moves time, firing what falls due, and lets what was fired run. */
  advance(ms: number): Promise<void>
}

/** A world for this package's own tests: time stands still until it is moved, files are in memory, nothing listens. */
export function createFakeWorld(): FakeWorld {
  let nowMs = 1_000
  const pending = new Set<{ atMs: number; fire: () => void }>()
  const lines: LogLine[] = []
  const disk = new Map<string, string>()

  const after = (delayMs: number, fire: () => void): Timer => {
    const timer = { atMs: nowMs + delayMs, fire }
    pending.add(timer)
    return { cancel: () => void pending.delete(timer) }
  }
  const logger = (base: Readonly<Record<string, unknown>>): Log => {
    const at =
      (level: LogLine['level']) =>
      (message: string, fields: Readonly<Record<string, unknown>> = {}) =>
        void lines.push({ level, message, fields: { ...base, ...fields } })
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), child: (fields) => logger({ ...base, ...fields }) }
  }
  const absent = (): never => {
    throw new Error('not in this world')
  }
  return {
    lines,
    disk,
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    timers: { after, sleep: (delayMs) => new Promise((resolve) => void after(delayMs, resolve)) },
    random: {
      float: () => Math.random(),
      int: (below) => Math.floor(Math.random() * below),
      bytes: (count) => randomBytes(count),
      uuid: () => randomUUID(),
    },
    net: { request: absent, stream: absent, resolve: absent, serve: absent, connect: absent, close: async () => undefined },
    processes: { start: absent },
    files: {
      read: async (path) => {
        const text = disk.get(path)
        return text === undefined ? undefined : Buffer.from(text)
      },
      stream: absent,
      write: absent,
      create: absent,
      walk: absent,
      unfinished: absent,
      removeUnfinished: absent,
      append: absent,
      remove: absent,
      rename: absent,
      list: async () => [...disk.keys()].sort(),
      size: async (path) => disk.get(path)?.length,
    },
    log: logger({}),
    async advance(ms) {
      const untilMs = nowMs + ms
      for (;;) {
        const next = [...pending].filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0]
        if (next === undefined) break
        nowMs = next.atMs
        pending.delete(next)
        next.fire()
        await new Promise((resolve) => void setImmediate(resolve))
      }
      nowMs = untilMs
      await new Promise((resolve) => void setImmediate(resolve))
    },
  }
}
