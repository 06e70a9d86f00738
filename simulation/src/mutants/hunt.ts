import { range, runSeeds } from '../pool.ts'
import type { Mutant } from './list.ts'

export interface Hunted {
  readonly mutant: Mutant
  /** The first seed that noticed, and by which invariant; undefined: it lives. */
  readonly caught: { readonly seed: number; readonly invariant: string; readonly message: string } | undefined
}

/** Runs seeds with the mutant in place until one notices. */
export async function hunt(
  mutant: Mutant,
  options: { threads: number; from: number; most: number; signal?: AbortSignal },
): Promise<Hunted> {
  let caught: Hunted['caught']
  await runSeeds([...(mutant.seeds ?? []), ...range(options.from, options.most)], {
    scenario: mutant.scenario ?? 'fleet',
    threads: options.threads,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    mutant,
    storyLines: 1,
    onOutcome: ({ seed, violation }) => {
      if (violation !== undefined) caught ??= { seed, ...violation }
      return violation !== undefined
    },
  })
  return { mutant, caught }
}
