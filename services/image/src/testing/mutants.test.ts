import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testEngine, testEngines, whyAbsent } from '@murmuration/data/testing'
import { migrations } from '../store/migrations/index.ts'
import type { Schema } from '../store/schema.ts'
import { emptyDatabase, steppingWorld } from './engines.ts'
import { loadMutant, mutants, type Mutant } from './mutants.ts'
import { benchOver, startMs } from './registry-bench.ts'
import { definitionScenarios } from './definition-scenarios.ts'
import { furtherScenarios, ids, scenarios, setUp } from './scenarios.ts'

/** `npm run mutate:images` takes every engine, and says who noticed what. */
const long = process.env['IMAGE_MUTANTS'] === 'long'

/** Reference image §3.5: no filter and no rule of visibility can be taken away without a scenario that fails. */
for (const engine of long ? testEngines : (['sqlite'] as const))
  test(
    `${engine}: every filter and every rule of visibility is missed by some scenario when it is gone`,
    { skip: whyAbsent(engine) },
    async (t) => {
      const database = await testEngine(engine, (remove) => t.after(remove)).open<Schema>(migrations)
      async function noticedBy(mutant: Mutant): Promise<string | undefined> {
        const { createDirectData } = await loadMutant(mutant)
        // Those of its matter first, then those of visibility and filters: they fail soonest.
        const first = /metadefs|tasks|usage/.test(mutant.file) ? definitionScenarios : []
        for (const scenario of [...first, ...furtherScenarios, ...scenarios]) {
          await emptyDatabase(database)
          const world = steppingWorld(startMs)
          const bench = benchOver(world, createDirectData(database, world, { storageBytes: 0, count: 0 }))
          try {
            await setUp(bench)
            await scenario.run(bench, ids)
          } catch {
            return scenario.name
          }
        }
        return undefined
      }
      const all = mutants()
      assert.ok(all.length > 100, String(all.length))
      const alive: string[] = []
      for (const mutant of all) {
        const scenario = await noticedBy(mutant)
        if (scenario === undefined) alive.push(mutant.name)
        if (long) t.diagnostic(`${mutant.name}: ${scenario ?? 'ALIVE'}`)
      }
      assert.deepEqual(alive, [])
      // The way itself changes nothing: with every file as it is, all scenarios pass.
      const unchanged: Mutant = { name: 'none', file: 'nothing.ts', source: '' }
      assert.equal(await noticedBy(unchanged), undefined)
    },
  )
