import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, test } from 'node:test'
import type { Kysely } from 'kysely'
import { allowScan, fencedBy, isSerializationFailure, withRetry, type RedisDialectOptions } from './index.ts'
import { openRedis, type Opened } from './testing/database.ts'
import { nodeEnvironment } from './node.ts'
import { startRedis, testRedis, type RedisServer } from './testing/index.ts'

let server: RedisServer
before(async () => void (server = await testRedis()))
after(() => server.stop())

/** `accounts(id, owner unique, balance indexed)` with ids 1 … 4 and 100 each. */
async function bank(options: Partial<RedisDialectOptions> = {}): Promise<Opened> {
  const opened = openRedis(server.url, options)
  await opened.db.schema
    .createTable('accounts')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('owner', 'text', (column) => column.unique())
    .addColumn('balance', 'integer', (column) => column.notNull())
    .execute()
  await opened.db.schema.createIndex('accounts_balance').on('accounts').column('balance').execute()
  await opened.db
    .insertInto('accounts')
    .values([1, 2, 3, 4].map((id) => ({ id, owner: `o${id}`, balance: 100 })))
    .execute()
  return opened
}

// oxlint-disable-next-line typescript/no-explicit-any -- tables of a test
type Db = Kysely<any>
const balanceOf = async (db: Db, id: number): Promise<number> =>
  (await db.selectFrom('accounts').select('balance').where('id', '=', id).executeTakeFirstOrThrow())['balance'] as number
const add = async (db: Db, id: number, amount: number): Promise<unknown> =>
  await db
    .updateTable('accounts')
    .set((eb) => ({ balance: eb('balance', '+', amount) }))
    .where('id', '=', id)
    .execute()

test('a transaction sees its own writes, others see them after the commit, and nobody after a rollback', async () => {
  await using bankDb = await bank()
  const { db, dialect } = bankDb
  const undo = new Error('undo')
  await assert.rejects(
    db.transaction().execute(async (trx) => {
      await add(trx, 1, 5)
      await trx.deleteFrom('accounts').where('id', '=', 2).execute()
      assert.equal(await balanceOf(trx, 1), 105)
      assert.deepEqual(
        (await trx.selectFrom('accounts').select('id').orderBy('balance').execute()).map((row) => row['id']),
        [3, 4, 1],
      )
      assert.equal(
        Number(
          (
            await trx
              .selectFrom('accounts')
              .select((eb) => eb.fn.countAll().as('n'))
              .executeTakeFirstOrThrow()
          )['n'],
        ),
        3,
      )
      assert.equal(await balanceOf(db, 1), 100)
      throw undo
    }),
    undo,
  )
  assert.equal(await balanceOf(db, 1), 100)
  await db.transaction().execute((trx) => add(trx, 1, 5))
  assert.equal(await balanceOf(db, 1), 105)
  assert.deepEqual((await dialect.check()).problems, [])
})

test('a savepoint takes back what came after it, and the rest is committed', async () => {
  await using bankDb = await bank()
  const trx = await bankDb.db.startTransaction().execute()
  await add(trx, 1, 1)
  const inner = await trx.savepoint('inner').execute()
  await add(inner, 1, 10)
  await inner.insertInto('accounts').values({ id: 9, owner: 'o9', balance: 0 }).execute()
  await inner.rollbackToSavepoint('inner').execute()
  await add(inner, 2, 1)
  await inner.releaseSavepoint('inner').execute()
  await trx.commit().execute()
  assert.deepEqual([await balanceOf(bankDb.db, 1), await balanceOf(bankDb.db, 2)], [101, 101])
  assert.deepEqual((await bankDb.dialect.check()).problems, [])
})

test('a statement that fails leaves nothing behind and the transaction goes on', async () => {
  await using bankDb = await bank()
  await bankDb.db.transaction().execute(async (trx) => {
    await assert.rejects(trx.insertInto('accounts').values([{ id: 7, owner: 'new', balance: 1 }, { id: 8, owner: 'o1', balance: 1 }]).execute(), { code: '23505', constraint: 'accounts.owner' }) // prettier-ignore
    await add(trx, 1, 1)
  })
  assert.equal((await bankDb.db.selectFrom('accounts').select('id').execute()).length, 4)
})

