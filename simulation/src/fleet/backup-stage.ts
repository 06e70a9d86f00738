import type { Ground } from '../ground.ts'
import { runSeed } from '../run-seed.ts'
import type { Stage } from '../scenarios.ts'
import { prepare as prepareFleet } from './prepared.ts'
import { buildTemplate } from './template.ts'

/** Scenario `backup`: the fleet's, with operators who back up and restore besides. */
export async function prepare(ground: Ground): Promise<Stage> {
  const prepared = await prepareFleet()
  const template = await buildTemplate(prepared, `${ground.folder}/template.db`)
  return { run: (seed, options) => runSeed({ ...ground, prepared, template, scenario: 'backup' }, seed, options) }
}
