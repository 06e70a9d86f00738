import { test } from 'node:test'
import { range, runSeeds } from './pool.ts'
import { reportOf } from './report.ts'
import { scenarioNames, scenarios, type ScenarioName } from './scenarios.ts'

/** How many seeds the test suite runs over all scenarios, in two files of one thread each. `MURMUR_SEEDS` asks for fewer or more. */
export const seedsInAll = Number(process.env['MURMUR_SEEDS'] ?? 1_000)
/** More reports than that tell nothing new. */
const mostReports = 3

/** How many of them are of this scenario. */
export const seedsOf = (scenario: ScenarioName): number => Math.round((seedsInAll * scenarios[scenario].share) / wholeShare)

const wholeShare = scenarioNames.reduce((sum, name) => sum + scenarios[name].share, 0)

/** One test of a fleet takes a minute or two then; whoever waits for the end of a test sees that they go on. */
const seedsAtOnce = 200

/** Tests of every second seed of all scenarios, beginning with `first`: those that do not hold are told with their stories. */
export function testEverySecondSeed(first: 1 | 2): void {
  for (const scenario of scenarioNames)
    for (let from = first; from <= seedsOf(scenario); from += seedsAtOnce) {
      const seeds = [...range(from, Math.min(seedsAtOnce, seedsOf(scenario) - from + 1))].filter((seed) => seed % 2 === first % 2)
      const which = `${seeds.length} of ${seedsOf(scenario)} seeds, ${first === 1 ? 'odd' : 'even'} ones from ${from}`
      test(`${scenario}: every invariant holds under faults: ${which}`, () => holdAll(scenario, seeds))
    }
}

async function holdAll(scenario: ScenarioName, seeds: readonly number[]): Promise<void> {
  let failed = 0
  const outcomes = await runSeeds(seeds, {
    scenario,
    threads: 1,
    onOutcome: ({ violation }) => {
      if (violation !== undefined) failed += 1
      return failed >= mostReports
    },
  })
  const reports = outcomes.filter((outcome) => outcome.violation !== undefined).map((outcome) => reportOf(outcome, scenario))
  if (reports.length > 0) throw new Error(`\n${reports.join('\n')}`)
}