test('a lost update is refused', async () => {
  await using bankDb = await bank()
  const { db } = bankDb
  const trx = await db.startTransaction().execute()
  const before = await balanceOf(trx, 1)
  await add(db, 1, 50)
  await trx.updateTable('accounts').set({ balance: before + 1 }).where('id', '=', 1).execute().catch((error: unknown) => assert.ok(isSerializationFailure(error))) // prettier-ignore
  await assert.rejects(trx.commit().execute().then(() => assert.fail('committed')), isSerializationFailure) // prettier-ignore
  assert.equal(await balanceOf(db, 1), 150)
})

test('write skew is refused: of two that each read both and write one, one must run again', async () => {
  await using bankDb = await bank()
  const { db } = bankDb
  const [a, b] = [await db.startTransaction().execute(), await db.startTransaction().execute()]
  for (const trx of [a, b]) assert.equal((await balanceOf(trx, 1)) + (await balanceOf(trx, 2)), 200)
  await add(a, 1, -150)
  await add(b, 2, -150)
  await a.commit().execute()
  await assert.rejects(b.commit().execute(), isSerializationFailure)
  assert.deepEqual([await balanceOf(db, 1), await balanceOf(db, 2)], [-50, 100])
})

for (const [what, balance, conflicts] of [
  ['inside', 100, true],
  ['outside', 500, false],
] as const) {
  test(`a row that appears ${what} the range that was read ${conflicts ? 'stops' : 'does not stop'} the commit`, async () => {
    await using bankDb = await bank()
    const { db } = bankDb
    const trx = await db.startTransaction().execute()
    const rows = await trx.selectFrom('accounts').select('id').where('balance', '>=', 50).where('balance', '<', 200).execute()
    assert.equal(rows.length, 4)
    await db.insertInto('accounts').values({ id: 10, owner: 'o10', balance }).execute()
    await trx.insertInto('accounts').values({ id: 11, owner: 'o11', balance: 1_000 }).execute().catch((error: unknown) => assert.ok(isSerializationFailure(error))) // prettier-ignore
    if (conflicts) await assert.rejects(trx.commit().execute(), isSerializationFailure)
    else await trx.commit().execute()
  })
}

test('a transaction never sees two moments together: the second read fails when the first is no longer true', async () => {
  await using bankDb = await bank()
  const { db } = bankDb
  const trx = await db.startTransaction().setAccessMode('read only').execute()
  await balanceOf(trx, 1)
  await db.transaction().execute(async (other) => {
    await add(other, 1, -100)
    await add(other, 2, 100)
  })
  await assert.rejects(balanceOf(trx, 2), isSerializationFailure)
  await trx.rollback().execute()
})

test('transfers by many clients at once keep the sum, and none is lost', async () => {
  await using bankDb = await bank()
  const { db, dialect } = bankDb
  let moved = 0
  await Promise.all(
    Array.from({ length: 8 }, async (_, client) => {
      for (let turn = 0; turn < 10; turn++) {
        const [from, to] = [1 + ((client + turn) % 4), 1 + ((client + turn * 3 + 1) % 4)]
        await withRetry(db, nodeEnvironment, async (trx) => {
          const have = await balanceOf(trx, from)
          await trx.updateTable('accounts').set({ balance: have - 1 }).where('id', '=', from).execute()
          await add(trx, to, 1)
        }, { attempts: 200 }) // prettier-ignore
        moved++
      }
    }),
  )
  const { total } = (await db
    .selectFrom('accounts')
    .select((eb) => eb.fn.sum('balance').as('total'))
    .executeTakeFirstOrThrow()) as { total: number }
  assert.deepEqual([moved, total], [80, 400])
  assert.deepEqual((await dialect.check()).problems, [])
})

test('single statements are atomic: a counter that many raise counts everyone', async () => {
  await using bankDb = await bank({ limits: { statementAttempts: 100 } })
  await Promise.all(Array.from({ length: 40 }, () => add(bankDb.db, 1, 1)))
  assert.equal(await balanceOf(bankDb.db, 1), 140)
})

test('of many that claim one unique value, exactly one gets it and the others are told', async () => {
  await using bankDb = await bank({ limits: { statementAttempts: 100 } })
  const results = await Promise.allSettled(
    Array.from({ length: 12 }, (_, id) =>
      bankDb.db
        .insertInto('accounts')
        .values({ id: 100 + id, owner: 'mine', balance: 0 })
        .execute(),
    ),
  )
  assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1)
  for (const result of results) if (result.status === 'rejected') assert.equal((result.reason as { code: string }).code, '23505')
})

