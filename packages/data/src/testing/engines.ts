import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe } from 'node:test'
import { createRealWorld, type World } from '@murmuration/world'
import pg from 'pg'
import type { Database, DatabaseOptions, Engine } from '../database.ts'
import type { Migrations } from '../migrations.ts'
import { openDatabase } from '../open.ts'
import { findPostgres, startPostgres } from './postgres.ts'
import { freshRedisUrl } from './redis.ts'

/** Engines and the shapes they come in. Tests that use one by name are about that shape only. */
export const testEngines = ['sqlite', 'postgres', 'redis', 'redis-cluster'] as const
export type TestEngineName = (typeof testEngines)[number]

export interface TestEngine {
  readonly name: TestEngineName
  readonly engine: Engine
  /** The URL of a database that nobody has used yet; removed after the test. */
  freshUrl(): Promise<string>
  /** Opens and migrates a database, a fresh one without `url`. Closed after the test. */
  // oxlint-disable-next-line typescript/no-explicit-any -- most suites don't care for the schema's type
  open<DB = any>(migrations: Migrations, options?: Partial<DatabaseOptions> & { readonly url?: string }): Promise<Database<DB>>
}

/** Databases of tests are small and thrown away: in memory nobody waits for a disk. */
const fastFolder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** Runs a suite once for each engine: `eachEngine('paging', (engine) => { test(…, async () => { const db = await engine.open(…) }) })`. */
export function eachEngine(name: string, suite: (engine: TestEngine) => void): void {
  for (const engine of testEngines) {
    void describe(`${name} on ${engine}`, { skip: whyAbsent(engine) }, () => {
      const leftovers: (() => Promise<void>)[] = []
      afterEach(async () => {
        // What was opened last is closed first, and databases are closed before they are removed.
        for (const remove of leftovers.splice(0).reverse()) await remove()
      })
      suite(testEngine(engine, (remove) => void leftovers.push(remove)))
    })
  }
}

/** For `skip` of a suite: false when the engine can be had. Redis is a part of every machine that runs the tests. */
export function whyAbsent(engine: TestEngineName): string | false {
  const absent = engine === 'postgres' && !process.env['MURMUR_TEST_POSTGRES'] && findPostgres() === undefined
  return absent ? 'no PostgreSQL server is installed' : false
}

/** For suites that can't use `eachEngine`'s hooks: the caller runs what is given to `later`, last first. */
export function testEngine(name: TestEngineName, later: (remove: () => Promise<void>) => void): TestEngine {
  const freshUrl = async (): Promise<string> => {
    if (name === 'postgres') return await freshSchema(later)
    if (name !== 'sqlite') return await freshRedisUrl(name)
    const folder = mkdtempSync(join(fastFolder, 'murmuration-sqlite-'))
    later(async () => rmSync(folder, { recursive: true, force: true }))
    return `sqlite:${join(folder, 'test.db')}`
  }
  return {
    name,
    engine: name === 'redis-cluster' ? 'redis' : name,
    freshUrl,
    async open<DB>(migrations: Migrations, options: Partial<DatabaseOptions> & { readonly url?: string } = {}) {
      const url = options.url ?? (await freshUrl())
      const database = await openDatabase<DB>(url, { ...options, world: options.world ?? realWorld(), name: options.name ?? 'test' })
      later(() => database.close())
      await database.migrate(migrations)
      return database
    },
  }
}

let world: World | undefined
const realWorld = (): World => (world ??= createRealWorld())

let server: Promise<string> | undefined
const serverUrl = (): Promise<string> => {
  const given = process.env['MURMUR_TEST_POSTGRES']
  return (server ??= given ? Promise.resolve(given) : startPostgres().then((started) => started.url))
}

let schemas = 0
async function freshSchema(later: (remove: () => Promise<void>) => void): Promise<string> {
  const base = await serverUrl()
  const schema = `t${process.pid}_${Date.now().toString(36)}_${schemas++}`
  later(async () => {
    const client = new pg.Client({ connectionString: base })
    await client.connect()
    await client.query('set client_min_messages = error')
    await client.query(`drop schema if exists "${schema}" cascade`)
    await client.end()
  })
  const url = new URL(base)
  url.searchParams.set('schema', schema)
  return url.href
}
