import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openRedis, type Opened } from './testing/database.ts'
import { nodeEnvironment } from './node.ts'
import { command, startCluster, startRedis, type RedisCluster, type RedisServer } from './testing/index.ts'
import { NearCache } from './wire/near-cache.ts'
import { slotOf } from './wire/slots.ts'

/** A server of our own: lines are cut here, and what the server tells is counted. */
let server: RedisServer
let cluster: RedisCluster
before(async () => void ([server, cluster] = await Promise.all([startRedis(), startCluster()])))
after(() => Promise.all([server.stop(), cluster.stop()]))

let number = 0
/** Two processes' worth of one database: one that keeps what it reads, and another. */
async function two(url: string, more: object = {}): Promise<{ near: Opened; other: Opened; trips: () => number; namespace: string }> {
  const namespace = `near${number++}`
  let trips = 0
  const near = openRedis(url, { namespace, nearCache: {}, clientName: 'near', onStatement: (counters) => (trips += counters.roundTrips), ...more }) // prettier-ignore
  const other = openRedis(url, { namespace })
  await other.db.schema
    .createTable('birds')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('flock', 'text', (c) => c.notNull())
    .addColumn('n', 'integer', (c) => c.notNull())
    .execute()
  await other.db.schema.createIndex('birds_flock').on('birds').columns(['flock']).execute()
  await other.db
    .insertInto('birds')
    .values([1, 2, 3, 4].map((id) => ({ id, flock: id < 3 ? 'west' : 'east', n: 0 })))
    .execute()
  return { near, other, trips: () => trips, namespace }
}
const one = async ({ db }: Opened, id = 1): Promise<number | undefined> =>
  (await db.selectFrom('birds').select('n').where('id', '=', id).executeTakeFirst())?.['n'] as number | undefined
const west = async ({ db }: Opened): Promise<number[]> =>
  (await db.selectFrom('birds').select('n').where('flock', '=', 'west').orderBy('id').execute()).map((row) => row['n'] as number)
const set = async ({ db }: Opened, n: number, id = 1): Promise<void> =>
  void (await db.updateTable('birds').set({ n }).where('id', '=', id).execute())
async function until(holds: () => Promise<boolean>): Promise<void> {
  const limit = performance.now() + 20_000
  while (!(await holds())) if (performance.now() > limit) throw new Error('waited in vain')
}

for (const shape of ['a server', 'a cluster'] as const)
  test(`rows and pages are read once from ${shape}, until they change`, async () => {
    const { near, other, trips } = await two(shape === 'a server' ? server.url : cluster.url)
    await using _near = near
    await using _other = other
    for (let time = 0; time < 5; time++) assert.deepEqual([await one(near), await west(near), await one(near, 9)], [0, [0, 0], undefined])
    assert.equal(trips(), 3)
    assert.deepEqual([near.dialect.nearCache.hits, near.dialect.nearCache.misses], [12, 3])
    // Somebody else's change, and a row that was not there: soon. Our own: at once.
    await set(other, 5)
    await until(async () => (await one(near)) === 5 && (await west(near))[0] === 5)
    await other.db.insertInto('birds').values({ id: 9, flock: 'west', n: 9 }).execute()
    await until(async () => (await one(near, 9)) === 9 && (await west(near)).length === 3)
    for (let n = 10; n < 20; n++) {
      await set(near, n)
      assert.deepEqual([await one(near), (await west(near))[0]], [n, n])
    }
    await near.db.deleteFrom('birds').where('id', '=', 9).execute()
    assert.deepEqual([await one(near, 9), (await west(near)).length], [undefined, 2])
    // A transaction asks the server.
    const before = near.dialect.nearCache.hits
    await one(near)
    await near.db.transaction().execute(async (trx) => assert.equal(await one({ ...near, db: trx }), 19))
    assert.ok(near.dialect.nearCache.hits <= before + 1)
    // So does who comes after a change of the tables.
    await other.db.schema.alterTable('birds').addColumn('song', 'text', (c) => c.defaultTo('la')).execute() // prettier-ignore
    await until(async () => {
      const row = await near.db.selectFrom('birds').selectAll().where('id', '=', 1).executeTakeFirst()
      return row?.['song'] === 'la'
    })
  })

test('while others write, what is read never goes back, and is of one moment', async () => {
  const { near, other } = await two(server.url)
  await using _near = near
  await using _other = other
  let writing = true
  const writer = (async () => {
    for (let n = 1; n <= 150; n++)
      await other.db.updateTable('birds').set({ n }).where('flock', '=', 'west').execute()
    writing = false
  })() // prettier-ignore
  let last = 0
  const read = async (): Promise<void> => {
    while (writing) {
      const [a, b] = await west(near)
      assert.equal(a, b, 'both rows of one commit')
      assert.ok((a as number) >= last, `${a} after ${last}`)
      last = a as number
      // Two steps: the second may find in the cache what the first did not.
      const rows = await near.db
        .selectFrom('birds as a')
        .innerJoin('birds as b', 'b.flock', 'a.flock')
        .select(['a.n as x', 'b.n as y'])
        .where('a.id', '=', 1)
        .execute()
      assert.ok(rows.every((row) => row['x'] === row['y']), JSON.stringify(rows)) // prettier-ignore
      if (Math.random() < 0.2) await new Promise((done) => setImmediate(done))
    }
  }
  await Promise.all([writer, read(), read()])
  // On a busy machine there may have been none before.
  await until(async () => (await west(near)).every((n) => n === 150) && near.dialect.nearCache.hits > 0)
  assert.ok(near.dialect.nearCache.invalidations > 0, JSON.stringify(near.dialect.nearCache))
})

