import { reportOf } from './report.ts'
import { range, runSeeds } from './pool.ts'

/** How many seeds the test suite runs, in two files of one thread each. `MURMUR_SEEDS` asks for fewer or more. */
export const seedsInAll = Number(process.env['MURMUR_SEEDS'] ?? 1_000)
/** More reports than that tell nothing new. */
const mostReports = 3

/** Runs every second seed, beginning with `first`; throws with the stories of those that do not hold. */
export async function everySecondSeed(first: 1 | 2): Promise<void> {
  const seeds = [...range(1, seedsInAll)].filter((seed) => seed % 2 === first % 2)
  let failed = 0
  const outcomes = await runSeeds(seeds, {
    threads: 1,
    onOutcome: ({ violation }) => {
      if (violation !== undefined) failed += 1
      return failed >= mostReports
    },
  })
  const reports = outcomes.filter((outcome) => outcome.violation !== undefined).map(reportOf)
  if (reports.length > 0) throw new Error(`\n${reports.join('\n')}`)
}