test('appends to a list by many clients: every element once, each seeing what was before it', async () => {
  await using opened = openRedis(server.url)
  const { db } = opened
  await db.schema
    .createTable('lists')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('items', 'text', (c) => c.notNull())
    .execute()
  await db
    .insertInto('lists')
    .values([
      { id: 1, items: '' },
      { id: 2, items: '' },
    ])
    .execute()
  const seen = new Map<string, string>()
  await Promise.all(
    Array.from({ length: 6 }, async (_, client) => {
      for (let turn = 0; turn < 6; turn++) {
        const item = `${client}.${turn}`
        const id = 1 + (turn % 2)
        const before = await withRetry(db, nodeEnvironment, async (trx) => {
          const { items } = (await trx.selectFrom('lists').select('items').where('id', '=', id).executeTakeFirstOrThrow())
          await trx.updateTable('lists').set({ items: `${items}${item},` }).where('id', '=', id).execute()
          return items
        }, { attempts: 200 }) // prettier-ignore
        seen.set(item, before)
      }
    }),
  )
  const finals = (await db.selectFrom('lists').select('items').orderBy('id').execute()) as { items: string }[]
  for (const { items } of finals)
    for (const [at, item] of items.split(',').slice(0, -1).entries()) assert.equal(seen.get(item), items.split(',').slice(0, at).map((each) => `${each},`).join('')) // prettier-ignore
  assert.equal(finals.flatMap(({ items }) => items.split(',').slice(0, -1)).length, 36)
})

test('a transaction that relies on a lock commits only while the lock is held', async () => {
  await using bankDb = await bank()
  const { db, dialect } = bankDb
  const first = await dialect.locks.acquire('mover', { ttlMs: 60_000 })
  assert.ok(first)
  assert.equal(await dialect.locks.acquire('mover', { ttlMs: 60_000 }), undefined)
  await db.transaction().execute(async (trx) => {
    await trx.executeQuery(fencedBy(first))
    await add(trx, 1, 1)
  })
  const late = await db.startTransaction().execute()
  await late.executeQuery(fencedBy(first))
  await add(late, 1, 1)
  // As if the holder had slept longer than the lock lives.
  assert.equal(await dialect.locks.release(first), true)
  const second = await dialect.locks.acquire('mover', { ttlMs: 60_000 })
  assert.ok(second && second.token > first.token)
  await assert.rejects(late.commit().execute(), { kind: 'lock-lost' })
  assert.equal(await balanceOf(db, 1), 101)
  assert.equal(await dialect.locks.renew(first, 1_000), false)
  const waiting = dialect.locks.hold('mover', { ttlMs: 5_000, waitMs: 5_000 }, async (lock) => await Promise.resolve(lock.token))
  await dialect.locks.release(second)
  assert.ok((await waiting) > second.token)
})

test('tables of two groups can be neither changed by one transaction nor joined', async () => {
  await using opened = openRedis(server.url, { groups: { west: ['w'] } })
  const { db, dialect } = opened
  for (const table of ['w', 'm'])
    await db.schema
      .createTable(table)
      .addColumn('id', 'integer', (c) => c.primaryKey())
      .execute()
  await assert.rejects(db.transaction().execute(async (trx) => {
    await trx.insertInto('w').values({ id: 1 }).execute()
    await trx.insertInto('m').values({ id: 1 }).execute()
  }), { kind: 'cross-group' }) // prettier-ignore
  await assert.rejects(db.selectFrom('w').innerJoin('m', 'm.id', 'w.id').select('m.id').execute(), { kind: 'cross-group' })
  assert.deepEqual(await db.selectFrom('w').selectAll().execute(), [])
  assert.deepEqual(await dialect.check(), { tables: 2, rows: 0, entries: 0, problems: [] })
})

