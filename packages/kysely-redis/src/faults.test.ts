import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { UnknownOutcome } from './index.ts'
import { Scissors } from './testing/cutting.ts'
import { openRedis, type Opened } from './testing/database.ts'
import { startRedis, testRedis, type RedisServer } from './testing/index.ts'

let server: RedisServer
before(async () => void (server = await testRedis()))
after(() => server.stop())

async function counter(scissors: Scissors, commandTimeoutMs = 5_000): Promise<Opened> {
  const opened = openRedis(server.url, { environment: scissors.environment, limits: { commandTimeoutMs } })
  await opened.db.schema
    .createTable('t')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('n', 'integer', (c) => c.notNull())
    .addUniqueConstraint('t_n', ['n'])
    .execute()
  await opened.db.insertInto('t').values({ id: 1, n: 0 }).execute()
  return opened
}

const valueOf = async ({ db }: Opened): Promise<number> => (await db.selectFrom('t').select('n').executeTakeFirstOrThrow()).n
const raise = async ({ db }: Opened): Promise<unknown> =>
  await db
    .updateTable('t')
    .set((eb) => ({ n: eb('n', '+', 1) }))
    .where('id', '=', 1)
    .execute()

/** Every byte at both ends, and every seventh between: the whole exchange of one update, reads and commit. */
const positions = (length: number): number[] =>
  Array.from({ length }, (_, at) => at).filter((at) => at < 8 || at > length - 8 || at % 7 === 0)

for (const direction of ['send', 'receive'] as const) {
  test(`an update is applied exactly once, wherever its exchange is cut while we ${direction}`, async () => {
    const scissors = new Scissors()
    await using opened = await counter(scissors)
    scissors.arm('none', 0)
    await raise(opened)
    const length = direction === 'send' ? scissors.sent : scissors.received
    let expected = 1
    for (const at of positions(length)) {
      scissors.arm(direction, at)
      await raise(opened)
      scissors.arm('none', 0)
      assert.equal(await valueOf(opened), ++expected, `cut after ${at} of ${length} bytes`)
    }
    assert.ok(scissors.cuts > 20)
    assert.deepEqual((await opened.dialect.check()).problems, [])
  })

  test(`when the server can't be asked any more, the outcome is unknown and can be resolved later (cut while we ${direction})`, async () => {
    const scissors = new Scissors()
    await using opened = await counter(scissors, 60)
    scissors.arm('none', 0)
    await raise(opened)
    const length = direction === 'send' ? scissors.sent : scissors.received
    const outcomes = new Set<string>()
    for (const at of [length - 1, length - 12, Math.floor(length * 0.75)]) {
      const before = await valueOf(opened)
      scissors.arm(direction, at, true)
      const failure = await raise(opened).catch((error: unknown) => error)
      scissors.arm('none', 0)
      if (!(failure instanceof UnknownOutcome)) continue
      const outcome = await opened.dialect.resolveCommit(failure.group, failure.commitId)
      outcomes.add(outcome)
      assert.equal(await valueOf(opened), before + (outcome === 'committed' ? 1 : 0))
      // The answer is final.
      assert.equal(await opened.dialect.resolveCommit(failure.group, failure.commitId), outcome)
    }
    assert.deepEqual([...outcomes], direction === 'send' ? ['not committed'] : ['committed'])
  })
}

test('a server that may evict keys is refused before anything is stored', async () => {
  const careless = await startRedis(['--maxmemory-policy', 'allkeys-lru'])
  try {
    await using opened = openRedis(careless.url)
    await assert.rejects(
      opened.db.schema
        .createTable('t')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .execute(),
      /noeviction/,
    )
  } finally {
    await careless.stop()
  }
})

test('a server that is not there gives one clear error within the time allowed', async () => {
  await using opened = openRedis('redis://:secret@127.0.0.1:1', { limits: { commandTimeoutMs: 50 } })
  await assert.rejects(opened.db.selectFrom('t').selectAll().execute(), (error: Error) => {
    assert.doesNotMatch(JSON.stringify(error) + error.message, /secret/)
    return (error as Error & { kind: string }).kind === 'unavailable'
  })
})

test('a replicated server: a commit that not enough replicas have is told, and is applied', async () => {
  const primary = await startRedis(['--repl-diskless-sync-delay', '0'])
  const replica = await startRedis(['--replicaof', `127.0.0.1 ${primary.port}`])
  try {
    await using one = openRedis(primary.url, { namespace: 'r', waitForReplicas: { replicas: 1, timeoutMs: 5_000 } })
    await one.db.schema
      .createTable('t')
      .addColumn('id', 'integer', (c) => c.primaryKey())
      .execute()
    await one.db.insertInto('t').values({ id: 1 }).execute()
    await using two = openRedis(primary.url, { namespace: 'r', waitForReplicas: { replicas: 2, timeoutMs: 20 } })
    await assert.rejects(two.db.insertInto('t').values({ id: 2 }).execute(), { kind: 'not-replicated' })
    assert.equal((await one.db.selectFrom('t').selectAll().execute()).length, 2)
  } finally {
    await replica.stop()
    await primary.stop()
  }
})
