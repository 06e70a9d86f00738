import { createHash } from 'node:crypto'
import type { RowCells, TableSummary } from './source.ts'

/** One row as a line: JSON of its cells. A number is written alike whether the engine calls it bigint, integer or real. */
export const rowLine = (row: RowCells): string => `${JSON.stringify(row)}\n`

/** Counts and digests rows as they pass. */
export function createTableDigest(name: string): { add(rows: readonly RowCells[]): void; summary(): TableSummary } {
  const hash = createHash('sha256')
  let count = 0
  return {
    add(rows) {
      count += rows.length
      hash.update(rows.map(rowLine).join(''))
    },
    summary: () => ({ name, rows: count, digest: hash.digest('hex') }),
  }
}