test('limits: a transaction that is too large, a scan that throws away too much', async () => {
  await using opened = openRedis(server.url, { limits: { rowsPerCommit: 5, scannedRows: 2 } })
  const { db } = opened
  await db.schema
    .createTable('t')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('n', 'integer')
    .execute()
  const rows = [1, 2, 3, 4, 5, 6].map((id) => ({ id, n: id }))
  await assert.rejects(db.insertInto('t').values(rows).execute(), { kind: 'too-large' })
  assert.deepEqual(await db.selectFrom('t').selectAll().execute(), [])
  await db.insertInto('t').values(rows.slice(0, 4)).execute()
  await assert.rejects(db.selectFrom('t').selectAll().where('n', '=', 4).execute(), { kind: 'scan-refused' })
  assert.deepEqual(await db.selectFrom('t').select('id').where('n', '=', 4).modifyEnd(allowScan).execute(), [{ id: 4 }])
  assert.equal((await db.selectFrom('t').selectAll().execute()).length, 4)
})

test('a long scan in a transaction, validated by the version of the table: any change since its first row stops the commit', async () => {
  await using opened = openRedis(server.url, { limits: { rowsPerCall: 3, validatedRowsPerTable: 5 } })
  const { db } = opened
  await db.schema
    .createTable('t')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('n', 'integer', (c) => c.notNull())
    .execute()
  await db.insertInto('t').values(Array.from({ length: 20 }, (_, id) => ({ id, n: 1 }))).execute() // prettier-ignore
  for (const interfere of [false, true]) {
    const trx = await db.startTransaction().execute()
    const { total } = (await trx.selectFrom('t').select((eb) => eb.fn.sum('n').as('total')).executeTakeFirstOrThrow()) as { total: number } // prettier-ignore
    if (interfere) await db.updateTable('t').set({ n: 2 }).where('id', '=', 3).execute()
    await trx.insertInto('t').values({ id: 100 + total, n: 0 }).execute().catch((error: unknown) => assert.ok(isSerializationFailure(error))) // prettier-ignore
    if (interfere) await assert.rejects(trx.commit().execute(), isSerializationFailure)
    else await trx.commit().execute()
  }
})

test('sums that are read while others move amounts are always those of one moment', async () => {
  await using bankDb = await bank({ limits: { rowsPerCall: 1, statementAttempts: 50 } })
  const { db } = bankDb
  let moving = true
  const movers = [1, 2].map(async (from) => {
    for (let turn = 0; moving; turn++)
      await withRetry(db, nodeEnvironment, async (trx) => {
        await add(trx, from, -1)
        await add(trx, 3 + (turn % 2), 1)
      }, { attempts: 500 }) // prettier-ignore
  })
  for (let turn = 0; turn < 15; turn++) {
    const { total } = (await db.selectFrom('accounts').select((eb) => eb.fn.sum('balance').as('total')).executeTakeFirstOrThrow()) as { total: number } // prettier-ignore
    assert.equal(total, 400)
  }
  moving = false
  await Promise.all(movers)
})

test('what hangs on the primary key of a row comes with it: joins and sub-selects cost no round trip of their own', async () => {
  let roundTrips = 0
  await using opened = openRedis(server.url, { onStatement: (counters) => (roundTrips += counters.roundTrips) })
  const { db } = opened
  await db.schema
    .createTable('images')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('owner', 'text')
    .execute()
  await db.schema.createIndex('images_owner').on('images').columns(['owner']).execute()
  for (const [table, ...columns] of [
    ['properties', 'image_id', 'name'],
    ['tags', 'image_id', 'value'],
  ] as const) {
    let create = db.schema.createTable(table)
    for (const column of [...columns, 'note']) create = create.addColumn(column, 'text', (c) => c.notNull())
    await create.addPrimaryKeyConstraint(`${table}_key`, [...columns] as never).execute()
  }
  const ids = Array.from({ length: 40 }, (_, n) => `image ${n}`)
  await db.insertInto('images').values(ids.map((id, n) => ({ id, owner: n % 2 === 0 ? 'a' : 'b' }))).execute() // prettier-ignore
  await db.insertInto('properties').values(ids.flatMap((id, n) => ['os', 'bus'].map((name) => ({ image_id: id, name, note: `${n % 3}` })))).execute() // prettier-ignore
  await db.insertInto('tags').values(ids.slice(4).map((id) => ({ image_id: id, value: 'base', note: '' }))).execute() // prettier-ignore
  const query = () =>
    db
      .selectFrom('images as i')
      .innerJoin('properties as p', 'p.image_id', 'i.id')
      .leftJoin('tags as t', 't.image_id', 'i.id')
      .select(['i.id', 'p.note', 't.value'])
      .where('i.owner', '=', 'a')
      .where('p.name', '=', 'os')
      .where((eb) =>
        eb.exists(eb.selectFrom('properties as q').select('q.name').whereRef('q.image_id', '=', 'i.id').where('q.note', '=', '1')),
      )
      .orderBy('i.id')
  const expected = ids.flatMap((id, n) => (n % 2 === 0 && n % 3 === 1 ? [{ id, note: '1', value: n < 4 ? null : 'base' }] : []))
  roundTrips = 0
  assert.deepEqual(
    await query().execute(),
    expected.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  )
  assert.equal(roundTrips, 1)
  // Own writes count, also those that the server can't know.
  await db.transaction().execute(async (trx) => {
    await trx.deleteFrom('tags').where('image_id', '=', 'image 4').execute()
    await trx.insertInto('tags').values({ image_id: 'image 10', value: 'more', note: '' }).execute()
    const found = await trx.selectFrom('images as i').innerJoin('tags as t', 't.image_id', 'i.id').select(['i.id', 't.value']).where('i.owner', '=', 'a').orderBy('i.id').orderBy('t.value').execute() // prettier-ignore
    assert.equal(found.length, 18)
    assert.deepEqual(found.filter((row) => row['id'] === 'image 10').map((row) => row['value'] as string), ['base', 'more']) // prettier-ignore
  })
})

