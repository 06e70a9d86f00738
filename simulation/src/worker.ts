import { workerData } from 'node:worker_threads'
import type { Mutant } from './mutants/list.ts'
import { applyMutant } from './mutants/apply.ts'
import type { ScenarioName } from './scenarios.ts'

/* The entry of a thread. A mutant has to be applied before the product is loaded, so nothing of it is imported here. */
const { scenario, mutant } = workerData as { readonly scenario: ScenarioName; readonly mutant?: Mutant }
if (mutant !== undefined) applyMutant(mutant)
const { work } = await import('./seed-work.ts')
await work(scenario)
