import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testEngine, testEngines, whyAbsent } from '@murmuration/data/testing'
import { migrations } from '../store/migrations/index.ts'
import type { Schema } from '../store/schema.ts'
import { steppingWorld } from './engines.ts'
import { loadMutant, mutants, type Mutant } from './mutants.ts'
import { benchOver, startMs } from './registry-bench.ts'
import { furtherScenarios, ids, scenarios, setUp } from './scenarios.ts'

const tables = ['image_properties', 'image_tags', 'image_locations', 'image_members', 'image_data', 'tasks', 'images'] as const

/** `npm run mutate:images` takes every engine, and says who noticed what. */
const long = process.env['IMAGE_MUTANTS'] === 'long'

/** Reference image §3.5: no filter and no rule of visibility can be taken away without a scenario that fails. */
for (const engine of long ? testEngines : (['sqlite'] as const))
  test(
    `${engine}: every filter and every rule of visibility is missed by some scenario when it is gone`,
    { skip: whyAbsent(engine) },
    async (t) => {
      const database = await testEngine(engine, (remove) => t.after(remove)).open<Schema>(migrations)
      // Those of visibility and filters first: they fail soonest.
      const inOrder = [...furtherScenarios, ...scenarios]

      async function noticedBy({
        createDirectData,
      }: Pick<Awaited<ReturnType<typeof loadMutant>>, 'createDirectData'>): Promise<string | undefined> {
        for (const scenario of inOrder) {
          for (const table of tables) await database.query.deleteFrom(table).execute()
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
      assert.ok(all.length > 60, String(all.length))
      const alive: string[] = []
      for (const mutant of all) {
        const scenario = await noticedBy(await loadMutant(mutant))
        if (scenario === undefined) alive.push(mutant.name)
        if (long) t.diagnostic(`${mutant.name}: ${scenario ?? 'ALIVE'}`)
      }
      assert.deepEqual(alive, [])
      // The way itself changes nothing: with every file as it is, all scenarios pass.
      const unchanged: Mutant = { name: 'none', file: 'nothing.ts', source: '' }
      assert.equal(await noticedBy(await loadMutant(unchanged)), undefined)
    },
  )
