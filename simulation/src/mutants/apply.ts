import { registerHooks } from 'node:module'
import type { Mutant } from './list.ts'

/** Changes the text of one file of the product while this thread loads it. Throws when the file no longer reads as expected. */
export function applyMutant(mutant: Mutant): void {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      if (!url.endsWith(`/${mutant.file}`)) return loaded
      const source = typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString('utf8')
      return { ...loaded, source: mutated(source, mutant) }
    },
  })
}

export function mutated(source: string, { name, file, find, replace }: Mutant): string {
  const [before, after, ...more] = source.split(find)
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error(`the mutant "${name}" wants to find this text exactly once in ${file}: ${find}`)
  return before + replace + after
}
