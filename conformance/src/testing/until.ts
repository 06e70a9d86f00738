import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'

/** What a wait says when it was in vain, beside what it waited for: for example the ends of logs. */
export type Explain = () => Promise<string>

/** Limits are told for a machine with nothing else to do; others get so many times as long before a wait is in vain. */
export const patience = 3

/**
 * Calls `probe` until it returns something (not undefined, not false) and returns that. An assertion or a lost connection
 * counts as "not yet"; the last one is told when the time is up.
 */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  options: { readonly timeoutMs?: number; readonly everyMs?: number; readonly explain?: Explain } = {},
): Promise<T> {
  const { timeoutMs = 30_000, everyMs } = options
  const startedMs = performance.now()
  const endMs = startedMs + timeoutMs * patience
  let last: unknown
  for (;;) {
    try {
      const found = await probe()
      if (found !== undefined && found !== false) return found
      last = undefined
    } catch (error) {
      if (error instanceof Hopeless) throw error
      last = error
    }
    if (performance.now() >= endMs) {
      const why = last === undefined ? '' : `\n  last: ${last instanceof Error ? last.message : JSON.stringify(last)}`
      throw new Error(`waited ${timeoutMs * patience} ms in vain until ${what}${why}\n${(await options.explain?.()) ?? ''}`)
    }
    await pause(everyMs ?? pauseAfterMs(performance.now() - startedMs))
  }
}

/** A probe may be a dozen requests: what has taken long is asked for less often, so that those who work for it get the processor. */
const pauseAfterMs = (waitedMs: number): number => Math.min(Math.max(waitedMs / 20, 100), 250)

/** Thrown inside a probe when waiting on makes no sense. */
export class Hopeless extends Error {}

export const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

/** The last lines of some logs, for a failure's message. */
export async function tails(files: readonly string[], lines = 12): Promise<string> {
  const texts = await Promise.all(
    files.map(async (file) => {
      const text = await readFile(file, 'utf8').catch(() => '')
      const tail = text
        .trimEnd()
        .split('\n')
        .slice(-lines)
        .map((line) => `    ${line.slice(0, 500)}`)
      return text === '' ? '' : `  — ${basename(file)}\n${tail.join('\n')}`
    }),
  )
  return texts.filter((text) => text !== '').join('\n')
}
