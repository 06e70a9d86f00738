import { CompiledQuery, type Kysely, type SelectQueryBuilder } from 'kysely'
import type { Database } from './database.ts'
import { partsOf } from './handle.ts'
import { summarize, withSnapshot } from './transfer/snapshot.ts'

export interface DatabaseCheck {
  readonly tables: number
  readonly rows: number
  /** What is not as it must be: rows, indexes, unique keys, references. Sentences that name tables, never values. */
  readonly problems: readonly string[]
}

/** Walks all rows and all that leads to them. Redis: keys against rows; the others by their own means, and by reading every row. */
export async function checkDatabase<DB>(db: Database<DB>): Promise<DatabaseCheck> {
  const problems = await partsOf(db).check(db.query as unknown as Kysely<unknown>)
  const tables = await withSnapshot(db, summarize)
  return { tables: tables.length, rows: tables.reduce((sum, table) => sum + table.rows, 0), problems }
}

export interface ExplainedStep {
  readonly step: string
}

/** How the engine finds the rows of a query, in its own words. Redis and SQLite: nothing is changed; Redis runs the query. */
export async function explainQuery<DB, T extends keyof DB>(
  db: Database<DB>,
  query: SelectQueryBuilder<DB, T, unknown>,
): Promise<ExplainedStep[]> {
  if (db.engine === 'redis') {
    const steps = await query.explain<Record<string, unknown>>()
    return steps.map((step) => ({
      step: Object.entries(step)
        .filter(([, value]) => value !== null && value !== '')
        .map(([name, value]) => `${name}=${String(value)}`)
        .join(' '),
    }))
  }
  const { sql, parameters } = query.compile()
  const words = db.engine === 'sqlite' ? 'explain query plan' : 'explain'
  const { rows } = await db.query.executeQuery<Record<string, unknown>>(CompiledQuery.raw(`${words} ${sql}`, [...parameters]))
  return rows.map((row) => ({ step: String(row['detail'] ?? row['QUERY PLAN']) }))
}
