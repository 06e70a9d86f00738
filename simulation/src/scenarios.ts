import type { Ground } from './ground.ts'
import type { SeedOptions, SeedOutcome } from './outcome.ts'

/** A scenario as one thread has it ready: what all its seeds share is made, and each seed is run from there. */
export interface Stage {
  run(seed: number, options: SeedOptions): Promise<SeedOutcome>
}

export interface Scenario {
  /** What it is about, for the usage text. */
  readonly about: string
  /** Of a thousand seeds in `npm test`, how many are of this scenario. */
  readonly share: number
  /** Called once in a thread. The product is loaded here and not before, so that a mutant can be applied first. */
  load(): Promise<{ prepare(ground: Ground): Promise<Stage> }>
}

/** Every kind of story that seeds can tell. */
export const scenarios = {
  fleet: {
    about: 'one system controller of several processes, twenty subclouds, operators and faults',
    share: 912,
    load: () => import('./fleet/stage.ts'),
  },
  geo: {
    about: 'two or three system controllers that stand by for each other: peers, groups, associations, migrations, and faults between them',
    share: 64,
    load: () => import('./geo/stage.ts'),
  },
  backup: {
    about: 'the same fleet, whose operators back it up, delete backups and restore it',
    share: 24,
    load: () => import('./fleet/backup-stage.ts'),
  },
} as const satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof scenarios

export const scenarioNames = Object.keys(scenarios) as readonly ScenarioName[]

export const isScenario = (name: string): name is ScenarioName => name in scenarios
