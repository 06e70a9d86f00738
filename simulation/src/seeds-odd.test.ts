import { test } from 'node:test'
import { scenarioNames } from './scenarios.ts'
import { everySecondSeed, seedsOf } from './seeds.ts'

for (const scenario of scenarioNames)
  test(`${scenario}: every invariant holds under faults: the odd ones of ${seedsOf(scenario)} seeds`, () => everySecondSeed(scenario, 1))
