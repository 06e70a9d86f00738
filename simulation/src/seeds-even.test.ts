import { test } from 'node:test'
import { everySecondSeed, seedsInAll } from './seeds.ts'

test(`fleets under faults keep every invariant: the even ones of ${seedsInAll} seeds`, () => everySecondSeed(2))