test('a page of which much is thrown away is read with a larger margin the next time', async () => {
  let roundTrips = 0
  await using opened = openRedis(server.url, { onStatement: (counters) => (roundTrips += counters.roundTrips) })
  const { db } = opened
  await db.schema.createTable('items').addColumn('id', 'integer', (c) => c.primaryKey()).addColumn('kind', 'integer').execute() // prettier-ignore
  await db.insertInto('items').values(Array.from({ length: 400 }, (_, id) => ({ id, kind: id % 3 }))).execute() // prettier-ignore
  const page = async (): Promise<number> => {
    roundTrips = 0
    const rows = await db.selectFrom('items').select('id').where('kind', '=', 1).orderBy('id').limit(60).execute()
    assert.deepEqual(rows, Array.from({ length: 60 }, (_, n) => ({ id: 3 * n + 1 }))) // prettier-ignore
    return roundTrips
  }
  assert.ok((await page()) > 1)
  assert.equal(await page(), 1)
})

test('what an index tells is not read again from the rows; who reads for update reads them', async () => {
  let read: { keysRead: number; rowsFetched: number } | undefined
  await using bankDb = await bank({ onStatement: (counters) => void (read = counters) })
  const { db } = bankDb
  const ids = (of: Db): Promise<unknown[]> => of.selectFrom('accounts').select('id').where('balance', '>=', 100).orderBy('balance').orderBy('id').execute() // prettier-ignore
  assert.deepEqual(await ids(db), [{ id: 1 }, { id: 2 }, { id: 3 }, { id: 4 }])
  assert.deepEqual([read?.keysRead, read?.rowsFetched], [4, 0])
  const trx = await db.startTransaction().execute()
  await add(trx, 2, 50)
  await add(trx, 1, -50)
  assert.deepEqual(await ids(trx), [{ id: 3 }, { id: 4 }, { id: 2 }])
  await db.updateTable('accounts').set({ owner: 'new' }).where('id', '=', 3).execute()
  // What changed is not what was read.
  await trx.commit().execute()
  assert.deepEqual(await ids(db), [{ id: 3 }, { id: 4 }, { id: 2 }])
  const other = await db.startTransaction().execute()
  await other.selectFrom('accounts').select('id').where('balance', '=', 100).forUpdate().execute()
  assert.equal(read?.rowsFetched, 2)
  await db.updateTable('accounts').set({ owner: 'newer' }).where('id', '=', 3).execute()
  await assert.rejects(add(other, 1, 1), isSerializationFailure)
  await other.rollback().execute()
})

test('a number of the counter that somebody has taken by himself meanwhile is not given away twice', async () => {
  await using opened = openRedis(server.url)
  const { db } = opened
  await db.schema.createTable('n').addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement()).addColumn('of', 'text').execute() // prettier-ignore
  const trx = await db.startTransaction().execute()
  const { insertId } = await trx.insertInto('n').values({ of: 'us' }).executeTakeFirstOrThrow()
  await db
    .insertInto('n')
    .values({ id: Number(insertId), of: 'them' })
    .execute()
  await assert.rejects(trx.commit().execute(), isSerializationFailure)
  assert.deepEqual(await db.selectFrom('n').select('of').execute(), [{ of: 'them' }])
})

