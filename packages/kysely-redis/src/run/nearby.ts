import { keysOfCommit } from '../wire/keys.ts'
import { entriesIn } from '../wire/joined.ts'
import type { Reply } from '../wire/resp.ts'
import { keysInMembers } from '../values/encoding.ts'
import type { Pending } from './exchange.ts'

/** Reads that give a number away, or only estimate, are never kept. */
const kinds: ReadonlySet<unknown> = new Set(['G', 'R', 'M', 'P', 'F', 'C'])
/** A question that is longer than this is not one that is asked often. */
const longestQuestion = 4_096

/** Equal texts are the same reads by the same catalogue; undefined for what is not worth keeping. */
export function questionOf(base: string, schema: string, asked: readonly Pending[]): string | undefined {
  if (!asked.every(({ args }) => kinds.has(args[0]))) return undefined
  const text = JSON.stringify([base, schema, ...asked.map(({ args }) => args)])
  return text.length <= longestQuestion ? text : undefined
}

/** The keys of the server that an answer was made of: when one of them changes, it is not the answer any more. */
export function keysOfReads(base: string, asked: readonly Pending[], results: readonly Reply[]): { keys: string[]; size: number } {
  const keys = new Set<string>()
  let size = 0
  let last: readonly string[] = []
  const rows = (table: string, found: readonly string[]): readonly string[] => {
    for (const key of found) keys.add(`${base}:r:${table}:${key}`)
    return found
  }
  for (const [at, { args }] of asked.entries()) {
    const [op, table, index] = args.map(String) as [string, string, string]
    const result = results[at] as number | string | string[]
    if (typeof result !== 'number') for (const text of [result].flat()) size += text.length
    if (op === 'C') keys.add(`${base}:i:${table}:0`)
    else if (op === 'G') last = rows(table, args.slice(3).map(String))
    else if (op === 'F' && args[5] === '1')
      rows(table, last.map((key) => `${key}${args[4]}`)) // prettier-ignore
    else {
      keys.add(`${base}:i:${table}:${index}`)
      const joined = (result as string[]).at(-2) as string
      const members = entriesIn(joined)
      const own = index === '0' ? members : keysInMembers(members, joined)
      // Entries that are enough by themselves change with the index only.
      if ((result as string[]).at(-1) !== '') rows(table, own)
      if (op !== 'F') last = own
    }
  }
  return { keys: [...keys], size: size + 100 * keys.size }
}

/** Rows and indexes that a commit changes. */
export const keysOfWrites = (base: string, writes: readonly string[]): string[] =>
  keysOfCommit(base, ['', '', '', ...writes]).filter((key) => key.startsWith(`${base}:r:`) || key.startsWith(`${base}:i:`))
