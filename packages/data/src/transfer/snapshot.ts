import type { Kysely } from 'kysely'
import type { Database } from '../database.ts'
import type { EngineParts } from '../engine.ts'
import { partsOf } from '../handle.ts'
import { appliedMigrations, schemaChanges } from '../migrations.ts'
import { createTableDigest } from './digest.ts'
import { readPages } from './pages.ts'
import { parentsFirst, type TableSummary, type TransferSource, type TransferTable } from './source.ts'

/**
 * Runs `work` with all rows of all tables as they are at one moment, also while others write: nothing that is committed later is
 * seen, and nobody waits for us. Memory does not grow with the tables. An unmigrated database has no tables.
 *
 * Let the rows flow: PostgreSQL ends a snapshot that asks for nothing in a minute.
 */
export function withSnapshot<DB, T>(db: Database<DB>, work: (source: TransferSource) => Promise<T>): Promise<T> {
  return db.snapshot(async (query) => {
    const plain = query as unknown as Kysely<unknown>
    const parts = partsOf(db)
    const tables = await tablesOf(parts, plain)
    return work({
      engine: db.engine,
      migrations: await appliedMigrations(parts, plain),
      tables,
      rows: (table) => readPages(plain, table),
    })
  })
}

/** What the database consists of, but for the list of its migrations, parents first. */
export async function tablesOf(parts: EngineParts, query: Kysely<unknown>): Promise<TransferTable[]> {
  const tables = (await parts.transfer.describe(query)).filter((table) => table.name !== schemaChanges)
  return parentsFirst(tables.map((table) => ({ ...table, columns: [...table.columns].sort() })))
}

/** Count and digest of every table; for whoever compares databases. */
export async function summarize(source: TransferSource): Promise<TableSummary[]> {
  const summaries: TableSummary[] = []
  for (const table of source.tables) {
    const digest = createTableDigest(table.name)
    for await (const rows of source.rows(table)) digest.add(rows)
    summaries.push(digest.summary())
  }
  return summaries
}
