import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { UnknownOutcome, type LostCommits } from './index.ts'
import { Scissors } from './testing/cutting.ts'
import { openRedis, type Opened } from './testing/database.ts'
import { command, startRedis, testRedis, type RedisServer } from './testing/index.ts'

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

/** A table of numbers, each from 0. */
async function makeCounters({ db }: Opened, ids: readonly number[]): Promise<void> {
  await db.schema
    .createTable('t')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('n', 'integer')
    .execute()
  await db.insertInto('t').values(ids.map((id) => ({ id, n: 0 }))).execute() // prettier-ignore
}

const valueOf = async ({ db }: Opened): Promise<number> => (await db.selectFrom('t').select('n').executeTakeFirstOrThrow()).n
const raise = async ({ db }: Opened): Promise<unknown> =>
  await db
    .updateTable('t')
    .set((eb) => ({ n: eb('n', '+', 1) }))
    .where('id', '=', 1)
    .execute()

/** The same, in one call: it would find another value if it came twice. */
const raiseFrom = async ({ db }: Opened, n: number): Promise<unknown> =>
  await db
    .updateTable('t')
    .set({ n: n + 1 })
    .where('id', '=', 1)
    .where('n', '=', n)
    .returning('n')
    .executeTakeFirst()

for (const direction of ['send', 'receive'] as const) {
  test(`an update by the server alone is applied exactly once, at whichever byte its exchange is cut while we ${direction}`, async () => {
    const scissors = new Scissors()
    await using opened = await counter(scissors)
    scissors.arm('none', 0)
    await raiseFrom(opened, 0)
    const length = direction === 'send' ? scissors.sent : scissors.received
    for (let at = 0; at < length; at++) {
      scissors.arm(direction, at)
      assert.deepEqual(await raiseFrom(opened, at + 1), { n: at + 2 }, `cut after ${at} of ${length} bytes`)
    }
    assert.equal(scissors.cuts, length)
    scissors.arm('none', 0)
    assert.deepEqual((await opened.dialect.check()).problems, [])
  })

  test(`an update is applied exactly once, at whichever byte its exchange is cut while we ${direction}`, async () => {
    const scissors = new Scissors()
    await using opened = await counter(scissors)
    scissors.arm('none', 0)
    await raise(opened)
    const length = direction === 'send' ? scissors.sent : scissors.received
    let expected = 1
    for (let at = 0; at < length; at++) {
      scissors.arm(direction, at)
      await raise(opened)
      scissors.arm('none', 0)
      assert.equal(await valueOf(opened), ++expected, `cut after ${at} of ${length} bytes`)
    }
    assert.equal(scissors.cuts, length)
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

/** Everything that the primary has is on the replica. */
async function caughtUp(primary: RedisServer, replica: RedisServer): Promise<void> {
  const offset = async ({ port }: RedisServer): Promise<string | undefined> =>
    /master_repl_offset:(\d+)/.exec(String(await command(port, ['INFO', 'replication'])))?.[1]
  // Zero: not connected yet.
  while ((await offset(replica)) === '0' || (await offset(primary)) !== (await offset(replica)))
    await new Promise((done) => setImmediate(done))
}

const raiseIn = async ({ db }: Opened, id: number): Promise<unknown> =>
  await db
    .updateTable('t')
    .set((eb) => ({ n: eb('n', '+', 1) }))
    .where('id', '=', id)
    .execute()

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

test('a failover: what was lost is told, and nobody goes on with what he has read before it', async () => {
  const primary = await startRedis(['--repl-diskless-sync-delay', '0'])
  const replica = await startRedis(['--replicaof', `127.0.0.1 ${primary.port}`])
  try {
    const scissors = new Scissors()
    const told: LostCommits[] = []
    const more = { environment: scissors.environment, onLostCommits: (loss: LostCommits) => void told.push(loss) }
    await using one = openRedis(primary.url, { namespace: 'f', waitForReplicas: { replicas: 1, timeoutMs: 5_000 }, ...more })
    await makeCounters(one, [1, 2, 3])
    await using two = openRedis(primary.url, { namespace: 'f', ...more })
    await raiseIn(two, 2)
    await caughtUp(primary, replica)
    // From here on the replica is alone, and what the old primary still answers is lost.
    await command(replica.port, ['REPLICAOF', 'NO', 'ONE'])
    for (let time = 0; time < 3; time++) await raiseIn(two, 1)
    // The same numbers of commits and of versions over there, for other rows.
    await using there = openRedis(replica.url, { namespace: 'f' })
    for (let time = 0; time < 3; time++) await raiseIn(there, 1)
    await there.db.updateTable('t').set({ n: 50 }).where('id', '=', 1).execute()
    await raiseIn(two, 1)
    await assert.rejects(
      two.db.transaction().execute(async (trx) => {
        const { n } = await trx.selectFrom('t').select('n').where('id', '=', 1).executeTakeFirstOrThrow()
        assert.equal(n, 4)
        scissors.port = replica.port
        await primary.stop()
        await trx.updateTable('t').set({ n: n + 1 }).where('id', '=', 1).execute() // prettier-ignore
      }),
      { kind: 'serialization', message: /another server has taken over/ },
    )
    assert.deepEqual(await two.db.selectFrom('t').selectAll().orderBy('id').execute(), [
      { id: 1, n: 50 },
      { id: 2, n: 1 },
      { id: 3, n: 0 },
    ])
    while (told.length === 0) await new Promise((done) => setImmediate(done))
    assert.deepEqual(told.map(({ group, lost, asked }) => [group, lost, asked]), [['main', 4, 5]]) // prettier-ignore
    await raiseIn(two, 3)
    assert.deepEqual((await two.dialect.check()).problems, [])
  } finally {
    await replica.stop()
    await primary.stop()
  }
})

for (const replicated of [true, false])
  test(`a commit whose answer was lost in a failover ${replicated ? 'and came over is' : 'and did not come over is made again, and is'} applied once`, async () => {
    const primary = await startRedis(['--repl-diskless-sync-delay', '0'])
    const replica = await startRedis(['--replicaof', `127.0.0.1 ${primary.port}`])
    try {
      const scissors = new Scissors()
      await using one = openRedis(primary.url, { namespace: 'f', environment: scissors.environment })
      await makeCounters(one, [1])
      await caughtUp(primary, replica)
      scissors.arm('none', 0)
      await raiseIn(one, 1)
      const answers = scissors.received
      await caughtUp(primary, replica)
      if (!replicated) await command(replica.port, ['REPLICAOF', 'NO', 'ONE'])
      // The last byte of the answer to the commit is missing, and the address is the other server's already.
      scissors.arm('receive', answers - 1)
      scissors.port = replica.port
      const raising = raiseIn(one, 1)
      if (replicated) {
        while (scissors.cuts === 0) await new Promise((done) => setImmediate(done))
        await command(replica.port, ['REPLICAOF', 'NO', 'ONE'])
      }
      await raising
      assert.equal((await one.db.selectFrom('t').select('n').executeTakeFirstOrThrow())['n'], 2)
    } finally {
      await replica.stop()
      await primary.stop()
    }
  })

test('a primary that was demoted and promoted again, while nobody asked it on an open connection, is another history', async () => {
  const first = await startRedis(['--repl-diskless-sync-delay', '0'])
  const second = await startRedis(['--repl-diskless-sync-delay', '0'])
  try {
    const told: LostCommits[] = []
    await using one = openRedis(first.url, { namespace: 'd', onLostCommits: (loss) => void told.push(loss) })
    await makeCounters(one, [1])
    const follow = async (one: RedisServer, other: RedisServer): Promise<void> => {
      await command(one.port, ['REPLICAOF', '127.0.0.1', other.port])
      while (!String(await command(one.port, ['INFO', 'replication'])).includes('master_link_status:up'))
        await new Promise((done) => setImmediate(done))
    }
    await follow(second, first)
    await command(second.port, ['REPLICAOF', 'NO', 'ONE'])
    await raiseIn(one, 1)
    const trx = await one.db.startTransaction().execute()
    const { n } = await trx.selectFrom('t').select('n').where('id', '=', 1).executeTakeFirstOrThrow()
    assert.equal(n, 1)
    // The same number of commits over there, of another value; and the first one follows the second, and leads again.
    await using there = openRedis(second.url, { namespace: 'd' })
    await there.db.updateTable('t').set({ n: 50 }).where('id', '=', 1).execute()
    await follow(first, second)
    await command(first.port, ['REPLICAOF', 'NO', 'ONE'])
    await trx.updateTable('t').set({ n: n + 1 }).where('id', '=', 1).execute().catch(() => undefined) // prettier-ignore
    await assert.rejects(trx.commit().execute(), { kind: 'serialization', message: /taken over/ })
    assert.equal((await one.db.selectFrom('t').select('n').executeTakeFirstOrThrow())['n'], 50)
    while (told.length === 0) await new Promise((done) => setImmediate(done))
    assert.deepEqual(told.map(({ lost }) => lost), [1]) // prettier-ignore
  } finally {
    await first.stop()
    await second.stop()
  }
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
