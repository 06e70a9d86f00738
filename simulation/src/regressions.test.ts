import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { runSeeds } from './pool.ts'
import { reportOf } from './report.ts'

interface Archive {
  readonly seeds: readonly { readonly seed: number; readonly invariant: string; readonly what: string; readonly lastBrokenAt: string }[]
}

const { seeds } = JSON.parse(readFileSync(new URL('../seeds.json', import.meta.url), 'utf8')) as Archive

test('seeds that found a bug once hold since it was fixed', { skip: seeds.length === 0 && 'none has found one yet' }, async () => {
  const outcomes = await runSeeds(
    seeds.map(({ seed }) => seed),
    { threads: 1 },
  )
  for (const outcome of outcomes) assert.equal(outcome.violation, undefined, reportOf(outcome))
})
