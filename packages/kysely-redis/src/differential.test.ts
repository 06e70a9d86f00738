import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { Kysely, type RootOperationNode } from 'kysely'
import { RedisDialect } from './index.ts'
import { RandomDatabase, type AnyDb } from './testing/random-database.ts'
import { nodeEnvironment } from './node.ts'
import { testRedis, type RedisServer } from './testing/index.ts'
import { openSqlite } from './testing/sqlite.ts'

/** MURMUR_FUZZ_RUNS=1000 runs more, MURMUR_FUZZ_SEED=… the same again, MURMUR_FUZZ_SHRINK=1 looks for the smallest case (minutes). */
const runs = Number(process.env['MURMUR_FUZZ_RUNS'] ?? 20)
const seed = process.env['MURMUR_FUZZ_SEED']
const statements = 8
let server: RedisServer
before(async () => void (server = await testRedis()))
after(() => server.stop())

type Outcome = { readonly rows: readonly unknown[]; readonly affected: number | undefined } | { readonly error: string }

async function run(db: AnyDb, node: RootOperationNode): Promise<Outcome> {
  const executor = db.getExecutor()
  const id = { queryId: 'differential' }
  try {
    const result = await executor.executeQuery(executor.compileQuery(executor.transformQuery(node, id), id))
    return {
      rows: result.rows.map(plain),
      affected: result.numAffectedRows === undefined || result.rows.length > 0 ? undefined : Number(result.numAffectedRows),
    }
  } catch (error) {
    return { error: (error as Error).message }
  }
}

/** SQLite has no booleans, and -0 is 0 to both. */
const plain = (row: unknown): unknown =>
  Object.fromEntries(
    Object.entries(row as object).map(([name, value]) => [name, typeof value === 'boolean' ? Number(value) : value === 0 ? 0 : value]),
  )
const sorted = (rows: readonly unknown[]): string[] => rows.map((row) => JSON.stringify(row)).toSorted()

function compare(sqlite: Outcome, redis: Outcome, ordered: boolean, what: string): void {
  if ('error' in sqlite || 'error' in redis) {
    assert.equal('error' in redis, 'error' in sqlite, `${what}\nsqlite: ${JSON.stringify(sqlite)}\nredis: ${JSON.stringify(redis)}`)
    return
  }
  const [a, b] = [sqlite, redis].map(({ rows }) => (ordered ? rows.map((row) => JSON.stringify(row)) : sorted(rows)))
  assert.deepEqual(b, a, what)
  if (sqlite.affected !== undefined && redis.affected !== undefined) assert.equal(redis.affected, sqlite.affected, what)
}

const everything = async (db: AnyDb, random: RandomDatabase): Promise<string[][]> =>
  await Promise.all(random.tables.map(async (table) => sorted((await db.selectFrom(table.name).selectAll().execute()).map(plain))))

test('random schemas, data and statements give the same as SQLite, alone and inside of a transaction', async () => {
  let number = 0
  const property = fc.asyncProperty(fc.gen(), fc.boolean(), fc.constantFrom(2, 5, 500), async (g, together, rowsPerCall) => {
    const random = new RandomDatabase(g)
    const sqlite: AnyDb = openSqlite()
    const dialect = new RedisDialect({
      url: server.url,
      environment: nodeEnvironment,
      namespace: `case${process.pid}.${number++}`,
      limits: { rowsPerCall },
    })
    const redis: AnyDb = new Kysely({ dialect })
    try {
      await random.create(sqlite, 'real')
      await random.create(redis, 'real')
      const work = async (a: AnyDb, b: AnyDb): Promise<void> => {
        for (let index = 0; index < statements; index++) {
          const write = index % 3 === 1
          const query = write ? undefined : random.select()
          const built = query ? query.build(sqlite) : random.write(sqlite)
          const node = built.toOperationNode()
          const what = `${sqlite.getExecutor().compileQuery(node, { queryId: 'x' }).sql}\n${JSON.stringify(sqlite.getExecutor().compileQuery(node, { queryId: 'x' }).parameters)}`
          compare(await run(a, node), await run(b, node), query?.ordered ?? false, what)
        }
      }
      if (together) await sqlite.transaction().execute((a) => redis.transaction().execute((b) => work(a, b)))
      else await work(sqlite, redis)
      assert.deepEqual(await everything(redis, random), await everything(sqlite, random))
      assert.deepEqual((await dialect.check()).problems, [])
    } finally {
      await sqlite.destroy()
      await redis.destroy()
    }
  })
  await fc.assert(property, {
    numRuns: runs,
    endOnFailure: process.env['MURMUR_FUZZ_SHRINK'] === undefined,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
  })
})
