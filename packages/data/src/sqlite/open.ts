import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler, sql } from 'kysely'
import type { World } from '@murmuration/world'
import type { EngineParts } from '../engine.ts'
import { sqliteColumns } from '../migrations.ts'
import { createSqliteDriver, retryBusy } from './driver.ts'
import { openSqliteFile, type SqliteFile } from './file.ts'
import { strictTables } from './strict-tables.ts'
import { createSnapshotDriver, sqliteTransfer } from './transfer.ts'
import { translateSqlite } from './translate.ts'

/** Kysely's own adapter makes every query wait for one connection; our driver does its own queueing. */
class Adapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true
  }
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

async function prepareFile(file: SqliteFile, world: World, inMemory: boolean): Promise<void> {
  // Two processes that open a new file at once meet here.
  if (!inMemory) await retryBusy(world, () => file.run('pragma journal_mode = wal'))
  // With WAL a power cut may lose the last commits but never tears the file; a crash of the process loses nothing.
  file.run('pragma synchronous = normal')
  file.run('pragma case_sensitive_like = on')
}

/** `place` is a path or `:memory:`. The file is private (0600), its folder is made when missing. */
export async function openSqlite(place: string, world: World): Promise<EngineParts> {
  const inMemory = place === ':memory:'
  const path = inMemory ? place : resolve(place)
  let writer: SqliteFile | undefined
  let reader: SqliteFile | undefined
  try {
    if (!inMemory) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      closeSync(openSync(path, 'a', 0o600))
    }
    const opened = openSqliteFile(path, { readOnly: false })
    writer = opened
    await prepareFile(opened, world, inMemory)
    if (!inMemory) {
      reader = openSqliteFile(path, { readOnly: true })
      reader.run('pragma case_sensitive_like = on')
    }
  } catch (error) {
    reader?.close()
    writer?.close()
    throw translateOpening(error)
  }
  const driver = createSqliteDriver(writer, reader, world)
  return {
    engine: 'sqlite',
    columns: sqliteColumns,
    world,
    transfer: sqliteTransfer,
    ...(inMemory ? {} : { createSnapshotDriver: () => createSnapshotDriver(path, world) }),
    dialect: {
      createDriver: () => driver,
      createAdapter: () => new Adapter(),
      createQueryCompiler: () => new SqliteQueryCompiler(),
      createIntrospector: (db) => new SqliteIntrospector(db),
    },
    translate: translateSqlite,
    // Every transaction is the only one already.
    lock: async () => {},
    async tableExists(query, table) {
      const { rows } = await sql`select 1 from sqlite_master where type = 'table' and name = ${table}`.execute(query)
      return rows.length > 0
    },
    forMigrations: (query) => query.withPlugin(strictTables),
    async check(query) {
      const { rows } = await sql<{ integrity_check: string }>`pragma integrity_check`.execute(query)
      const { rows: orphans } = await sql<{ table: string; parent: string }>`pragma foreign_key_check`.execute(query)
      return [
        ...rows.map((row) => row.integrity_check).filter((line) => line !== 'ok'),
        ...new Set(orphans.map((row) => `${row.table}: a row refers to one of ${row.parent} that is not there`)),
      ]
    },
    async ping(query) {
      await sql`select 1`.execute(query)
    },
    shutDown: async () => driver.shutDown(),
  }
}

const translateOpening = (error: unknown): Error => {
  const failure = error as NodeJS.ErrnoException & { errcode?: number }
  return failure.errcode === undefined && failure.code !== undefined
    ? translateSqlite(Object.assign(new Error(failure.code, { cause: error }), { errcode: failure.code === 'ENOSPC' ? 13 : 14 }))
    : translateSqlite(error)
}
