import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { command } from 'kysely-redis/testing'
import pg from 'pg'
import { type Database, type Migrations } from './index.ts'
import { eachEngine } from './testing/index.ts'

interface Tables {
  counter: { id: number; value: number }
}
const migrations: Migrations = {
  '001-counter': async (db, c) => {
    await db.schema
      .createTable('counter')
      .addColumn('id', c.integer, (column) => column.primaryKey())
      .addColumn('value', c.integer, (column) => column.notNull())
      .execute()
    await db.insertInto('counter').values({ id: 1, value: 0 }).execute()
  },
}
const read = async (db: Database<Tables>): Promise<number> =>
  (await db.query.selectFrom('counter').select('value').executeTakeFirstOrThrow()).value

eachEngine('other processes', (engine) => {
  void test('two processes count in one database and lose nothing', async () => {
    const url = await engine.freshUrl()
    const db = await engine.open<Tables>(migrations, { url })
    const program = `
      import { openDatabase } from '@murmuration/data'
      import { createRealWorld } from '@murmuration/world'
      // As every service has something that keeps it alive: the world's timers don't.
      const alive = setInterval(() => {}, 1000)
      const db = await openDatabase(process.argv[1], { world: createRealWorld(), name: 'other' })
      for (let time = 0; time < 60; time++) {
        await db.transaction(async (tx) => {
          const { value } = await tx.query.selectFrom('counter').select('value').executeTakeFirstOrThrow()
          await tx.query.updateTable('counter').set({ value: value + 1 }).execute()
        })
      }
      await db.close()
      clearInterval(alive)`
    const codes = await Promise.all(
      [1, 2].map(
        () =>
          new Promise((resolve) => {
            const args = ['--input-type=module', '-e', program, url]
            spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'], cwd: import.meta.dirname }).on('exit', resolve)
          }),
      ),
    )
    assert.deepEqual(codes, [0, 0])
    assert.equal(await read(db), 120)
  })
})

async function cutPostgres(url: string, name: string): Promise<void> {
  const plain = new URL(url)
  plain.searchParams.delete('schema')
  const killer = new pg.Client({ connectionString: plain.href })
  await killer.connect()
  await killer.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [`murmuration ${name}`])
  await killer.end()
}

async function cutRedis(url: string, name: string): Promise<void> {
  for (const [, port] of url.matchAll(/:(\d+)/g)) {
    const clients = String(await command(Number(port), ['CLIENT', 'LIST'])).split('\n')
    for (const client of clients.filter((line) => line.includes(` name=${name} `)))
      await command(Number(port), ['CLIENT', 'KILL', 'ID', /^id=(\d+)/.exec(client)?.[1] ?? ''])
  }
}

eachEngine('connections', (engine) => {
  // SQLite has none to lose, and its statements can't wait.
  if (engine.engine === 'sqlite') return

  void test('that are cut are made again: at once for Redis, whose transactions live here, and for PostgreSQL after a failure', async () => {
    const url = await engine.freshUrl()
    // A name of its own: other test files use the same server at the same time.
    const name = `cut-${process.pid}`
    const db = await engine.open<Tables>(migrations, { url, name })
    const cut = (): Promise<void> => (engine.engine === 'redis' ? cutRedis(url, `murmuration-${name}`) : cutPostgres(url, name))
    const work = db.transaction(async (tx) => {
      await tx.query.updateTable('counter').set({ value: 7 }).execute()
      await cut()
      await tx.query.updateTable('counter').set({ value: 8 }).execute()
    })
    if (engine.engine === 'redis') await work
    else await assert.rejects(work, { kind: 'unavailable' })
    assert.equal(await read(db), engine.engine === 'redis' ? 8 : 0)
    await db.ping()
  })

  void test('a statement that takes too long is cancelled', async () => {
    const db = await engine.open<Tables>(migrations, { statementTimeoutMs: 50, maxConnections: 2 })
    const held = Promise.withResolvers<void>()
    const done = Promise.withResolvers<void>()
    const holder = db.transaction(async (tx) => {
      await tx.lock('long')
      held.resolve()
      await done.promise
    })
    await held.promise
    await assert.rejects(
      db.transaction((tx) => tx.lock('long')),
      { kind: 'timeout' },
    )
    done.resolve()
    await holder
  })
})
