import type { Kysely } from 'kysely'
import { bulkInsert } from '../bulk.ts'
import type { Database, Transaction } from '../database.ts'
import { DatabaseError } from '../errors.ts'
import { partsOf } from '../handle.ts'
import type { Migrations } from '../migrations.ts'
import { openDatabase } from '../open.ts'
import { createTableDigest } from './digest.ts'
import { readPages } from './pages.ts'
import { summarize, tablesOf, withSnapshot } from './snapshot.ts'
import type { TableSummary, TransferSource, TransferTable } from './source.ts'

export interface LoadOptions {
  /** What the database holds is deleted, in the same transaction. Without it a database that is in use is refused. */
  readonly replace?: boolean
  /**
   * Numbers that are left out after the last one, by table. A backup does not know which were given after it was made; with enough of
   * them left out, none is given to something else.
   */
  readonly ahead?: Readonly<Record<string, number>>
  /** After every batch: the table, and how many of its rows are in. */
  readonly onProgress?: (table: string, rows: number) => void
}

/**
 * Fills a database of any engine with what `source` gives, and reads every row again: counts and digests agree on both sides, or
 * nothing has changed. Makes the tables as `source` has them: later migrations of this release are applied when the service starts.
 *
 * Throws DatabaseError `other` when the database holds rows (see `replace`), when either side is of a release that the other doesn't
 * know, or when what was written is not what is read.
 */
export async function loadDatabase<DB>(
  db: Database<DB>,
  migrations: Migrations,
  source: TransferSource,
  options: LoadOptions = {},
): Promise<TableSummary[]> {
  await migrateTo(db, migrations, source.migrations)
  if (options.replace !== true) await refuseUsed(db, pick(migrations, source.migrations))
  let started = false
  return await db.transaction(
    async (tx) => {
      if (started) throw new DatabaseError('serialization', 'Loading lost a race against somebody who uses the database: stop them first.')
      started = true
      return await fill(db, tx, source, options)
    },
    // Nobody else writes; locks on every row that was read would only cost memory.
    { isolation: 'read committed' },
  )
}

async function fill<DB>(db: Database<DB>, tx: Transaction<DB>, source: TransferSource, options: LoadOptions): Promise<TableSummary[]> {
  const { transfer } = partsOf(db)
  const query = tx.query as unknown as Kysely<unknown>
  await tx.lock('transfer')
  const target = await tablesOf(partsOf(db), query)
  refuseOtherTables(source.tables, target)
  const checkReferences = await transfer.deferReferences(query)
  for (const table of target.toReversed()) await (query as Loose).deleteFrom(table.name).execute()

  const summaries: TableSummary[] = []
  for (const table of source.tables) {
    const given = createTableDigest(table.name)
    let count = 0
    let greatest = table.counter?.last ?? 0
    for await (const rows of source.rows(table)) {
      given.add(rows)
      // PostgreSQL does not count what was written with a number of its own.
      if (table.counter) greatest = Math.max(greatest, Number(rows.at(-1)?.[table.columns.indexOf(table.counter.column)]))
      await bulkInsert(
        tx as unknown as Transaction<Record<string, unknown>>,
        table.name,
        rows.map((cells) => named(table, cells)),
      )
      count += rows.length
      options.onProgress?.(table.name, count)
    }
    if (table.counter) await transfer.moveCounter(query, table.name, table.counter.column, greatest + (options.ahead?.[table.name] ?? 0))
    const kept = createTableDigest(table.name)
    for await (const rows of readPages(query, table)) kept.add(rows)
    const summary = given.summary()
    refuseDifference(summary, kept.summary())
    summaries.push(summary)
  }
  await checkReferences()
  return summaries
}

/** All of one database into another, in one go. */
export function copyDatabase<A, B>(
  from: Database<A>,
  to: Database<B>,
  migrations: Migrations,
  options: LoadOptions = {},
): Promise<TableSummary[]> {
  return withSnapshot(from, (source) => loadDatabase(to, migrations, source, options))
}

type Loose = Kysely<Record<string, Record<string, unknown>>>

const named = (table: TransferTable, cells: readonly unknown[]): Record<string, unknown> =>
  Object.fromEntries(table.columns.map((column, index) => [column, cells[index]]))

const pick = (migrations: Migrations, names: readonly string[]): Migrations =>
  Object.fromEntries(Object.entries(migrations).filter(([name]) => names.includes(name)))

async function migrateTo<DB>(db: Database<DB>, migrations: Migrations, wanted: readonly string[]): Promise<void> {
  const unknown = wanted.filter((name) => !Object.hasOwn(migrations, name))
  if (unknown.length > 0) throw new DatabaseError('other', `The data is of a newer release: this one does not know ${unknown.join(', ')}.`)
  const later = (await db.migrationStatus({})).map((entry) => entry.name).filter((name) => !wanted.includes(name))
  if (later.length > 0) {
    throw new DatabaseError(
      'other',
      `The database was used by a later release than the data is of (${later.join(', ')}): give an empty one.`,
    )
  }
  await db.migrate(pick(migrations, wanted))
}

/** Unused is what holds exactly what its migrations put there. */
async function refuseUsed<DB>(db: Database<DB>, migrations: Migrations): Promise<void> {
  const { world } = partsOf(db)
  const pristine = await openDatabase<DB>('sqlite::memory:', { world, name: db.name })
  try {
    await pristine.migrate(migrations)
    const expected = new Map((await withSnapshot(pristine, summarize)).map((table) => [table.name, table.digest]))
    const used = (await withSnapshot(db, summarize)).filter((table) => expected.get(table.name) !== table.digest)
    if (used.length === 0) return
    const held = used.map((table) => `${table.name} has ${table.rows} rows`).join(', ')
    throw new DatabaseError('other', `The database is in use: ${held}. Give an empty one, or say that what it holds is to be replaced.`)
  } finally {
    await pristine.close()
  }
}

function refuseOtherTables(given: readonly TransferTable[], own: readonly TransferTable[]): void {
  const shape = (table: TransferTable): string => `${table.name} (${table.columns.join(', ')})`
  const [wanted, found] = [new Set(given.map(shape)), new Set(own.map(shape))]
  const differences = [...wanted.symmetricDifference(found)]
  if (differences.length > 0 || wanted.size !== given.length)
    throw new DatabaseError('other', `The tables of the data are not those of the database: ${differences.join('; ')}.`)
}

function refuseDifference(given: TableSummary, kept: TableSummary): void {
  if (given.rows === kept.rows && given.digest === kept.digest) return
  const what = given.rows === kept.rows ? 'other values' : `${kept.rows} of ${given.rows} rows`
  throw new DatabaseError('other', `What was written to ${given.name} is not what is read from it (${what}); nothing was changed.`)
}