test('what is kept dies with its line; and when a line is silent the server is asked', async () => {
  let ahead = 0
  const environment = { ...nodeEnvironment, monotonicMs: () => performance.now() + ahead }
  const { near, other, trips } = await two(server.url, { environment })
  await using _near = near
  await using _other = other
  await one(near)
  const line = String(await command(server.port, ['CLIENT', 'LIST'])).split('\n').find((each) => each.includes(' name=near ')) // prettier-ignore
  await command(server.port, ['CLIENT', 'KILL', 'ID', /^id=(\d+)/.exec(line ?? '')?.[1] ?? ''])
  // Nobody tells the lost line of this.
  await set(other, 7)
  await until(async () => (await one(near)) === 7)
  // Kept again on the new line.
  let before = trips()
  await until(async () => {
    before = trips()
    await one(near)
    return trips() === before
  })
  ahead += 1_500
  await one(near)
  assert.equal(trips(), before + 1)
})

test('what was read before another history of the data began is not read on with', async () => {
  let attempts = 0
  const { near, other } = await two(server.url, { onStatement: (counters: { attempts: number }) => (attempts = counters.attempts) })
  await using _near = near
  await using _other = other
  const flock = () =>
    near.db.selectFrom('birds as a').innerJoin('birds as b', 'b.flock', 'a.flock').select('b.n').where('a.id', '=', 1).execute()
  // Its first step is kept; the second one will be asked for.
  await flock()
  // Demoted and promoted again, on one line.
  await command(server.port, ['REPLICAOF', '127.0.0.1', 1])
  await command(server.port, ['REPLICAOF', 'NO', 'ONE'])
  assert.equal((await flock()).length, 2)
  assert.deepEqual([near.dialect.nearCache.hits, attempts], [1, 2])
})

test('a server of a cluster that is down does not tell what has changed', { timeout: 60_000 }, async () => {
  const { near, other, namespace } = await two(cluster.url, { limits: { commandTimeoutMs: 300 } })
  await using _near = near
  await using _other = other
  await one(near)
  const slots = (await command(cluster.servers[0]!.port, ['CLUSTER', 'SLOTS'])) as [number, number, [string, number]][]
  const slot = slotOf(`{${namespace}/main}`)
  const port = slots.find(([from, to]) => from <= slot && slot <= to)?.[2][1]
  const others = cluster.servers.filter((each) => each.port !== port)
  try {
    for (const { pid } of others) process.kill(pid, 'SIGSTOP')
    await until(async () => String(await command(port!, ['CLUSTER', 'INFO'])).includes('cluster_state:fail'))
    await assert.rejects(one(near, 7), { kind: 'unavailable' })
    await assert.rejects(one(near), { kind: 'unavailable' })
  } finally {
    for (const { pid } of others) process.kill(pid, 'SIGCONT')
  }
  await until(async () => (await one(near).catch(() => undefined)) === 0)
})

test('an answer whose keys changed on its way is not kept, the oldest goes when there are too many', () => {
  const counters = { hits: 0, misses: 0, invalidations: 0, entries: 0 }
  const cache = new NearCache({ entries: 2 }, counters)
  const kept = { results: [], versions: new Map() }
  const keep = (question: string, ...keys: string[]): void => cache.keep(question, cache.begin(), kept, keys, 1)
  const since = cache.begin()
  cache.invalidate(['b'])
  cache.keep('late', since, kept, ['a', 'b'], 1)
  assert.equal(cache.find('late'), undefined)
  const during = cache.begin()
  cache.invalidate(null)
  cache.keep('late', during, kept, ['a'], 1)
  assert.equal(cache.find('late'), undefined)
  // Reads overlap for ever on a long line: what changes meanwhile is not noted without an end.
  const long = cache.begin()
  for (let n = 0; n <= 10_000; n++) cache.invalidate([`key ${n}`])
  cache.keep('late', long, kept, ['a'], 1)
  assert.equal(cache.find('late'), undefined)
  keep('one', 'a')
  keep('two', 'a', 'b')
  assert.equal(cache.find('one'), kept)
  keep('three', 'c')
  assert.equal(cache.find('two'), undefined)
  cache.invalidate(['a', 'c'])
  assert.deepEqual([cache.find('one'), cache.find('three'), counters.entries], [undefined, undefined, 0])
})
