import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SeedOutcome } from './outcome.ts'
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
const seedsOfATest = 200

/** Tests of every second seed of all scenarios, beginning with `first`: those that do not hold are told with their stories. */
export function testEverySecondSeed(first: 1 | 2): void {
  for (const scenario of scenarioNames) {
    const hold = holdInTurn(scenario, first)
    for (let from = first; from <= seedsOf(scenario); from += seedsOfATest) {
      const seeds = everySecond(from, Math.min(from + seedsOfATest - 1, seedsOf(scenario)))
      const which = `${seeds.length} of ${seedsOf(scenario)} seeds, ${first === 1 ? 'odd' : 'even'} ones from ${from}`
      test(`${scenario}: every invariant holds under faults: ${which}`, () => hold(seeds))
    }
  }
}

const everySecond = (from: number, to: number): readonly number[] => [...range(from, to - from + 1)].filter((seed) => seed % 2 === from % 2)

/**
 * All seeds of the scenario in one thread, which has its fleet ready once; the first test begins it. A test waits for its own seeds,
 * and tells those of them that do not hold.
 */
function holdInTurn(scenario: ScenarioName, first: 1 | 2): (seeds: readonly number[]) => Promise<void> {
  let failed = 0
  const outcomes: SeedOutcome[] = []
  const waiting = new Set<() => void>()
  let all: Promise<unknown> | undefined
  const begin = (): Promise<unknown> =>
    runSeeds(everySecond(first, seedsOf(scenario)), {
      scenario,
      threads: 1,
      onOutcome(outcome) {
        outcomes.push(outcome)
        if (outcome.violation !== undefined) failed += 1
        for (const look of waiting) look()
        return failed >= mostReports
      },
    })
  return async (seeds) => {
    all ??= begin()
    const mine = (): SeedOutcome[] => outcomes.filter(({ seed }) => seeds.includes(seed))
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    const look = (): void => void (mine().length === seeds.length && resolve())
    waiting.add(look)
    look()
    // Ended early (enough of them failed, or a thread did) is an end too.
    await Promise.race([ended, all])
    waiting.delete(look)
    const reports = mine().flatMap((outcome) => (outcome.violation === undefined ? [] : [reportOf(outcome, scenario)]))
    if (reports.length > 0) throw new Error(`\n${reports.join('\n')}`)
    assert.equal(mine().length, seeds.length, 'not all of these seeds were run: enough of those before did not hold')
  }
}
