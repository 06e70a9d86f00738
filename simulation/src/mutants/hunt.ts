import { range, runSeeds } from '../pool.ts'
import { createRealWorld } from '@murmuration/world'
import type { Mutant } from './list.ts'

export interface Hunted {
  readonly mutant: Mutant
  /** The first seed that noticed, and by which invariant; undefined: it lives. */
  readonly caught: { readonly by: string; readonly message: string } | undefined
}

const root = new URL('../../', import.meta.url)
const storyDeadlineMs = 900_000

/** Plays the story that is to notice; told by the first problem that it has. */
async function play({ name, story }: Mutant & { readonly story: NonNullable<Mutant['story']> }): Promise<Hunted['caught']> {
  const world = createRealWorld({ log: { level: 'silent' }, timersKeepAlive: true })
  let message = ''
  const child = await world.processes.start({
    command: process.execPath,
    args: ['--import', new URL('src/mutants/preload.ts', root).href, '--test-name-pattern', story.title, story.file],
    cwd: decodeURIComponent(root.pathname),
    env: { PATH: process.env['PATH'] ?? '', MURMUR_MUTANT: name },
    deadlineMs: storyDeadlineMs,
    onLine: (_, line) => {
      if (message === '' && /error: |Error|it is not so/.test(line)) message = line.trim()
    },
  })
  const { code } = await child.done
  return code === 0 ? undefined : { by: `story "${story.title}"`, message }
}

/** Runs its story, or seeds until one notices, with the mutant in place. */
export async function hunt(
  mutant: Mutant,
  options: { threads: number; from: number; most: number; signal?: AbortSignal },
): Promise<Hunted> {
  const { story } = mutant
  if (story !== undefined) return { mutant, caught: await play({ ...mutant, story }) }
  let caught: Hunted['caught']
  await runSeeds([...(mutant.seeds ?? []), ...range(options.from, options.most)], {
    scenario: mutant.scenario ?? 'fleet',
    threads: options.threads,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    mutant,
    storyLines: 1,
    onOutcome: ({ seed, violation }) => {
      if (violation !== undefined) caught ??= { by: `seed ${seed}, ${violation.invariant}`, message: violation.message }
      return violation !== undefined
    },
  })
  return { mutant, caught }
}
