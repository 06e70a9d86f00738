import { createHash } from 'node:crypto'
import type { RowCells, TableSummary } from './source.ts'

/** One row as a line: JSON of its cells. A number is written alike whether the engine calls it bigint, integer or real. */
export const rowLine = (row: RowCells): string => `${JSON.stringify(row)}\n`

/** Counts and digests rows as they pass. */
export function createTableDigest(name: string): {
  /** Gives the rows as lines: who writes them does not make them again. */
  add(rows: readonly RowCells[]): string
  summary(): TableSummary
} {
  const hash = createHash('sha256')
  let count = 0
  return {
    add(rows) {
      count += rows.length
      const lines = rows.map(rowLine).join('')
      hash.update(lines)
      return lines
    },
    summary: () => ({ name, rows: count, digest: hash.digest('hex') }),
  }
}
