import type { Queryable } from './database.ts'

/** Inserts any number of rows in as few statements as the engine's parameter limit allows. */
export declare function bulkInsert<DB, T extends keyof DB & string>(
  db: Queryable<DB>,
  table: T,
  rows: readonly Record<string, unknown>[],
): Promise<void>

/** Inserts, or updates `update` columns where `conflict` columns are taken. Set-based like `bulkInsert`. */
export declare function upsert<DB, T extends keyof DB & string>(
  db: Queryable<DB>,
  table: T,
  rows: readonly Record<string, unknown>[],
  how: { conflict: readonly string[]; update: readonly string[] },
): Promise<void>

/** `update table set (columns) = values for rows where key matches`, one statement per chunk. Returns the rows changed. */
export declare function updateFrom<DB, T extends keyof DB & string>(
  db: Queryable<DB>,
  table: T,
  key: readonly string[],
  rows: readonly Record<string, unknown>[],
): Promise<number>
