/** Whole fleets in one process under a seed: see README.md. */
export { runSeeds, range, type PoolOptions } from './pool.ts'
export type { SeedOutcome } from './outcome.ts'
export { scenarioNames, type ScenarioName } from './scenarios.ts'