/** What escapes while it works: such an error ends the process of whoever uses this package. */
async function unhandledIn(work: () => Promise<void>): Promise<unknown[]> {
  const unhandled: unknown[] = []
  const note = (error: unknown): void => void unhandled.push(error)
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', note)
  try {
    await work()
    await new Promise((resolve) => setImmediate(resolve))
  } finally {
    process.off('unhandledRejection', note)
    for (const other of others) process.on('unhandledRejection', other)
  }
  return unhandled
}

const joined = (db: Db): Promise<unknown[]> =>
  db
    .selectFrom('accounts')
    .innerJoin('payments', 'payments.account', 'accounts.id')
    .select(['accounts.id', 'payments.id as payment'])
    .where('accounts.balance', '>=', 0)
    .execute()

async function withPayments(options: Partial<RedisDialectOptions> = {}): Promise<Opened> {
  const opened = await bank(options)
  await opened.db.schema
    .createTable('payments')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('account', 'integer', (column) => column.notNull())
    .execute()
  await opened.db.schema.createIndex('payments_account').on('payments').column('account').execute()
  await opened.db
    .insertInto('payments')
    .values([1, 2, 3, 4].map((id) => ({ id, account: id })))
    .execute()
  return opened
}

test('a race that is lost in the middle of a join is one error for its caller, and none for the process', async () => {
  await using bankDb = await withPayments()
  const { db } = bankDb
  const unhandled = await unhandledIn(async () => {
    await assert.rejects(
      db.transaction().execute(async (trx) => {
        await balanceOf(trx, 1)
        await add(db, 1, 1)
        await joined(trx)
      }),
      (error) => isSerializationFailure(error),
    )
  })
  assert.deepEqual(unhandled, [])
})

test('a server without memory writes nothing, says so, reads on, and may be emptied', async () => {
  const own = await startRedis()
  const opened = openRedis(own.url)
  try {
    const { db } = opened
    await db.schema
      .createTable('notes')
      .addColumn('id', 'integer', (column) => column.primaryKey())
      .addColumn('text', 'text')
      .execute()
    await db.schema.createIndex('notes_text').on('notes').column('text').execute()
    const texts = [1, 2, 3, 4, 5, 6].map((id) => ({ id, text: `n${id}` }))
    await db.insertInto('notes').values(texts).execute()
    const limit = (value: string): string =>
      execFileSync('redis-cli', ['-p', String(own.port), 'config', 'set', 'maxmemory', value], { encoding: 'utf8' })
    limit('1')
    const unhandled = await unhandledIn(async () => {
      for (const write of [
        () => db.insertInto('notes').values({ id: 9, text: 'more' }).execute(),
        () => db.updateTable('notes').set({ text: 'other' }).where('id', '=', 1).execute(),
        () => db.updateTable('notes').set({ text: 'other' }).where('text', '=', 'n1').execute(),
      ])
        await assert.rejects(write(), /Redis has run out of memory; nothing was written/)
      assert.equal((await db.selectFrom('notes').select('text').where('id', '=', 1).executeTakeFirstOrThrow())['text'], 'n1')
      assert.equal(
        (await db.selectFrom('notes as a').innerJoin('notes as b', 'b.text', 'a.text').select('a.id').where('a.text', '>', 'n').execute())
          .length,
        6,
      )
      await db.transaction().execute(async (trx) => {
        assert.equal((await trx.selectFrom('notes').select('id').where('text', '=', 'n3').execute()).length, 1)
        await trx.deleteFrom('notes').where('text', '=', 'n3').execute()
      })
      await db.deleteFrom('notes').where('id', '=', 1).execute()
      await db.deleteFrom('notes').where('text', 'in', ['n5', 'n6']).execute()
    })
    assert.deepEqual(unhandled, [])
    limit('0')
    await db.insertInto('notes').values({ id: 9, text: 'more' }).execute()
    assert.deepEqual(
      (await db.selectFrom('notes').select('id').orderBy('id').execute()).map((row) => row['id']),
      [2, 4, 9],
    )
  } finally {
    await opened[Symbol.asyncDispose]()
    await own.stop()
  }
})
