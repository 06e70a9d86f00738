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

/** Runs every second seed of a scenario, beginning with `first`; throws with the stories of those that do not hold. */
export async function everySecondSeed(scenario: ScenarioName, first: 1 | 2): Promise<void> {
  const seeds = [...range(1, seedsOf(scenario))].filter((seed) => seed % 2 === first % 2)
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
