import { AsyncLocalStorage } from 'node:async_hooks'

interface Count {
  readonly outer: Count | undefined
  readonly texts: string[]
}

const counts = new AsyncLocalStorage<Count>()

/** Called by the drivers for each statement but transaction control. */
export function noteStatement(sql: string): void {
  for (let count = counts.getStore(); count; count = count.outer) count.texts.push(sql)
}

/**
 * Runs `work` and tells how many statements it made (transaction control not counted). For tests: "this list takes two
 * statements whatever its length". Texts have placeholders, never values. Counts may nest.
 */
export async function countStatements<T>(work: () => Promise<T>): Promise<{ result: T; statements: number; texts: string[] }> {
  const count: Count = { outer: counts.getStore(), texts: [] }
  const result = await counts.run(count, work)
  return { result, statements: count.texts.length, texts: count.texts }
}
