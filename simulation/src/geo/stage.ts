import type { Ground } from '../ground.ts'
import type { Stage } from '../scenarios.ts'
import { fan, pair, ring, type Layout } from './layout.ts'
import { prepareGeo } from './prepared.ts'
import { runGeoSeed } from './run-seed.ts'
import { buildGeoTemplate, type GeoTemplate } from './template.ts'

/** One seed in so many has three controllers in a ring, and every second of those a group with two standbys instead. */
const threeOneIn = 6
const layoutOf = (seed: number): Layout => (seed % (2 * threeOneIn) === 0 ? fan : seed % threeOneIn === 0 ? ring : pair)

/** Scenario `geo`: two or three system controllers that stand by for each other. */
export async function prepare(ground: Ground): Promise<Stage> {
  const prepared = await prepareGeo()
  const templates = new Map<Layout, GeoTemplate>()
  const templateOf = async (layout: Layout): Promise<GeoTemplate> => {
    const template = templates.get(layout) ?? (await buildGeoTemplate(ground, prepared, layout))
    templates.set(layout, template)
    return template
  }
  return {
    run: async (seed, options) => runGeoSeed(ground, prepared, await templateOf(layoutOf(seed)), seed, options),
  }
}
