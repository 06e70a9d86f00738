import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countStatements, openDatabase, type Database, type Migrations, type Transaction } from './index.ts'
import { eachEngine } from './testing/index.ts'

interface Tables {
  accounts: { name: string; balance: number }
}

const migrations: Migrations = {
  '001-accounts': async (db, c) => {
    await db.schema
      .createTable('accounts')
      .addColumn('name', c.text, (column) => column.primaryKey())
      .addColumn('balance', c.integer, (column) => column.notNull())
      .execute()
    await db
      .insertInto('accounts')
      .values([
        { name: 'a', balance: 100 },
        { name: 'b', balance: 100 },
      ])
      .execute()
  },
}

const balance = async (db: Database<Tables> | Transaction<Tables>, name: string): Promise<number> =>
  (await db.query.selectFrom('accounts').select('balance').where('name', '=', name).executeTakeFirstOrThrow()).balance
const setBalance = async (tx: Transaction<Tables>, name: string, value: number): Promise<void> => {
  await tx.query.updateTable('accounts').set({ balance: value }).where('name', '=', name).execute()
}
/** Lets everybody else run as far as they can. */
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate)
}

eachEngine('transactions', (engine) => {
  void test('commit all or nothing', async () => {
    const db = await engine.open<Tables>(migrations)
    await db.transaction(async (tx) => {
      await setBalance(tx, 'a', 1)
      await setBalance(tx, 'b', 2)
    })
    const failure = new Error('mine')
    await assert.rejects(
      db.transaction(async (tx) => {
        await setBalance(tx, 'a', 50)
        throw failure
      }),
      failure,
    )
    assert.deepEqual([await balance(db, 'a'), await balance(db, 'b')], [1, 2])
  })

  void test('reads outside never wait for a running transaction, and see the last commit', async () => {
    const db = await engine.open<Tables>(migrations)
    await db.transaction(async (tx) => {
      await setBalance(tx, 'a', 7)
      // In a context of its own: a request that comes in while the transaction runs.
      assert.equal(await outside(() => balance(db, 'a')), 100)
    })
    assert.equal(await balance(db, 'a'), 7)
  })

  void test('no update is lost and nothing is skewed, within a handle and between two', async () => {
    const url = await engine.freshUrl()
    const handles = [await engine.open<Tables>(migrations, { url }), await engine.open<Tables>(migrations, { url })]
    const [first, second] = handles as [Database<Tables>, Database<Tables>]
    await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        (index % 2 ? first : second).transaction(async (tx) => {
          const before = await balance(tx, 'a')
          await turns(1)
          await setBalance(tx, 'a', before + 1)
        }),
      ),
    )
    assert.equal(await balance(first, 'a'), 130)
    // Write skew: each may take 150 only while the sum allows it; both together must not.
    await first.transaction(async (tx) => setBalance(tx, 'a', 100))
    const take = (db: Database<Tables>, name: string): Promise<void> =>
      db.transaction(async (tx) => {
        const sum = (await balance(tx, 'a')) + (await balance(tx, 'b'))
        await turns(3)
        if (sum >= 150) await setBalance(tx, name, (await balance(tx, name)) - 150)
      })
    await Promise.all([take(first, 'a'), take(second, 'b')])
    assert.equal((await balance(first, 'a')) + (await balance(first, 'b')), 50)
  })

  void test('effects of an attempt that lost a race are not seen, and callbacks run once, after the commit', async () => {
    const db = await engine.open<Tables>(migrations)
    const committed: number[] = []
    await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        db.transaction(async (tx) => {
          tx.afterCommit(() => committed.push(index))
          const before = await balance(tx, 'a')
          await turns(1)
          await setBalance(tx, 'a', before + 1)
        }),
      ),
    )
    assert.deepEqual(
      committed.toSorted((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    )
    await assert.rejects(
      db.transaction(async (tx) => {
        tx.afterCommit(() => committed.push(99))
        await Promise.reject(new Error('no'))
      }),
    )
    assert.equal(committed.includes(99), false)
    const result = await db.transaction(async (tx) => {
      tx.afterCommit(() => {
        throw new Error('a broken callback')
      })
      return 5
    })
    assert.equal(result, 5)
  })

  void test('misuse is told at once instead of waiting for ever', async () => {
    const db = await engine.open<Tables>(migrations)
    const other = await engine.open<Tables>(migrations)
    await assert.rejects(
      db.transaction(async () => await balance(db, 'a')),
      /pass the transaction \(tx\) along/,
    )
    await assert.rejects(
      db.transaction(async () => db.transaction(async () => {})),
      /inside a running transaction/,
    )
    await db.transaction(async () => {
      await other.transaction(async (tx) => {
        await setBalance(tx, 'a', 3)
        await assert.rejects(balance(db, 'a'), /pass the transaction/)
      })
      assert.equal(await balance(other, 'a'), 3)
    })
    // What was begun inside and goes on after the end is free again.
    let late: Promise<number> | undefined
    await db.transaction(async (tx) => {
      tx.afterCommit(() => void (late = balance(db, 'a')))
    })
    assert.equal(await late, 100)
  })

  void test('after a failed statement nothing more is done, and nothing is committed', async () => {
    const db = await engine.open<Tables>(migrations)
    await assert.rejects(
      db.transaction(async (tx) => {
        await setBalance(tx, 'a', 1)
        await assert.rejects(tx.query.insertInto('accounts').values({ name: 'a', balance: 0 }).execute(), { kind: 'unique' })
        await assert.rejects(balance(tx, 'a'), /earlier statement/)
      }),
      /earlier statement/,
    )
    assert.equal(await balance(db, 'a'), 100)
  })

  void test('locks exclude each other and end with the transaction', async () => {
    const url = await engine.freshUrl()
    const [first, second] = [await engine.open<Tables>(migrations, { url }), await engine.open<Tables>(migrations, { url })]
    let inside = 0
    let most = 0
    const work = (db: Database<Tables>): Promise<void> =>
      db.transaction(
        async (tx) => {
          await tx.lock('one')
          inside++
          most = Math.max(most, inside)
          const before = await balance(tx, 'a')
          await turns(2)
          await setBalance(tx, 'a', before + 1)
          inside--
        },
        { isolation: 'read committed' },
      )
    await Promise.all([work(first), work(second), work(first), work(second)])
    assert.equal(most, 1)
    // Read committed would lose updates without the lock.
    assert.equal(await balance(first, 'a'), 104)
  })

  void test('close rolls the open transaction back', async () => {
    const url = await engine.freshUrl()
    const db = await engine.open<Tables>(migrations, { url })
    const begun = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    const open = db.transaction(async (tx) => {
      await setBalance(tx, 'a', 1)
      begun.resolve()
      await goOn.promise
      await setBalance(tx, 'b', 1)
    })
    await begun.promise
    const waiting = engine.engine === 'sqlite' ? db.transaction(async () => {}) : undefined
    const refused = waiting && assert.rejects(waiting, { kind: 'unavailable' })
    await db.close()
    goOn.resolve()
    await assert.rejects(open, { kind: 'unavailable' })
    await refused
    const again = await engine.open<Tables>(migrations, { url })
    assert.deepEqual([await balance(again, 'a'), await balance(again, 'b')], [100, 100])
  })

  void test('counters grow, and statements can be counted', async () => {
    const db = await engine.open<Tables>(migrations, { name: 'counted' })
    const before = { ...db.counters }
    const { statements, texts, result } = await countStatements(() =>
      db.transaction(async (tx) => {
        const inner = await countStatements(() => setBalance(tx, 'a', 5))
        return [inner.statements, await balance(tx, 'a')]
      }),
    )
    assert.deepEqual(result, [1, 5])
    assert.equal(statements, 2)
    assert.ok(texts[0]?.startsWith('update') && !texts[0].includes('5'))
    assert.equal(db.counters.statements - before.statements, 2)
    assert.equal(db.counters.transactions - before.transactions, 1)
    assert.equal(db.name, 'counted')
  })
})

void test('sqlite::memory: is one connection, used in turn', async () => {
  const { createRealWorld } = await import('@murmuration/world')
  const db = await openDatabase<Tables>('sqlite::memory:', { world: createRealWorld(), name: 'm' })
  await db.migrate(migrations)
  const begun = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const open = db.transaction(async (tx) => {
    await setBalance(tx, 'a', 1)
    begun.resolve()
    await goOn.promise
    throw new Error('back')
  })
  await begun.promise
  const read = balance(db, 'a')
  goOn.resolve()
  await assert.rejects(open, /back/)
  // It waited: it would have seen what was rolled back.
  assert.equal(await read, 100)
  await db.close()
})

import { AsyncResource } from 'node:async_hooks'
const elsewhere = new AsyncResource('another request')
const outside = <T>(work: () => T): T => elsewhere.runInAsyncScope(work)
