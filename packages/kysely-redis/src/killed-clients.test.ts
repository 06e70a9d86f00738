import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openRedis } from './testing/database.ts'
import { testRedis, type RedisServer } from './testing/index.ts'

let server: RedisServer
before(async () => void (server = await testRedis()))
after(() => server.stop())

const program = fileURLToPath(new URL('testing/transfer-client.ts', import.meta.url))

test('clients that are killed at any moment leave whole transactions only, and every one they were told of', async () => {
  const namespace = `killed${process.pid}`
  await using opened = openRedis(server.url, { namespace })
  const { db, dialect } = opened
  await db.schema
    .createTable('accounts')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('balance', 'integer', (c) => c.notNull())
    .execute()
  await db.schema
    .createTable('moves')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('amount', 'integer')
    .execute()
  await db
    .insertInto('accounts')
    .values([1, 2, 3, 4].map((id) => ({ id, balance: 100 })))
    .execute()
  const told: string[] = []
  // Each is killed after another number of its commits, in the middle of the next.
  const lives = [5, 9, 14].map(async (enough, client) => {
    for (let life = 0; life < 2; life++) {
      const child = spawn(process.execPath, [program, server.url, namespace, String(client)], { stdio: ['ignore', 'pipe', 'inherit'] })
      let count = 0
      for await (const line of createInterface({ input: child.stdout })) {
        told.push(line)
        if (++count === enough + life) child.kill('SIGKILL')
      }
      if (child.signalCode === null && child.exitCode === null) await once(child, 'exit')
      assert.equal(child.signalCode, 'SIGKILL')
    }
  })
  await Promise.all(lives)
  const rows = (await db.selectFrom('moves').select('id').execute()).map((row) => row['id'] as string)
  const kept = new Set(rows)
  assert.deepEqual(
    told.filter((id) => !kept.has(id)),
    [],
  )
  const accounts = (await db.selectFrom('accounts').select('balance').orderBy('id').execute()) as { balance: number }[]
  // What the moves that are there amount to: each one whole.
  const expected = [100, 100, 100, 100]
  for (const id of rows) {
    const turn = Number(id.split('.')[2])
    expected[turn % 4]! -= 1
    expected[(turn + 1) % 4]! += 1
  }
  assert.deepEqual(
    accounts.map((account) => account.balance),
    expected,
  )
  assert.deepEqual((await dialect.check()).problems, [])
})
