import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { runSeeds } from './pool.ts'
import { reportOf } from './report.ts'
import { scenarioNames, type ScenarioName } from './scenarios.ts'

interface Archive {
  readonly seeds: readonly {
    readonly scenario: ScenarioName
    readonly seed: number
    readonly invariant: string
    readonly what: string
    readonly lastBrokenAt: string
  }[]
}

const { seeds } = JSON.parse(readFileSync(new URL('../seeds.json', import.meta.url), 'utf8')) as Archive

for (const scenario of scenarioNames) {
  const mine = seeds.filter((each) => each.scenario === scenario)
  test(
    `${scenario}: seeds that found a bug once hold since it was fixed`,
    { skip: mine.length === 0 && 'none has found one yet' },
    async () => {
      const outcomes = await runSeeds(
        mine.map(({ seed }) => seed),
        { scenario, threads: 1 },
      )
      for (const outcome of outcomes) assert.equal(outcome.violation, undefined, reportOf(outcome, scenario))
    },
  )
}
