import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import * as fc from 'fast-check'
import type { Database } from './index.ts'
import { makeCase, statementsPerCase, textOf, type DifferentialCase } from './testing/differential/case.ts'
import { compareEngines, shrink } from './testing/differential/compare.ts'
import { testEngine, testEngines, whyAbsent } from './testing/index.ts'

/**
 * Random schemas, data and statements of the accepted grammar give the same on every engine. 500 statements; `npm run fuzz:data` runs
 * 10,000 and more. A case that differs is made smaller and kept in `differential-cases/`, and each of those runs first from then on.
 */
const statements = Number(process.env['MURMUR_FUZZ_STATEMENTS'] ?? 500)
const seed = process.env['MURMUR_FUZZ_SEED']
const kept = join(import.meta.dirname, 'differential-cases')

const leftovers: (() => Promise<void>)[] = []
/* oxlint-disable-next-line typescript/no-explicit-any -- tables are made up at run time */
let dbs: Database<any>[]
before(async () => {
  const engines = testEngines.filter((name) => whyAbsent(name) === false)
  dbs = await Promise.all(engines.map((name) => testEngine(name, (remove) => void leftovers.push(remove)).open({}, { name })))
})
after(async () => {
  for (const remove of leftovers.reverse()) await remove()
})

test('cases that once differed give the same', async () => {
  const files = existsSync(kept) ? readdirSync(kept) : []
  for (const file of files.filter((name) => name.endsWith('.json')))
    await compareEngines(dbs, JSON.parse(readFileSync(join(kept, file), 'utf8')) as DifferentialCase)
})

test('random schemas, data and statements give the same on every engine, alone and inside of a transaction', async () => {
  const property = fc.asyncProperty(fc.gen(), fc.boolean(), async (g, together) => {
    const one = makeCase(g, together)
    try {
      await compareEngines(dbs, one)
    } catch (error) {
      if (!(error instanceof assert.AssertionError)) throw error
      throw new Error(await keep(one), { cause: error })
    }
  })
  await fc.assert(property, {
    numRuns: Math.ceil(statements / statementsPerCase),
    endOnFailure: true,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
  })
})

/** Writes the smallest form of a case that differs, and says what it is. */
async function keep(one: DifferentialCase): Promise<string> {
  let last = ''
  const fails = (smaller: DifferentialCase): Promise<boolean> =>
    compareEngines(dbs, smaller).then(
      () => false,
      (error: unknown) => {
        last = (error as Error).message
        return error instanceof assert.AssertionError
      },
    )
  const smallest = await shrink(one, fails)
  await fails(smallest)
  const text = `${JSON.stringify(smallest, null, 1)}\n`
  mkdirSync(kept, { recursive: true })
  const file = join(kept, `${createHash('sha256').update(text).digest('hex').slice(0, 12)}.json`)
  writeFileSync(file, text)
  return `${last}\n\n${smallest.statements.map(({ node }) => textOf(node)).join('\n')}\n\nkept as ${file}`
}
